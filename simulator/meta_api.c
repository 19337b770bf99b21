/* SPDX-License-Identifier: Apache-2.0 */
#include "meta_api.h"

#include <string.h>

#include "server.h"

#define OAUTH       "OAuthException"
#define VERSION_MIN 19
#define VERSION_MAX 25
#define MINUTE_MS   60000

/* --- errors ---------------------------------------------------------------------------------- */

static const struct graph_error errors[] = {
    {1, 0, 500, NULL, "An unknown error occurred"},
    {2, 0, 503, NULL, "Service temporarily unavailable"},
    {2, 1545133, 503, NULL, "Service temporarily unavailable"},
    {1, 1357046, 500, NULL, "An unknown error occurred"},
    {3, 0, 403, NULL, "(#3) Application does not have the capability to make this API call."},
    {4, 0, 403, NULL, "(#4) Application request limit reached"},
    {9, 2018352, 403, NULL, "(#9) Too many send requests to this user"},
    {10, 0, 403, NULL, "(#10) Application does not have permission for this action"},
    {10, 2018278, 403, NULL, "(#10) This message is sent outside of allowed window."},
    {10, 2534022, 403, NULL, "(#10) This message is sent outside of allowed window."},
    {17, 0, 403, NULL, "(#17) User request limit reached"},
    {32, 0, 403, NULL, "(#32) Page request limit reached"},
    {33, 0, 400, NULL, "(#33) This object does not exist or does not support this action"},
    {100, 0, 400, NULL, "(#100) Invalid parameter"},
    {100, 33, 400, "GraphMethodException",
     "Unsupported request. The object does not exist, cannot be loaded due to missing permissions, "
     "or does not support this operation"},
    {100, 2018001, 400, NULL, "(#100) No matching user found"},
    {100, 2018008, 400, NULL, "(#100) Failed to fetch the file from the url"},
    {100, 2534014, 400, NULL, "(#100) The requested user cannot be found."},
    {100, 2534025, 400, NULL, "(#100) The comment has already been replied to in private."},
    {102, 0, 401, NULL, "(#102) Session key invalid or no longer valid"},
    {104, 0, 401, NULL, "An access token is required to request this resource."},
    {190, 0, 401, NULL, "Invalid OAuth access token - Cannot parse access token"},
    {190, 458, 401, NULL,
     "Error validating access token: The user has not authorized application."},
    {190, 460, 401, NULL,
     "Error validating access token: The session has been invalidated because the user changed "
     "their password or Facebook has changed the session for security reasons."},
    {190, 463, 401, NULL, "Error validating access token: Session has expired."},
    {200, 0, 403, NULL, "(#200) Requires pages_messaging permission"},
    {230, 0, 403, NULL, "(#230) Requires pages_messaging permission to manage the object"},
    {341, 0, 403, NULL, "(#341) Feed action request limit reached"},
    {368, 0, 403, NULL,
     "(#368) The action attempted has been deemed abusive or is otherwise disallowed"},
    {470, 0, 400, NULL, "(#470) Message failed to send because more than 24 hours have passed"},
    {506, 0, 400, NULL, "(#506) Duplicate status message"},
    {551, 1545041, 403, NULL, "(#551) This person isn't available right now."},
    {613, 0, 429, NULL, "(#613) Calls to this api have exceeded the rate limit."},
    {2200, 0, 400, NULL, "(#2200) Callback verification failed"},
    {2500, 0, 400, NULL, "Unknown path components"},
    {36000, 0, 400, NULL, "(#36000) The image size is too large."},
    {80002, 0, 400, NULL,
     "(#80002) There have been too many calls to this Instagram account. Wait a bit and try again."},
    {80006, 0, 400, NULL,
     "(#80006) There have been too many calls to this Messenger account. Wait a bit and try again."},
    {80007, 0, 429, NULL,
     "(#80007) There have been too many calls to this WhatsApp business account. Wait a bit and try "
     "again."},
    {130429, 0, 429, NULL, "(#130429) Rate limit hit"},
    {131000, 0, 500, NULL, "(#131000) Something went wrong"},
    {131005, 0, 403, NULL, "(#131005) Access denied"},
    {131008, 0, 400, NULL, "(#131008) Required parameter is missing"},
    {131009, 0, 400, NULL, "(#131009) Parameter value is not valid"},
    {131016, 0, 500, NULL, "(#131016) Service unavailable"},
    {131021, 0, 400, NULL, "(#131021) Recipient cannot be sender"},
    {131026, 0, 400, NULL, "(#131026) Message undeliverable"},
    {131030, 0, 400, NULL, "(#131030) Recipient phone number not in allowed list"},
    {131031, 0, 403, NULL, "(#131031) Account has been locked"},
    {131042, 0, 400, NULL, "(#131042) Business eligibility payment issue"},
    {131047, 0, 400, NULL, "(#131047) Re-engagement message"},
    {131048, 0, 429, NULL, "(#131048) Spam rate limit hit"},
    {131051, 0, 400, NULL, "(#131051) Unsupported message type"},
    {131052, 0, 400, NULL, "(#131052) Media download error"},
    {131053, 0, 400, NULL, "(#131053) Media upload error"},
    {131056, 0, 429, NULL, "(#131056) (Business Account, Consumer Account) pair rate limit hit"},
    {131057, 0, 500, NULL, "(#131057) Account in maintenance mode"},
    {132000, 0, 400, NULL, "(#132000) Number of parameters does not match the expected number"},
    {132001, 0, 404, NULL, "(#132001) Template name does not exist in the translation"},
    {133010, 0, 400, NULL, "(#133010) Account not registered"},
};

