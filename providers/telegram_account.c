/* SPDX-License-Identifier: Apache-2.0 */
/* The bot behind a token, and its webhook. A token is one bot's: the list has one account. */
#include "fields.h"
#include "telegram_send.h"

#define BAD_ANSWER "Telegram's answer is not to be understood: look at the channel's base address."

/* False: no answer, or an error; judged. */
static bool read_result(struct arena *a, const struct send_account *account,
                        const struct send_reply *reply, const struct json **result,
                        struct judgement *why)
{
    struct send_call call = send_call_of_account(account);
    if (judge_fault(&call, reply, why))
        return false;
    *why = judgement_none();
    const struct json *root = send_reply_json(a, reply);
    *result = json_get(root, "result");
    if (send_reply_is_ok(reply) && json_truthy(json_get(root, "ok")) && *result)
        return true;
    telegram_judge_error(a, &call, reply, root, why);
    if (send_reply_is_ok(reply))
        judge_as_wrong(why, OUTCOME_PERMANENT, BAD_ANSWER);
    return false;
}

/* --- the bot ---------------------------------------------------------------------------------- */

static bool discover_build(struct arena *a, enum discover_what what,
                           const struct send_account *account, struct str cursor,
                           struct send_request *out, struct err *err)
{
    (void)what;
    (void)cursor;
    *out = (struct send_request){0};
    if (!telegram_request(a, account, "getMe", out, err))
        return false;
    out->method = METHOD_GET;
    return true;
}

static bool discover_read(struct arena *a, enum discover_what what,
                          const struct send_account *account, const struct send_reply *reply,
                          struct found_accounts *out, struct judgement *why)
{
    const struct json *me = NULL;
    *out = (struct found_accounts){0};
    if (!read_result(a, account, reply, &me, why))
        return false;
    struct str id = json_text(a, json_get(me, "id"));
    if (!is_integer(id)) {
        judge_as_wrong(why, OUTCOME_PERMANENT, BAD_ANSWER);
        return false;
    }
    if (what == DISCOVER_VALIDATE && !str_eq(id, account->external_id)) {
        judge_as_wrong(why, OUTCOME_AUTH, "The token is another bot's: connect the channel again.");
        return false;
    }
    struct found_account *f = ARENA_NEW(a, struct found_account);
    *f = (struct found_account){
        .external_id = id,
        .type = STR("bot"),
        .name = field_id(a, me, "first_name"),
        .username = field_id(a, me, "username"),
        .status = STR("ok"),
    };
    *out = (struct found_accounts){f, 1, STR_NONE};
    return true;
}

const struct send_discover telegram_discover = {discover_build, discover_read};

/* --- the webhook ------------------------------------------------------------------------------ */

/* Those that events come of; reactions and memberships are delivered only when they are named. */
static const char *const updates[] = {
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "message_reaction",
    "callback_query",
    "my_chat_member",
};

static bool is_secret_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              c == '_' || c == '-'))
            return false;
    }
    return s.len > 0 && s.len <= 256;
}

static bool create_build(struct arena *a, const struct webhook_ask *ask,
                         const struct send_account *account, struct send_request *out,
                         struct err *err)
{
    if (!str_starts(ask->url, STR("https://")) || !is_secret_token(ask->secret))
        return err_set(err, ERR_INVALID,
                       "Telegram's webhook needs an https:// address and a secret of up to 256 "
                       "letters, digits, - and _");
    if (!telegram_request(a, account, "setWebhook", out, err))
        return false;
    struct send_json j;
    send_json_begin(&j);
    send_json_text(&j, a, "url", ask->url);
    send_json_text(&j, a, "secret_token", ask->secret);
    json_key_out(&j.out, "allowed_updates");
    json_open(&j.out, '[');
    for (size_t i = 0; i < ARRAY_LEN(updates); i++)
        json_str(&j.out, str_of(updates[i]));
    json_close(&j.out, ']');
    json_put_int(&j.out, "max_connections", 40);
    json_put_bool(&j.out, "drop_pending_updates", false);
    out->body_is_secret = true;
    return send_json_end(&j, a, out, err);
}

static bool webhook_build(struct arena *a, const struct webhook_ask *ask,
                          const struct send_account *account, struct send_request *out,
                          struct err *err)
{
    *out = (struct send_request){0};
    if (ask->what == WEBHOOK_CREATE)
        return create_build(a, ask, account, out, err);
    if (ask->what == WEBHOOK_VALIDATE)
        return err_set(err, ERR_INVALID, "Telegram does not ask an address again: set the webhook");
    if (!telegram_request(a, account, "getWebhookInfo", out, err))
        return false;
    out->method = METHOD_GET;
    return true;
}

static bool webhook_read(struct arena *a, const struct webhook_ask *ask,
                         const struct send_account *account, const struct send_reply *reply,
                         struct webhook_found *out, struct judgement *why)
{
    const struct json *result = NULL;
    *out = (struct webhook_found){0};
    if (!read_result(a, account, reply, &result, why))
        return false;
    if (ask->what == WEBHOOK_CREATE) {
        out->is_there = out->is_working = json_truthy(result);
        return true;
    }
    out->is_there = str_eq(json_text(a, json_get(result, "url")), ask->url);
    out->complaint = send_words(a, account, json_text(a, json_get(result, "last_error_message")));
    // The last error may be old; what waits tells whether it lasts.
    int64_t waiting = 0;
    (void)json_i64(json_get(result, "pending_update_count"), &waiting);
    out->is_working = out->is_there && !(out->complaint.len && waiting > 0);
    return true;
}

const struct send_webhook telegram_webhook = {1, webhook_build, webhook_read, 0};
