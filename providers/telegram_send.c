/* SPDX-License-Identifier: Apache-2.0 */
/* What is sent becomes a call of the Bot API. The token is part of the URL. */
#include "telegram_send.h"

#include "fields.h"

#define API_HOST    "https://api.telegram.org"
#define DATA_MAX    64 /* bytes of what a button sends back */
#define FIELD_BYTES ((size_t)64 << 10)

static const struct text_limit message_limit = {"Telegram", "a message", 4096, TEXT_UTF16};

/* --- requests --------------------------------------------------------------------------------- */

static bool is_token(struct str token)
{
    for (size_t i = 0; i < token.len; i++) {
        char c = token.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     c == ':' || c == '_' || c == '-';
        if (!plain)
            return false;
    }
    return token.len > 0;
}

bool telegram_request(struct arena *a, const struct send_account *account, const char *method,
                      struct send_request *r, struct err *err)
{
    struct str base;
    if (!send_base(account, API_HOST, &base, err))
        return false;
    if (!is_token(account->token))
        return err_set(err, ERR_INVALID, "the channel's token is not a bot's: connect it again");
    r->method = METHOD_POST;
    r->url_is_secret = true;
    r->url = str_fmt(a, "%.*s/bot%.*s/%s", STR_ARG(base), STR_ARG(account->token), method);
    r->url_shown = str_fmt(a, "%.*s/bot***/%s", STR_ARG(base), method);
    return true;
}

static void field_add(struct telegram_call *c, const char *name, struct str value, bool is_json)
{
    if (value.len && c->n < TELEGRAM_FIELDS_MAX)
        c->fields[c->n++] = (struct telegram_field){name, value, is_json};
}

void telegram_text(struct telegram_call *c, const char *name, struct str value)
{
    field_add(c, name, str_utf8(c->a, value), false);
}

void telegram_json(struct telegram_call *c, const char *name, struct str value)
{
    field_add(c, name, value, true);
}

bool telegram_finish(struct telegram_call *c, const char *method)
{
    if (!telegram_request(c->a, c->call->account, method, c->r, c->err))
        return false;
    c->r->is_final = true;
    if (c->r->n_parts) {
        c->r->body_kind = BODY_MULTIPART;
        for (size_t i = 0; i < c->n; i++)
            send_part_text(c->r, c->fields[i].name, c->fields[i].value);
        return true;
    }
    struct send_json j;
    send_json_begin(&j);
    for (size_t i = 0; i < c->n; i++) {
        if (c->fields[i].is_json)
            json_put_raw(&j.out, c->fields[i].name, c->fields[i].value);
        else
            json_put_str(&j.out, c->fields[i].name, c->fields[i].value);
    }
    return send_json_end(&j, c->a, c->r, c->err);
}

/* --- places ----------------------------------------------------------------------------------- */

bool telegram_id_cut(struct str id, struct str *place, struct str *message, struct err *err)
{
    size_t at = id.len;
    while (at > 0 && id.ptr[at - 1] != ':')
        at--;
    *message = str_skip(id, at);
    *place = (struct str){id.ptr, at ? at - 1 : 0};
    int64_t n = 0;
    if (place->len && is_integer(*message) && str_i64(*message, &n) && n > 0)
        return true;
    return err_set(err, ERR_INVALID, "'%.*s' is no id of a Telegram message: chat:message",
                   STR_ARG(id));
}

/* "connection:chat" or "chat"; the chat is a number, or the name of a channel. */
static bool place_read(struct str to, struct str *connection, struct str *chat, struct err *err)
{
    *connection = STR_NONE;
    *chat = to;
    for (size_t i = to.len; i > 0; i--) {
        if (to.ptr[i - 1] != ':')
            continue;
        *connection = (struct str){to.ptr, i - 1};
        *chat = str_skip(to, i);
        break;
    }
    bool is_name = chat->len > 1 && chat->ptr[0] == '@' && !connection->len;
    if ((is_integer(*chat) || is_name) && (connection->len || !connection->ptr))
        return true;
    return err_set(err, ERR_INVALID, "'%.*s' is no Telegram chat", STR_ARG(to));
}

