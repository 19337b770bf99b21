/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Rows of conversations and messages as the objects that the stream shows too: see common/object.h.
 */
#include "object.h"
#include "pg.h"

#define API_MS(x)     "(date_part('epoch', " x ") * 1000)::bigint"
#define API_MICROS(x) "(extract(epoch FROM " x ") * 1000000)::bigint"
/* A parameter of milliseconds, or of microseconds, as a time. */
#define API_AT(x)        "to_timestamp(" x "::bigint / 1000::float8)"
#define API_AT_MICROS(x) "(timestamptz 'epoch' + " x "::bigint * interval '1 microsecond')"

/* FROM messages m; $1 is the tenant. By the parameter, and not by a column, a plan finds the one
 * partition when it is made: with m.tenant_id it is made for all sixteen, which takes ten times as
 * long as the query. */
#define API_MESSAGE_COLUMNS                                                                                                                                                                                                              \
    "m.id, m.tenant_id, m.channel_id, m.provider, m.platform, m.conversation_id, "                                                                                                                                                       \
    "m.external_message_id, m.client_ref, m.direction, m.status, m.kind, m.body, m.content::text, "                                                                                                                                      \
    "m.reply_to, m.sender_id, m.sender_name, m.error_code, m.error_message, m.created_by, " API_MS("m.provider_at") ", " API_MS(                                                                                                         \
        "m.stored_at") ", " API_MS("m.edited_at") ", " API_MS("m.deleted_at") ", " API_MS("m.send_at") ", " API_MS("m.next_attempt_at") ", "                                                                                             \
                                                                                                                                        "m.attempt, m.rev, CASE WHEN m.attachment_count > 0 THEN (SELECT jsonb_agg(jsonb_build_object("  \
                                                                                                                                        "'type', a.type, 'url', a.url, 'provider_ref', a.provider_ref, 'mime', a.mime, 'name', a.name, " \
                                                                                                                                        "'size_bytes', a.size_bytes, 'text', a.text, 'extra', a.extra) ORDER BY a.position)::text "      \
                                                                                                                                        "FROM attachments a WHERE a.tenant_id = $1 AND a.message_id = m.id) END"
#define API_MESSAGE_N 28
void api_put_message(struct json_out *o, const struct pg_result *r, int row);

/* FROM conversations c JOIN channels_account ch ON ch.id = c.channel_id. */
#define API_CONVERSATION_COLUMNS                                                                                            \
    "c.id, c.tenant_id, c.channel_id, c.provider, c.platform, ch.name, c.external_id, c.alias, "                            \
    "c.name, c.contact_id, c.contact_name, c.status, c.assigned_to, c.last_message_id, "                                    \
    "array_to_json(c.labels)::text, c.is_group, " API_MS("c.last_message_at") ", " API_MS("c.last_inbound_at") ", " API_MS( \
        "c.agent_read_at") ", " API_MS("c.delivered_up_to") ", " API_MS("c.read_up_to") ", " API_MS("c.created_at") ", c.unread_count, c.rev"
#define API_CONVERSATION_N   24
#define API_CONVERSATION_REV 23
void api_put_conversation(struct json_out *o, const struct pg_result *r, int row);
