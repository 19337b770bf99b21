/* SPDX-License-Identifier: Apache-2.0 */
/* Webhooks of Meta's apps. Two parts make events come: the app is subscribed to an object and its
 * fields, with our address (once, for all tenants, by the app's own token), and each account is
 * subscribed to the app (by the account's token). */
#include "fields.h"
#include "meta_send.h"

#define BAD_ANSWER "Meta's answer is not to be understood: look at the base address."

enum { PART_APP, PART_ACCOUNT, PARTS };

/* What events come of: providers/<name>*.c. */
static const char *const instagram_fields[] = {
    "messages",       "message_echoes",     "message_reactions", "messaging_postbacks",
    "messaging_seen", "messaging_referral", "messaging_optins",  "messaging_handover",
    "standby",        "comments",           "live_comments",     "mentions",
};
static const char *const page_fields[] = {
    "messages",
    "messaging_postbacks",
    "message_deliveries",
    "message_reads",
    "message_reactions",
    "message_echoes",
    "message_edits",
    "messaging_referrals",
    "messaging_optins",
    "messaging_handovers",
    "standby",
};
static const char *const whatsapp_fields[] = {
    "messages",
    "smb_message_echoes",
    "user_preferences",
    "account_update",
    "account_review_update",
    "account_alerts",
    "phone_number_quality_update",
    "phone_number_name_update",
};

struct names {
    const char *const *at;
    size_t n;
};

struct dialect {
    const char *object;
    struct names of_app; /* of the object */
    const struct graph_codes *codes;
};
#define NAMES(list)           \
    {                         \
        list, ARRAY_LEN(list) \
    }
static const struct dialect instagram = {"instagram", NAMES(instagram_fields), NULL};
static const struct dialect messenger = {"page", NAMES(page_fields), NULL};
static const struct dialect whatsapp = {"whatsapp_business_account", NAMES(whatsapp_fields),
                                        &graph_codes_whatsapp};

static bool is_through_page(const struct dialect *d, const struct send_account *account)
{
    return d == &instagram && str_eq_c(account->login, "page");
}

/* Fields of the account's own subscription. WhatsApp takes those of the app. An Instagram account
 * behind a page is subscribed as the page, in the page's words. */
static struct names account_fields(const struct dialect *d, const struct send_account *account)
{
    static const struct names none = {0}, page = NAMES(page_fields);
    return d == &whatsapp ? none : is_through_page(d, account) ? page : d->of_app;
}

/* --- the requests ----------------------------------------------------------------------------- */

static struct str joined(struct arena *a, struct names names)
{
    struct str all = STR("");
    for (size_t i = 0; i < names.n; i++)
        all = str_fmt(a, "%.*s%s%s", STR_ARG(all), i ? "," : "", names.at[i]);
    return all;
}

static bool app_request(struct arena *a, const struct dialect *d, const struct webhook_ask *ask,
                        const struct send_account *account, struct send_request *out,
                        struct err *err)
{
    if (!ask->app_id.len)
        return err_set(err, ERR_INVALID, "Meta's webhook needs the id of the app");
    struct str path = str_fmt(a, "%.*s/subscriptions", STR_ARG(url_encode(a, ask->app_id)));
    if (ask->what == WEBHOOK_CHECK)
        return graph_request(a, account, GRAPH_HOST, METHOD_GET, path, out, err);
    if (!str_starts(ask->url, STR("https://")) || !ask->secret.len)
        return err_set(err, ERR_INVALID,
                       "Meta's webhook needs an https:// address and the verify token");
    if (!graph_request(a, account, GRAPH_HOST, METHOD_POST, path, out, err))
        return false;
    out->body_kind = BODY_FORM;
    out->body =
        str_fmt(a, "object=%s&callback_url=%.*s&fields=%.*s&verify_token=%.*s", d->object,
                STR_ARG(url_encode(a, ask->url)), STR_ARG(url_encode(a, joined(a, d->of_app))),
                STR_ARG(url_encode(a, ask->secret)));
    out->body_is_secret = true;
    return send_header_add(out, "Content-Type", STR("application/x-www-form-urlencoded"), err);
}

static bool account_request(struct arena *a, const struct dialect *d, const struct webhook_ask *ask,
                            const struct send_account *account, struct send_request *out,
                            struct err *err)
{
    bool is_own = d != &whatsapp && !is_through_page(d, account);
    struct str node = is_own ? account->external_id : account->parent_id;
    const char *host = d == &instagram && is_own ? GRAPH_HOST_INSTAGRAM : GRAPH_HOST;
    if (!node.len)
        return err_set(err, ERR_INVALID, "the channel does not say which %s it belongs to",
                       d == &whatsapp ? "WhatsApp business account" : "page");
    struct names names = account_fields(d, account);
    struct str fields = STR("");
    if (ask->what == WEBHOOK_CREATE && names.n)
        fields = str_fmt(a, "?subscribed_fields=%.*s", STR_ARG(joined(a, names)));
    struct str path =
        str_fmt(a, "%.*s/subscribed_apps%.*s", STR_ARG(url_encode(a, node)), STR_ARG(fields));
    enum send_method method = ask->what == WEBHOOK_CREATE ? METHOD_POST : METHOD_GET;
    return graph_request(a, account, host, method, path, out, err);
}

