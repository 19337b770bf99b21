/* SPDX-License-Identifier: Apache-2.0 */
/* X's API, version 2: direct messages, and the user behind a token. */
#include "x_api.h"

#include <string.h>

#include "apis.h"
#include "clock.h"

#define TEXT_MAX 10000 /* characters */
#define OUT_MAX  ((size_t)1 << 20)
#define EVENT_EPOCH_MS                                                        \
    1288834974657LL /* ids are milliseconds from then on, above 22 other bits \
                     */
#define EVENT_BITS 22
#define WINDOW_MS  900000
#define GROUP_MAX  49

/* --- answers ---------------------------------------------------------------------------------- */

void sim_x_problem(struct sim_call *c, int status, const char *title, const char *detail)
{
    sim_answer(
        c, status,
        str_fmt(c->a, "{\"title\":\"%s\",\"detail\":\"%s\",\"type\":\"about:blank\",\"status\":%d}",
                title, detail, status));
}

bool sim_x_invalid(struct sim_call *c, const char *message)
{
    struct buf out;
    buf_init(&out, 65536);
    struct json_out o = {.buf = &out};
    json_open(&o, '{');
    json_key_out(&o, "errors");
    json_open(&o, '[');
    json_open(&o, '{');
    json_put_str(&o, "message", str_utf8(c->a, str_of(message)));
    json_close(&o, '}');
    json_close(&o, ']');
    json_put_str(&o, "title", STR("Invalid Request"));
    json_put_str(&o, "detail", STR("One or more parameters to your request was invalid."));
    json_put_str(&o, "type", STR("https://api.twitter.com/2/problems/invalid-request"));
    json_close(&o, '}');
    sim_answer(c, 400, buf_str(&out));
    buf_done(&out);
    return false;
}

void sim_x_data(struct sim_call *c, int status, struct str json)
{
    sim_answer(c, status, str_fmt(c->a, "{\"data\":%.*s}", STR_ARG(json)));
}

static void put_rate(struct sim_call *c, int64_t limit, int64_t remaining, int64_t reset_ms)
{
    const struct {
        const char *name;
        int64_t value;
    } headers[] = {{"x-rate-limit-limit", limit},
                   {"x-rate-limit-remaining", remaining},
                   {"x-rate-limit-reset", (c->at_ms + reset_ms + 999) / 1000}};
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        sim_header(c, headers[i].name, str_fmt(c->a, "%lld", (long long)headers[i].value));
}

static void finish(struct sim_call *c)
{
    if (c->quota.is_limited)
        put_rate(c, c->quota.limit, c->quota.remaining,
                 c->quota.is_refused ? c->quota.wait_ms : c->quota.reset_ms);
}

static void fail(struct sim_call *c, const struct sim_failure *f)
{
    static const struct {
        int status;
        const char *title, *detail;
    } errors[] = {
        [SIM_WHY_PATH] = {404, "Not Found", "Not Found"},
        [SIM_WHY_METHOD] = {405, "Method Not Allowed", "Method Not Allowed"},
        [SIM_WHY_NO_TOKEN] = {401, "Unauthorized", "Unauthorized"},
        [SIM_WHY_BAD_TOKEN] = {401, "Unauthorized", "Unauthorized"},
        [SIM_WHY_EXPIRED] = {401, "Unauthorized", "Unauthorized"},
        [SIM_WHY_REVOKED] = {401, "Unauthorized", "Unauthorized"},
        [SIM_WHY_RATE] = {429, "Too Many Requests", "Too Many Requests"},
        [SIM_WHY_WINDOW] = {403, "Forbidden", "This conversation does not take messages now"},
        [SIM_WHY_REFUSED] = {403, "Forbidden", "You do not have permission to DM this participant"},
    };
    if (f->why == SIM_WHY_SERVER)
        sim_x_problem(c, f->status, "Service Unavailable", "Service Unavailable");
    else if (f->why == SIM_WHY_TYPE)
        (void)sim_x_invalid(c, "Requests with bodies must have the content type of the endpoint.");
    else if (f->why == SIM_WHY_BODY)
        (void)sim_x_invalid(c, f->detail ? f->detail : "the body cannot be read");
    else if (f->why >= 0 && (size_t)f->why < ARRAY_LEN(errors) && errors[f->why].status) {
        if (f->why == SIM_WHY_RATE && !c->quota.is_limited)
            put_rate(c, 15, 0, f->wait_ms);
        sim_x_problem(c, errors[f->why].status, errors[f->why].title, errors[f->why].detail);
    } else {
        sim_x_problem(c, 500, "Internal Server Error", "Internal Server Error");
    }
}

