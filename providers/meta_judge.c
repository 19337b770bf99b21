/* SPDX-License-Identifier: Apache-2.0 */
/* What the Graph API's answers mean. The sources of the codes are in docs/providers.md. */
#include "fields.h"
#include "meta_send.h"

#define TOKEN         190 /* of the access token, */
#define TOKEN_EXPIRED 463 /* and of its time */
#define MINUTE_MS     ((int64_t)60 * 1000)
#define HOUR_MS       (60 * MINUTE_MS)
#define DAY_MS        (24 * HOUR_MS)
#define TRIES_FEW     3
#define TRIES_SOME    5
#define GROWS_MAX     6 /* 4^6 s is above an hour */
#define PERCENT_MAX   100000
#define MINUTES_MAX   (7 * 24 * 60)
#define HEADER_MAX    ((size_t)64 << 10)
#define DETAIL_BYTES  300
#define DETAIL_READ   4096

#define TOKEN_GONE "The channel's access has expired or was withdrawn; connect it again."
#define NO_RIGHT   "The channel lacks a permission for this; connect it again and grant all of them."
#define BLOCKED \
    "The network has blocked this channel for a breach of its rules; see its support page."
#define WINDOW \
    "The person last wrote more than 24 hours ago; the network takes no free message now."
#define NOT_THERE "The network does not know this person, or they cannot be written to."
#define BAD_PARAM "The network refuses a part of this message."
#define TEMPLATE  "The network refuses this template, or what was filled into it."
#define SLOW_PAIR \
    "Too many messages to this person in a short time; it will be sent a little later."

#define ANY GRAPH_ANY

static const struct graph_code common[] = {
    // With a subcode.
    {1, 1, 1357046, OUTCOME_RETRY, 0, TRIES_FEW, 0, 0, NULL},
    {2, 2, 1545133, OUTCOME_RETRY, 0, TRIES_FEW, 0, 0, NULL},
    {9, 9, 2018352, OUTCOME_RATE_LIMITED, SEND_SCOPE_ACCOUNT, 0, 0, 0, NULL},
    {10, 10, 2018278, OUTCOME_WINDOW, 0, 0, 0, 0, WINDOW},
    {10, 10, 2534022, OUTCOME_WINDOW, 0, 0, 0, 0, WINDOW},
    {100, 100, 33, OUTCOME_PERMANENT, 0, 0, 0, 0,
     "The network finds no such account or message with this access; check the channel."},
    {100, 100, 2018001, OUTCOME_PERMANENT, 0, 0, 0, 0, NOT_THERE},
    {ANY, ANY, 2534001, OUTCOME_PERMANENT, 0, 0, 0, 0,
     "The conversation was archived or deleted on the network."},
    {ANY, ANY, 2534013, OUTCOME_RATE_LIMITED, SEND_SCOPE_ACCOUNT, 0, HOUR_MS, 0, NULL},
    {ANY, ANY, 2534014, OUTCOME_PERMANENT, 0, 0, 0, 0, NOT_THERE},
    {ANY, ANY, 2534025, OUTCOME_PERMANENT, 0, 0, 0, 0,
     "This comment was answered in private before; the network allows it once."},
    // Of any subcode.
    {1, 2, ANY, OUTCOME_RETRY, 0, TRIES_FEW, 0, 0, NULL},
    {3, 3, ANY, OUTCOME_AUTH, SEND_SCOPE_APP, 0, 0, 0, NO_RIGHT},
    {4, 4, ANY, OUTCOME_RATE_LIMITED, SEND_SCOPE_APP, 0, 0, 0, NULL},
    {10, 10, ANY, OUTCOME_AUTH, SEND_SCOPE_ACCOUNT, 0, 0, 0, NO_RIGHT},
    {17, 17, ANY, OUTCOME_RATE_LIMITED, SEND_SCOPE_ACCOUNT, 0, 0, 0, NULL},
    {32, 32, ANY, OUTCOME_RATE_LIMITED, SEND_SCOPE_ACCOUNT, 0, 0, 0, NULL},
    {100, 100, ANY, OUTCOME_PERMANENT, 0, 0, 0, 0, BAD_PARAM},
    {102, 102, ANY, OUTCOME_AUTH, SEND_SCOPE_ACCOUNT, 0, 0, 0, TOKEN_GONE},
    {190, 190, ANY, OUTCOME_AUTH, SEND_SCOPE_ACCOUNT, 0, 0, 0, TOKEN_GONE},
    {200, 299, ANY, OUTCOME_AUTH, SEND_SCOPE_ACCOUNT, 0, 0, 0, NO_RIGHT},
    {341, 341, ANY, OUTCOME_RATE_LIMITED, SEND_SCOPE_APP, 0, 0, 0, NULL},
    {368, 368, ANY, OUTCOME_AUTH, SEND_SCOPE_ACCOUNT, 0, 0, 0, BLOCKED},
    {506, 506, ANY, OUTCOME_PERMANENT, 0, 0, 0, 0,
     "The network takes this for a repetition of the message before it."},
    {551, 551, ANY, OUTCOME_PERMANENT, 0, 0, 0, 0, NOT_THERE},
    {613, 613, ANY, OUTCOME_RATE_LIMITED, SEND_SCOPE_ACCOUNT, 0, 0, 0, NULL},
    {36000, 36000, ANY, OUTCOME_PERMANENT, 0, 0, 0, 0, "The image is too large for the network."},
    {80001, 80002, ANY, OUTCOME_RATE_LIMITED, SEND_SCOPE_ACCOUNT, 0, 0, 0, NULL},
    {80006, 80007, ANY, OUTCOME_RATE_LIMITED, SEND_SCOPE_ACCOUNT, 0, 0, 0, NULL},
};
const struct graph_codes graph_codes_common = {common, ARRAY_LEN(common)};

