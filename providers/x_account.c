/* SPDX-License-Identifier: Apache-2.0 */
/* The user behind a token, and the app's webhook. A token is one user's: the list has one account.
 * The webhook is the app's, so its calls take the app's own token; who is subscribed, the user's.
 */
#include "fields.h"
#include "x_send.h"

/* False: no answer, or an error; judged. */
static bool read_data(struct arena *a, const struct send_account *account,
                      const struct send_reply *reply, const struct json **root,
                      struct judgement *why)
{
    struct send_call call = send_call_of_account(account);
    if (judge_fault(&call, reply, why))
        return false;
    *why = judgement_none();
    *root = send_reply_json(a, reply);
    if (send_reply_is_ok(reply) && json_get(*root, "data"))
        return true;
    x_judge_error(a, &call, reply, *root, why);
    if (send_reply_is_ok(reply) && !json_get(*root, "errors"))
        judge_as_wrong(why, OUTCOME_PERMANENT, X_BAD_ANSWER);
    return false;
}

/* --- the user --------------------------------------------------------------------------------- */

static bool discover_build(struct arena *a, enum discover_what what,
                           const struct send_account *account, struct str cursor,
                           struct send_request *out, struct err *err)
{
    (void)what;
    (void)cursor;
    *out = (struct send_request){0};
    return x_request(a, account, METHOD_GET, STR("/users/me"), out, err);
}

static bool discover_read(struct arena *a, enum discover_what what,
                          const struct send_account *account, const struct send_reply *reply,
                          struct found_accounts *out, struct judgement *why)
{
    const struct json *root = NULL;
    *out = (struct found_accounts){0};
    if (!read_data(a, account, reply, &root, why))
        return false;
    const struct json *me = json_get(root, "data");
    struct str id = field_id(a, me, "id");
    if (!is_integer(id)) {
        judge_as_wrong(why, OUTCOME_PERMANENT, X_BAD_ANSWER);
        return false;
    }
    if (what == DISCOVER_VALIDATE && !str_eq(id, account->external_id)) {
        judge_as_wrong(why, OUTCOME_AUTH,
                       "The token is another user's: connect the account again.");
        return false;
    }
    struct found_account *f = ARENA_NEW(a, struct found_account);
    *f = (struct found_account){
        .external_id = id,
        .type = STR("user"),
        .name = field_id(a, me, "name"),
        .username = field_id(a, me, "username"),
        .status = STR("ok"),
    };
    *out = (struct found_accounts){f, 1, STR_NONE};
    return true;
}

const struct send_discover x_discover = {discover_build, discover_read};

/* --- the webhook ------------------------------------------------------------------------------ */

/* The webhook is the app's; each user is subscribed to it, by his own token. */
enum { PART_WEBHOOK, PART_SUBSCRIPTION, PARTS };

static bool is_webhook_address(struct str url)
{
    struct str host = str_skip(url, STR("https://").len), rest;
    (void)str_cut(host, '/', &host, &rest);
    return str_starts(url, STR("https://")) && host.len && !str_cut(host, ':', &host, &rest);
}

static bool app_build(struct arena *a, const struct webhook_ask *ask,
                      const struct send_account *account, struct send_request *out, struct err *err)
{
    struct send_json j;
    switch (ask->what) {
    case WEBHOOK_CREATE:
        if (!is_webhook_address(ask->url))
            return err_set(err, ERR_INVALID, "X's webhook needs an https:// address without port");
        if (!x_request(a, account, METHOD_POST, STR("/webhooks"), out, err))
            return false;
        send_json_begin(&j);
        send_json_text(&j, a, "url", ask->url);
        return send_json_end(&j, a, out, err);
    case WEBHOOK_CHECK:
        return x_request(a, account, METHOD_GET, STR("/webhooks"), out, err);
    case WEBHOOK_VALIDATE:
        if (!is_integer(ask->id))
            return err_set(err, ERR_INVALID, "which of X's webhooks? its id is a number");
        return x_request(a, account, METHOD_PUT, str_fmt(a, "/webhooks/%.*s", STR_ARG(ask->id)),
                         out, err);
    }
    return err_set(err, ERR_FAULT, "nothing to do with a webhook: %d", (int)ask->what);
}

