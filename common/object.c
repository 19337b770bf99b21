/* SPDX-License-Identifier: Apache-2.0 */
#include "object.h"

static void put_attachment(struct json_out *o, const struct object_attachment *x)
{
    json_open(o, '{');
    json_put_str(o, "type", x->type);
    json_put_str(o, "url", x->url);
    json_put_str(o, "provider_ref", x->provider_ref);
    json_put_str(o, "mime", x->mime);
    json_put_str(o, "name", x->name);
    if (x->size_bytes)
        json_put_int(o, "size_bytes", x->size_bytes);
    else
        json_put_raw(o, "size_bytes", STR_NONE);
    json_put_str(o, "text", x->text);
    json_put_raw(o, "extra", x->extra);
    json_close(o, '}');
}

static void put_attachments(struct json_out *o, const struct object_message *m)
{
    json_key_out(o, "attachments");
    if (m->attachments_json.ptr) {
        json_raw(o, m->attachments_json);
        return;
    }
    json_open(o, '[');
    for (int64_t i = 0; m->attachments && i < m->n_attachments; i++)
        put_attachment(o, &m->attachments[i]);
    json_close(o, ']');
}

static void put_sender(struct json_out *o, struct str id, struct str name)
{
    json_key_out(o, "sender");
    json_open(o, '{');
    json_put_str(o, "id", id);
    json_put_str(o, "name", name);
    json_close(o, '}');
}

static void put_head(struct json_out *o, const struct object_head *h)
{
    json_put_str(o, "id", h->id);
    json_put_str(o, "tenant_id", h->tenant_id);
    json_put_str(o, "channel_id", h->channel_id);
    json_put_str(o, "provider", h->provider);
    json_put_str(o, "platform", h->platform);
}

static void put_message(struct json_out *o, const struct object_message *m, bool is_outline)
{
    json_open(o, '{');
    put_head(o, &m->head);
    json_put_str(o, "conversation_id", m->conversation_id);
    json_put_str(o, "external_message_id", m->external_message_id);
    json_put_str(o, "client_ref", m->client_ref);
    json_put_str(o, "direction", m->direction);
    json_put_str(o, "status", m->status);
    json_put_str(o, "kind", m->kind);
    json_put_str(o, "body", m->body);
    json_put_raw(o, "content", m->content);
    json_put_str(o, "reply_to", m->reply_to);
    put_sender(o, m->sender_id, m->sender_name);
    put_attachments(o, m);
    json_put_str(o, "error_code", m->error_code);
    json_put_str(o, "error_message", m->error_message);
    json_put_str(o, "created_by", m->created_by);
    json_put_int(o, "attempt", m->attempt);
    json_put_time(o, "send_at", m->send_at_ms);
    json_put_time(o, "next_attempt_at", m->next_attempt_at_ms);
    json_put_time(o, "provider_at", m->provider_at_ms);
    json_put_time(o, "stored_at", m->stored_at_ms);
    json_put_time(o, "edited_at", m->edited_at_ms);
    json_put_time(o, "deleted_at", m->deleted_at_ms);
    json_put_int(o, "rev", m->rev);
    if (is_outline)
        json_put_bool(o, "truncated", true);
    json_close(o, '}');
}

void object_message(struct json_out *o, const struct object_message *m)
{
    put_message(o, m, false);
}

void object_message_outline(struct json_out *o, const struct object_message *m)
{
    struct object_message outline = *m;
    outline.body = STR_NONE;
    outline.content = STR_NONE;
    outline.attachments = NULL;
    outline.attachments_json = STR_NONE;
    put_message(o, &outline, true);
}

void object_conversation(struct json_out *o, const struct object_conversation *c)
{
    json_open(o, '{');
    put_head(o, &c->head);
    json_put_str(o, "channel_name", c->channel_name);
    json_put_str(o, "external_id", c->external_id);
    json_put_str(o, "alias", c->alias);
    json_put_bool(o, "is_group", c->is_group);
    json_put_str(o, "name", c->name);
    json_put_str(o, "contact_id", c->contact_id);
    json_put_str(o, "contact_name", c->contact_name);
    json_put_str(o, "status", c->status);
    json_put_str(o, "assigned_to", c->assigned_to);
    json_put_raw(o, "labels", c->labels.ptr ? c->labels : STR("[]"));
    json_put_str(o, "last_message_id", c->last_message_id);
    json_put_time(o, "last_message_at", c->last_message_at_ms);
    json_put_time(o, "last_inbound_at", c->last_inbound_at_ms);
    json_put_int(o, "unread_count", c->unread_count);
    json_put_time(o, "agent_read_at", c->agent_read_at_ms);
    json_put_time(o, "delivered_up_to", c->delivered_up_to_ms);
    json_put_time(o, "read_up_to", c->read_up_to_ms);
    json_put_time(o, "created_at", c->created_at_ms);
    json_put_int(o, "rev", c->rev);
    if (c->merged_into.ptr)
        json_put_str(o, "merged_into", c->merged_into);
    json_close(o, '}');
}

void object_reaction(struct json_out *o, const struct object_reaction *r)
{
    json_open(o, '{');
    put_head(o, &r->head);
    json_put_str(o, "conversation_id", r->conversation_id);
    json_put_str(o, "message_id", r->message_id);
    json_put_str(o, "external_message_id", r->external_message_id);
    put_sender(o, r->sender_id, r->sender_name);
    json_put_str(o, "emoji", r->emoji);
    json_put_time(o, "at", r->at_ms);
    json_put_int(o, "rev", r->rev);
    json_close(o, '}');
}

void object_channel_members(struct json_out *o, const struct object_channel *ch)
{
    json_put_str(o, "id", ch->id);
    json_put_str(o, "tenant_id", ch->tenant_id);
    json_put_str(o, "provider", ch->provider);
    json_put_str(o, "platform", ch->platform);
    json_put_str(o, "external_account_id", ch->external_account_id);
    json_put_str(o, "account_type", ch->account_type);
    json_put_str(o, "name", ch->name);
    json_put_str(o, "username", ch->username);
    json_put_str(o, "status", ch->status);
    json_put_str(o, "provider_status", ch->provider_status);
    json_put_time(o, "status_at", ch->status_at_ms);
    json_put_int(o, "rev", ch->rev);
}

void object_channel(struct json_out *o, const struct object_channel *ch)
{
    json_open(o, '{');
    object_channel_members(o, ch);
    json_close(o, '}');
}

void object_quarantined_members(struct json_out *o, const struct object_quarantined *q)
{
    json_put_str(o, "id", q->id);
    json_put_str(o, "tenant_id", q->tenant_id);
    json_put_str(o, "provider", q->provider);
    json_put_str(o, "account", q->account);
    json_put_str(o, "reason", q->reason);
    json_put_str(o, "detail", q->detail);
    json_put_str(o, "topic", q->topic);
    json_put_int(o, "partition", q->partition);
    json_put_int(o, "offset", q->offset);
    json_put_time(o, "received_at", q->received_at_ms);
    json_put_int(o, "rev", q->rev);
}

void object_quarantined(struct json_out *o, const struct object_quarantined *q)
{
    json_open(o, '{');
    object_quarantined_members(o, q);
    json_close(o, '}');
}
