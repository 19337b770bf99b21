/* SPDX-License-Identifier: Apache-2.0 */
#include "object.h"

static void put_attachment(struct json_out *o, const struct attachment *x)
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

static void put_attachments(struct json_out *o, const struct message *m)
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

/* What all objects of a channel begin with. */
static void put_head(struct json_out *o, struct str id, const struct channel *ch)
{
    json_put_str(o, "id", id);
    json_put_str(o, "tenant_id", ch->tenant_id);
    json_put_str(o, "channel_id", ch->id);
    json_put_str(o, "provider", ch->provider);
    json_put_str(o, "platform", ch->platform);
}

static void put_message(struct buf *out, const struct message *m, bool is_outline)
{
    struct json_out o = {.buf = out};
    json_open(&o, '{');
    put_head(&o, m->id, m->channel);
    json_put_str(&o, "conversation_id", m->conversation_id);
    json_put_str(&o, "external_message_id", m->external_id);
    json_put_str(&o, "client_ref", m->client_ref);
    json_put_str(&o, "direction", m->direction);
    json_put_str(&o, "status", m->status);
    json_put_str(&o, "kind", m->kind);
    json_put_str(&o, "body", m->body);
    json_put_raw(&o, "content", m->content);
    json_put_str(&o, "reply_to", m->reply_to);
    put_sender(&o, m->sender_id, m->sender_name);
    put_attachments(&o, m);
    json_put_str(&o, "error_code", m->error_code);
    json_put_str(&o, "error_message", m->error_message);
    json_put_time(&o, "provider_at", m->provider_at_ms);
    json_put_time(&o, "stored_at", m->stored_at_ms);
    json_put_time(&o, "edited_at", m->edited_at_ms);
    json_put_time(&o, "deleted_at", m->deleted_at_ms);
    json_put_int(&o, "rev", m->rev);
    if (is_outline)
        json_put_bool(&o, "truncated", true);
    json_close(&o, '}');
}

void router_object_message(struct buf *out, const struct message *m)
{
    put_message(out, m, false);
}

void router_object_message_outline(struct buf *out, const struct message *m)
{
    struct message outline = *m;
    outline.body = STR_NONE;
    outline.content = STR_NONE;
    outline.attachments = NULL;
    outline.attachments_json = STR_NONE;
    put_message(out, &outline, true);
}

void router_object_conversation(struct buf *out, const struct conversation *c)
{
    struct json_out o = {.buf = out};
    json_open(&o, '{');
    put_head(&o, c->id, c->channel);
    json_put_str(&o, "external_id", c->external_id);
    json_put_str(&o, "alias", c->alias);
    json_put_bool(&o, "is_group", c->is_group);
    json_put_str(&o, "name", c->name);
    json_put_str(&o, "contact_id", c->contact_id);
    json_put_str(&o, "contact_name", c->contact_name);
    json_put_str(&o, "status", c->status);
    json_put_str(&o, "assigned_to", c->assigned_to);
    json_put_str(&o, "last_message_id", c->last_message_id);
    json_put_time(&o, "last_message_at", c->last_message_at_ms);
    json_put_time(&o, "last_inbound_at", c->last_inbound_at_ms);
    json_put_int(&o, "unread_count", c->unread);
    json_put_time(&o, "agent_read_at", c->agent_read_at_ms);
    json_put_time(&o, "delivered_up_to", c->delivered_up_to_ms);
    json_put_time(&o, "read_up_to", c->read_up_to_ms);
    json_put_time(&o, "created_at", c->created_at_ms);
    json_put_int(&o, "rev", c->rev);
    json_close(&o, '}');
}

void router_object_reaction(struct buf *out, const struct reaction *r)
{
    struct json_out o = {.buf = out};
    json_open(&o, '{');
    put_head(&o, r->id, r->channel);
    json_put_str(&o, "conversation_id", r->conversation_id);
    json_put_str(&o, "message_id", r->message_id);
    json_put_str(&o, "external_message_id", r->external_id);
    put_sender(&o, r->sender_id, r->sender_name);
    json_put_str(&o, "emoji", r->emoji);
    json_put_time(&o, "at", r->at_ms);
    json_put_int(&o, "rev", r->rev);
    json_close(&o, '}');
}

void router_object_channel(struct buf *out, const struct channel *ch)
{
    struct json_out o = {.buf = out};
    json_open(&o, '{');
    json_put_str(&o, "id", ch->id);
    json_put_str(&o, "tenant_id", ch->tenant_id);
    json_put_str(&o, "provider", ch->provider);
    json_put_str(&o, "platform", ch->platform);
    json_put_str(&o, "external_account_id", ch->account);
    json_put_str(&o, "account_type", ch->account_type);
    json_put_str(&o, "name", ch->name);
    json_put_str(&o, "username", ch->username);
    json_put_str(&o, "status", ch->status);
    json_put_str(&o, "provider_status", ch->provider_status);
    json_put_time(&o, "status_at", ch->status_at_ms);
    json_put_int(&o, "rev", ch->rev);
    json_close(&o, '}');
}

void router_object_quarantined(struct buf *out, const struct item *it)
{
    const struct quarantined *q = &it->quarantined;
    bool is_http = str_eq_c(q->topic, "http");
    struct json_out o = {.buf = out};
    json_open(&o, '{');
    json_put_str(&o, "id", it->quarantine_id);
    json_put_str(&o, "tenant_id", q->tenant_id);
    json_put_str(&o, "provider", q->provider);
    json_put_str(&o, "account", q->account);
    json_put_str(&o, "reason", q->reason);
    json_put_str(&o, "detail", q->detail);
    json_put_str(&o, "topic", q->topic);
    json_put_int(&o, "partition", is_http ? it->rec->partition : q->partition);
    json_put_int(&o, "offset", is_http ? it->rec->offset : q->offset);
    json_put_time(&o, "received_at", q->received_at_ms);
    json_put_int(&o, "rev", it->quarantine_rev);
    json_close(&o, '}');
}
