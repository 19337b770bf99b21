/* SPDX-License-Identifier: Apache-2.0 */
/* UniPile's accounts and webhooks. An account sends when its source for messages is OK; the key
 * opens all accounts of a workspace, so whose an account is, is for us to know. */
#include "fields.h"
#include "unipile_send.h"

#define LIST_MAX 250 /* what a page may have */

/* --- requests --------------------------------------------------------------------------------- */

static bool discover_build(struct arena *a, enum discover_what what,
                           const struct send_account *account, struct str cursor,
                           struct send_request *out, struct err *err)
{
    struct str path;
    *out = (struct send_request){0};
    if (what == DISCOVER_VALIDATE && !account->external_id.len)
        return err_set(err, ERR_INVALID, "the channel has no account id: connect it again");
    if (what == DISCOVER_VALIDATE)
        path = str_fmt(a, "/accounts/%.*s", STR_ARG(url_encode(a, account->external_id)));
    else if (cursor.len)
        path =
            str_fmt(a, "/accounts?limit=%d&cursor=%.*s", LIST_MAX, STR_ARG(url_encode(a, cursor)));
    else
        path = str_fmt(a, "/accounts?limit=%d", LIST_MAX);
    return unipile_request(a, account, METHOD_GET, path, out, err);
}

/* --- accounts --------------------------------------------------------------------------------- */

/* Of the sources the one for messages, else the first. */
static struct str source_status(struct arena *a, const struct json *account)
{
    const struct json *sources = json_get(account, "sources");
    struct str first = STR_NONE;
    for (const struct json *s = json_first(sources); s; s = json_next(sources, s)) {
        struct str status = json_text(a, json_get(s, "status"));
        if (str_ends(json_text(a, json_get(s, "id")), STR("_MESSAGING")))
            return status;
        if (!first.ptr)
            first = status;
    }
    return first;
}

static void read_account(struct arena *a, const struct json *v, struct found_account *f)
{
    const struct json *im = json_get(json_get(v, "connection_params"), "im");
    struct str type = json_text(a, json_get(v, "type"));
    struct str username = field_id(a, im, "username");
    *f = (struct found_account){
        .external_id = field_id(a, v, "id"),
        .type = type.len ? unipile_normal_type(type) : STR_NONE,
        .name = field_id(a, v, "name"),
        .username = username.len ? username : field_id(a, im, "phone_number"),
        .provider_status = source_status(a, v),
    };
    // An account without a source is one that is being made.
    struct str status = unipile_status(f->provider_status);
    f->status = !f->provider_status.len ? STR("connecting") : status.len ? status : STR("error");
}

static bool read_list(struct arena *a, const struct json *root, struct found_accounts *out)
{
    const struct json *items = json_get(root, "items");
    if (!json_is(items, JSON_ARRAY))
        return false;
    struct found_account *found = arena_try(a, (items->n + 1) * sizeof *found);
    if (!found)
        return false;
    *out = (struct found_accounts){found, 0, field_id(a, root, "cursor")};
    for (const struct json *v = json_first(items); v; v = json_next(items, v)) {
        read_account(a, v, &found[out->n]);
        out->n += found[out->n].external_id.len > 0;
    }
    return true;
}

static bool read_one(struct arena *a, const struct send_account *account, const struct json *root,
                     struct found_accounts *out, struct judgement *why)
{
    struct found_account *f = ARENA_NEW(a, struct found_account);
    read_account(a, root, f);
    *out = (struct found_accounts){f, 1, STR_NONE};
    if (!str_eq(f->external_id, account->external_id)) {
        judge_as_wrong(why, OUTCOME_PERMANENT, UNIPILE_BAD_ANSWER);
        return false;
    }
    if (account->type.len && !str_eq(f->type, unipile_normal_type(account->type))) {
        judge_as_wrong(why, OUTCOME_PERMANENT,
                       "The account at UniPile is of another network than the channel.");
        return false;
    }
    return true;
}

bool unipile_read(struct arena *a, const struct send_account *account,
                  const struct send_reply *reply, const struct json **root, struct judgement *why)
{
    struct send_call call = send_call_of_account(account);
    if (judge_fault(&call, reply, why))
        return false;
    *why = judgement_none();
    *root = send_reply_json(a, reply);
    if (!send_reply_is_ok(reply)) {
        unipile_judge_error(a, &call, reply, *root, why);
        return false;
    }
    if (json_is(*root, JSON_OBJECT))
        return true;
    judge_as_wrong(why, OUTCOME_PERMANENT, UNIPILE_BAD_ANSWER);
    return false;
}

static bool discover_read(struct arena *a, enum discover_what what,
                          const struct send_account *account, const struct send_reply *reply,
                          struct found_accounts *out, struct judgement *why)
{
    const struct json *root = NULL;
    *out = (struct found_accounts){0};
    if (!unipile_read(a, account, reply, &root, why))
        return false;
    if (what == DISCOVER_VALIDATE)
        return read_one(a, account, root, out, why);
    if (read_list(a, root, out))
        return true;
    judge_as_wrong(why, OUTCOME_PERMANENT, UNIPILE_BAD_ANSWER);
    return false;
}

