/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The objects that clients see, as JSON: the same text from the api's answers and from the stream's
 * `data`, because both are written here. Members have the columns' names; what is absent is null;
 * `rev` grows with each change. Pure. Any thread. */
#include "json.h"

/* All objects of a channel begin with these. */
struct object_head {
    struct str id, tenant_id, channel_id, provider, platform;
};

struct object_attachment {
    struct str type, url, provider_ref, mime, name, text;
    struct str extra;   /* JSON */
    int64_t size_bytes; /* 0: unknown */
};

struct object_message {
    struct object_head head;
    struct str conversation_id, external_message_id, client_ref, direction, status, kind, body;
    struct str content; /* JSON */
    struct str reply_to, sender_id, sender_name, error_code, error_message, created_by;
    struct str attachments_json; /* as stored; absent: see attachments */
    const struct object_attachment *attachments;
    int64_t n_attachments;
    int64_t provider_at_ms, stored_at_ms, edited_at_ms, deleted_at_ms;
    int64_t send_at_ms, next_attempt_at_ms, attempt, rev;
};

struct object_conversation {
    struct object_head head;
    struct str channel_name, external_id, alias, name, contact_id, contact_name;
    struct str status, assigned_to, last_message_id;
    struct str labels;      /* JSON array; absent: none */
    struct str merged_into; /* it is no more, that one has its messages; absent: as ever */
    bool is_group;
    int64_t last_message_at_ms, last_inbound_at_ms, agent_read_at_ms;
    int64_t delivered_up_to_ms, read_up_to_ms, created_at_ms;
    int64_t unread_count, rev;
};

struct object_reaction {
    struct object_head head;
    struct str conversation_id, message_id, external_message_id, sender_id, sender_name, emoji;
    int64_t at_ms, rev;
};

struct object_channel {
    struct str id, tenant_id, provider, platform, external_account_id, account_type;
    struct str name, username, status, provider_status;
    int64_t status_at_ms, rev;
};

struct object_quarantined {
    struct str id, tenant_id, provider, account, reason, detail, topic;
    int64_t partition, offset, received_at_ms, rev;
};

void object_message(struct json_out *o, const struct object_message *m);
/* The message without what may be large (body, content, attachments), with "truncated": true: its
 * reader fetches the whole of it. */
void object_message_outline(struct json_out *o, const struct object_message *m);
void object_conversation(struct json_out *o, const struct object_conversation *c);
void object_reaction(struct json_out *o, const struct object_reaction *r);
void object_channel(struct json_out *o, const struct object_channel *ch);
void object_quarantined(struct json_out *o, const struct object_quarantined *q);
/* The members alone, for who adds more to the object (a channel's health). */
void object_channel_members(struct json_out *o, const struct object_channel *ch);
void object_quarantined_members(struct json_out *o, const struct object_quarantined *q);
