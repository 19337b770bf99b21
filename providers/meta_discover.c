/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts behind a token: Instagram accounts, pages, WhatsApp numbers. */
#include "fields.h"
#include "meta_send.h"

#define ACCOUNTS_MAX 1000

#define IG_ME_FIELDS     "user_id,username,account_type,name"
#define IG_FIELDS        "id,username,name"
#define IG_PAGE_FIELDS   "id,name,access_token,instagram_business_account%7Bid,username,name%7D"
#define PAGE_LIST_FIELDS "id,name,access_token"
#define PAGE_FIELDS      "id,name"
#define NUMBER_FIELDS                                                                \
    "id,display_phone_number,verified_name,quality_rating,code_verification_status," \
    "name_status,status,platform_type,throughput,account_mode"

/* One element of an answer as an account. False: it is none of ours (a page without Instagram). */
typedef bool read_fn(struct arena *a, const struct json *e, struct found_account *out);

/* --- the questions ---------------------------------------------------------------------------- */

static bool ask(struct arena *a, const struct send_account *account, const char *host,
                struct str node, const char *edge, const char *fields, struct str cursor,
                struct send_request *out, struct err *err)
{
    struct str after =
        cursor.len ? str_fmt(a, "&after=%.*s", STR_ARG(url_encode(a, cursor))) : STR("");
    struct str path = str_fmt(a, "%.*s%s?fields=%s%.*s", STR_ARG(url_encode(a, node)), edge, fields,
                              STR_ARG(after));
    return graph_request(a, account, host, METHOD_GET, path, out, err);
}

static bool instagram_ask(struct arena *a, enum discover_what what,
                          const struct send_account *account, struct str cursor,
                          struct send_request *out, struct err *err)
{
    bool is_page = str_eq_c(account->login, "page");
    if (!is_page)
        return ask(a, account, GRAPH_HOST_INSTAGRAM, STR("me"), "", IG_ME_FIELDS, STR_NONE, out,
                   err);
    if (what == DISCOVER_LIST)
        return ask(a, account, GRAPH_HOST, STR("me"), "/accounts", IG_PAGE_FIELDS, cursor, out,
                   err);
    return ask(a, account, GRAPH_HOST, account->external_id, "", IG_FIELDS, STR_NONE, out, err);
}

static bool messenger_ask(struct arena *a, enum discover_what what,
                          const struct send_account *account, struct str cursor,
                          struct send_request *out, struct err *err)
{
    if (what == DISCOVER_LIST)
        return ask(a, account, GRAPH_HOST, STR("me"), "/accounts", PAGE_LIST_FIELDS, cursor, out,
                   err);
    return ask(a, account, GRAPH_HOST, STR("me"), "", PAGE_FIELDS, STR_NONE, out, err);
}

static bool whatsapp_ask(struct arena *a, enum discover_what what,
                         const struct send_account *account, struct str cursor,
                         struct send_request *out, struct err *err)
{
    bool is_list = what == DISCOVER_LIST;
    struct str node = is_list ? account->parent_id : account->external_id;
    if (!node.len)
        return err_set(err, ERR_INVALID, "name the %s",
                       is_list ? "WhatsApp business account whose numbers are to be listed"
                               : "phone number id that is to be checked");
    return ask(a, account, GRAPH_HOST, node, is_list ? "/phone_numbers" : "", NUMBER_FIELDS,
               is_list ? cursor : STR_NONE, out, err);
}

/* --- the answers ------------------------------------------------------------------------------ */

static bool instagram_read(struct arena *a, const struct json *e, struct found_account *out)
{
    // Of Instagram login: user_id is what webhooks name; id is another, of the app's own.
    const struct json *linked = json_get(e, "instagram_business_account");
    bool is_page = json_get(e, "access_token") && !json_get(e, "user_id");
    if (is_page && !linked)
        return false;
    const struct json *ig = linked ? linked : e;
    out->external_id = str_or(field_id(a, ig, "user_id"), field_id(a, ig, "id"));
    out->type = STR("instagram");
    out->name = str_or(field_id(a, ig, "name"), field_id(a, e, "name"));
    out->username = field_id(a, ig, "username");
    out->parent_id = linked ? field_id(a, e, "id") : STR_NONE;
    out->token = field_id(a, e, "access_token");
    out->status = STR("ok");
    return true;
}

