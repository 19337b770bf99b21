/* SPDX-License-Identifier: Apache-2.0 */
/* What is sent becomes a call of X's API v2, with a user's OAuth 2 token. It knows text and one
 * medium, and nothing else: no reactions, read marks, typing, quick replies or answers. */
#include "x_send.h"

#include "fields.h"

#define API_HOST   "https://api.x.com"
#define DIGITS_MAX 19

static const struct text_limit message_limit = {"X", "a message", 10000, TEXT_CHARACTERS};

bool x_request(struct arena *a, const struct send_account *account, enum send_method method,
               struct str path, struct send_request *r, struct err *err)
{
    struct str base;
    struct str version = url_encode(a, str_or(account->api_version, STR("2")));
    *r = (struct send_request){.method = method};
    if (!send_base(account, API_HOST, &base, err))
        return false;
    r->url = str_fmt(a, "%.*s/%.*s%.*s", STR_ARG(base), STR_ARG(version), STR_ARG(path));
    r->url_shown = r->url;
    return send_secret_add(a, r, "Authorization", "Bearer ", account->token, err);
}

static bool is_user_id(struct str s)
{
    return s.len && s.len <= DIGITS_MAX && s.ptr[0] != '-' && is_integer(s);
}

/* Of two users "smaller-larger", of a group a number. */
static bool is_conversation(struct str s)
{
    struct str one, other;
    if (!str_cut(s, '-', &one, &other))
        return is_user_id(s);
    return is_user_id(one) && is_user_id(other);
}

bool x_conversation_path(struct arena *a, enum send_to to_kind, struct str to, struct str *path,
                         struct err *err)
{
    if (to_kind == TO_COMMENT)
        return err_set(err, ERR_INVALID, "X has no private replies to comments");
    if (to_kind == TO_PERSON) {
        *path = str_fmt(a, "/dm_conversations/with/%.*s", STR_ARG(to));
        return is_user_id(to) ||
               err_set(err, ERR_INVALID, "'%.*s' is no id of a user of X", STR_ARG(to));
    }
    *path = str_fmt(a, "/dm_conversations/%.*s", STR_ARG(to));
    return is_conversation(to) ||
           err_set(err, ERR_INVALID,
                   "'%.*s' is no conversation of X that can be written to: encrypted ones cannot",
                   STR_ARG(to));
}

static bool build_message(struct arena *a, const struct send_call *call, struct str path,
                          struct send_request *r, struct err *err)
{
    struct str media = x_media_id(call);
    path = str_fmt(a, "%.*s/messages", STR_ARG(path));
    if (!x_request(a, call->account, METHOD_POST, path, r, err))
        return false;
    r->is_final = true;
    struct send_json j;
    send_json_begin(&j);
    send_json_text(&j, a, "text", call->message->text);
    if (media.len) {
        json_key_out(&j.out, "attachments");
        json_open(&j.out, '[');
        json_open(&j.out, '{');
        json_put_str(&j.out, "media_id", str_utf8(a, media));
        json_close(&j.out, '}');
        json_close(&j.out, ']');
    }
    return send_json_end(&j, a, r, err);
}

static const char *const refusals[SEND_KINDS] = {
    [SEND_REACTION] = "X's API has no reactions",
    [SEND_READ] = "X's API cannot mark messages as read",
    [SEND_TYPING] = "X's API cannot show that someone types",
    [SEND_TEMPLATE] = "X has no templates",
    [SEND_CHOICES] = "X's API has no quick replies or buttons",
    [SEND_LOCATION] = "X's API sends no locations",
};

bool x_build(struct arena *a, const struct send_call *call, struct send_request *out,
             struct err *err)
{
    const struct send_message *m = call->message;
    struct str path = STR_NONE;
    *out = (struct send_request){0};
    if ((size_t)m->kind >= ARRAY_LEN(refusals))
        return err_set(err, ERR_INVALID, "no such kind of message: %d", (int)m->kind);
    if (refusals[m->kind])
        return err_set(err, ERR_INVALID, "%s", refusals[m->kind]);
    if (m->reply_to.len)
        return err_set(err, ERR_INVALID, "X's API cannot answer a certain message: send it plain");
    if (!m->text.len && !m->n_media)
        return err_set(err, ERR_INVALID, "the message is empty: write a text or attach a file");
    if (!text_fits(m->text, &message_limit, err) ||
        !x_conversation_path(a, m->to_kind, m->to, &path, err) || !x_media_valid(m, err))
        return false;
    enum x_step step = x_step_next(call);
    return step == X_STEP_MESSAGE ? build_message(a, call, path, out, err)
                                  : x_build_upload(a, call, step, out, err);
}
