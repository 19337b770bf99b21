/* SPDX-License-Identifier: Apache-2.0 */
/* What the Bot API answers: {"ok": true, "result"}, or {"ok": false, "error_code", "description",
 * "parameters"}. The description is all that tells one 400 from another; it begins with the status
 * in words. */
#include "fields.h"
#include "telegram_send.h"

#define DAY_S 86400

#define TOKEN    "Telegram refuses the bot's token: connect the channel again."
#define NOBODY   "The person cannot be written to by the bot."
#define REMOVED  "The bot is no longer in this chat."
#define NO_CHAT  "Telegram knows no such chat: the person has to write to the bot first."
#define NO_RIGHT "The bot may not do this in the chat: ask the group's administrator."
#define BAD_FILE "Telegram cannot read this file: send it in another form."
#define NO_TEXT  "Telegram sends no message without text."
#define TOO_LONG "The text is longer than Telegram allows: shorten it."

#define REFUSED   OUTCOME_PERMANENT, SEND_SCOPE_NONE, false, 0, 0
#define ACCOUNT   OUTCOME_AUTH, SEND_SCOPE_ACCOUNT, false, 0, 0
#define AGAIN(n)  OUTCOME_RETRY, SEND_SCOPE_NONE, false, (n), 0
#define TOO_OFTEN OUTCOME_RATE_LIMITED, SEND_SCOPE_PAIR, false, 0, 1000
#define CLOSED    OUTCOME_WINDOW, SEND_SCOPE_NONE, false, 0, 0

/* By how the description goes on after "Bad Request: " and the like; letters alike. */
static const struct send_error errors[] = {
    {NULL, 429, TOO_OFTEN, NULL},
    {NULL, 401, ACCOUNT, TOKEN},
    {NULL, 404, ACCOUNT, TOKEN},
    {NULL, 409, ACCOUNT, "Another program reads the bot's messages: the operator has to stop it."},

    {"bot was blocked by the user", 403, REFUSED, "The person has blocked the bot."},
    {"user is deactivated", 403, REFUSED, "The person has no Telegram account any more."},
    {"bot was kicked", 403, REFUSED, REMOVED},
    {"bot is not a member", 403, REFUSED, REMOVED},
    {"the group chat was deleted", 403, REFUSED, REMOVED},
    {"bot can't initiate conversation", 403, REFUSED,
     "The person has not written to the bot yet, and it may not write first."},
    {"bot can't send messages to bots", 403, REFUSED, "Telegram lets no bot write to another."},
    {"BUSINESS_PEER_USAGE_MISSING", 0, CLOSED, NULL},
    {NULL, 403, REFUSED, NOBODY},

    {"BUSINESS_CONNECTION_INVALID", 400, REFUSED,
     "The business account has disconnected the bot: its owner has to connect it again."},
    {"BUSINESS_CONNECTION_NOT_ALLOWED", 400, REFUSED, NO_RIGHT},
    {"BUSINESS_PEER_INVALID", 400, REFUSED, NOBODY},
    {"chat not found", 400, REFUSED, NO_CHAT},
    {"user not found", 400, REFUSED, NO_CHAT},
    {"chat_id is empty", 400, REFUSED, NO_CHAT},
    {"PEER_ID_INVALID", 400, REFUSED, NO_CHAT},
    {"CHANNEL_PRIVATE", 400, REFUSED, REMOVED},
    {"group chat was deactivated", 400, REFUSED, REMOVED},
    {"message is too long", 400, REFUSED, TOO_LONG},
    {"MESSAGE_TOO_LONG", 400, REFUSED, TOO_LONG},
    {"message caption is too long", 400, REFUSED, TOO_LONG},
    {"MEDIA_CAPTION_TOO_LONG", 400, REFUSED, TOO_LONG},
    {"message text is empty", 400, REFUSED, NO_TEXT},
    {"text must be non-empty", 400, REFUSED, NO_TEXT},
    {"message must be non-empty", 400, REFUSED, NO_TEXT},
    {"text is empty", 400, REFUSED, NO_TEXT},
    {"failed to get HTTP URL content", 400, AGAIN(1), BAD_FILE},
    {"wrong type of the web page content", 400, REFUSED, BAD_FILE},
    {"wrong file identifier", 400, REFUSED, BAD_FILE},
    {"wrong remote file identifier", 400, REFUSED, BAD_FILE},
    {"wrong remote file id", 400, REFUSED, BAD_FILE},
    {"invalid file", 400, REFUSED, BAD_FILE},
    {"IMAGE_PROCESS_FAILED", 400, REFUSED, BAD_FILE},
    {"PHOTO_INVALID_DIMENSIONS", 400, REFUSED, BAD_FILE},
    {"WEBPAGE_CURL_FAILED", 400, AGAIN(1), BAD_FILE},
    {"WEBPAGE_MEDIA_EMPTY", 400, REFUSED, BAD_FILE},
    {"file is too big", 400, REFUSED, "The file is larger than Telegram allows."},
    {"VOICE_MESSAGES_FORBIDDEN", 400, REFUSED, "The person takes no voice messages."},
    {"not enough rights", 400, REFUSED, NO_RIGHT},
    {"have no rights", 400, REFUSED, NO_RIGHT},
    {"need administrator rights", 400, REFUSED, NO_RIGHT},
    {"CHAT_WRITE_FORBIDDEN", 400, REFUSED, NO_RIGHT},
    {"CHAT_RESTRICTED", 400, REFUSED, NO_RIGHT},
    {"CHAT_SEND_", 400, REFUSED, NO_RIGHT},
    {"TOPIC_CLOSED", 400, REFUSED, NO_RIGHT},
    {"message to be replied not found", 400, REFUSED, "The message answered is not there."},
    {"reply message not found", 400, REFUSED, "The message answered is not there."},
    {"message to react not found", 400, REFUSED, "The message is not there any more."},
    {"MESSAGE_ID_INVALID", 400, REFUSED, "The message is not there any more."},
    {"REACTION_INVALID", 400, REFUSED, "Telegram does not take this emoji as a reaction."},
    {"BUTTON_DATA_INVALID", 400, REFUSED, "Telegram does not take one of the buttons."},
    {"BUTTON_URL_INVALID", 400, REFUSED, "Telegram does not take one of the buttons."},
    {NULL, 400, REFUSED, NULL},
    {NULL, 413, REFUSED, "The file is larger than Telegram allows."},
};