static void put_chat(struct telegram_call *c)
{
    telegram_text(c, "business_connection_id", c->connection);
    if (c->chat.ptr[0] == '@')
        telegram_text(c, "chat_id", c->chat);
    else
        telegram_json(c, "chat_id", c->chat);
}

bool telegram_place_out(struct telegram_call *c)
{
    const struct send_message *m = c->call->message;
    put_chat(c);
    if (!m->reply_to.len)
        return true;
    struct str place, message, connection, chat;
    if (!telegram_id_cut(m->reply_to, &place, &message, c->err) ||
        !place_read(place, &connection, &chat, c->err))
        return false;
    if (!str_eq(connection, c->connection))
        return err_set(c->err, ERR_INVALID, "the message answered is in another account");
    // A group that became a supergroup has another id, and its messages are named by the old one.
    bool is_elsewhere = !str_eq(chat, c->chat) && is_integer(chat);
    struct str also = is_elsewhere ? str_fmt(c->a, ",\"chat_id\":%.*s", STR_ARG(chat)) : STR_NONE;
    // What was deleted in the meantime does not keep the answer from being sent.
    telegram_json(c, "reply_parameters",
                  str_fmt(c->a, "{\"message_id\":%.*s,\"allow_sending_without_reply\":true%.*s}",
                          STR_ARG(message), STR_ARG(also)));
    return true;
}

/* --- kinds ------------------------------------------------------------------------------------ */

static bool build_text(struct telegram_call *c)
{
    struct str text = c->call->message->text;
    if (!text.len)
        return err_set(c->err, ERR_INVALID, "the message is empty: write a text");
    if (!text_fits(text, &message_limit, c->err) || !telegram_place_out(c))
        return false;
    telegram_text(c, "text", text);
    return telegram_finish(c, "sendMessage");
}

static bool button_write(struct telegram_call *c, struct json_out *out, const struct send_choice *b)
{
    bool is_url = b->style == CHOICE_URL;
    struct str data = b->payload.len ? b->payload : b->title;
    if (!b->title.len)
        return err_set(c->err, ERR_INVALID, "a button has a title");
    if (is_url ? !is_http_url(b->url) : data.len > DATA_MAX)
        return err_set(c->err, ERR_INVALID,
                       is_url ? "a button's url begins with https:// or http://"
                              : "what a Telegram button sends back has at most 64 bytes");
    json_open(out, '[');
    json_open(out, '{');
    json_put_str(out, "text", str_utf8(c->a, b->title));
    json_put_str(out, is_url ? "url" : "callback_data", str_utf8(c->a, is_url ? b->url : data));
    json_close(out, '}');
    json_close(out, ']');
    return true;
}

/* A row for each button, as a list of them reads best on a telephone. */
static bool build_choices(struct telegram_call *c)
{
    const struct send_message *m = c->call->message;
    if (!m->n_choices)
        return err_set(c->err, ERR_INVALID, "there is nothing to choose from");
    struct buf buf;
    buf_init(&buf, FIELD_BYTES);
    struct json_out out = {.buf = &buf};
    json_open(&out, '{');
    json_key_out(&out, "inline_keyboard");
    json_open(&out, '[');
    bool ok = true;
    for (size_t i = 0; ok && i < m->n_choices; i++)
        ok = button_write(c, &out, &m->choices[i]);
    json_close(&out, ']');
    json_close(&out, '}');
    ok = ok && (!buf.overflow || err_set(c->err, ERR_LIMITED, "the buttons are too large"));
    if (ok)
        telegram_json(c, "reply_markup", str_dup(c->a, buf_str(&buf)));
    buf_done(&buf);
    return ok && build_text(c);
}

