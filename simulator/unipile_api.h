/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of UniPile's simulated API share. */
#include "server.h"

#define UNIPILE_LIST_MAX 250

/* {"title", "type": "errors/<type>", "status", "detail"} */
void sim_unipile_error(struct sim_call *c, int status, const char *type, const char *detail);
/* A list's answer: {"object", "items": [...], "cursor"}. */
void sim_unipile_list_begin(struct json_out *o, const char *object);
void sim_unipile_list_end(struct json_out *o);
/* ?limit=, from 1 to 250. False: has failed. */
bool sim_unipile_limit(struct sim_call *c, size_t *limit);
/* The network of an account: as told, else what its id says, else WHATSAPP. */
struct str sim_unipile_type(const struct sim_known *k);
/* Id of the chat with a person, and of what stands behind an id at the network. */
struct str sim_unipile_chat(struct arena *a, struct str account, struct str person);
void sim_unipile_put_network_id(struct buf *out, struct str type, struct str id);
void sim_unipile_report(struct buf *out, const struct sim_report *r, size_t n);

/* unipile_rest.c: accounts, chats, webhooks */
void sim_unipile_accounts(struct sim_call *c);
void sim_unipile_account(struct sim_call *c);
void sim_unipile_chats(struct sim_call *c);
void sim_unipile_chat_get(struct sim_call *c);
void sim_unipile_messages(struct sim_call *c);
void sim_unipile_message(struct sim_call *c);
void sim_unipile_attachment(struct sim_call *c);
void sim_unipile_webhooks(struct sim_call *c);
void sim_unipile_webhook_create(struct sim_call *c);
void sim_unipile_webhook_delete(struct sim_call *c);
