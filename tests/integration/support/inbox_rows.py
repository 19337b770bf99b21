# SPDX-License-Identifier: Apache-2.0
"""An inbox of any size, made in SQL: conversations with names, and messages spread over them."""


def fill(db, tenant, channel, conversations, messages, platform="instagram"):
    """`db`: a connection of the owner. The latest message of the n-th conversation is n seconds old."""
    with db.transaction():
        # The triggers keep the words of the search: one statement, one conversation each.
        db.execute(
            "INSERT INTO conversations (tenant_id, id, channel_id, provider, platform, external_id, contact_id,"
            " contact_name, status, assigned_to, unread_count, last_message_at, last_inbound_at, next_seq)"
            " SELECT %(tenant)s, gen_random_uuid(), %(channel)s, %(platform)s, %(platform)s, 'c' || n, '+4917' || n,"
            " (ARRAY['Anna','Bob','Carla','Dmitri','Emma','Farid'])[1 + n %% 6] || ' '"
            " || (ARRAY['Meier','Sato','Okafor','Silva','Novak'])[1 + n %% 5] || ' ' || n,"
            " (ARRAY['closed','closed','closed','closed','snoozed','open'])[1 + n %% 6],"
            " CASE WHEN n %% 10 = 0 THEN %(tenant)s::uuid END, CASE WHEN n %% 20 = 0 THEN 2 ELSE 0 END,"
            " now() - n * interval '1 second', now() - n * interval '1 second', 1"
            " FROM generate_series(1, %(n)s) n",
            {"tenant": tenant, "channel": channel, "platform": platform, "n": conversations})  # fmt: skip
        db.execute("CREATE TEMP TABLE numbered ON COMMIT DROP AS SELECT row_number() OVER (ORDER BY last_message_at DESC) - 1"
                   " AS place, id, last_message_at FROM conversations WHERE tenant_id = %s", (tenant,))  # fmt: skip
        db.execute("CREATE INDEX ON numbered (place)")
        db.execute(
            "INSERT INTO messages (tenant_id, id, channel_id, conversation_id, provider, platform, external_message_id,"
            " direction, status, kind, body, sender_id, attachment_count, provider_at)"
            " SELECT %(tenant)s, gen_random_uuid(), %(channel)s, c.id, %(platform)s, %(platform)s, 'm' || n,"
            " CASE WHEN n %% 3 = 0 THEN 'out' ELSE 'in' END, CASE WHEN n %% 3 = 0 THEN 'sent' ELSE 'received' END, 'text',"
            " 'message ' || n || ': thank you, the parcel has arrived this morning', 'p',"
            " CASE WHEN n %% 20 = 0 THEN 1 ELSE 0 END,"
            " c.last_message_at - (n / %(conversations)s) * interval '1 minute'"
            " FROM generate_series(0, %(n)s - 1) AS g (n) JOIN numbered c ON c.place = n %% %(conversations)s",
            {"tenant": tenant, "channel": channel, "platform": platform, "n": messages, "conversations": conversations})  # fmt: skip
        db.execute("INSERT INTO attachments (tenant_id, message_id, position, type, mime) SELECT tenant_id, id, 0, 'image',"
                   " 'image/png' FROM messages WHERE tenant_id = %s AND attachment_count = 1", (tenant,))  # fmt: skip
    for table in ("conversations", "messages", "conversation_search", "attachments", "message_receipts"):
        db.execute(f"VACUUM ANALYZE {table}")