#define AUTH_HERE      OUTCOME_AUTH, SEND_SCOPE_ACCOUNT, 0, 0, 0
#define RATE_HERE(ms)  OUTCOME_RATE_LIMITED, SEND_SCOPE_ACCOUNT, 0, (ms), 0
#define TRY_AGAIN(max) OUTCOME_RETRY, 0, (max), 0, 0
#define NEVER          OUTCOME_PERMANENT, 0, 0, 0, 0

static const struct graph_code whatsapp[] = {
    {0, 0, ANY, AUTH_HERE, TOKEN_GONE},
    {1, 2, ANY, TRY_AGAIN(TRIES_SOME), NULL},
    {3, 3, ANY, AUTH_HERE, NO_RIGHT},
    {33, 33, ANY, NEVER, "The network finds no such number with this access; check the channel."},
    {470, 470, ANY, OUTCOME_WINDOW, 0, 0, 0, 0, WINDOW " Send a template."},
    {130429, 130429, ANY, RATE_HERE(0), NULL},
    {130472, 130472, ANY, NEVER,
     "The network holds this message back: the person is in a test group."},
    {130497, 130497, ANY, NEVER,
     "The network does not allow this business to write to that country."},
    {130501, 130501, ANY, NEVER, "The network does not take this message in a group."},
    {131000, 131000, ANY, TRY_AGAIN(TRIES_SOME), NULL},
    {131005, 131005, ANY, AUTH_HERE, NO_RIGHT},
    {131008, 131009, ANY, NEVER, BAD_PARAM},
    {131016, 131016, ANY, TRY_AGAIN(TRIES_SOME), NULL},
    {131021, 131021, ANY, NEVER, "The recipient is the channel's own number."},
    {131026, 131026, ANY, NEVER,
     "It cannot be delivered: the person has no WhatsApp, an old one, or has not accepted its terms."},
    {131030, 131030, ANY, NEVER,
     "This is a test number, and the recipient is not on its list of allowed ones."},
    {131031, 131031, ANY, AUTH_HERE, BLOCKED},
    {131037, 131037, ANY, AUTH_HERE, "The number's display name is not approved yet."},
    {131042, 131042, ANY, AUTH_HERE,
     "The account's payment method has a problem; settle it at Meta."},
    {131044, 131044, ANY, NEVER, BAD_PARAM},
    {131045, 131045, ANY, AUTH_HERE,
     "The number is not registered; register it and connect again."},
    {131047, 131047, ANY, OUTCOME_WINDOW, 0, 0, 0, 0, WINDOW " Send a template."},
    {131048, 131048, ANY, RATE_HERE(HOUR_MS),
     "People reported this number, and the network limits it; it will be tried again later."},
    {131049, 131049, ANY, NEVER,
     "The network holds this message back to protect the person; try again after a day."},
    {131050, 131050, ANY, NEVER, "The person does not want marketing messages from this business."},
    {131051, 131051, ANY, NEVER, "The network does not take messages of this type."},
    {131052, 131053, ANY, TRY_AGAIN(TRIES_FEW), "The network could not load the attachment."},
    {131056, 131056, ANY, OUTCOME_RATE_LIMITED, SEND_SCOPE_PAIR, 0, 1000, 1, SLOW_PAIR},
    {131057, 131057, ANY, TRY_AGAIN(TRIES_SOME), NULL},
    {131062, 131063, ANY, NEVER,
     "The network does not take this message for this kind of recipient."},
    {131064, 131064, ANY, RATE_HERE(HOUR_MS), NULL},
    {132000, 132001, ANY, NEVER, TEMPLATE},
    {132005, 132005, ANY, NEVER, TEMPLATE},
    {132007, 132008, ANY, NEVER, TEMPLATE},
    {132012, 132012, ANY, NEVER, TEMPLATE},
    {132015, 132016, ANY, NEVER, TEMPLATE},
    {132068, 132069, ANY, NEVER, TEMPLATE},
    {133010, 133010, ANY, AUTH_HERE,
     "The number is not registered; register it and connect again."},
    {133016, 133016, ANY, RATE_HERE(DAY_MS), NULL},
    {135000, 135000, ANY, TRY_AGAIN(TRIES_SOME), NULL},
    {137000, 137000, ANY, NEVER, TEMPLATE},
};
const struct graph_codes graph_codes_whatsapp = {whatsapp, ARRAY_LEN(whatsapp)};