struct graph_error sim_graph_error(int64_t code, int64_t subcode)
{
    struct graph_error any = {code, subcode, 400, NULL, "An error occurred"};
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        if (errors[i].code != code)
            continue;
        if (errors[i].subcode == subcode)
            return errors[i];
        // Of the same code with another subcode: what it is like, with the subcode that is meant.
        any = errors[i];
        any.subcode = subcode;
    }
    return any;
}

struct str sim_graph_error_body(struct arena *a, const struct sim_api *api,
                                const struct graph_error *e, const char *details, struct str trace)
{
    bool has_data = strcmp(api->name, "whatsapp") == 0;
    struct str message = str_of(e->message);
    struct buf out;
    buf_init(&out, 64 << 10);
    struct json_out o = {.buf = &out};
    if (details && !has_data)
        message = str_fmt(a, "%s: %s", e->message, details);
    json_open(&o, '{');
    json_key_out(&o, "error");
    json_open(&o, '{');
    json_put_str(&o, "message", str_utf8(a, message));
    json_put_str(&o, "type", str_of(e->type ? e->type : OAUTH));
    json_put_int(&o, "code", e->code);
    if (e->subcode)
        json_put_int(&o, "error_subcode", e->subcode);
    if (e->code == 2)
        json_put_bool(&o, "is_transient", true);
    if (details && has_data) {
        json_key_out(&o, "error_data");
        json_open(&o, '{');
        json_put_str(&o, "messaging_product", STR("whatsapp"));
        json_put_str(&o, "details", str_utf8(a, str_of(details)));
        json_close(&o, '}');
    }
    json_put_str(&o, "fbtrace_id", str_fmt(a, "A%.*s", STR_ARG(trace)));
    json_close(&o, '}');
    json_close(&o, '}');
    struct str body = str_dup(a, buf_str(&out));
    buf_done(&out);
    return body;
}

bool sim_graph_refuse(struct sim_call *c, const struct graph_error *e, const char *details)
{
    sim_answer(c, e->status, sim_graph_error_body(c->a, c->api, e, details, sim_unique_id(c)));
    return false;
}

bool sim_graph_missing(struct sim_call *c, const char *parameter)
{
    struct graph_error e = sim_graph_error(100, 0);
    e.message = str_c(c->a, str_fmt(c->a, "(#100) The parameter %s is required.", parameter));
    return sim_graph_refuse(c, &e, NULL);
}

bool sim_graph_invalid(struct sim_call *c, const char *parameter, const char *why)
{
    struct graph_error e = sim_graph_error(100, 0);
    e.message = str_c(c->a, str_fmt(c->a, "(#100) Param %s %s", parameter, why));
    return sim_graph_refuse(c, &e, NULL);
}

bool sim_graph_meant_error(struct sim_call *c, struct str to)
{
    struct str code, subcode;
    int64_t n = 0, sub = 0;
    if (!str_starts(to, STR("error-")))
        return false;
    (void)str_cut(str_skip(to, strlen("error-")), '-', &code, &subcode);
    if (!str_i64(code, &n) || (subcode.len && !str_i64(subcode, &sub)))
        return false;
    struct graph_error e = sim_graph_error(n, sub);
    (void)sim_graph_refuse(c, &e, NULL);
    return true;
}

