/* SPDX-License-Identifier: Apache-2.0 */
/* Telegram's Bot API: what every method takes, and the methods that send all but files. */
#include <string.h>

#include "telegram_api.h"

#define MESSAGE_MAX 4096 /* UTF-16 units */
#define DATA_MAX    64
#define OUT_MAX     ((size_t)1 << 20)

/* --- parameters ------------------------------------------------------------------------------- */

struct str sim_tg_text(const struct sim_tg *t, const char *name)
{
    struct str in_body = sim_field_text(&t->body, name);
    return in_body.ptr ? in_body : http_query(t->c->http, name);
}

const struct json *sim_tg_json(const struct sim_tg *t, const char *name)
{
    struct err err = {0};
    const struct sim_field *f = sim_field(&t->body, name);
    // A JSON body may hold an object as it is, or as text.
    if (f && f->json && !json_is(f->json, JSON_STRING))
        return f->json;
    struct str text = sim_tg_text(t, name);
    return text.len ? json_parse(t->c->a, text, &err) : NULL;
}

bool sim_tg_int(const struct sim_tg *t, const char *name, int64_t *out)
{
    return str_i64(sim_tg_text(t, name), out);
}

bool sim_tg_fits(struct sim_call *c, struct str text, size_t max, const char *too_long)
{
    size_t units = 0;
    for (struct str rest = text; rest.len;) {
        uint32_t point;
        bool valid;
        rest = str_skip(rest, utf8_next(rest, &point, &valid));
        if (!valid)
            return sim_tg_error(c, 400, "Bad Request: strings must be encoded in UTF-8");
        units += point > 0xFFFF ? 2 : 1;
    }
    return units <= max || sim_tg_error(c, 400, too_long);
}

static bool button_valid(struct arena *a, const struct json *b)
{
    struct str data = json_text(a, json_get(b, "callback_data"));
    struct str url = json_text(a, json_get(b, "url"));
    bool is_url = str_starts(url, STR("https://")) || str_starts(url, STR("http://"));
    return json_is(json_get(b, "text"), JSON_STRING) && json_text(a, json_get(b, "text")).len &&
           (data.len > 0) + (url.len > 0) == 1 && (data.len ? data.len <= DATA_MAX : is_url);
}

static bool markup_valid(struct sim_tg *t)
{
    struct sim_call *c = t->c;
    if (!sim_tg_text(t, "reply_markup").len && !sim_field(&t->body, "reply_markup"))
        return true;
    const struct json *markup = sim_tg_json(t, "reply_markup");
    const struct json *rows = json_get(markup, "inline_keyboard");
    if (!json_is(markup, JSON_OBJECT))
        return sim_tg_error(c, 400, "Bad Request: object expected as reply markup");
    if (!json_is(rows, JSON_ARRAY))
        return sim_tg_error(c, 400,
                            "Bad Request: can't parse inline keyboard: field "
                            "\"inline_keyboard\" must be of type Array");
    for (const struct json *row = json_first(rows); row; row = json_next(rows, row)) {
        if (!json_is(row, JSON_ARRAY))
            return sim_tg_error(c, 400, "Bad Request: can't parse inline keyboard");
        for (const struct json *b = json_first(row); b; b = json_next(row, b))
            if (!button_valid(c->a, b))
                return sim_tg_error(c, 400, "Bad Request: BUTTON_DATA_INVALID");
    }
    return true;
}

/* The channel behind a name has a number. */
static struct str chat_id(const struct sim_tg *t)
{
    if (t->chat.ptr[0] != '@')
        return t->chat;
    return str_fmt(t->c->a, "-100%u", (unsigned)(str_hash(t->chat) % 1000000000u));
}

static struct str place_of(const struct sim_tg *t)
{
    if (!t->connection.len)
        return chat_id(t);
    return str_fmt(t->c->a, "%.*s:%.*s", STR_ARG(t->connection), STR_ARG(chat_id(t)));
}

static bool reply_valid(struct sim_tg *t)
{
    struct sim_call *c = t->c;
    int64_t id;
    if (!sim_tg_text(t, "reply_parameters").len && !sim_field(&t->body, "reply_parameters"))
        return true;
    const struct json *reply = sim_tg_json(t, "reply_parameters");
    if (!json_is(reply, JSON_OBJECT))
        return sim_tg_error(c, 400, "Bad Request: object expected as reply parameters");
    if (!json_i64(json_get(reply, "message_id"), &id) || id <= 0)
        return sim_tg_error(c, 400, "Bad Request: message to be replied not found");
    t->target = str_fmt(c->a, "%.*s:%lld", STR_ARG(place_of(t)), (long long)id);
    return true;
}

