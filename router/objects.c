/* SPDX-License-Identifier: Apache-2.0 */
#include "objects.h"

static struct object_head head_of(struct str id, const struct channel *ch)
{
    return (struct object_head){.id = id,
                                .tenant_id = ch->tenant_id,
                                .channel_id = ch->id,
                                .provider = ch->provider,
                                .platform = ch->platform};
}

static struct object_message message_of(const struct message *m)
{
    return (struct object_message){
        .head = head_of(m->id, m->channel),
        .conversation_id = m->conversation_id,
        .external_message_id = m->external_id,
        .client_ref = m->client_ref,
        .direction = m->direction,
        .status = m->status,
        .kind = m->kind,
        .body = m->body,
        .content = m->content,
        .reply_to = m->reply_to,
        .sender_id = m->sender_id,
        .sender_name = m->sender_name,
        .error_code = m->error_code,
        .error_message = m->error_message,
        .created_by = m->created_by,
        .attachments_json = m->attachments_json,
        .attachments = m->attachments,
        .n_attachments = m->n_attachments,
        .provider_at_ms = m->provider_at_ms,
        .stored_at_ms = m->stored_at_ms,
        .edited_at_ms = m->edited_at_ms,
        .deleted_at_ms = m->deleted_at_ms,
        .send_at_ms = m->send_at_ms,
        .next_attempt_at_ms = m->next_attempt_at_ms,
        .attempt = m->attempt,
        .rev = m->rev,
    };
}

void router_object_message(struct buf *out, const struct message *m)
{
    struct object_message v = message_of(m);
    object_message(&(struct json_out){.buf = out}, &v);
}

void router_object_message_outline(struct buf *out, const struct message *m)
{
    struct object_message v = message_of(m);
    object_message_outline(&(struct json_out){.buf = out}, &v);
}

void router_object_conversation(struct buf *out, const struct conversation *c)
{
    struct object_conversation v = {
        .head = head_of(c->id, c->channel),
        .channel_name = c->channel->name,
        .external_id = c->external_id,
        .alias = c->alias,
        .name = c->name,
        .contact_id = c->contact_id,
        .contact_name = c->contact_name,
        .status = c->status,
        .assigned_to = c->assigned_to,
        .last_message_id = c->last_message_id,
        .labels = c->labels,
        .is_group = c->is_group,
        .last_message_at_ms = c->last_message_at_ms,
        .last_inbound_at_ms = c->last_inbound_at_ms,
        .agent_read_at_ms = c->agent_read_at_ms,
        .delivered_up_to_ms = c->delivered_up_to_ms,
        .read_up_to_ms = c->read_up_to_ms,
        .created_at_ms = c->created_at_ms,
        .unread_count = c->unread,
        .rev = c->rev,
        .merged_into = c->merged_into ? c->merged_into->id : STR_NONE,
    };
    object_conversation(&(struct json_out){.buf = out}, &v);
}

void router_object_reaction(struct buf *out, const struct reaction *r)
{
    struct object_reaction v = {
        .head = head_of(r->id, r->channel),
        .conversation_id = r->conversation_id,
        .message_id = r->message_id,
        .external_message_id = r->external_id,
        .sender_id = r->sender_id,
        .sender_name = r->sender_name,
        .emoji = r->emoji,
        .at_ms = r->at_ms,
        .rev = r->rev,
    };
    object_reaction(&(struct json_out){.buf = out}, &v);
}

void router_object_channel(struct buf *out, const struct channel *ch)
{
    struct object_channel v = {
        .id = ch->id,
        .tenant_id = ch->tenant_id,
        .provider = ch->provider,
        .platform = ch->platform,
        .external_account_id = ch->account,
        .account_type = ch->account_type,
        .name = ch->name,
        .username = ch->username,
        .status = ch->status,
        .provider_status = ch->provider_status,
        .status_at_ms = ch->status_at_ms,
        .rev = ch->rev,
    };
    object_channel(&(struct json_out){.buf = out}, &v);
}

void router_object_quarantined(struct buf *out, const struct item *it)
{
    const struct quarantined *q = &it->quarantined;
    bool is_http = str_eq_c(q->topic, "http");
    struct object_quarantined v = {
        .id = it->quarantine_id,
        .tenant_id = q->tenant_id,
        .provider = q->provider,
        .account = q->account,
        .reason = q->reason,
        .detail = q->detail,
        .topic = q->topic,
        .partition = is_http ? it->rec->partition : q->partition,
        .offset = is_http ? it->rec->offset : q->offset,
        .received_at_ms = q->received_at_ms,
        .rev = it->quarantine_rev,
    };
    object_quarantined(&(struct json_out){.buf = out}, &v);
}