static bool admit(struct sim_call *c)
{
    struct str token = sim_bearer(c);
    c->account = token.len ? sim_token_account(c->a, token) : STR_NONE;
    return sim_token_check(c, token);
}

/* --- ids -------------------------------------------------------------------------------------- */

bool sim_x_is_id(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.len > 0 && s.len <= 19;
}

struct str sim_x_pair(struct arena *a, struct str one, struct str other)
{
    bool in_order = one.len != other.len ? one.len < other.len : str_cmp(one, other) <= 0;
    struct str first = in_order ? one : other, second = in_order ? other : one;
    return str_fmt(a, "%.*s-%.*s", STR_ARG(first), STR_ARG(second));
}

static struct str event_id(struct sim_call *c)
{
    uint64_t ms = (uint64_t)(c->at_ms - EVENT_EPOCH_MS);
    return str_fmt(
        c->a, "%llu",
        (unsigned long long)(ms << EVENT_BITS | (sim_unique(c) & ((1u << EVENT_BITS) - 1))));
}

/* --- messages --------------------------------------------------------------------------------- */

static bool text_valid(struct sim_call *c, const struct json *text)
{
    size_t n = 0;
    if (!text)
        return true;
    if (!json_is(text, JSON_STRING))
        return sim_x_invalid(c, "$.text: string expected");
    for (struct str rest = json_text(c->a, text); rest.len; n++) {
        uint32_t point;
        bool valid;
        rest = str_skip(rest, utf8_next(rest, &point, &valid));
    }
    if (n == 0)
        return sim_x_invalid(c, "$.text: must not be empty");
    return n <= TEXT_MAX || sim_x_invalid(c, "$.text: is too long");
}

/* One medium, that this account has uploaded. */
static bool media_valid(struct sim_call *c, const struct json *list, struct str *id)
{
    *id = STR_NONE;
    if (!list)
        return true;
    if (!json_is(list, JSON_ARRAY) || list->n != 1)
        return sim_x_invalid(c, "$.attachments: exactly one is expected");
    const struct json *media = json_get(json_first(list), "media_id");
    *id = json_text(c->a, media);
    if (!json_is(media, JSON_STRING) || !sim_x_is_id(*id))
        return sim_x_invalid(c, "$.attachments[0].media_id: a string of digits is expected");
    const struct sim_upload *u = sim_upload(c, *id, false);
    return (u && u->is_done) || sim_x_invalid(c, "Your media IDs are invalid.");
}

static bool members_valid(struct sim_call *c, const struct json *message)
{
    for (const struct json *v = json_first(message); v; v = json_next(message, v)) {
        struct str name = json_text(c->a, json_key(v));
        if (!str_eq_c(name, "text") && !str_eq_c(name, "attachments"))
            return sim_x_invalid(c, "a member is not defined in the schema and the schema does "
                                    "not allow additional properties");
    }
    return true;
}

