/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Objects as JSON in the api's form: the columns' names, and `rev`. What is absent is null. Pure.
 */
#include "batch.h"

/* The message without what may be large (body, content, attachments), with "truncated": true: its
 * reader fetches the whole of it. */
void router_object_message_outline(struct buf *out, const struct message *m);
void router_object_message(struct buf *out, const struct message *m);
void router_object_conversation(struct buf *out, const struct conversation *c);
void router_object_reaction(struct buf *out, const struct reaction *r);
void router_object_channel(struct buf *out, const struct channel *ch);
void router_object_quarantined(struct buf *out, const struct item *it);