static bool messenger_read(struct arena *a, const struct json *e, struct found_account *out)
{
    out->external_id = field_id(a, e, "id");
    out->type = STR("page");
    out->name = field_id(a, e, "name");
    out->token = field_id(a, e, "access_token");
    out->status = STR("ok");
    return true;
}

static const struct {
    const char *theirs, *ours;
} number_states[] = {
    {"CONNECTED", "ok"},
    {"FLAGGED", "ok"},
    {"RATE_LIMITED", "ok"},
    {"PENDING", "connecting"},
    {"DELETED", "deleted"},
    {"MIGRATED", "deleted"},
    {"UNVERIFIED", "auth_required"},
};

static bool whatsapp_read(struct arena *a, const struct json *e, struct found_account *out)
{
    out->external_id = field_id(a, e, "id");
    out->type = STR("whatsapp_business_account");
    out->name = field_id(a, e, "verified_name");
    out->username = field_id(a, e, "display_phone_number");
    out->provider_status = field_id(a, e, "status");
    out->status = out->provider_status.len ? STR("error") : STR("ok");
    for (size_t i = 0; i < ARRAY_LEN(number_states); i++) {
        if (str_eq_c(out->provider_status, number_states[i].theirs))
            out->status = str_of(number_states[i].ours);
    }
    return true;
}

static bool no(struct judgement *why, const char *reason)
{
    why->outcome = OUTCOME_PERMANENT;
    why->reason = str_of(reason);
    return false;
}

static bool read_list(struct arena *a, const struct json *root, read_fn *read,
                      struct found_accounts *out, struct judgement *why)
{
    const struct json *data = json_get(root, "data");
    // A single account comes as itself.
    bool is_list = json_is(data, JSON_ARRAY);
    size_t n = is_list ? data->n : 1, n_taken = 0;
    if (n > ACCOUNTS_MAX)
        return no(why, "The network lists too many accounts at once.");
    out->items = ARENA_ARRAY(a, struct found_account, n + 1);
    for (const struct json *e = is_list ? json_first(data) : root; e;
         e = is_list ? json_next(data, e) : NULL) {
        struct found_account f = {0};
        if (json_is(e, JSON_OBJECT) && read(a, e, &f) && f.external_id.len && n_taken < n)
            out->items[n_taken++] = f;
    }
    out->n = n_taken;
    const struct json *paging = json_get(root, "paging");
    if (json_get(paging, "next"))
        out->cursor = field_id(a, json_get(paging, "cursors"), "after");
    return true;
}

static bool read_answer(struct arena *a, enum discover_what what,
                        const struct send_account *account, const struct send_reply *reply,
                        read_fn *read, const struct graph_codes *codes, struct found_accounts *out,
                        struct judgement *why)
{
    static const struct send_message nothing = {.kind = SEND_READ};
    static const struct send_progress none = {0};
    struct send_call call = {account, &nothing, &none, false};
    const struct json *root = NULL;
    *out = (struct found_accounts){0};
    if (judge_fault(&call, reply, why) || graph_judge_error(a, &call, reply, codes, &root, why))
        return false;
    if (!read_list(a, root, read, out, why))
        return false;
    if (what == DISCOVER_LIST)
        return true;
    if (out->n != 1)
        return no(why, "The network knows no account behind this access.");
    out->cursor = STR_NONE;
    if (account->external_id.len && !str_eq(out->items[0].external_id, account->external_id))
        return no(why, "This access is for another account; connect the right one.");
    return true;
}

static bool instagram_answer(struct arena *a, enum discover_what what,
                             const struct send_account *account, const struct send_reply *reply,
                             struct found_accounts *out, struct judgement *why)
{
    return read_answer(a, what, account, reply, instagram_read, NULL, out, why);
}

static bool messenger_answer(struct arena *a, enum discover_what what,
                             const struct send_account *account, const struct send_reply *reply,
                             struct found_accounts *out, struct judgement *why)
{
    return read_answer(a, what, account, reply, messenger_read, NULL, out, why);
}

static bool whatsapp_answer(struct arena *a, enum discover_what what,
                            const struct send_account *account, const struct send_reply *reply,
                            struct found_accounts *out, struct judgement *why)
{
    return read_answer(a, what, account, reply, whatsapp_read, &graph_codes_whatsapp, out, why);
}

const struct send_discover instagram_discover = {instagram_ask, instagram_answer};
const struct send_discover messenger_discover = {messenger_ask, messenger_answer};
const struct send_discover whatsapp_discover = {whatsapp_ask, whatsapp_answer};
