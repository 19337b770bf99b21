/* SPDX-License-Identifier: Apache-2.0 */
/* What X answers: {"data"}, beside which a 200 may have "errors"; or a problem {"title", "detail",
 * "type", "status"}, of which some have "errors" and no status. The last word of the type decides,
 * then the status. Rates stand in headers, as seconds since 1970. */
#include "fields.h"
#include "x_send.h"

#define DAY_MS  (INT64_C(86400) * 1000)
#define HOUR_MS (INT64_C(3600) * 1000)

#define LOST    "The permission at X has ended: connect the account again."
#define NOT_APP "X does not let the app do this: the operator has to look at its access."
#define NO_DM   "The person takes no messages from this account at X."
#define GONE    "The conversation or the person is not there any more."

#define REFUSED  OUTCOME_PERMANENT, SEND_SCOPE_NONE, false, 0, 0
#define ACCOUNT  OUTCOME_AUTH, SEND_SCOPE_ACCOUNT, false, 0, 0
#define APP      OUTCOME_AUTH, SEND_SCOPE_APP, false, 0, 0
#define TOO_MANY OUTCOME_RATE_LIMITED, SEND_SCOPE_ACCOUNT, false, 0, 0
#define CAPPED   OUTCOME_RATE_LIMITED, SEND_SCOPE_APP, false, 0, DAY_MS

static const struct send_error errors[] = {
    {"usage-capped", 0, CAPPED, "The app has used up what it may send at X: ask the operator."},
    {"rate-limit-exceeded", 0, TOO_MANY, NULL},
    {"client-forbidden", 0, APP, NOT_APP},
    {"client-not-enrolled", 0, APP, NOT_APP},
    {"unsupported-authentication", 0, ACCOUNT, LOST},
    {"not-authorized-for-resource", 0, ACCOUNT, LOST},
    {"not-authorized-for-field", 0, ACCOUNT, LOST},
    {"oauth1-permissions", 0, ACCOUNT, LOST},
    {"invalid-request", 0, REFUSED, NULL},
    {"resource-not-found", 0, REFUSED, GONE},
    {"disallowed-resource", 0, REFUSED, NULL},
    {"unsupported-media-type", 0, REFUSED, "X does not take this kind of file."},
    // No type that we know.
    {NULL, 401, ACCOUNT, LOST},
    {NULL, 403, REFUSED, NO_DM},
    {NULL, 404, REFUSED, GONE},
    {NULL, 429, TOO_MANY, NULL},
};

/* --- rates ------------------------------------------------------------------------------------ */

static const struct {
    const char *limit, *remaining, *reset;
    enum send_scope scope;
} rates[] = {
    {"x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset", SEND_SCOPE_ACCOUNT},
    {"x-user-limit-24hour-limit", "x-user-limit-24hour-remaining", "x-user-limit-24hour-reset",
     SEND_SCOPE_ACCOUNT},
    {"x-app-limit-24hour-limit", "x-app-limit-24hour-remaining", "x-app-limit-24hour-reset",
     SEND_SCOPE_APP},
};

static bool header_number(const struct send_reply *reply, const char *name, int64_t *n)
{
    return str_i64(str_trim(send_reply_header(reply, name)), n) && *n >= 0;
}

/* Milliseconds from the answer to the time in a header; 0: none. */
static int64_t reset_ms(const struct send_reply *reply, const char *name)
{
    int64_t s = 0;
    if (!header_number(reply, name, &s) || s > INT64_MAX / 1000)
        return 0;
    int64_t ms = s * 1000 - reply->at_ms;
    return ms < 1000 ? 1000 : ms < DAY_MS ? ms : DAY_MS;
}

/* The limit that is used most speaks for all. */
static struct send_pace read_pace(const struct send_reply *reply)
{
    struct send_pace pace = {.used_percent = -1};
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        int64_t limit = 0, left = 0;
        if (!header_number(reply, rates[i].limit, &limit) ||
            !header_number(reply, rates[i].remaining, &left) || limit == 0 ||
            limit > INT64_MAX / 100)
            continue;
        int used = left >= limit ? 0 : (int)((limit - left) * 100 / limit);
        int64_t wait = left == 0 ? reset_ms(reply, rates[i].reset) : 0;
        if (used > pace.used_percent || (used == pace.used_percent && wait > pace.wait_ms))
            pace = (struct send_pace){used, wait, rates[i].scope};
    }
    return pace;
}

/* How long: to the end of the limits that are used up, else of the first. */
static void judge_wait(const struct send_reply *reply, struct judgement *out)
{
    if (out->outcome != OUTCOME_RATE_LIMITED || out->wait_ms)
        return;
    int64_t first = reset_ms(reply, rates[0].reset);
    out->wait_ms = out->pace.wait_ms ? out->pace.wait_ms : first ? first : 15 * HOUR_MS / 60;
    if (out->pace.wait_ms)
        out->scope = out->pace.scope;
}

