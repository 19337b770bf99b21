/* SPDX-License-Identifier: Apache-2.0 */
/* UniPile's API, version 1: what reads, and the webhooks. */
#include <stdlib.h>

#include "clock.h"
#include "unipile_api.h"

#define OUT_MAX ((size_t)8 << 20)

/* --- lists ------------------------------------------------------------------------------------ */

void sim_unipile_list_begin(struct json_out *o, const char *object)
{
    json_open(o, '{');
    json_put_str(o, "object", str_of(object));
    json_key_out(o, "items");
    json_open(o, '[');
}

void sim_unipile_list_end(struct json_out *o)
{
    json_close(o, ']');
    json_put_str(o, "cursor", STR_NONE);
    json_close(o, '}');
}

bool sim_unipile_limit(struct sim_call *c, size_t *limit)
{
    struct str text = http_query(c->http, "limit");
    int64_t n = 100;
    if (text.ptr && (!str_i64(text, &n) || n < 1 || n > UNIPILE_LIST_MAX)) {
        sim_unipile_error(c, 400, "invalid_parameters", "limit is a number from 1 to 250");
        return false;
    }
    *limit = (size_t)n;
    return true;
}

static void answer(struct sim_call *c, int status, struct buf *out)
{
    sim_answer(c, status, buf_str(out));
    buf_done(out);
}

/* --- accounts --------------------------------------------------------------------------------- */

static void put_account(struct json_out *o, struct sim_call *c, const struct sim_known *k)
{
    struct str type = sim_unipile_type(k);
    json_open(o, '{');
    json_put_str(o, "object", STR("Account"));
    json_put_str(o, "id", k->id);
    json_put_str(o, "name", k->name.len ? k->name : str_fmt(c->a, "Shop %.*s", STR_ARG(k->id)));
    json_put_str(o, "type", type);
    json_put_str(o, "created_at", STR("2026-01-01T00:00:00.000Z"));
    json_key_out(o, "connection_params");
    json_open(o, '{');
    json_key_out(o, "im");
    json_open(o, '{');
    json_put_str(o, "id", k->id);
    json_put_str(o, "username", k->username.len ? k->username : k->id);
    json_close(o, '}');
    json_close(o, '}');
    json_key_out(o, "sources");
    json_open(o, '[');
    json_open(o, '{');
    json_put_str(o, "id", str_fmt(c->a, "%.*s_MESSAGING", STR_ARG(k->id)));
    json_put_str(o, "status", k->status.len ? k->status : STR("OK"));
    json_close(o, '}');
    json_close(o, ']');
    json_put_raw(o, "groups", STR("[]"));
    json_close(o, '}');
}

/* The cursor is the position from which to go on. */
void sim_unipile_accounts(struct sim_call *c)
{
    size_t limit, n = 0, i;
    struct sim_accounts *all = c->server->accounts;
    int64_t from = 0;
    struct str cursor = http_query(c->http, "cursor");
    if (!sim_unipile_limit(c, &limit))
        return;
    if (cursor.ptr && (!str_i64(cursor, &from) || from < 0)) {
        sim_unipile_error(c, 400, "invalid_parameters", "cursor is none of ours");
        return;
    }
    struct buf out;
    buf_init(&out, OUT_MAX);
    struct json_out o = {.buf = &out};
    sim_unipile_list_begin(&o, "AccountList");
    for (i = (size_t)from; i < sim_accounts_n(all) && n < limit; i++) {
        const struct sim_known *k = sim_accounts_at(all, i);
        if (!str_eq_c(k->provider, "unipile") || !k->is_told)
            continue;
        put_account(&o, c, k);
        n++;
    }
    json_close(&o, ']');
    bool is_more = n == limit && i < sim_accounts_n(all);
    json_put_str(&o, "cursor", is_more ? str_fmt(c->a, "%zu", i) : STR_NONE);
    json_close(&o, '}');
    answer(c, 200, &out);
}

