/* SPDX-License-Identifier: Apache-2.0 */
#include "inbox_rows.h"

/* The next columns of a row, one after the other. */
struct reader {
    const struct pg_result *r;
    int row, col;
};

static struct str text(struct reader *x)
{
    return pg_text(x->r, x->row, x->col++);
}

static int64_t number(struct reader *x)
{
    return pg_i64(x->r, x->row, x->col++);
}

static struct object_head head(struct reader *x)
{
    struct object_head h = {0};
    h.id = text(x);
    h.tenant_id = text(x);
    h.channel_id = text(x);
    h.provider = text(x);
    h.platform = text(x);
    return h;
}

void api_put_message(struct json_out *o, const struct pg_result *r, int row)
{
    struct reader x = {r, row, 0};
    struct object_message m = {.head = head(&x)};
    m.conversation_id = text(&x);
    m.external_message_id = text(&x);
    m.client_ref = text(&x);
    m.direction = text(&x);
    m.status = text(&x);
    m.kind = text(&x);
    m.body = text(&x);
    m.content = text(&x);
    m.reply_to = text(&x);
    m.sender_id = text(&x);
    m.sender_name = text(&x);
    m.error_code = text(&x);
    m.error_message = text(&x);
    m.created_by = text(&x);
    m.provider_at_ms = number(&x);
    m.stored_at_ms = number(&x);
    m.edited_at_ms = number(&x);
    m.deleted_at_ms = number(&x);
    m.send_at_ms = number(&x);
    m.next_attempt_at_ms = number(&x);
    m.attempt = number(&x);
    m.rev = number(&x);
    m.attachments_json = text(&x);
    object_message(o, &m);
}

void api_put_conversation(struct json_out *o, const struct pg_result *r, int row)
{
    struct reader x = {r, row, 0};
    struct object_conversation c = {.head = head(&x)};
    c.channel_name = text(&x);
    c.external_id = text(&x);
    c.alias = text(&x);
    c.name = text(&x);
    c.contact_id = text(&x);
    c.contact_name = text(&x);
    c.status = text(&x);
    c.assigned_to = text(&x);
    c.last_message_id = text(&x);
    c.labels = text(&x);
    c.is_group = str_eq_c(text(&x), "t");
    c.last_message_at_ms = number(&x);
    c.last_inbound_at_ms = number(&x);
    c.agent_read_at_ms = number(&x);
    c.delivered_up_to_ms = number(&x);
    c.read_up_to_ms = number(&x);
    c.created_at_ms = number(&x);
    c.unread_count = number(&x);
    c.rev = number(&x);
    object_conversation(o, &c);
}