const struct graph_code *graph_code_find(const struct graph_codes *t, int64_t code, int64_t subcode)
{
    for (size_t i = 0; t && i < t->n; i++) {
        const struct graph_code *r = &t->rows[i];
        bool is_code = r->first == ANY || (code >= r->first && code <= r->last);
        if (is_code && (r->subcode == ANY || r->subcode == subcode))
            return r;
    }
    return NULL;
}

/* --- usage ------------------------------------------------------------------------------------ */

/* Counts come as 28 and as 28.5. */
static int64_t count_of(struct arena *a, const struct json *obj, const char *key, int64_t max)
{
    struct str whole, rest;
    int64_t n = 0;
    (void)str_cut(json_text(a, json_get(obj, key)), '.', &whole, &rest);
    if (!str_i64(whole, &n) || n < 0)
        return 0;
    return n < max ? n : max;
}

static void pace_take(struct arena *a, const struct json *usage, enum send_scope scope,
                      struct send_pace *out)
{
    static const char *const counts[] = {"call_count", "total_cputime", "total_time"};
    if (!json_is(usage, JSON_OBJECT))
        return;
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        int used = (int)count_of(a, usage, counts[i], PERCENT_MAX);
        if (used > out->used_percent) {
            out->used_percent = used;
            out->scope = scope;
        }
    }
    int64_t wait = count_of(a, usage, "estimated_time_to_regain_access", MINUTES_MAX) * MINUTE_MS;
    if (wait > out->wait_ms) {
        out->wait_ms = wait;
        out->scope = scope;
    }
}

static const struct json *header_json(struct arena *a, const struct send_reply *reply,
                                      const char *name)
{
    struct str value = send_reply_header(reply, name);
    struct err err = {0};
    return value.len && value.len <= HEADER_MAX ? json_parse(a, value, &err) : NULL;
}

void graph_pace(struct arena *a, const struct send_reply *reply, struct send_pace *out)
{
    *out = (struct send_pace){.used_percent = -1};
    pace_take(a, header_json(a, reply, "X-App-Usage"), SEND_SCOPE_APP, out);
    const struct json *cases = header_json(a, reply, "X-Business-Use-Case-Usage");
    if (!json_is(cases, JSON_OBJECT))
        return;
    for (const struct json *list = json_first(cases); list; list = json_next(cases, list)) {
        if (!json_is(list, JSON_ARRAY))
            continue;
        for (const struct json *e = json_first(list); e; e = json_next(list, e))
            pace_take(a, e, SEND_SCOPE_ACCOUNT, out);
    }
}

/* --- judgement -------------------------------------------------------------------------------- */