void sim_unipile_account(struct sim_call *c)
{
    const struct sim_known *k = sim_account(c, c->args[0]);
    if (!k || str_starts(c->args[0], STR("absent"))) {
        sim_unipile_error(c, 404, "resource_not_found", "Account not found");
        return;
    }
    struct buf out;
    buf_init(&out, OUT_MAX);
    struct json_out o = {.buf = &out};
    put_account(&o, c, k);
    answer(c, 200, &out);
}

/* --- chats and messages ----------------------------------------------------------------------- */

static void put_message(struct json_out *o, const struct sim_sent *row)
{
    char at[CLOCK_TEXT_MAX];
    json_open(o, '{');
    json_put_str(o, "object", STR("Message"));
    json_put_str(o, "id", row->send.external_id);
    json_put_str(o, "account_id", row->account);
    json_put_str(o, "chat_id", row->send.conversation);
    json_put_str(o, "text", row->send.text);
    json_put_str(o, "timestamp", (struct str){at, clock_format(row->at_ms, at)});
    json_put_raw(o, "is_sender", STR("1"));
    bool is_text = str_eq_c(row->send.kind, "text");
    json_put_raw(o, "attachments", is_text ? STR("[]") : STR("[{\"id\":\"1\",\"type\":\"file\"}]"));
    json_put_raw(o, "reactions", STR("[]"));
    json_put_raw(o, "seen", STR("0"));
    json_put_raw(o, "delivered", STR("1"));
    json_put_raw(o, "hidden", STR("0"));
    json_put_raw(o, "deleted", STR("0"));
    json_put_raw(o, "edited", STR("0"));
    json_put_raw(o, "is_event", STR("0"));
    json_close(o, '}');
}

static bool is_message(const struct sim_call *c, const struct sim_sent *row)
{
    return row->api == c->api && row->send.external_id.len;
}

/* A time in the query; false: has failed. */
static bool read_time(struct sim_call *c, const char *name, int64_t preset, int64_t *at_ms)
{
    struct str text = http_query(c->http, name);
    *at_ms = preset;
    if (!text.ptr || clock_parse(text, at_ms))
        return true;
    sim_unipile_error(c, 400, "invalid_parameters", "want a time like 2026-01-02T03:04:05.678Z");
    return false;
}

/* What was sent into a chat, newest first. The cursor is the number of the send to go on with. */
void sim_unipile_messages(struct sim_call *c)
{
    size_t limit, n = 0;
    int64_t before, after, from;
    struct str cursor = http_query(c->http, "cursor");
    from = (int64_t)sim_sends_last(c->server->sends);
    if (cursor.ptr && (!str_i64(cursor, &from) || from < 1)) {
        sim_unipile_error(c, 400, "invalid_parameters", "cursor is none of ours");
        return;
    }
    if (!sim_unipile_limit(c, &limit) || !read_time(c, "before", INT64_MAX, &before) ||
        !read_time(c, "after", 0, &after))
        return;
    struct buf out;
    buf_init(&out, OUT_MAX);
    struct json_out o = {.buf = &out};
    sim_unipile_list_begin(&o, "MessageList");
    const struct sim_sent *row;
    uint64_t i = (uint64_t)from;
    for (; n < limit && (row = sim_sends_get(c->server->sends, i)); i--) {
        if (!is_message(c, row) || !str_eq(row->send.conversation, c->args[0]) ||
            row->at_ms >= before || row->at_ms <= after)
            continue;
        put_message(&o, row);
        n++;
    }
    json_close(&o, ']');
    bool is_more = n == limit && sim_sends_get(c->server->sends, i);
    json_put_str(&o, "cursor", is_more ? str_fmt(c->a, "%llu", (unsigned long long)i) : STR_NONE);
    json_close(&o, '}');
    answer(c, 200, &out);
}

