/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What of an event becomes a message's kind, body, content and attachments. Pure. */
#include "model.h"

/* True: the event is kept as a message. */
bool router_content_is_message(const struct event *ev);
/* Fill kind, body, content, attachments and reply_to; they live in `a` or in the event. */
void router_content_fill(struct arena *a, const struct event *ev, struct message *out);