static void take_row(const struct graph_code *row, unsigned attempt, struct judgement *out)
{
    out->outcome = row->outcome;
    out->scope = row->scope;
    out->attempts_max = row->attempts_max;
    out->reason = str_of(row->reason ? row->reason : outcome_reason(row->outcome));
    out->wait_ms = row->wait_ms;
    for (unsigned i = 0; row->wait_grows && i < attempt && i < GROWS_MAX; i++)
        out->wait_ms *= 4;
}

/* The provider's words, for the log. It may quote what was sent, so the token goes. */
static struct str error_detail(struct arena *a, const struct send_call *call,
                               const struct json *error)
{
    struct str message = json_text(a, json_get(error, "message"));
    struct str more = json_text(a, json_get(json_get(error, "error_data"), "details"));
    struct str trace = json_text(a, json_get(error, "fbtrace_id"));
    struct str all = str_fmt(a, "%.*s%s%.*s%s%.*s", STR_ARG(message), more.len ? "; " : "",
                             STR_ARG(more), trace.len ? "; fbtrace_id " : "", STR_ARG(trace));
    struct str clean = send_scrub(a, str_shorten(all, DETAIL_READ), call->account->token);
    return str_shorten(str_utf8(a, clean), DETAIL_BYTES);
}

static void judge_error(struct arena *a, const struct send_call *call,
                        const struct send_reply *reply, const struct graph_codes *codes,
                        const struct json *error, struct judgement *out)
{
    int64_t code = ANY, subcode = 0;
    bool has_code = json_i64(json_get(error, "code"), &code);
    bool has_subcode = json_i64(json_get(error, "error_subcode"), &subcode) && subcode;
    const struct graph_code *row = NULL;
    if (has_code && code >= 0) {
        row = graph_code_find(codes, code, subcode);
        if (!row)
            row = graph_code_find(&graph_codes_common, code, subcode);
    }
    if (row)
        take_row(row, reply->attempt, out);
    else
        judge_status(call, reply, out);
    // An error in a success: not done, or the provider would have said so.
    if (!row && reply->status < 400)
        take_row(&(struct graph_code){.outcome = OUTCOME_PERMANENT}, 0, out);
    if (out->outcome == OUTCOME_PERMANENT && json_truthy(json_get(error, "is_transient")))
        take_row(&(struct graph_code){.outcome = OUTCOME_RETRY, .attempts_max = TRIES_FEW}, 0, out);
    if (has_code)
        out->code = has_subcode ? str_fmt(a, "%lld/%lld", (long long)code, (long long)subcode)
                                : str_fmt(a, "%lld", (long long)code);
    out->is_expired = out->outcome == OUTCOME_AUTH && code == TOKEN && subcode == TOKEN_EXPIRED;
    out->detail = error_detail(a, call, error);
}

bool graph_judge_error(struct arena *a, const struct send_call *call,
                       const struct send_reply *reply, const struct graph_codes *codes,
                       const struct json **root, struct judgement *out)
{
    *out = (struct judgement){0};
    struct err err = {0};
    graph_pace(a, reply, &out->pace);
    *root = json_parse(a, reply->body, &err);
    const struct json *error = json_get(*root, "error");
    if (error)
        judge_error(a, call, reply, codes, error, out);
    else if (!json_is(*root, JSON_OBJECT) || reply->status < 200 || reply->status >= 300)
        judge_status(call, reply, out);
    else
        return false;
    int64_t told = reply_retry_after_ms(reply);
    if (out->outcome == OUTCOME_RATE_LIMITED && out->pace.wait_ms > told)
        told = out->pace.wait_ms;
    if (told > out->wait_ms)
        out->wait_ms = told;
    return true;
}

void graph_judge(struct arena *a, const struct send_call *call, const struct send_reply *reply,
                 const struct graph_dialect *d, struct judgement *out)
{
    const struct json *root = NULL;
    if (judge_fault(call, reply, out) || graph_judge_error(a, call, reply, d->codes, &root, out))
        return;
    if (!call->is_final) {
        out->outcome = OUTCOME_NEXT;
        out->ref = field_id(a, root, d->upload_id);
        if (!out->ref.len)
            judge_status(call, reply, out);
        return;
    }
    out->outcome = OUTCOME_SENT;
    out->external_id = d->message_id(a, root);
    if (!out->external_id.len && send_makes_message(call->message->kind))
        judge_status(call, reply, out);
}
