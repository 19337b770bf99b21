/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What one batch touches, in memory: the objects as the database has them, then as the batch's
 * events make them. Everything lives in the batch's arena. Times are milliseconds since 1970, 0:
 * none. */
#include "object.h"
#include "provider.h"
#include "table.h"

/* The update that an object's change is published as; the greatest of a batch counts. */
enum change {
    CHANGE_NONE,
    CHANGE_STATUS,
    CHANGE_UPDATED,
    CHANGE_DELETED,
    CHANGE_CREATED,
};

struct channel {
    struct str id, tenant_id, provider, account, account_type, platform, name, username;
    struct str status, provider_status, status_key;
    struct str parent; /* what the account belongs to, as its webhooks said; absent: not yet */
    struct channel *sibling; /* next of the same parent, of those that the batch asked for */
    int64_t status_at_ms, rev;
    bool changed; /* to be written */
    bool parent_changed;
    bool publish;
    struct str trace;
};

struct conversation {
    struct channel *channel;
    struct str id, external_id, alias, name, contact_id, contact_name;
    struct str status, assigned_to, labels, last_message_id, last_message_ext;
    int64_t name_at_ms, contact_at_ms, last_message_at_ms, last_inbound_at_ms;
    int64_t agent_read_at_ms, delivered_up_to_ms, read_up_to_ms, created_at_ms;
    int64_t unread, rev;
    int64_t unread_added; /* by this batch */
    bool recount; /* unread is to be counted anew: a message's time or agent_read_at moved */
    bool is_group, is_new, changed;
    bool only_if_there; /* not to be made where it is missing: a result is about it, no event */
    bool is_there;      /* it was loaded */
    struct conversation *merged_into; /* its row goes, its messages have moved there */
    bool load_all;                    /* its messages are wanted, because they may move */
    bool load_open; /* its outbound messages without a read are wanted: a watermark may move */
    enum change publish;
    struct str trace;
    struct message *open; /* first of its messages in memory */
    struct conversation *next;
};

struct message {
    struct channel *channel;
    struct conversation *conversation; /* NULL: not in memory (an event that named none) */
    struct str conversation_id;
    struct str id, external_id, client_ref, direction, status, kind, body, content, reply_to;
    struct str external_alias; /* the network's own id of it */
    struct str sender_id, sender_name, source_key, edit_key, error_code, error_message;
    struct str created_by;       /* who had it sent, by the api */
    struct str attachments_json; /* as stored; absent: see attachments */
    struct object_attachment *attachments;
    int64_t n_attachments, attempt, seq;
    int64_t provider_at_ms, stored_at_ms, edited_at_ms, deleted_at_ms, next_attempt_at_ms, rev;
    int64_t send_at_ms;
    bool is_proven; /* delivered or read by its own id, not only below a watermark */
    bool is_new, changed;
    bool text_changed;    /* more than its status is to be written */
    bool content_changed; /* its attachments too */
    bool alias_changed;   /* those that answer it may know it by this name */
    bool removed;         /* merged into another row */
    bool is_moved;        /* into another conversation, and its client does not know yet */
    enum change publish;
    struct str trace;
    struct message *next, *next_open;
};

/* Facts about a message that has not come yet. */
struct early {
    struct channel *channel;
    struct str external_id, conversation_id;
    struct str status, error_code, error_message, edit_key, edit_body;
    int64_t edited_at_ms, deleted_at_ms;
    bool stored, changed, applied; /* applied: the message has come, the row goes */
    struct early *next;
};

struct reaction {
    struct channel *channel;
    struct str external_id, sender_id, id, conversation_id, message_id, sender_name, emoji, key;
    int64_t at_ms, rev;
    bool stored, changed, publish;
    struct str trace;
    struct reaction *next;
};

struct receipt {
    struct channel *channel;
    struct str external_id, participant, status;
    int64_t at_ms;
    struct receipt *next;
};

struct model {
    struct arena *arena;
    int64_t now_at_ms;
    struct table conversations, messages, messages_by_id, messages_by_ref;
    struct table earlies, reactions, receipts;
    struct conversation *first_conversation, *last_conversation;
    struct message *first_message, *last_message;
    struct early *first_early;
    struct reaction *first_reaction, *last_reaction;
    struct receipt *first_receipt;
    size_t n_conversations, n_messages;
};

void router_model_init(struct model *m, struct arena *a, int64_t now_at_ms);

/* Get, or NULL. `external_id` by channel. */
struct conversation *router_model_conversation(const struct model *m, const struct channel *ch,
                                               struct str external_id);
struct message *router_model_message(const struct model *m, const struct channel *ch,
                                     struct str external_id);
struct message *router_model_message_by_id(const struct model *m, struct str id);
/* By our own reference, as the provider echoes it. */
struct message *router_model_message_by_ref(const struct model *m, const struct channel *ch,
                                            struct str client_ref);
struct early *router_model_early(const struct model *m, const struct channel *ch,
                                 struct str external_id);
struct reaction *router_model_reaction(const struct model *m, const struct channel *ch,
                                       struct str external_id, struct str sender);

/* Add one that is not there, with its keys and nothing else set. A message may have no external id.
 */
struct conversation *router_model_add_conversation(struct model *m, struct channel *ch,
                                                   struct str external_id);
struct message *router_model_add_message(struct model *m, struct channel *ch,
                                         struct str external_id, struct str id);
/* The message got its external id now. */
void router_model_name_message(struct model *m, struct message *msg, struct str external_id);
/* The conversation is found by the other external id now. */
void router_model_rename(struct model *m, struct conversation *c, struct str external_id);
/* All messages in memory of `from` are those of `to`. */
void router_model_move(struct conversation *from, struct conversation *to);
/* Let watermarks of the conversation reach the message. */
void router_model_attach(struct message *msg, struct conversation *c);
struct early *router_model_add_early(struct model *m, struct channel *ch, struct str external_id);
struct reaction *router_model_add_reaction(struct model *m, struct channel *ch,
                                           struct str external_id, struct str sender);
/* Get or add. */
struct receipt *router_model_receipt(struct model *m, struct channel *ch, struct str external_id,
                                     struct str participant);

struct str router_model_new_id(const struct model *m);
