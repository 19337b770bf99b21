/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The batch's objects as the values that common/object.h writes. Pure. */
#include "batch.h"
#include "object.h"

/* The message without what may be large: see object_message_outline. */
void router_object_message_outline(struct buf *out, const struct message *m);
void router_object_message(struct buf *out, const struct message *m);
void router_object_conversation(struct buf *out, const struct conversation *c);
void router_object_reaction(struct buf *out, const struct reaction *r);
void router_object_channel(struct buf *out, const struct channel *ch);
void router_object_quarantined(struct buf *out, const struct item *it);