static bool build_location(struct telegram_call *c)
{
    const struct send_location *l = &c->call->message->location;
    if (!is_decimal(l->latitude) || !is_decimal(l->longitude))
        return err_set(c->err, ERR_INVALID, "a location has a latitude and a longitude, as 52.52");
    if (!telegram_place_out(c))
        return false;
    telegram_json(c, "latitude", l->latitude);
    telegram_json(c, "longitude", l->longitude);
    if (!l->name.len && !l->address.len)
        return telegram_finish(c, "sendLocation");
    // A venue has both.
    telegram_text(c, "title", l->name.len ? l->name : l->address);
    telegram_text(c, "address", l->address.len ? l->address : l->name);
    return telegram_finish(c, "sendVenue");
}

/* The place of a reaction or a read mark is that of its message. */
static bool target_read(struct telegram_call *c, struct str *message)
{
    struct str place;
    return telegram_id_cut(c->call->message->target_id, &place, message, c->err) &&
           place_read(place, &c->connection, &c->chat, c->err);
}

static bool build_reaction(struct telegram_call *c)
{
    struct str message;
    if (!target_read(c, &message))
        return false;
    if (c->connection.len)
        return err_set(c->err, ERR_INVALID,
                       "Telegram lets no bot react in the name of a business account");
    put_chat(c);
    telegram_json(c, "message_id", message);
    struct str emoji = str_utf8(c->a, c->call->message->emoji);
    struct buf buf;
    buf_init(&buf, FIELD_BYTES);
    struct json_out out = {.buf = &buf};
    json_open(&out, '[');
    if (emoji.len) {
        json_open(&out, '{');
        json_put_str(&out, "type", STR("emoji"));
        json_put_str(&out, "emoji", emoji);
        json_close(&out, '}');
    }
    json_close(&out, ']');
    bool ok = !buf.overflow || err_set(c->err, ERR_LIMITED, "that is no emoji");
    telegram_json(c, "reaction", str_dup(c->a, buf_str(&buf)));
    buf_done(&buf);
    return ok && telegram_finish(c, "setMessageReaction");
}

static bool build_read(struct telegram_call *c)
{
    struct str message;
    if (!target_read(c, &message))
        return false;
    if (!c->connection.len)
        return err_set(c->err, ERR_INVALID, "a Telegram bot cannot mark its own chats as read");
    put_chat(c);
    telegram_json(c, "message_id", message);
    return telegram_finish(c, "readBusinessMessage");
}

static bool build_typing(struct telegram_call *c)
{
    if (c->call->message->is_off)
        return err_set(c->err, ERR_INVALID, "at Telegram, typing ends by itself after 5 seconds");
    put_chat(c);
    telegram_text(c, "action", STR("typing"));
    return telegram_finish(c, "sendChatAction");
}

static bool build_template(struct telegram_call *c)
{
    return err_set(c->err, ERR_INVALID, "Telegram has no templates");
}

/* --- build ------------------------------------------------------------------------------------ */

static const struct {
    bool (*build)(struct telegram_call *c);
    bool has_target; /* the target names the place, and not `to` */
} kinds[SEND_KINDS] = {
    [SEND_TEXT] = {build_text, false},        [SEND_MEDIA] = {telegram_build_media, false},
    [SEND_REACTION] = {build_reaction, true}, [SEND_READ] = {build_read, true},
    [SEND_TYPING] = {build_typing, false},    [SEND_TEMPLATE] = {build_template, false},
    [SEND_CHOICES] = {build_choices, false},  [SEND_LOCATION] = {build_location, false},
};

bool telegram_build(struct arena *a, const struct send_call *call, struct send_request *out,
                    struct err *err)
{
    const struct send_message *m = call->message;
    struct telegram_call c = {.a = a, .call = call, .r = out, .err = err};
    *out = (struct send_request){0};
    if ((size_t)m->kind >= ARRAY_LEN(kinds))
        return err_set(err, ERR_INVALID, "no such kind of message: %d", (int)m->kind);
    if (m->to_kind == TO_COMMENT)
        return err_set(err, ERR_INVALID, "Telegram has no private replies to comments");
    if (!kinds[m->kind].has_target && !place_read(m->to, &c.connection, &c.chat, err))
        return false;
    return kinds[m->kind].build(&c);
}
