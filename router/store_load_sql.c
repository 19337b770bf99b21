/* SPDX-License-Identifier: Apache-2.0 */
#include "store_load_sql.h"

#include "store_sql.h"

#define MESSAGE_COLUMNS                                                                                                                                                                                         \
    "m.channel_id, m.id, m.external_message_id, m.conversation_id, m.client_ref, m.direction, m.status, m.kind, "                                                                                               \
    "m.body, m.content::text, m.reply_to, m.external_alias, m.sender_id, m.sender_name, m.source_key, m.edit_key, m.error_code, "                                                                               \
    "m.error_message, m.attachment_count, m.attempt, m.conversation_seq, " MS("m.provider_at") ", " MS("m.stored_at") ", " MS(                                                                                  \
        "m.edited_at") ", " MS("m.deleted_at") ", " MS("m.next_attempt_at") ", " MS("m.send_at") ", m.created_by, m.rev, m.is_proven, "                                                                         \
                                                                                                 "CASE WHEN m.attachment_count > 0 THEN (SELECT jsonb_agg(jsonb_build_object('type', a.type, 'url', a.url, "    \
                                                                                                 "'provider_ref', a.provider_ref, 'mime', a.mime, 'name', a.name, 'size_bytes', a.size_bytes, 'text', a.text, " \
                                                                                                 "'extra', a.extra) ORDER BY a.position)::text FROM attachments a "                                             \
                                                                                                 "WHERE a.tenant_id = m.tenant_id AND a.message_id = m.id) END"