/* --- errors ----------------------------------------------------------------------------------- */

/* What the error says: of the problem itself, else of the first of its errors. */
static struct str error_text(struct arena *a, const struct json *root, const struct json *first)
{
    static const char *const members[] = {"detail", "message", "title"};
    const struct json *from[] = {root, first};
    for (size_t m = 0; m < ARRAY_LEN(members); m++) {
        for (size_t i = 0; i < ARRAY_LEN(from); i++) {
            struct str text = field_id(a, from[i], members[m]);
            if (text.len)
                return text;
        }
    }
    return STR_NONE;
}

void x_judge_error(struct arena *a, const struct send_call *call, const struct send_reply *reply,
                   const struct json *root, struct judgement *out)
{
    const struct json *first = json_first(json_get(root, "errors"));
    struct str type = field_id(a, root, "type");
    if (!type.len)
        type = field_id(a, first, "type");
    // about:blank is a type that says nothing.
    struct str name = str_starts(type, STR("about:")) ? STR_NONE : send_error_name(type);
    int64_t told = 0;
    int status = reply->status;
    if (send_reply_is_ok(reply) && json_i64(json_get(first, "status"), &told) && told >= 300 &&
        told < 600)
        status = (int)told; // an error in a 200
    const struct send_error *e = send_error_find(errors, ARRAY_LEN(errors), name, status);
    out->code = name.len ? send_words(a, call->account, name) : str_fmt(a, "%d", status);
    out->detail = send_words(a, call->account, error_text(a, root, first));
    if (e) {
        judge_by(e, call, reply, out);
        // X says 401 of a token that is withdrawn, too. But tokens last two hours, and a permission
        // that is withdrawn is told by webhook.
        out->is_expired = out->outcome == OUTCOME_AUTH && !name.len && status == 401;
    } else {
        struct send_reply as_told = *reply;
        as_told.status = status;
        judge_status(call, &as_told, out);
        if (status >= 500 || status == 408)
            judge_may_have_acted(call, out);
    }
    judge_wait(reply, out);
}

/* --- steps ------------------------------------------------------------------------------------ */

static void judge_next(struct judgement *out, struct str ref, int64_t wait_ms)
{
    out->outcome = OUTCOME_NEXT;
    out->ref = ref;
    out->wait_ms = wait_ms;
}

/* The id of an upload is X's; a piece has none. */
static bool judge_started(struct arena *a, const struct json *data, struct judgement *out)
{
    struct str id = field_id(a, data, "id");
    if (is_integer(id))
        judge_next(out, id, 0);
    return is_integer(id);
}

/* A video is worked on: pending, in_progress, then succeeded or failed. No word: it is done. */
static bool judge_processing(struct arena *a, const struct json *data, struct judgement *out)
{
    const struct json *info = json_get(data, "processing_info");
    struct str state = json_text(a, json_get(info, "state"));
    int64_t s = 0;
    if (!json_is(data, JSON_OBJECT))
        return false;
    if (str_eq_c(state, "failed")) {
        out->outcome = OUTCOME_PERMANENT;
        out->reason = STR("X cannot read this video: send it in another form.");
        return true;
    }
    bool is_done = !state.len || str_eq_c(state, "succeeded");
    if (!json_i64(json_get(info, "check_after_secs"), &s) || s < 1 || s > 600)
        s = 5;
    if (is_done)
        judge_next(out, X_REF_DONE, 0);
    else
        judge_next(out, X_REF_WAIT, s * 1000);
    return true;
}

static bool judge_step(struct arena *a, const struct send_call *call, const struct json *root,
                       struct judgement *out)
{
    const struct json *data = json_get(root, "data");
    switch (x_step_next(call)) {
    case X_STEP_IMAGE:
    case X_STEP_INIT:
        return judge_started(a, data, out);
    case X_STEP_APPEND:
        judge_next(out, STR("piece"), 0);
        return true;
    case X_STEP_FINALIZE:
    case X_STEP_STATUS:
        return judge_processing(a, data, out);
    case X_STEP_MESSAGE:
        break;
    }
    struct str id = field_id(a, data, "dm_event_id");
    if (!id.len)
        return false;
    out->outcome = OUTCOME_SENT;
    out->external_id = id;
    out->conversation = field_id(a, data, "dm_conversation_id");
    return true;
}

void x_judge(struct arena *a, const struct send_call *call, const struct send_reply *reply,
             struct judgement *out)
{
    if (judge_fault(call, reply, out))
        return;
    *out = judgement_none();
    out->pace = read_pace(reply);
    const struct json *root = send_reply_json(a, reply);
    if (!send_reply_is_ok(reply) || !judge_step(a, call, root, out))
        x_judge_error(a, call, reply, root, out);
}