static bool chat_valid(struct sim_tg *t)
{
    int64_t id = 0;
    t->chat = sim_tg_text(t, "chat_id");
    t->connection = sim_tg_text(t, "business_connection_id");
    if (!t->chat.len)
        return sim_tg_error(t->c, 400, "Bad Request: chat_id is empty");
    if (t->chat.ptr[0] == '@' ? t->chat.len < 2 : !str_i64(t->chat, &id) || id == 0)
        return sim_tg_error(t->c, 400, "Bad Request: chat not found");
    return true;
}

bool sim_tg_place(struct sim_tg *t)
{
    return chat_valid(t) && reply_valid(t) && markup_valid(t);
}

/* --- what was sent ---------------------------------------------------------------------------- */

static void put_chat(struct json_out *o, struct sim_tg *t)
{
    bool is_name = t->chat.ptr[0] == '@', is_group = t->chat.ptr[0] == '-';
    json_key_out(o, "chat");
    json_open(o, '{');
    json_put_raw(o, "id", chat_id(t));
    json_put_str(o, "type",
                 is_name    ? STR("channel")
                 : is_group ? STR("supergroup")
                            : STR("private"));
    if (is_group || is_name)
        json_put_str(o, "title", STR("A group"));
    else
        json_put_str(o, "first_name", STR("Customer"));
    json_close(o, '}');
}

static void put_message(struct json_out *o, struct sim_tg *t, uint64_t id, struct str members)
{
    struct sim_call *c = t->c;
    json_open(o, '{');
    json_put_int(o, "message_id", (int64_t)id);
    json_key_out(o, "from");
    sim_tg_put_bot(o, c);
    put_chat(o, t);
    json_put_int(o, "date", c->at_ms / 1000);
    if (t->connection.len)
        json_put_str(o, "business_connection_id", str_utf8(c->a, t->connection));
    buf_putc(o->buf, ',');
    buf_put_str(o->buf, members);
    json_close(o, '}');
}

void sim_tg_sent(struct sim_tg *t, const char *kind, struct str text, const struct str *members,
                 size_t n, struct str detail)
{
    struct sim_call *c = t->c;
    struct str place = place_of(t);
    if (!sim_send_may(c, c->account, place))
        return;
    struct buf out;
    buf_init(&out, OUT_MAX);
    struct json_out o = {.buf = &out};
    uint64_t first = 0;
    if (n > 1)
        json_open(&o, '[');
    for (size_t i = 0; i < n; i++) {
        uint64_t id = sim_unique(c);
        first = first ? first : id;
        put_message(&o, t, id, members[i]);
    }
    if (n > 1)
        json_close(&o, ']');
    sim_send_accept(c, &(struct sim_send){.kind = str_of(kind),
                                          .to = place,
                                          .conversation = place,
                                          .text = text,
                                          .external_id = str_fmt(c->a, "%.*s:%llu", STR_ARG(place),
                                                                 (unsigned long long)first),
                                          .target = t->target,
                                          .detail = detail});
    sim_tg_result(c, buf_str(&out));
    buf_done(&out);
}

static void send_done(struct sim_tg *t, const char *kind, struct str text, struct str target)
{
    struct str place = place_of(t);
    if (!sim_send_may(t->c, t->c->account, place))
        return;
    sim_send_accept(t->c, &(struct sim_send){.kind = str_of(kind),
                                             .to = place,
                                             .conversation = place,
                                             .text = text,
                                             .target = target});
    sim_tg_result(t->c, STR("true"));
}

/* --- methods ---------------------------------------------------------------------------------- */

/* `"name":"<text>"` for the answer. */
static struct str text_member(struct arena *a, const char *name, struct str text)
{
    struct buf out;
    buf_init(&out, OUT_MAX);
    buf_putf(&out, "\"%s\":", name);
    struct json_out o = {.buf = &out};
    json_str(&o, text);
    struct str member = str_dup(a, buf_str(&out));
    buf_done(&out);
    return member;
}

void sim_tg_message(struct sim_tg *t)
{
    struct str text = sim_tg_text(t, "text");
    if (!sim_tg_place(t))
        return;
    if (!str_trim(text).len) {
        sim_tg_error(t->c, 400, "Bad Request: message text is empty");
        return;
    }
    if (!sim_tg_fits(t->c, text, MESSAGE_MAX, "Bad Request: message is too long"))
        return;
    struct str member = text_member(t->c->a, "text", text);
    bool has_markup = sim_field(&t->body, "reply_markup") != NULL;
    sim_tg_sent(t, has_markup ? "choices" : "text", text, &member, 1, STR_NONE);
}