const struct pg_stmt router_load_sql[] = {
    [BEGIN] = {"begin", "BEGIN"},
    [CHANNELS] =
        {"channels",
         "SELECT " CHANNEL_COLUMNS
         ", NULL FROM unnest($1::text[], $2::text[]) u(provider, account) "
         "JOIN channels_account ch ON ch.provider = u.provider AND ch.external_account_id = u.account "
         "UNION ALL SELECT " CHANNEL_COLUMNS
         ", u.account FROM unnest($1::text[], $2::text[]) u(provider, account) "
         "JOIN channels_account ch ON ch.provider = u.provider AND ch.parent_external_id = u.account"},
    [TENANTS] = {"tenants",
                 "SELECT t.id FROM unnest($1::uuid[]) u(id) JOIN tenants t ON t.id = u.id"},
    [RESULT_MESSAGES] =
        {"result_messages",
         "SELECT " CHANNEL_COLUMNS ", m.id, c.external_id, m.external_message_id "
         "FROM unnest($1::uuid[], $2::uuid[]) u(tenant, id) "
         "JOIN messages m ON m.tenant_id = u.tenant AND m.id = u.id "
         "JOIN conversations c ON c.tenant_id = m.tenant_id AND c.id = m.conversation_id "
         "JOIN channels_account ch ON ch.id = m.channel_id"},
    [CHANGED_CONVERSATIONS] = {"changed_conversations",
                               "SELECT " CHANNEL_COLUMNS ", c.id, c.external_id "
                               "FROM unnest($1::uuid[], $2::uuid[]) u(tenant, id) "
                               "JOIN conversations c ON c.tenant_id = u.tenant AND c.id = u.id "
                               "JOIN channels_account ch ON ch.id = c.channel_id"},
    [CHANGED_CHANNELS] = {"changed_channels",
                          "SELECT " CHANNEL_COLUMNS
                          " FROM unnest($1::uuid[], $2::uuid[]) u(tenant, id) "
                          "JOIN channels_account ch ON ch.id = u.id AND ch.tenant_id = u.tenant"},
    [LOCK_CHANNELS] = {"lock_channels", "SELECT " CHANNEL_COLUMNS
                                        " FROM unnest($1::uuid[]) u(id) JOIN channels_account ch "
                                        "ON ch.id = u.id ORDER BY ch.id FOR UPDATE OF ch"},
    [ADD_CONVERSATIONS] =
        {"add_conversations",
         "INSERT INTO conversations (tenant_id, channel_id, external_id, id, provider, platform, created_at, rev) "
         "SELECT u.tenant, u.channel, u.ext, u.id, u.provider, u.platform, " AT(
             "u.at") ", 0 "
                     "FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::bigint[]) "
                     "u(tenant, channel, ext, id, provider, platform, at) ORDER BY 1, 2, 3 "
                     "ON CONFLICT (tenant_id, channel_id, external_id) DO NOTHING"},
    [CONVERSATIONS] =
        {"conversations",
         "SELECT c.channel_id, c.external_id, c.id, c.alias, c.name, c.contact_id, c.contact_name, c.status, "
         "c.assigned_to, array_to_json(c.labels)::text, c.last_message_id, c.last_message_ext, c.is_group, " MS("c.name_at") ", " MS("c.contact_at") ", " MS("c.last_message_at") ", " MS(
             "c.last_inbound_at") ", " MS("c.agent_read_at") ", " MS("c.delivered_up_to") ", " MS("c.read_up_to") ", " MS("c.created_at") ", c.unread_count, c.rev "
                                                                                                                                          "FROM unnest($1::uuid[], $2::uuid[], $3::text[]) u(tenant, channel, ext) "
                                                                                                                                          "JOIN conversations c ON c.tenant_id = u.tenant AND c.channel_id = u.channel AND c.external_id = u.ext "
                                                                                                                                          "ORDER BY c.tenant_id, c.channel_id, c.external_id FOR UPDATE OF c"},
    [EVENTS] =
        {"events",
         "SELECT u.i, e.topic = u.topic AND e.partition = u.partition AND e.\"offset\" = u.off AND e.idx = u.idx, "
         "e.change, e.conversation_change, e.message_id, array_to_string(e.also, ',') "
         "FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::int[], "
         "$8::int[]) u(tenant, channel, key, topic, partition, off, idx, i) "
         "JOIN events e ON e.tenant_id = u.tenant AND e.channel_id = u.channel AND e.event_key = u.key"},
    [MESSAGES] = {"messages",
                  "SELECT " MESSAGE_COLUMNS
                  " FROM unnest($1::uuid[], $2::uuid[], $3::text[]) u(tenant, channel, ext) "
                  "JOIN messages m ON m.tenant_id = u.tenant AND m.channel_id = u.channel "
                  "AND m.external_message_id = u.ext ORDER BY m.tenant_id, m.id FOR UPDATE OF m"},
    [MESSAGES_BY_REF] = {"messages_by_ref",
                         "SELECT " MESSAGE_COLUMNS
                         " FROM unnest($1::uuid[], $2::uuid[], $3::text[]) u(tenant, channel, ref) "
                         "JOIN messages m ON m.tenant_id = u.tenant AND m.channel_id = u.channel "
                         "AND m.client_ref = u.ref ORDER BY m.tenant_id, m.id FOR UPDATE OF m"},
    [MESSAGES_BY_ID] = {"messages_by_id",
                        "SELECT " MESSAGE_COLUMNS
                        " FROM unnest($1::uuid[], $2::uuid[]) u(tenant, id) "
                        "JOIN messages m ON m.tenant_id = u.tenant AND m.id = u.id "
                        "ORDER BY m.tenant_id, m.id FOR UPDATE OF m"},
    [OPEN_MESSAGES] =
        {"open_messages",
         "SELECT " MESSAGE_COLUMNS
         " FROM unnest($1::uuid[], $2::uuid[], $3::text[]) u(tenant, channel, ext) "
         "JOIN conversations c ON c.tenant_id = u.tenant AND c.channel_id = u.channel "
         "AND c.external_id = u.ext "
         "JOIN messages m ON m.tenant_id = c.tenant_id AND m.conversation_id = c.id "
         "AND m.provider_at > coalesce(c.read_up_to, '-infinity') "
         "WHERE m.direction = 'out' AND m.status IN ('sent', 'delivered') "
         "AND m.external_message_id IS NOT NULL ORDER BY m.tenant_id, m.id FOR UPDATE OF m"},
    [MOVING_MESSAGES] =
        {"moving_messages",
         "SELECT " MESSAGE_COLUMNS
         " FROM unnest($1::uuid[], $2::uuid[], $3::text[]) u(tenant, channel, ext) "
         "JOIN conversations c ON c.tenant_id = u.tenant AND c.channel_id = u.channel "
         "AND c.external_id = u.ext "
         "JOIN messages m ON m.tenant_id = c.tenant_id AND m.conversation_id = c.id "
         "ORDER BY m.tenant_id, m.id FOR UPDATE OF m"},
    [EARLY] =
        {"early",
         "SELECT e.channel_id, e.external_message_id, e.conversation_id, e.status, e.error_code, "
         "e.error_message, e.edit_key, e.edit_body, " MS("e.edited_at") ", " MS(
             "e.deleted_at") " FROM unnest($1::uuid[], $2::uuid[], $3::text[]) u(tenant, channel, ext) "
                             "JOIN early_facts e ON e.tenant_id = u.tenant AND e.channel_id = u.channel "
                             "AND e.external_message_id = u.ext"},
    [REACTIONS] =
        {"reactions",
         "SELECT r.channel_id, r.external_message_id, r.sender_id, r.id, r.conversation_id, r.sender_name, "
         "r.emoji, r.event_key, " MS(
             "r.at") ", r.rev "
                     "FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) u(tenant, channel, ext, sender) "
                     "JOIN reactions r ON r.tenant_id = u.tenant AND r.channel_id = u.channel "
                     "AND r.external_message_id = u.ext AND r.sender_id = u.sender"},
};
