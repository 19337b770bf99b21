/* SPDX-License-Identifier: Apache-2.0 */
/* What was sent to a person, of Instagram and Messenger, newest first. */
#include "clock.h"
#include "meta_api.h"
#include "server.h"

#define OUT_MAX   ((size_t)1 << 20)
#define LIMIT_MAX 25

/* "messages.limit(20){id,...}" as the only field. */
static bool fields_valid(struct sim_call *c, int64_t *limit)
{
    static const char *const known[] = {"id",      "created_time", "from", "to",
                                        "message", "attachments",  NULL};
    struct str fields = http_query(c->http, "fields"), name, inner, field, none;
    *limit = LIMIT_MAX;
    if (!sim_graph_field_next(&fields, &name, &inner) || fields.len ||
        !str_starts(name, STR("messages")))
        return sim_graph_invalid(c, "fields", "must be messages{...}.");
    struct str rest = str_skip(name, STR("messages").len);
    if (rest.len) {
        bool is_limit = str_starts(rest, STR(".limit(")) && str_ends(rest, STR(")"));
        struct str n = str_skip(rest, STR(".limit(").len);
        n.len -= is_limit;
        if (!is_limit || !str_i64(n, limit) || *limit < 1 || *limit > LIMIT_MAX)
            return sim_graph_invalid(c, "fields", "has a limit that is none.");
    }
    while (sim_graph_field_next(&inner, &field, &none))
        if (!sim_is_one_of(field, known))
            return sim_graph_invalid(c, "fields", "names a field that messages do not have.");
    return true;
}

/* "2026-01-02T03:04:05+0000", without the milliseconds. */
static struct str time_of(struct arena *a, int64_t at_ms)
{
    char text[CLOCK_TEXT_MAX];
    (void)clock_format(at_ms, text);
    return str_fmt(a, "%.19s+0000", text);
}

static void put_message(struct sim_call *c, struct json_out *o, const struct sim_sent *row)
{
    json_open(o, '{');
    json_put_str(o, "id", row->send.external_id);
    json_put_str(o, "created_time", time_of(c->a, row->at_ms));
    json_put_str(o, "message", row->send.text.ptr ? row->send.text : STR(""));
    json_key_out(o, "from");
    json_open(o, '{');
    json_put_str(o, "id", row->account);
    json_close(o, '}');
    if (!str_eq_c(row->send.kind, "text"))
        json_put_raw(o, "attachments", STR("{\"data\":[{\"id\":\"1\"}]}"));
    json_close(o, '}');
}

static bool is_of(const struct sim_call *c, const struct sim_sent *row, struct str account,
                  struct str person)
{
    return row->api == c->api && row->send.external_id.len && str_eq(row->account, account) &&
           str_eq(row->send.conversation, person);
}

static void list(struct sim_call *c, struct str account, struct str person, int64_t limit)
{
    struct buf out;
    buf_init(&out, OUT_MAX);
    struct json_out o = {.buf = &out};
    const struct sim_sent *row;
    int64_t n = 0;
    buf_put_c(&out, "{\"data\":[");
    for (uint64_t i = sim_sends_last(c->server->sends);
         (row = sim_sends_get(c->server->sends, i)) && n <= limit; i--) {
        if (!is_of(c, row, account, person))
            continue;
        if (n == 0)
            buf_put_c(&out, "{\"messages\":{\"data\":[");
        if (n++ < limit)
            put_message(c, &o, row);
    }
    if (n) {
        buf_put_c(&out, "],\"paging\":{\"cursors\":{\"before\":\"1\",\"after\":\"2\"}");
        if (n > limit)
            buf_put_c(&out, ",\"next\":\"https://graph.example/next\"");
        buf_putf(&out, "}},\"id\":\"t_%.*s\"}", STR_ARG(person));
    }
    buf_put_c(&out, "]}");
    sim_answer(c, out.overflow ? 500 : 200, buf_str(&out));
    buf_done(&out);
}

void sim_meta_conversations(struct sim_call *c)
{
    struct str person = http_query(c->http, "user_id");
    struct str platform = http_query(c->http, "platform");
    int64_t limit;
    c->account = sim_meta_account(c);
    if (!str_eq_c(platform, c->api->name)) {
        (void)sim_graph_invalid(c, "platform", "must be the one that is asked.");
        return;
    }
    if (!sim_is_digits(person)) {
        (void)sim_graph_invalid(c, "user_id", "must be the id of a person.");
        return;
    }
    if (fields_valid(c, &limit))
        list(c, c->account, person, limit);
}