const struct send_discover unipile_discover = {discover_build, discover_read};

/* --- webhooks --------------------------------------------------------------------------------- */

static const char *const message_events[] = {
    "message_received", "message_read",    "message_reaction",
    "message_edited",   "message_deleted", "message_delivered",
};

/* A webhook serves one source. No events: those that the source has. */
static const struct {
    const char *source;
    const char *const *events;
    size_t n_events;
} sources[] = {
    {"messaging", message_events, ARRAY_LEN(message_events)},
    {"account_status", NULL, 0},
};

static void put_header(struct send_json *j, struct arena *a, const char *key, struct str value)
{
    json_open(&j->out, '{');
    json_put_str(&j->out, "key", str_of(key));
    json_put_str(&j->out, "value", str_utf8(a, value));
    json_close(&j->out, '}');
}

static bool create_body(struct arena *a, const struct webhook_ask *ask, struct send_request *out,
                        struct err *err)
{
    struct send_json j;
    send_json_begin(&j);
    send_json_text(&j, a, "source", str_of(sources[ask->part].source));
    send_json_text(&j, a, "request_url", ask->url);
    send_json_text(&j, a, "name", STR("postrider"));
    send_json_text(&j, a, "format", STR("json"));
    json_put_bool(&j.out, "enabled", true);
    if (sources[ask->part].n_events) {
        json_key_out(&j.out, "events");
        json_open(&j.out, '[');
        for (size_t i = 0; i < sources[ask->part].n_events; i++)
            json_str(&j.out, str_of(sources[ask->part].events[i]));
        json_close(&j.out, ']');
    }
    // Without the first, UniPile sends no content type.
    json_key_out(&j.out, "headers");
    json_open(&j.out, '[');
    put_header(&j, a, "Content-Type", STR("application/json"));
    put_header(&j, a, "Unipile-Auth", ask->secret);
    json_close(&j.out, ']');
    out->body_is_secret = true;
    return send_json_end(&j, a, out, err);
}

static bool webhook_build(struct arena *a, const struct webhook_ask *ask,
                          const struct send_account *account, struct send_request *out,
                          struct err *err)
{
    *out = (struct send_request){0};
    if (ask->part >= ARRAY_LEN(sources))
        return err_set(err, ERR_INVALID, "UniPile has no webhook number %zu", ask->part);
    switch (ask->what) {
    case WEBHOOK_CREATE:
        if (!is_http_url(ask->url) || !ask->secret.len)
            return err_set(err, ERR_INVALID, "a webhook needs our address and the tenant's secret");
        return unipile_request(a, account, METHOD_POST, STR("/webhooks"), out, err) &&
               create_body(a, ask, out, err);
    case WEBHOOK_CHECK:
        return unipile_request(a, account, METHOD_GET, STR("/webhooks?limit=250"), out, err);
    case WEBHOOK_VALIDATE:
        break;
    }
    return err_set(err, ERR_INVALID, "UniPile does not ask an address again: create the webhook");
}

static void find_webhook(struct arena *a, const struct webhook_ask *ask, const struct json *root,
                         struct webhook_found *out)
{
    const struct json *items = json_get(root, "items");
    for (const struct json *v = json_first(items); v; v = json_next(items, v)) {
        if (!str_eq(json_text(a, json_get(v, "request_url")), ask->url) ||
            !str_eq_c(json_text(a, json_get(v, "source")), sources[ask->part].source))
            continue;
        struct str id = field_id(a, v, "id");
        const struct json *enabled = json_get(v, "enabled");
        *out = (struct webhook_found){.is_there = true,
                                      .is_working = !enabled || json_truthy(enabled),
                                      .id = id.len ? id : field_id(a, v, "webhook_id")};
        if (out->is_working)
            return;
    }
}

static bool webhook_read(struct arena *a, const struct webhook_ask *ask,
                         const struct send_account *account, const struct send_reply *reply,
                         struct webhook_found *out, struct judgement *why)
{
    const struct json *root = NULL;
    *out = (struct webhook_found){0};
    if (!unipile_read(a, account, reply, &root, why))
        return false;
    if (ask->part >= ARRAY_LEN(sources)) {
        judge_as_wrong(why, OUTCOME_PERMANENT, UNIPILE_BAD_ANSWER);
        return false;
    }
    if (ask->what == WEBHOOK_CREATE) {
        out->id = field_id(a, root, "webhook_id");
        out->is_there = out->is_working = out->id.len > 0;
        if (!out->id.len)
            judge_as_wrong(why, OUTCOME_PERMANENT, UNIPILE_BAD_ANSWER);
        return out->id.len > 0;
    }
    find_webhook(a, ask, root, out);
    return true;
}

const struct send_webhook unipile_webhook = {ARRAY_LEN(sources), webhook_build, webhook_read, 0};