static bool subscription_build(struct arena *a, const struct webhook_ask *ask,
                               const struct send_account *account, struct send_request *out,
                               struct err *err)
{
    if (ask->what == WEBHOOK_VALIDATE)
        return err_set(err, ERR_INVALID, "X validates the webhook, not who is subscribed to it");
    if (!is_integer(ask->id))
        return err_set(err, ERR_INVALID, "which of X's webhooks? its id is a number");
    struct str path =
        str_fmt(a, "/account_activity/webhooks/%.*s/subscriptions/all", STR_ARG(ask->id));
    if (ask->what == WEBHOOK_CHECK)
        return x_request(a, account, METHOD_GET, path, out, err);
    if (!x_request(a, account, METHOD_POST, path, out, err))
        return false;
    struct send_json j;
    send_json_begin(&j);
    return send_json_end(&j, a, out, err);
}

static bool webhook_build(struct arena *a, const struct webhook_ask *ask,
                          const struct send_account *account, struct send_request *out,
                          struct err *err)
{
    *out = (struct send_request){0};
    if (ask->part >= PARTS)
        return err_set(err, ERR_INVALID, "X has no webhook number %zu", ask->part);
    return ask->part == PART_WEBHOOK ? app_build(a, ask, account, out, err)
                                     : subscription_build(a, ask, account, out, err);
}

static struct webhook_found read_webhook(struct arena *a, const struct json *v)
{
    bool is_valid = json_truthy(json_get(v, "valid"));
    return (struct webhook_found){
        .is_there = true,
        .is_working = is_valid,
        .id = field_id(a, v, "id"),
        .complaint = is_valid ? STR_NONE : STR("X does not hold the address for valid"),
    };
}

static bool app_read(struct arena *a, const struct webhook_ask *ask,
                     const struct send_account *account, const struct send_reply *reply,
                     struct webhook_found *out, struct judgement *why)
{
    const struct json *root = NULL;
    // No webhooks at all: {"meta": {"result_count": 0}}.
    if (ask->what == WEBHOOK_CHECK && reply->fault == REPLY_WHOLE && send_reply_is_ok(reply)) {
        root = send_reply_json(a, reply);
        if (json_get(root, "meta") && !json_get(root, "data"))
            return true;
    }
    if (!read_data(a, account, reply, &root, why))
        return false;
    const struct json *data = json_get(root, "data");
    if (!json_is(data, JSON_ARRAY)) {
        *out = read_webhook(a, data);
        // Asking again answers {"valid": true} or {"attempted": true}, without an id.
        if (ask->what == WEBHOOK_VALIDATE) {
            out->id = ask->id;
            out->is_working |= json_truthy(json_get(data, "attempted"));
            out->complaint = out->is_working ? STR_NONE : out->complaint;
        }
        return true;
    }
    for (const struct json *v = json_first(data); v; v = json_next(data, v)) {
        if (str_eq(json_text(a, json_get(v, "url")), ask->url))
            *out = read_webhook(a, v);
    }
    return true;
}

static bool webhook_read(struct arena *a, const struct webhook_ask *ask,
                         const struct send_account *account, const struct send_reply *reply,
                         struct webhook_found *out, struct judgement *why)
{
    *out = (struct webhook_found){0};
    if (ask->part == PART_WEBHOOK)
        return app_read(a, ask, account, reply, out, why);
    const struct json *root = NULL;
    if (!read_data(a, account, reply, &root, why))
        return false;
    out->is_there = json_truthy(json_get(json_get(root, "data"), "subscribed"));
    out->is_working = out->is_there;
    if (ask->what == WEBHOOK_CREATE && !out->is_there) {
        judge_as_wrong(why, OUTCOME_PERMANENT, X_BAD_ANSWER);
        return false;
    }
    return true;
}

const struct send_webhook x_webhook = {PARTS, webhook_build, webhook_read, PART_WEBHOOK + 1};
