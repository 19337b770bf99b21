/* SPDX-License-Identifier: Apache-2.0 */
/* Telegram's Bot API: its methods by name, and its errors. The token is in the path. */
#include "telegram_api.h"

#include "apis.h"

/* --- answers ---------------------------------------------------------------------------------- */

static void put_error(struct sim_call *c, int status, struct str description, struct str parameters)
{
    struct buf out;
    buf_init(&out, 65536);
    struct json_out o = {.buf = &out};
    json_open(&o, '{');
    json_put_bool(&o, "ok", false);
    json_put_int(&o, "error_code", status);
    json_put_str(&o, "description", str_utf8(c->a, description));
    if (parameters.len)
        json_put_raw(&o, "parameters", parameters);
    json_close(&o, '}');
    sim_answer(c, status, buf_str(&out));
    buf_done(&out);
}

bool sim_tg_error(struct sim_call *c, int status, const char *description)
{
    put_error(c, status, str_of(description), STR_NONE);
    return false;
}

void sim_tg_result(struct sim_call *c, struct str json)
{
    sim_answer(c, 200, str_fmt(c->a, "{\"ok\":true,\"result\":%.*s}", STR_ARG(json)));
}

static void fail_rate(struct sim_call *c, const struct sim_failure *f)
{
    long long s = (f->wait_ms + 999) / 1000;
    put_error(c, 429, str_fmt(c->a, "Too Many Requests: retry after %lld", s),
              str_fmt(c->a, "{\"retry_after\":%lld}", s));
}

static void fail(struct sim_call *c, const struct sim_failure *f)
{
    switch (f->why) {
    case SIM_WHY_RATE:
        fail_rate(c, f);
        return;
    case SIM_WHY_MOVED:
        put_error(c, 400, STR("Bad Request: group chat was upgraded to a supergroup chat"),
                  str_fmt(c->a, "{\"migrate_to_chat_id\":%.*s}", STR_ARG(f->moved_to)));
        return;
    case SIM_WHY_NO_TOKEN:
    case SIM_WHY_BAD_TOKEN:
    case SIM_WHY_EXPIRED:
    case SIM_WHY_REVOKED:
        sim_tg_error(c, 401, "Unauthorized");
        return;
    case SIM_WHY_TYPE:
    case SIM_WHY_BODY:
        put_error(
            c, 400,
            str_fmt(c->a, "Bad Request: can't parse the request: %s", f->detail ? f->detail : ""),
            STR_NONE);
        return;
    case SIM_WHY_SERVER:
        if (f->status == 500)
            sim_tg_error(c, 500, "Internal Server Error");
        else // said by what stands before the servers
            sim_answer_as(c, f->status, "text/html", STR("<html><body>Bad Gateway</body></html>"));
        return;
    case SIM_WHY_WINDOW:
        sim_tg_error(c, 400, "Bad Request: BUSINESS_PEER_USAGE_MISSING");
        return;
    case SIM_WHY_REFUSED:
        sim_tg_error(c, 403, "Forbidden: bot was blocked by the user");
        return;
    case SIM_WHY_PATH:
    case SIM_WHY_METHOD:
        break;
    }
    sim_tg_error(c, 404, "Not Found");
}

/* --- the API ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*handle)(struct sim_tg *t);
} methods[] = {
    {"sendMessage", sim_tg_message},
    {"sendPhoto", sim_tg_photo},
    {"sendVideo", sim_tg_video},
    {"sendAudio", sim_tg_audio},
    {"sendVoice", sim_tg_voice},
    {"sendDocument", sim_tg_document},
    {"sendAnimation", sim_tg_animation},
    {"sendSticker", sim_tg_sticker},
    {"sendMediaGroup", sim_tg_album},
    {"sendLocation", sim_tg_location},
    {"sendVenue", sim_tg_venue},
    {"sendChatAction", sim_tg_action},
    {"setMessageReaction", sim_tg_set_reaction},
    {"readBusinessMessage", sim_tg_read_business},
    {"getMe", sim_tg_get_me},
    {"setWebhook", sim_tg_set_webhook},
    {"deleteWebhook", sim_tg_delete_webhook},
    {"getWebhookInfo", sim_tg_webhook_info},
    {"getFile", sim_tg_get_file},
};

/* A body of a type that Telegram does not read is no body. */
static bool read_body(struct sim_tg *t)
{
    struct sim_call *c = t->c;
    struct err why = {0};
    enum sim_body_read r = sim_body_parse(
        c->a, http_header(c->http, "Content-Type"), http_body(c->http),
        SIM_BODY_NONE | SIM_BODY_JSON | SIM_BODY_FORM | SIM_BODY_MULTIPART, &t->body, &why);
    if (r == SIM_READ_MALFORMED)
        sim_fail(c, SIM_WHY_BODY, str_c(c->a, str_utf8(c->a, str_of(why.msg))));
    return r != SIM_READ_MALFORMED;
}

static void call(struct sim_call *c)
{
    struct sim_tg t = {.c = c};
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (!str_ieq(c->args[1], str_of(methods[i].name)))
            continue;
        if (read_body(&t))
            methods[i].handle(&t);
        return;
    }
    sim_tg_error(c, 404, "Not Found: method not found");
}

static void file(struct sim_call *c)
{
    sim_answer_as(c, 200, "application/octet-stream", STR("The file's bytes.\n"));
}

/* "<bot's id>:<secret>" is what a token looks like; what does not is no path. */
static bool admit(struct sim_call *c)
{
    struct str token = c->args[0], id, rest;
    c->account = sim_token_account(c->a, token);
    bool is_ours = str_starts(token, STR("sim-")) || str_cut(token, ':', &id, &rest);
    if (!is_ours)
        return sim_tg_error(c, 404, "Not Found");
    return sim_token_check(c, token);
}

static const struct sim_route routes[] = {
    {HTTP_POST, "/bot*/*", call},
    {HTTP_GET, "/bot*/*", call},
    {HTTP_GET, "/file/bot*/*", file},
};

const struct sim_api sim_api_telegram = {
    .name = "telegram",
    .routes = routes,
    .n_routes = ARRAY_LEN(routes),
    // "About 30 messages per second" in all; one a second to one chat, with short bursts.
    .limit = {.account = {.burst = 30, .per_minute = 1800}, .pair = {.burst = 3, .per_minute = 60}},
    .admit = admit,
    .fail = fail,
    .can_move = true,
};
