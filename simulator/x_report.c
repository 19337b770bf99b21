/* SPDX-License-Identifier: Apache-2.0 */
/* What was sent through X's API comes back as Account Activity says it. */
#include "x_api.h"

/* The other one of "a-b". */
static struct str other_of(const struct sim_report *r)
{
    struct str one, other;
    if (!str_cut(r->send.conversation, '-', &one, &other))
        return r->send.to; // of a group
    return str_eq(one, r->account) ? other : one;
}

/* Three characters are written as in HTML. */
static void put_text(struct json_out *o, struct str text)
{
    struct buf html;
    buf_init(&html, 5 * text.len + 16);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '&')
            buf_put_c(&html, "&amp;");
        else if (text.ptr[i] == '<')
            buf_put_c(&html, "&lt;");
        else if (text.ptr[i] == '>')
            buf_put_c(&html, "&gt;");
        else
            buf_putc(&html, text.ptr[i]);
    }
    json_put_str(o, "text", buf_str(&html));
    buf_done(&html);
}

static void put_target(struct json_out *o, struct str recipient)
{
    json_key_out(o, "target");
    json_open(o, '{');
    json_put_str(o, "recipient_id", recipient);
    json_close(o, '}');
}

static void put_time(struct json_out *o, int64_t at_ms)
{
    char room[24];
    struct buf text = {.ptr = room, .cap = sizeof room, .max = sizeof room};
    sim_put_number(&text, (uint64_t)at_ms);
    json_put_str(o, "created_timestamp", buf_str(&text));
}

static void put_message(struct json_out *o, const struct sim_report *r)
{
    json_key_out(o, "direct_message_events");
    json_open(o, '[');
    json_open(o, '{');
    json_put_str(o, "type", STR("message_create"));
    json_put_str(o, "id", r->send.external_id);
    put_time(o, r->at_ms);
    json_key_out(o, "message_create");
    json_open(o, '{');
    put_target(o, other_of(r));
    json_put_str(o, "sender_id", r->account);
    json_put_str(o, "source_app_id", STR("1000000"));
    json_key_out(o, "message_data");
    json_open(o, '{');
    put_text(o, r->send.text);
    json_put_raw(o, "entities",
                 STR("{\"hashtags\":[],\"symbols\":[],\"user_mentions\":[],\"urls\":[]}"));
    json_close(o, '}');
    json_close(o, '}');
    json_close(o, '}');
    json_close(o, ']');
}

static void put_read(struct json_out *o, const struct sim_report *r)
{
    json_key_out(o, "direct_message_mark_read_events");
    json_open(o, '[');
    json_open(o, '{');
    put_time(o, r->at_ms);
    json_put_str(o, "sender_id", other_of(r));
    put_target(o, r->account);
    json_put_str(o, "last_read_event_id", r->send.external_id);
    json_close(o, '}');
    json_close(o, ']');
}

void sim_x_report(struct buf *out, const struct sim_report *r, size_t n)
{
    struct json_out o = {.buf = out};
    (void)n; // a body belongs to one user: batch_max is 1
    json_open(&o, '{');
    json_put_str(&o, "for_user_id", r->account);
    if (r->kind == SIM_READ)
        put_read(&o, r);
    else
        put_message(&o, r);
    json_close(&o, '}');
}