/* `to`: whom or what the request named. */
static void make(struct sim_call *c, const struct json *message, struct str to,
                 struct str conversation)
{
    struct str media;
    const struct json *text = json_get(message, "text");
    if (!json_is(message, JSON_OBJECT)) {
        (void)sim_x_invalid(c, "an object is expected");
        return;
    }
    if (!members_valid(c, message) || !text_valid(c, text) ||
        !media_valid(c, json_get(message, "attachments"), &media))
        return;
    if (!text && !media.len) {
        (void)sim_x_invalid(c, "text or attachments is required");
        return;
    }
    if (!sim_send_may(c, c->account, to))
        return;
    struct str id = event_id(c);
    sim_send_accept(c, &(struct sim_send){
                           .kind = media.len ? STR("media") : STR("text"),
                           .to = to,
                           .conversation = conversation,
                           .text = json_text(c->a, text),
                           .external_id = id,
                           .detail = media.len
                                         ? str_fmt(c->a, "{\"media_id\":\"%.*s\"}", STR_ARG(media))
                                         : STR_NONE});
    sim_x_data(c, 201,
               str_fmt(c->a, "{\"dm_conversation_id\":\"%.*s\",\"dm_event_id\":\"%.*s\"}",
                       STR_ARG(conversation), STR_ARG(id)));
}

static void send_to_person(struct sim_call *c)
{
    struct sim_body b;
    struct str person = c->args[0];
    if (!sim_body(c, SIM_BODY_JSON, &b))
        return;
    if (!sim_x_is_id(person)) {
        (void)sim_x_invalid(c, "participant_id: digits are expected");
        return;
    }
    make(c, b.json, person, sim_x_pair(c->a, c->account, person));
}

/* The token's user has to be one of the two. A token that names nobody is anybody's. */
static bool is_member(struct sim_call *c, struct str one, struct str other)
{
    size_t at = STR("sim-").len;
    bool names = c->token.len > at && c->token.ptr[at] >= '0' && c->token.ptr[at] <= '9';
    if (str_eq(c->account, one) || str_eq(c->account, other))
        return true;
    if (names)
        return false;
    c->account = one;
    return true;
}

static void send_to_conversation(struct sim_call *c)
{
    struct sim_body b;
    struct str one, other;
    if (!sim_body(c, SIM_BODY_JSON, &b))
        return;
    bool is_pair = str_cut(c->args[0], '-', &one, &other);
    if (!sim_x_is_id(one) || (is_pair && !sim_x_is_id(other))) {
        (void)sim_x_invalid(c, "dm_conversation_id: [0-9]+-[0-9]+ or [0-9]+ is expected");
        return;
    }
    if (is_pair && !is_member(c, one, other)) {
        sim_x_problem(c, 403, "Forbidden", "You are not in this conversation");
        return;
    }
    make(c, b.json, c->args[0], is_pair ? sim_x_pair(c->a, one, other) : c->args[0]);
}

static void start_group(struct sim_call *c)
{
    struct sim_body b;
    if (!sim_body(c, SIM_BODY_JSON, &b))
        return;
    const struct json *people = json_get(b.json, "participant_ids");
    bool ok = str_eq_c(sim_field_text(&b, "conversation_type"), "Group") &&
              json_is(people, JSON_ARRAY) && people->n >= 2 && people->n <= GROUP_MAX;
    for (const struct json *v = json_first(people); ok && v; v = json_next(people, v))
        ok = json_is(v, JSON_STRING) && sim_x_is_id(json_text(c->a, v));
    if (!ok) {
        (void)sim_x_invalid(c, "conversation_type Group and 2 to 49 participant_ids are expected");
        return;
    }
    struct str group = event_id(c);
    make(c, json_get(b.json, "message"), group, group);
}

/* --- reads ------------------------------------------------------------------------------------ */

static void put_event(struct json_out *o, const struct sim_sent *row)
{
    char at[CLOCK_TEXT_MAX];
    json_open(o, '{');
    json_put_str(o, "id", row->send.external_id);
    json_put_str(o, "event_type", STR("MessageCreate"));
    json_put_str(o, "text", row->send.text.ptr ? row->send.text : STR(""));
    json_put_str(o, "sender_id", row->account);
    json_put_str(o, "dm_conversation_id", row->send.conversation);
    json_put_str(o, "created_at", (struct str){at, clock_format(row->at_ms, at)});
    if (str_eq_c(row->send.kind, "media"))
        json_put_raw(o, "attachments", STR("{\"media_keys\":[\"3_1\"]}"));
    json_close(o, '}');
}