/* --- the frame's ------------------------------------------------------------------------------ */

/* "v25.0": a version that is served. */
static bool is_version(struct str s)
{
    struct str whole, rest;
    int64_t n = 0;
    return str_starts(s, STR("v")) && str_cut(str_skip(s, 1), '.', &whole, &rest) &&
           str_i64(whole, &n) && n >= VERSION_MIN && n <= VERSION_MAX && str_eq_c(rest, "0");
}

/* "app|secret" is the app's own, good for its subscriptions. */
static bool is_app_token(struct sim_call *c, struct str token)
{
    struct str app, given, secret, rest;
    if (!str_cut(token, '|', &app, &given) || !str_eq_c(app, SIM_META_APP))
        return false;
    (void)str_cut(str_of(c->server->conf->meta_app_secret), ',', &secret, &rest);
    return given.len && str_eq(given, secret);
}

bool sim_graph_admit(struct sim_call *c)
{
    if (!is_version(c->args[0])) {
        struct graph_error e = sim_graph_error(2500, 0);
        return sim_graph_refuse(c, &e, str_c(c->a, str_utf8(c->a, c->path)));
    }
    struct str token = sim_bearer(c);
    if (is_app_token(c, token)) {
        c->token = token;
        return true;
    }
    return sim_token_check(c, token.len ? token : http_query(c->http, "access_token"));
}

/* The limit that an API names when it is asked too often. */
static int64_t rate_code(const struct sim_call *c, const struct sim_failure *f)
{
    if (strcmp(c->api->name, "whatsapp") != 0)
        return 613;
    return f->is_pair ? 131056 : c->is_send ? 130429 : 80007;
}

static struct graph_error error_of(const struct sim_call *c, const struct sim_failure *f)
{
    bool is_whatsapp = strcmp(c->api->name, "whatsapp") == 0;
    struct graph_error e;
    switch (f->why) {
    case SIM_WHY_PATH:
        return sim_graph_error(2500, 0);
    case SIM_WHY_METHOD:
        return sim_graph_error(100, 33);
    case SIM_WHY_NO_TOKEN:
        return sim_graph_error(104, 0);
    case SIM_WHY_BAD_TOKEN:
        return sim_graph_error(190, 0);
    case SIM_WHY_EXPIRED:
        return sim_graph_error(190, 463);
    case SIM_WHY_REVOKED:
        return sim_graph_error(190, 460);
    case SIM_WHY_RATE:
        return sim_graph_error(rate_code(c, f), 0);
    case SIM_WHY_WINDOW:
        return is_whatsapp ? sim_graph_error(131047, 0)
                           : sim_graph_error(10, sim_is_instagram(c) ? 2534022 : 2018278);
    case SIM_WHY_REFUSED:
        return is_whatsapp ? sim_graph_error(131026, 0) : sim_graph_error(551, 1545041);
    case SIM_WHY_SERVER:
        e = sim_graph_error(is_whatsapp ? 131000 : 2, 0);
        e.status = f->status;
        return e;
    case SIM_WHY_TYPE:
    case SIM_WHY_BODY:
    case SIM_WHY_MOVED:
        break;
    }
    return sim_graph_error(100, 0);
}

void sim_graph_fail(struct sim_call *c, const struct sim_failure *f)
{
    struct graph_error e = error_of(c, f);
    // Meta names no seconds: minutes in the usage of the business, when it is as long as that.
    if (f->why == SIM_WHY_RATE)
        c->quota.wait_ms = f->wait_ms;
    (void)sim_graph_refuse(c, &e, f->detail);
}

void sim_graph_finish(struct sim_call *c)
{
    const struct sim_quota *q = &c->quota;
    long long used = q->limit > 0 ? 100 * (q->limit - q->remaining) / q->limit : 1;
    long long minutes = q->wait_ms >= MINUTE_MS ? (q->wait_ms + MINUTE_MS - 1) / MINUTE_MS : 0;
    if (minutes)
        used = 100;
    sim_header(c, "X-App-Usage",
               str_fmt(c->a, "{\"call_count\":%lld,\"total_cputime\":0,\"total_time\":1}", used));
    if (sim_is_digits(c->account))
        sim_header(c, "X-Business-Use-Case-Usage",
                   str_fmt(c->a,
                           "{\"%.*s\":[{\"type\":\"%s\",\"call_count\":%lld,\"total_cputime\":0,"
                           "\"total_time\":1,\"estimated_time_to_regain_access\":%lld}]}",
                           STR_ARG(c->account), c->api->name, used, minutes));
}