/* A number with a fraction, in range; digits only: no exponent is ever sent. */
static bool degree(const struct sim_tg *t, const char *name, int64_t max)
{
    struct str text = sim_tg_text(t, name), whole, rest;
    int64_t n = 0;
    bool has_fraction = str_cut(text, '.', &whole, &rest);
    for (size_t i = 0; i < rest.len; i++)
        if (rest.ptr[i] < '0' || rest.ptr[i] > '9')
            return false;
    if (has_fraction && !rest.len)
        return false;
    if (str_eq_c(whole, "-0"))
        return true;
    return str_i64(whole, &n) && n >= -max && n <= max;
}

static void send_place(struct sim_tg *t, bool is_venue)
{
    struct sim_call *c = t->c;
    if (!sim_tg_place(t))
        return;
    if (!degree(t, "latitude", 90) || !degree(t, "longitude", 180)) {
        sim_tg_error(c, 400, "Bad Request: wrong latitude or longitude");
        return;
    }
    struct str title = sim_tg_text(t, "title"), address = sim_tg_text(t, "address");
    if (is_venue && (!title.len || !address.len)) {
        sim_tg_error(c, 400,
                     title.len ? "Bad Request: address is empty" : "Bad Request: title is empty");
        return;
    }
    struct str member =
        str_fmt(c->a, "\"location\":{\"latitude\":%.*s,\"longitude\":%.*s}",
                STR_ARG(sim_tg_text(t, "latitude")), STR_ARG(sim_tg_text(t, "longitude")));
    sim_tg_sent(t, "location", STR_NONE, &member, 1, str_fmt(c->a, "{%.*s}", STR_ARG(member)));
}

void sim_tg_location(struct sim_tg *t)
{
    send_place(t, false);
}

void sim_tg_venue(struct sim_tg *t)
{
    send_place(t, true);
}

void sim_tg_action(struct sim_tg *t)
{
    static const char *const actions[] = {
        "typing",        "upload_photo",      "record_video",     "upload_video",
        "record_voice",  "upload_voice",      "upload_document",  "choose_sticker",
        "find_location", "record_video_note", "upload_video_note"};
    struct str action = sim_tg_text(t, "action");
    if (!chat_valid(t))
        return;
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (!str_eq_c(action, actions[i]))
            continue;
        send_done(t, "typing", STR_NONE, STR_NONE);
        return;
    }
    sim_tg_error(t->c, 400, "Bad Request: wrong parameter action in request");
}

static bool message_valid(struct sim_tg *t, struct str *target)
{
    int64_t id;
    if (!sim_tg_int(t, "message_id", &id) || id <= 0)
        return sim_tg_error(t->c, 400, "Bad Request: message to react not found");
    *target = str_fmt(t->c->a, "%.*s:%lld", STR_ARG(place_of(t)), (long long)id);
    return true;
}

void sim_tg_set_reaction(struct sim_tg *t)
{
    struct sim_call *c = t->c;
    struct str target, emoji = STR("");
    if (!chat_valid(t) || !message_valid(t, &target))
        return;
    const struct json *list = sim_tg_json(t, "reaction");
    bool is_given = sim_field(&t->body, "reaction") || sim_tg_text(t, "reaction").len;
    if (is_given && !json_is(list, JSON_ARRAY)) {
        sim_tg_error(c, 400, "Bad Request: can't parse reaction types JSON object");
        return;
    }
    for (const struct json *v = json_first(list); v; v = json_next(list, v)) {
        emoji = json_text(c->a, json_get(v, "emoji"));
        if (str_eq_c(json_text(c->a, json_get(v, "type")), "emoji") &&
            sim_tg_is_reaction(c->a, emoji))
            continue;
        sim_tg_error(c, 400, "Bad Request: REACTION_INVALID");
        return;
    }
    send_done(t, "reaction", emoji, target);
}

void sim_tg_read_business(struct sim_tg *t)
{
    struct str target;
    if (!chat_valid(t) || !message_valid(t, &target))
        return;
    if (!t->connection.len) {
        sim_tg_error(t->c, 400, "Bad Request: BUSINESS_CONNECTION_INVALID");
        return;
    }
    send_done(t, "read", STR_NONE, target);
}