/* What this user sent, newest first; of one conversation, unless it is absent. */
static void list_events(struct sim_call *c, struct str conversation)
{
    int64_t max = 100, n = 0;
    struct str text = http_query(c->http, "max_results");
    if (text.ptr && (!str_i64(text, &max) || max < 1 || max > 100)) {
        (void)sim_x_invalid(c, "max_results: 1 to 100 is expected");
        return;
    }
    struct buf out;
    buf_init(&out, OUT_MAX);
    struct json_out o = {.buf = &out};
    json_open(&o, '{');
    json_key_out(&o, "data");
    json_open(&o, '[');
    const struct sim_sent *row;
    for (uint64_t i = sim_sends_last(c->server->sends);
         n < max && (row = sim_sends_get(c->server->sends, i)); i--) {
        if (row->api != c->api || !str_eq(row->account, c->account) ||
            (conversation.ptr && !str_eq(row->send.conversation, conversation)))
            continue;
        put_event(&o, row);
        n++;
    }
    json_close(&o, ']');
    buf_putf(&out, ",\"meta\":{\"result_count\":%lld}}", (long long)n);
    sim_answer(c, out.overflow ? 500 : 200, buf_str(&out));
    buf_done(&out);
}

static void all_events(struct sim_call *c)
{
    list_events(c, STR_NONE);
}

static void conversation_events(struct sim_call *c)
{
    list_events(c, c->args[0]);
}

static void person_events(struct sim_call *c)
{
    list_events(c, sim_x_pair(c->a, c->account, c->args[0]));
}

static void users_me(struct sim_call *c)
{
    const struct sim_known *k = sim_account(c, c->account);
    struct str name =
        k && k->username.len ? k->username : str_fmt(c->a, "shop_%.*s", STR_ARG(c->account));
    sim_x_data(c, 200,
               str_fmt(c->a, "{\"id\":\"%.*s\",\"name\":\"Shop\",\"username\":\"%.*s\"}",
                       STR_ARG(c->account), STR_ARG(str_utf8(c->a, name))));
}

/* --- the API ---------------------------------------------------------------------------------- */

static const struct sim_route routes[] = {
    {HTTP_POST, "/2/dm_conversations/with/*/messages", send_to_person},
    {HTTP_POST, "/2/dm_conversations/*/messages", send_to_conversation},
    {HTTP_POST, "/2/dm_conversations", start_group},
    {HTTP_GET, "/2/dm_events", all_events},
    {HTTP_GET, "/2/dm_conversations/with/*/dm_events", person_events},
    {HTTP_GET, "/2/dm_conversations/*/dm_events", conversation_events},
    {HTTP_GET, "/2/users/me", users_me},
    {HTTP_POST, "/2/media/upload", sim_x_upload},
    {HTTP_GET, "/2/media/upload", sim_x_upload_state},
    {HTTP_POST, "/2/media/upload/initialize", sim_x_upload_begin},
    {HTTP_POST, "/2/media/upload/*/append", sim_x_upload_piece},
    {HTTP_POST, "/2/media/upload/*/finalize", sim_x_upload_end},
    {HTTP_GET, "/2/webhooks", sim_x_hooks},
    {HTTP_POST, "/2/webhooks", sim_x_hook_create},
    {HTTP_PUT, "/2/webhooks/*", sim_x_hook_check},
    {HTTP_DELETE, "/2/webhooks/*", sim_x_hook_delete},
    {HTTP_POST, "/2/account_activity/webhooks/*/subscriptions/all", sim_x_subscribe},
    {HTTP_GET, "/2/account_activity/webhooks/*/subscriptions/all", sim_x_subscribed},
};

const struct sim_api sim_api_x = {
    .name = "x",
    .routes = routes,
    .n_routes = ARRAY_LEN(routes),
    .limit = {.account = {.burst = 15, .window_ms = WINDOW_MS}}, // 15 in 15 minutes
    .admit = admit,
    .fail = fail,
    .finish = finish,
    .style = &sim_x,
    .has_echo = true,
    .has_read = true,
    .report = sim_x_report,
};