static bool build(struct arena *a, const struct dialect *d, const struct webhook_ask *ask,
                  const struct send_account *account, struct send_request *out, struct err *err)
{
    *out = (struct send_request){0};
    if (ask->what == WEBHOOK_VALIDATE)
        return err_set(err, ERR_INVALID, "Meta asks an address when it is set: create the webhook");
    if (ask->part >= PARTS)
        return err_set(err, ERR_INVALID, "Meta has no webhook number %zu", ask->part);
    return ask->part == PART_APP ? app_request(a, d, ask, account, out, err)
                                 : account_request(a, d, ask, account, out, err);
}

/* --- the answers ------------------------------------------------------------------------------ */

/* Elements are names, or objects with a name. */
static bool has_field(struct arena *a, const struct json *list, const char *name)
{
    for (const struct json *v = json_first(list); v; v = json_next(list, v)) {
        struct str is = json_is(v, JSON_OBJECT) ? field_id(a, v, "name") : json_text(a, v);
        if (str_eq_c(is, name))
            return true;
    }
    return false;
}

/* "not subscribed: a, b"; absent: all are. */
static struct str missing(struct arena *a, const struct json *list, struct names names)
{
    struct str all = STR_NONE;
    for (size_t i = 0; i < names.n; i++) {
        if (has_field(a, list, names.at[i]))
            continue;
        all = all.ptr ? str_fmt(a, "%.*s, %s", STR_ARG(all), names.at[i])
                      : str_fmt(a, "not subscribed: %s", names.at[i]);
    }
    return all;
}

static void find_app(struct arena *a, const struct dialect *d, const struct webhook_ask *ask,
                     const struct json *data, struct webhook_found *out)
{
    for (const struct json *v = json_first(data); v; v = json_next(data, v)) {
        if (!str_eq_c(field_id(a, v, "object"), d->object))
            continue;
        // An app has one address for each object: another one is somebody else's, and is named.
        struct str url = field_id(a, v, "callback_url");
        if (!str_eq(url, ask->url)) {
            out->complaint = str_fmt(a, "the app delivers to %.*s", STR_ARG(url));
            continue;
        }
        const struct json *active = json_get(v, "active");
        out->is_there = true;
        out->complaint = missing(a, json_get(v, "fields"), d->of_app);
        if (active && !json_truthy(active))
            out->complaint = STR("the subscription is switched off");
        out->is_working = !out->complaint.len;
        return;
    }
}

static void find_account(struct arena *a, const struct dialect *d, const struct webhook_ask *ask,
                         const struct send_account *account, const struct json *data,
                         struct webhook_found *out)
{
    for (const struct json *v = json_first(data); v; v = json_next(data, v)) {
        const struct json *inner = json_get(v, "whatsapp_business_api_data");
        struct str id = field_id(a, inner ? inner : v, "id");
        if (id.len && ask->app_id.len && !str_eq(id, ask->app_id))
            continue;
        out->is_there = true;
        out->id = id;
        out->complaint = missing(a, json_get(v, "subscribed_fields"), account_fields(d, account));
        out->is_working = !out->complaint.len;
        return;
    }
}

static bool read_answer(struct arena *a, const struct dialect *d, const struct webhook_ask *ask,
                        const struct send_account *account, const struct send_reply *reply,
                        struct webhook_found *out, struct judgement *why)
{
    static const struct send_message nothing = {.kind = SEND_READ};
    static const struct send_progress none = {0};
    struct send_call call = {account, &nothing, &none, false};
    const struct json *root = NULL;
    *out = (struct webhook_found){0};
    if (judge_fault(&call, reply, why) || graph_judge_error(a, &call, reply, d->codes, &root, why))
        return false;
    const struct json *data = json_get(root, "data");
    if (ask->what == WEBHOOK_CREATE && json_truthy(json_get(root, "success"))) {
        out->is_there = out->is_working = true;
        return true;
    }
    if (ask->what == WEBHOOK_CREATE || !json_is(data, JSON_ARRAY)) {
        why->outcome = OUTCOME_PERMANENT;
        why->reason = STR(BAD_ANSWER);
        return false;
    }
    if (ask->part == PART_APP)
        find_app(a, d, ask, data, out);
    else
        find_account(a, d, ask, account, data, out);
    return true;
}

/* --- the adapters' ---------------------------------------------------------------------------- */

#define WEBHOOK_OF(name)                                                                           \
    static bool name##_build_webhook(struct arena *a, const struct webhook_ask *ask,               \
                                     const struct send_account *account, struct send_request *out, \
                                     struct err *err)                                              \
    {                                                                                              \
        return build(a, &(name), ask, account, out, err);                                          \
    }                                                                                              \
    static bool name##_read_webhook(                                                               \
        struct arena *a, const struct webhook_ask *ask, const struct send_account *account,        \
        const struct send_reply *reply, struct webhook_found *out, struct judgement *why)          \
    {                                                                                              \
        return read_answer(a, &(name), ask, account, reply, out, why);                             \
    }                                                                                              \
    const struct send_webhook name##_webhook = {PARTS, name##_build_webhook, name##_read_webhook,  \
                                                PART_APP + 1}

WEBHOOK_OF(instagram);
WEBHOOK_OF(messenger);
WEBHOOK_OF(whatsapp);
