/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Accepting a message to send: looked at, stored, and its sender woken up. */
#include "call.h"
#include "outgoing_body.h"

/* For handlers of other areas: `body` as the schema NewMessage, to `to` at the channel, in the
 * conversation that there is or in a new one. Answers 202 with the message, wrapped as
 * {"<wrapper>": message} when wrapper is not NULL; or a problem. Nothing may be under way in the
 * call. */
void api_send_to(struct call *c, struct str channel_id, struct str to, const struct json *body,
                 const char *wrapper);

/* Its uploads: a statement of the round, and what became of it. False: answered. */
void api_send_look_at_files(struct call *c, const struct api_outgoing *m);
bool api_send_take_files(struct call *c, struct api_outgoing *m, const struct pg_result *files);