void sim_unipile_message(struct sim_call *c)
{
    const struct sim_sent *row = sim_sends_find(c->server->sends, c->api, c->args[0]);
    if (!row) {
        sim_unipile_error(c, 404, "resource_not_found", "Message not found");
        return;
    }
    struct buf out;
    buf_init(&out, OUT_MAX);
    struct json_out o = {.buf = &out};
    put_message(&o, row);
    answer(c, 200, &out);
}

static void put_chat(struct json_out *o, struct sim_call *c, struct str id, struct str account,
                     struct str person)
{
    struct buf network;
    buf_init(&network, 4096);
    struct str type = sim_unipile_type(&(struct sim_known){.id = account});
    const struct sim_known *k = sim_account(c, account);
    if (k)
        type = sim_unipile_type(k);
    sim_unipile_put_network_id(&network, type, person);
    json_open(o, '{');
    json_put_str(o, "object", STR("Chat"));
    json_put_str(o, "id", id);
    json_put_str(o, "account_id", account);
    json_put_str(o, "account_type", type);
    json_put_str(o, "provider_id", buf_str(&network));
    json_put_str(o, "attendee_provider_id", buf_str(&network));
    json_put_raw(o, "type", STR("0"));
    json_put_raw(o, "unread_count", STR("0"));
    json_close(o, '}');
    buf_done(&network);
}

/* The chats into which something was sent, the one of the newest message first. */
void sim_unipile_chats(struct sim_call *c)
{
    size_t limit, n = 0;
    struct str account = http_query(c->http, "account_id");
    struct str seen[UNIPILE_LIST_MAX];
    if (!sim_unipile_limit(c, &limit))
        return;
    struct buf out;
    buf_init(&out, OUT_MAX);
    struct json_out o = {.buf = &out};
    sim_unipile_list_begin(&o, "ChatList");
    const struct sim_sent *row;
    for (uint64_t i = sim_sends_last(c->server->sends);
         n < limit && (row = sim_sends_get(c->server->sends, i)); i--) {
        size_t k = 0;
        while (k < n && !str_eq(seen[k], row->send.conversation))
            k++;
        if (k < n || !is_message(c, row) || (account.len && !str_eq(account, row->account)))
            continue;
        seen[n++] = row->send.conversation;
        put_chat(&o, c, row->send.conversation, row->account, row->send.to);
    }
    sim_unipile_list_end(&o);
    answer(c, 200, &out);
}

void sim_unipile_chat_get(struct sim_call *c)
{
    if (str_starts(c->args[0], STR("absent"))) {
        sim_unipile_error(c, 404, "resource_not_found", "Chat not found");
        return;
    }
    struct str account = http_query(c->http, "account_id");
    struct buf out;
    buf_init(&out, OUT_MAX);
    struct json_out o = {.buf = &out};
    put_chat(&o, c, c->args[0], account.len ? account : STR("unnamed"), c->args[0]);
    answer(c, 200, &out);
}

/* Every attachment is the same picture of one point. */
void sim_unipile_attachment(struct sim_call *c)
{
    static const unsigned char gif[] = {'G', 'I', 'F', '8', '9', 'a', 1,   0,    1, 0, 0x80, 0,
                                        0,   0,   0,   0,   255, 255, 255, ',',  0, 0, 0,    0,
                                        1,   0,   1,   0,   0,   2,   2,   0x44, 1, 0, ';'};
    if (str_starts(c->args[0], STR("absent")) || str_starts(c->args[1], STR("absent"))) {
        sim_unipile_error(c, 404, "resource_not_found", "Attachment not found");
        return;
    }
    sim_answer_as(c, 200, "image/gif", (struct str){(const char *)gif, sizeof gif});
}

/* --- webhooks --------------------------------------------------------------------------------- */