/* "Bad Request: chat not found" without what stands before the colon; "[Error]: " came before in
 * old days. */
static struct str description_rest(struct str description)
{
    static const char *const heads[] = {"[Error]: ", "Bad Request: ", "Forbidden: "};
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        if (str_starts(description, str_of(heads[i])))
            description = str_skip(description, str_of(heads[i]).len);
    }
    return description;
}

static const struct send_error *find_error(struct str rest, int status)
{
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        const struct send_error *e = &errors[i];
        struct str name = str_of(e->name);
        struct str head = {rest.ptr, rest.len < name.len ? rest.len : name.len};
        if ((!e->name || str_ieq(head, name)) && (!e->status || e->status == status))
            return e;
    }
    return NULL;
}

/* Telegram names the wait, and the new id of a group that became a supergroup. */
static void judge_parameters(struct arena *a, const struct send_call *call,
                             const struct send_reply *reply, const struct json *root,
                             struct judgement *out)
{
    const struct json *parameters = json_get(root, "parameters");
    int64_t s = 0;
    if (out->outcome == OUTCOME_RATE_LIMITED) {
        if (json_i64(json_get(parameters, "retry_after"), &s) && s > 0)
            out->wait_ms = (s < DAY_S ? s : DAY_S) * 1000;
        // One chat that is told to wait again and again is a bot that sends too much.
        if (reply->attempt > 2)
            out->scope = SEND_SCOPE_ACCOUNT;
    }
    struct str moved = json_text(a, json_get(parameters, "migrate_to_chat_id"));
    if (!is_integer(moved) || str_eq(moved, call->message->to))
        return;
    out->outcome = OUTCOME_RETRY;
    out->scope = SEND_SCOPE_NONE;
    out->moved_to = moved;
    out->attempts_max = reply->attempt + 1;
    out->reason = STR("The group has a new id; it will be sent there.");
}

void telegram_judge_error(struct arena *a, const struct send_call *call,
                          const struct send_reply *reply, const struct json *root,
                          struct judgement *out)
{
    int64_t code = 0;
    struct str description = json_text(a, json_get(root, "description"));
    bool has_code = json_i64(json_get(root, "error_code"), &code) && code >= 300 && code < 600;
    int status = has_code ? (int)code : reply->status;
    const struct send_error *e = find_error(description_rest(description), status);
    if (has_code)
        out->code = str_fmt(a, "%d", status);
    out->detail = send_words(a, call->account, description);
    if (e) {
        judge_by(e, call, reply, out);
        judge_parameters(a, call, reply, root, out);
        return;
    }
    struct send_reply as_told = *reply;
    as_told.status = status;
    judge_status(call, &as_told, out);
    if (status >= 500)
        judge_may_have_acted(call, out);
}

/* An album is answered by a list of messages; the first one stands for it. */
static bool read_message(struct arena *a, const struct send_call *call, const struct json *result,
                         struct judgement *out)
{
    const struct json *message = json_is(result, JSON_ARRAY) ? json_first(result) : result;
    struct str chat = json_text(a, json_get(json_get(message, "chat"), "id"));
    struct str id = json_text(a, json_get(message, "message_id"));
    struct str connection = field_id(a, message, "business_connection_id");
    struct str to = call->message->to;
    if (!is_integer(chat) || !is_integer(id))
        return false;
    if (!connection.len && str_ends(to, chat) && to.len > chat.len &&
        to.ptr[to.len - chat.len - 1] == ':')
        connection = (struct str){to.ptr, to.len - chat.len - 1};
    out->conversation =
        connection.len ? str_fmt(a, "%.*s:%.*s", STR_ARG(connection), STR_ARG(chat)) : chat;
    out->external_id = str_fmt(a, "%.*s:%.*s", STR_ARG(out->conversation), STR_ARG(id));
    return true;
}

void telegram_judge(struct arena *a, const struct send_call *call, const struct send_reply *reply,
                    struct judgement *out)
{
    if (judge_fault(call, reply, out))
        return;
    *out = judgement_none();
    const struct json *root = send_reply_json(a, reply);
    const struct json *result = json_get(root, "result");
    bool is_ok = send_reply_is_ok(reply) && json_truthy(json_get(root, "ok"));
    bool is_message = send_makes_message(call->message->kind);
    if (is_ok && (is_message ? read_message(a, call, result, out) : result != NULL))
        out->outcome = OUTCOME_SENT;
    else
        telegram_judge_error(a, call, reply, root, out);
}