/* --- checks ----------------------------------------------------------------------------------- */

size_t sim_characters(struct str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += ((uint8_t)text.ptr[i] & 0xC0) != 0x80;
    return n;
}

bool sim_is_digits(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.len > 0;
}

bool sim_is_one_of(struct str s, const char *const *words)
{
    while (*words && !str_eq_c(s, *words))
        words++;
    return *words != NULL;
}

/* What is wrong with a value; NULL: nothing. */
static const char *wrong(struct sim_call *c, const struct json *v, const struct graph_member *m)
{
    struct str text = json_text(c->a, v);
    switch (m->want) {
    case GRAPH_TEXT:
        if (!json_is(v, JSON_STRING))
            return "must be a string.";
        return m->max && sim_characters(text) > m->max ? "is too long." : NULL;
    case GRAPH_ID:
        return text.len ? NULL : "must be a valid ID string";
    case GRAPH_BOOL:
        return json_is(v, JSON_TRUE) || json_is(v, JSON_FALSE) ? NULL : "must be a boolean.";
    case GRAPH_NUMBER:
        return json_is(v, JSON_NUMBER) ? NULL : "must be a number.";
    case GRAPH_OBJECT:
        return json_is(v, JSON_OBJECT) ? NULL : "must be an object.";
    case GRAPH_ARRAY:
        if (!json_is(v, JSON_ARRAY) || !v->n)
            return "must be a non-empty array.";
        return m->max && v->n > m->max ? "must contain fewer elements." : NULL;
    case GRAPH_URL:
        return str_starts(text, STR("https://")) || str_starts(text, STR("http://"))
                   ? NULL
                   : "must be a valid URL.";
    }
    return "is not valid.";
}

static const char *full_name(struct sim_call *c, const char *where, struct str name)
{
    return where ? str_c(c->a, str_fmt(c->a, "%s[%.*s]", where, STR_ARG(name)))
                 : str_c(c->a, str_utf8(c->a, name));
}

bool sim_graph_check(struct sim_call *c, const struct json *object, const char *where,
                     const struct graph_member *members, size_t n)
{
    for (const struct json *v = json_first(object); v; v = json_next(object, v)) {
        struct str name = str_utf8(c->a, json_text(c->a, json_key(v)));
        size_t i = 0;
        while (i < n && !str_eq_c(name, members[i].name))
            i++;
        if (i == n)
            return sim_graph_invalid(c, full_name(c, where, name), "is not a known parameter.");
        const char *why = wrong(c, v, &members[i]);
        if (why)
            return sim_graph_invalid(c, full_name(c, where, name), why);
    }
    for (size_t i = 0; i < n; i++)
        if (members[i].is_required && !json_get(object, members[i].name))
            return sim_graph_missing(c, full_name(c, where, str_of(members[i].name)));
    return true;
}

const struct json *sim_graph_body(struct sim_call *c)
{
    struct sim_body b;
    if (!sim_body(c, SIM_BODY_JSON, &b))
        return NULL;
    if (json_is(b.json, JSON_OBJECT))
        return b.json;
    (void)sim_graph_invalid(c, "body", "must be an object.");
    return NULL;
}

/* --- accounts --------------------------------------------------------------------------------- */

bool sim_is_instagram(const struct sim_call *c)
{
    return strcmp(c->api->name, "instagram") == 0;
}

struct str sim_meta_account(struct sim_call *c)
{
    struct str node = c->args[1];
    if (str_eq_c(node, "me"))
        node = sim_token_account(c->a, c->token);
    if (!sim_is_instagram(c))
        return node;
    for (size_t i = 0; i < sim_accounts_n(c->server->accounts); i++) {
        const struct sim_known *k = sim_accounts_at(c->server->accounts, i);
        if (str_eq_c(k->provider, "instagram") && k->parent.len && str_eq(k->parent, node))
            return k->id;
    }
    return node;
}