void sim_unipile_webhooks(struct sim_call *c)
{
    size_t limit, n = 0;
    if (!sim_unipile_limit(c, &limit))
        return;
    struct buf out;
    buf_init(&out, OUT_MAX);
    struct json_out o = {.buf = &out};
    sim_unipile_list_begin(&o, "WebhookList");
    for (size_t i = 0; i < sim_hooks_n(c->server->hooks) && n < limit; i++) {
        const struct sim_hook *k = sim_hooks_at(c->server->hooks, i);
        if (k->is_gone || !str_eq_c(k->provider, "unipile"))
            continue;
        n++;
        json_open(&o, '{');
        json_put_str(&o, "object", STR("Webhook"));
        json_put_str(&o, "id", k->id);
        json_put_str(&o, "request_url", k->url);
        json_put_str(&o, "source", k->source);
        json_put_str(&o, "name", STR("postrider"));
        json_put_bool(&o, "enabled", true);
        json_put_raw(&o, "account_ids", STR("[]"));
        json_close(&o, '}');
    }
    sim_unipile_list_end(&o);
    answer(c, 200, &out);
}

/* [{"key", "value"}] as lines of a head. False: it is not that. */
static bool header_lines(struct sim_call *c, const struct json *list, struct str *out)
{
    struct buf lines;
    buf_init(&lines, 8192);
    bool ok = !list || json_is(list, JSON_ARRAY);
    for (const struct json *v = json_first(list); ok && v; v = json_next(list, v)) {
        struct str key = json_text(c->a, json_get(v, "key"));
        struct str value = json_text(c->a, json_get(v, "value"));
        ok = key.len && json_is(json_get(v, "value"), JSON_STRING);
        for (size_t i = 0; i < key.len + value.len; i++)
            ok = ok && (unsigned char)(i < key.len ? key.ptr[i] : value.ptr[i - key.len]) >= ' ';
        buf_putf(&lines, "%.*s: %.*s\r\n", STR_ARG(key), STR_ARG(value));
    }
    *out = str_dup(c->a, buf_str(&lines));
    buf_done(&lines);
    return ok;
}

void sim_unipile_webhook_create(struct sim_call *c)
{
    static const char *const sources[] = {"messaging", "users",          "account_status",
                                          "email",     "email_tracking", "calendar_event"};
    struct sim_body b;
    struct str lines;
    if (!sim_body(c, SIM_BODY_JSON, &b))
        return;
    struct str source = sim_field_text(&b, "source"), url = sim_field_text(&b, "request_url");
    bool is_known = false;
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        is_known |= str_eq_c(source, sources[i]);
    if (!source.len || !url.len) {
        sim_unipile_error(c, 400, "missing_parameters", "source and request_url are required");
        return;
    }
    bool is_url = str_starts(url, STR("https://")) || str_starts(url, STR("http://"));
    if (!is_known || !is_url || !header_lines(c, json_get(b.json, "headers"), &lines)) {
        sim_unipile_error(c, 400, "invalid_parameters", "source, request_url or headers");
        return;
    }
    struct str id = str_fmt(c->a, "we_%.*s", STR_ARG(sim_unique_id(c)));
    if (!sim_hooks_put(c->server->hooks, &(struct sim_hook){.provider = STR("unipile"),
                                                            .id = id,
                                                            .source = source,
                                                            .url = url,
                                                            .headers = lines,
                                                            .at_ms = c->at_ms})) {
        sim_unipile_error(c, 422, "limit_exceeded", "too many webhooks");
        return;
    }
    sim_answer(
        c, 201,
        str_fmt(c->a, "{\"object\":\"WebhookCreated\",\"webhook_id\":\"%.*s\"}", STR_ARG(id)));
}

void sim_unipile_webhook_delete(struct sim_call *c)
{
    struct sim_hook *k = sim_hooks_get(c->server->hooks, STR("unipile"), c->args[0]);
    if (!k) {
        sim_unipile_error(c, 404, "resource_not_found", "Webhook not found");
        return;
    }
    k->is_gone = true;
    sim_answer(c, 200, STR("{\"object\":\"WebhookDeleted\"}"));
}
