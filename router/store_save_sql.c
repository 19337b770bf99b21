/* SPDX-License-Identifier: Apache-2.0 */
#include "store_save_sql.h"

#include "store_sql.h"

const struct pg_stmt router_save_sql[] = {
    [ACCOUNT_LOCKS] =
        {"account_locks",
         "SELECT account_lock(l.provider, l.account) FROM (SELECT DISTINCT u.provider, u.account "
         "FROM unnest($1::text[], $2::text[]) u(provider, account) ORDER BY 1, 2) l"},
    [ADD_QUARANTINED] =
        {"add_quarantined",
         "WITH added AS (INSERT INTO quarantine (id, tenant_id, provider, account, reason, detail, topic, partition, "
         "\"offset\", key, body, headers, received_at) SELECT u.id, u.tenant, u.provider, u.account, u.reason, "
         "u.detail, u.topic, u.partition, u.off, u.key::bytea, u.body::bytea, u.headers::jsonb, "
         "coalesce(" AT(
             "u.at") ", now()) "
                     "FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int[], "
                     "$9::bigint[], $10::text[], $11::text[], $12::text[], $13::bigint[]) "
                     "u(id, tenant, provider, account, reason, detail, topic, partition, off, key, body, headers, at) "
                     "ON CONFLICT (topic, partition, \"offset\") DO NOTHING RETURNING id, tenant_id, provider, account, reason) "
                     "INSERT INTO outbox (tenant_id, id, object_kind, object_id) "
                     "SELECT DISTINCT ON (q.id) ch.tenant_id, q.id, 'quarantine', q.id FROM added q JOIN channels_account ch "
                     "ON ch.provider = q.provider AND q.account IN (ch.external_account_id, ch.parent_external_id) "
                     "WHERE q.reason = 'unknown_account' AND (q.tenant_id IS NULL OR q.tenant_id = ch.tenant_id) "
                     "AND ch.status <> 'disconnected'"},
    [QUARANTINED] =
        {"quarantined",
         "SELECT u.i, q.id, q.rev FROM unnest($1::text[], $2::int[], $3::bigint[], $4::int[]) "
         "u(topic, partition, off, i) JOIN quarantine q ON q.topic = u.topic "
         "AND q.partition = u.partition AND q.\"offset\" = u.off"},
    [DROP_MESSAGES] = {"drop_messages",
                       "DELETE FROM messages m USING unnest($1::uuid[], $2::uuid[]) u(tenant, id) "
                       "WHERE m.tenant_id = u.tenant AND m.id = u.id"},
    // Behind what waits there already, in the order that they had.
    [MOVE_MESSAGES] =
        {"move_messages",
         "UPDATE messages m SET conversation_id = u.target, conversation_seq = m.conversation_seq + t.next_seq - 1 "
         "FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) u(tenant, source, target) "
         "JOIN conversations t ON t.tenant_id = u.tenant AND t.id = u.target "
         "WHERE m.tenant_id = u.tenant AND m.conversation_id = u.source"},
    [MOVE_LINES] = {"move_lines",
                    "UPDATE conversations t SET next_seq = t.next_seq + s.next_seq - 1, "
                    "assigned_to = coalesce(t.assigned_to, s.assigned_to) "
                    "FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) u(tenant, source, target) "
                    "JOIN conversations s ON s.tenant_id = u.tenant AND s.id = u.source "
                    "WHERE t.tenant_id = u.tenant AND t.id = u.target"},
    [MOVE_NOTES] = {"move_notes",
                    "UPDATE notes n SET conversation_id = u.target "
                    "FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) u(tenant, source, target) "
                    "WHERE n.tenant_id = u.tenant AND n.conversation_id = u.source"},
    [DROP_CONVERSATIONS] =
        {"drop_conversations",
         "DELETE FROM conversations c USING unnest($1::uuid[], $2::uuid[], $3::uuid[]) u(tenant, source, target) "
         "WHERE c.tenant_id = u.tenant AND c.id = u.source"},
    [ADD_MESSAGES] =
        {"add_messages",
         "INSERT INTO messages (tenant_id, id, channel_id, conversation_id, provider, platform, external_message_id, "
         "client_ref, direction, status, kind, body, content, reply_to, sender_id, sender_name, source_key, edit_key, "
         "error_code, error_message, attachment_count, provider_at, stored_at, edited_at, deleted_at, is_proven, external_alias) "
         "SELECT u.tenant, u.id, u.channel, u.conversation, u.provider, u.platform, u.ext, u.ref, u.direction, "
         "u.status, u.kind, u.body, u.content::jsonb, u.reply_to, u.sender, u.sender_name, u.source_key, u.edit_key, "
         "u.error_code, u.error_message, u.attachments, " AT("u.provider_at") ", " AT("u.stored_at") ", " AT("u.edited_at") ", " AT(
             "u.deleted_at") ", u.proven, u.alias FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], "
                             "$8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], "
                             "$16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::int[], $22::bigint[], $23::bigint[], "
                             "$24::bigint[], $25::bigint[], $26::bool[], $27::text[]) u(tenant, id, channel, conversation, provider, platform, ext, ref, direction, "
                             "status, kind, body, content, reply_to, sender, sender_name, source_key, edit_key, error_code, "
                             "error_message, attachments, provider_at, stored_at, edited_at, deleted_at, proven, alias)"},
    [SET_STATUS] =
        {"set_status",
         "UPDATE messages m SET status = u.status, external_message_id = u.ext, error_code = u.error_code, "
         "error_message = u.error_message, next_attempt_at = " AT(
             "u.next_at") ", "
                          "lease_until = CASE WHEN u.status = 'sending' THEN m.lease_until END, is_proven = u.proven, external_alias = u.alias, rev = m.rev + u.shown, "
                          "updated_at = now() FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], "
                          "$6::text[], $7::bigint[], $8::bool[], $9::int[], $10::text[]) u(tenant, id, ext, status, error_code, error_message, next_at, proven, shown, alias) "
                          "WHERE m.tenant_id = u.tenant AND m.id = u.id RETURNING m.id, m.rev"},
    [SET_MESSAGES] =
        {"set_messages",
         "UPDATE messages m SET kind = u.kind, body = u.body, content = u.content::jsonb, reply_to = u.reply_to, "
         "sender_id = u.sender, sender_name = u.sender_name, source_key = u.source_key, edit_key = u.edit_key, "
         "attachment_count = u.attachments, provider_at = " AT("u.provider_at") ", edited_at = " AT("u.edited_at") ", deleted_at = " AT(
             "u.deleted_at") " FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], "
                             "$8::text[], $9::text[], $10::text[], $11::int[], $12::bigint[], $13::bigint[], $14::bigint[]) "
                             "u(tenant, id, kind, body, content, reply_to, sender, sender_name, source_key, edit_key, attachments, "
                             "provider_at, edited_at, deleted_at) WHERE m.tenant_id = u.tenant AND m.id = u.id"},
    // What is answered is named by the id that clients know, whichever comes first: the answer
    // looks for it, or it looks for its answers.
    [RESOLVE_REPLIES] =
        {"resolve_replies",
         "UPDATE messages m SET reply_to = q.ext FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[]) "
         "u(tenant, id, channel, conversation, reply_to) CROSS JOIN LATERAL (SELECT o.external_message_id AS ext FROM messages o "
         "WHERE o.tenant_id = u.tenant AND o.channel_id = u.channel AND hashtextextended(o.external_alias, 0) = "
         "hashtextextended(u.reply_to, 0) AND o.external_alias = u.reply_to AND o.conversation_id = u.conversation "
         "AND o.external_message_id IS NOT NULL ORDER BY o.external_message_id LIMIT 1) q "
         "WHERE m.tenant_id = u.tenant AND m.id = u.id RETURNING m.id, m.reply_to"},
    [RENAME_REPLIES] =
        {"rename_replies",
         "WITH named AS (UPDATE messages m SET reply_to = u.ext, rev = m.rev + 1, updated_at = now() "
         "FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[]) u(tenant, channel, conversation, alias, ext) "
         "WHERE m.tenant_id = u.tenant AND m.channel_id = u.channel AND hashtextextended(m.reply_to, 0) = "
         "hashtextextended(u.alias, 0) AND m.reply_to = u.alias AND m.conversation_id = u.conversation "
         "RETURNING m.tenant_id, m.id) INSERT INTO outbox (tenant_id, id, object_kind, object_id) "
         "SELECT tenant_id, gen_random_uuid(), 'message', id FROM named"},
    [DROP_ATTACHMENTS] =
        {"drop_attachments",
         "DELETE FROM attachments a USING unnest($1::uuid[], $2::uuid[]) u(tenant, id) "
         "WHERE a.tenant_id = u.tenant AND a.message_id = u.id"},
    [ADD_ATTACHMENTS] =
        {"add_attachments",
         "INSERT INTO attachments (tenant_id, message_id, position, type, url, provider_ref, mime, name, size_bytes, "
         "text, extra) SELECT u.tenant, u.id, u.position, u.type, u.url, u.ref, u.mime, u.name, nullif(u.size, 0), "
         "u.text, u.extra::jsonb FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[], "
         "$7::text[], $8::text[], $9::bigint[], $10::text[], $11::text[]) "
         "u(tenant, id, position, type, url, ref, mime, name, size, text, extra)"},
    [PUT_RECEIPTS] =
        {"put_receipts",
         "INSERT INTO message_receipts AS r (tenant_id, channel_id, external_message_id, participant_id, status, at) "
         "SELECT u.tenant, u.channel, u.ext, u.who, u.status, " AT(
             "u.at") " FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[]) "
                     "u(tenant, channel, ext, who, status, at) ORDER BY 1, 2, 3, 4 "
                     "ON CONFLICT (tenant_id, channel_id, external_message_id, participant_id) DO UPDATE "
                     "SET status = excluded.status, at = excluded.at "
                     "WHERE (array_position('{sent,failed,delivered,read,played}', excluded.status), excluded.at) > "
                     "(array_position('{sent,failed,delivered,read,played}', r.status), r.at)"},
    [PUT_REACTIONS] =
        {"put_reactions",
         "INSERT INTO reactions AS r (tenant_id, channel_id, external_message_id, sender_id, id, conversation_id, "
         "sender_name, emoji, at, event_key) SELECT u.tenant, u.channel, u.ext, u.sender, u.id, u.conversation, "
         "u.name, u.emoji, " AT(
             "u.at") ", u.key FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], "
                     "$5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::bigint[], $10::text[]) "
                     "u(tenant, channel, ext, sender, id, conversation, name, emoji, at, key) "
                     "ON CONFLICT (tenant_id, channel_id, external_message_id, sender_id) DO UPDATE SET "
                     "conversation_id = excluded.conversation_id, sender_name = excluded.sender_name, emoji = excluded.emoji, "
                     "at = excluded.at, event_key = excluded.event_key, rev = r.rev + 1, updated_at = now() "
                     "RETURNING channel_id, external_message_id, sender_id, rev"},
    [PUT_EARLY] =
        {"put_early",
         "INSERT INTO early_facts (tenant_id, channel_id, external_message_id, conversation_id, status, error_code, "
         "error_message, edit_key, edit_body, edited_at, deleted_at) SELECT u.tenant, u.channel, u.ext, "
         "u.conversation, u.status, u.code, u.message, u.edit_key, u.edit_body, " AT("u.edited_at") ", " AT(
             "u.deleted_at") " FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::text[], "
                             "$7::text[], $8::text[], $9::text[], $10::bigint[], $11::bigint[]) u(tenant, channel, ext, conversation, "
                             "status, code, message, edit_key, edit_body, edited_at, deleted_at) "
                             "ON CONFLICT (tenant_id, channel_id, external_message_id) DO UPDATE SET status = excluded.status, "
                             "error_code = excluded.error_code, error_message = excluded.error_message, edit_key = excluded.edit_key, "
                             "edit_body = excluded.edit_body, edited_at = excluded.edited_at, deleted_at = excluded.deleted_at"},
    [DROP_EARLY] =
        {"drop_early",
         "DELETE FROM early_facts e USING unnest($1::uuid[], $2::uuid[], $3::text[]) u(tenant, channel, ext) "
         "WHERE e.tenant_id = u.tenant AND e.channel_id = u.channel AND e.external_message_id = u.ext"},
    [SET_CHANNELS] =
        {"set_channels",
         "UPDATE channels_account c SET status = u.status, provider_status = u.provider_status, "
         "status_key = u.key, status_at = " AT(
             "u.at") ", rev = c.rev + 1, updated_at = now() "
                     "FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[]) "
                     "u(id, status, provider_status, key, at) WHERE c.id = u.id RETURNING c.id, c.rev"},
    [SET_PARENTS] =
        {"set_parents",
         "UPDATE channels_account c SET parent_external_id = w.parent FROM (SELECT k.id, u.parent "
         "FROM unnest($1::uuid[], $2::text[]) u(id, parent) JOIN channels_account k ON k.id = u.id "
         "ORDER BY k.id FOR UPDATE OF k) w WHERE c.id = w.id"},
    [SET_CONVERSATIONS] =
        {"set_conversations",
         "UPDATE conversations c SET external_id = u.ext, alias = u.alias, name = u.name, contact_id = u.contact, "
         "contact_name = u.contact_name, last_message_id = u.last_id, last_message_ext = u.last_ext, "
         "is_group = u.is_group, name_at = " AT("u.name_at") ", contact_at = " AT("u.contact_at") ", last_message_at = " AT("u.last_at") ", last_inbound_at = " AT("u.inbound_at") ", agent_read_at = " AT(
             "u.agent_read") ", delivered_up_to = " AT("u.delivered") ", read_up_to = " AT("u.read") ", unread_count = CASE WHEN u.recount THEN (SELECT count(*) FROM messages m WHERE m.tenant_id = c.tenant_id "
                                                                                                     "AND m.conversation_id = c.id AND m.direction = 'in' AND m.kind <> 'system' "
                                                                                                     "AND m.provider_at > coalesce(" AT(
                                                                                                         "u.agent_read") ", '-infinity')) ELSE c.unread_count + u.added END, "
                                                                                                                         "rev = c.rev + 1, updated_at = now() FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], "
                                                                                                                         "$6::text[], $7::uuid[], $8::text[], $9::bool[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], "
                                                                                                                         "$14::bigint[], $15::bigint[], $16::bigint[], $17::bool[], $18::int[], $19::text[]) "
                                                                                                                         "u(tenant, id, alias, name, contact, contact_name, last_id, last_ext, is_group, name_at, contact_at, last_at, "
                                                                                                                         "inbound_at, agent_read, delivered, read, recount, added, ext) "
                                                                                                                         "WHERE c.tenant_id = u.tenant AND c.id = u.id RETURNING c.id, c.rev, c.unread_count"},
    [ADD_EVENTS] =
        {"add_events",
         "INSERT INTO events (tenant_id, channel_id, event_key, kind, topic, partition, \"offset\", idx, change, "
         "conversation_change, message_id, conversation_id, also) SELECT u.tenant, u.channel, u.key, u.kind, u.topic, "
         "u.partition, u.off, u.idx, u.change, u.conversation_change, u.message, u.conversation, u.also::uuid[] "
         "FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::int[], $7::bigint[], $8::int[], "
         "$9::text[], $10::text[], $11::uuid[], $12::uuid[], $13::text[]) u(tenant, channel, key, kind, topic, "
         "partition, off, idx, change, conversation_change, message, conversation, also) ORDER BY 1, 2, 3"},
    [COMMIT] = {"commit", "COMMIT"},
};
