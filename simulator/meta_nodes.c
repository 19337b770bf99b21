/* SPDX-License-Identifier: Apache-2.0 */
/* What can be read of accounts: /me, /me/accounts, pages, Instagram accounts, WhatsApp numbers, and
 * what a token is. */
#include <string.h>

#include "meta_api.h"
#include "server.h"

#define FIELDS_MAX 40
#define PAGE_SIZE  25

/* --- fields ----------------------------------------------------------------------------------- */

bool sim_graph_field_next(struct str *rest, struct str *name, struct str *inner)
{
    size_t depth = 0, end = 0, open = 0, close = 0;
    if (!rest->len)
        return false;
    for (; end < rest->len && (depth || rest->ptr[end] != ','); end++) {
        if (rest->ptr[end] == '{' && depth++ == 0)
            open = end;
        else if (rest->ptr[end] == '}' && depth && --depth == 0)
            close = end;
    }
    *name = (struct str){rest->ptr, open ? open : end};
    *inner = open && close > open ? (struct str){rest->ptr + open + 1, close - open - 1} : STR_NONE;
    *rest = str_skip(*rest, end < rest->len ? end + 1 : end);
    return true;
}

static bool put_fields(struct sim_call *c, struct json_out *o, struct str id, struct str fields,
                       graph_field *field)
{
    struct str name, inner;
    json_open(o, '{');
    for (size_t n = 0; sim_graph_field_next(&fields, &name, &inner); n++) {
        if (n == FIELDS_MAX || !field(c, o, id, name, inner)) {
            struct graph_error e = sim_graph_error(100, 0);
            e.message = str_c(c->a, str_fmt(c->a, "(#100) Tried accessing nonexisting field (%.*s)",
                                            STR_ARG(str_utf8(c->a, name))));
            return sim_graph_refuse(c, &e, NULL);
        }
    }
    json_close(o, '}');
    return true;
}

static struct str wanted(struct sim_call *c, const char *preset)
{
    struct str fields = http_query(c->http, "fields");
    return fields.len ? fields : str_of(preset);
}

bool sim_graph_node(struct sim_call *c, struct buf *out, struct str id, const char *preset,
                    graph_field *field)
{
    struct json_out o = {.buf = out};
    return put_fields(c, &o, id, wanted(c, preset), field);
}

/* A number out of the query; `preset` where there is none. */
static size_t number_of(struct sim_call *c, const char *name, size_t preset)
{
    int64_t n = 0;
    return str_i64(http_query(c->http, name), &n) && n >= 0 ? (size_t)n : preset;
}

void sim_graph_list(struct sim_call *c, const struct str *ids, size_t n, const char *preset,
                    graph_field *field)
{
    size_t from = number_of(c, "after", 0), size = number_of(c, "limit", PAGE_SIZE);
    struct buf out;
    buf_init(&out, 1 << 20);
    struct json_out o = {.buf = &out};
    json_open(&o, '{');
    json_key_out(&o, "data");
    json_open(&o, '[');
    size_t i = from;
    for (; i < n && i - from < size; i++)
        if (!put_fields(c, &o, ids[i], wanted(c, preset), field)) {
            buf_done(&out);
            return;
        }
    json_close(&o, ']');
    if (i > from) {
        json_key_out(&o, "paging");
        json_open(&o, '{');
        json_key_out(&o, "cursors");
        json_open(&o, '{');
        json_put_str(&o, "before", str_fmt(c->a, "%zu", from));
        json_put_str(&o, "after", str_fmt(c->a, "%zu", i));
        json_close(&o, '}');
        if (i < n)
            json_put_str(&o, "next",
                         str_fmt(c->a, "http://%.*s%.*s?after=%zu",
                                 STR_ARG(http_header(c->http, "Host")), STR_ARG(http_path(c->http)),
                                 i));
        json_close(&o, '}');
    }
    json_close(&o, '}');
    sim_answer(c, 200, buf_str(&out));
    buf_done(&out);
}

/* --- accounts --------------------------------------------------------------------------------- */

/* What the control plane told of an account. NULL: nothing. */
static const struct sim_known *known(struct sim_call *c, struct str id)
{
    return sim_accounts_find(c->server->accounts, str_of(c->api->name), id, false);
}

static struct str name_of(struct sim_call *c, struct str id)
{
    const struct sim_known *k = known(c, id);
    return k && k->name.len ? k->name : STR("Shop Example");
}

static struct str username_of(struct sim_call *c, struct str id)
{
    const struct sim_known *k = known(c, id);
    return k && k->username.len ? k->username : str_fmt(c->a, "shop_%.*s", STR_ARG(id));
}

static struct str token_of(struct sim_call *c, struct str id)
{
    const struct sim_known *k = known(c, id);
    return k && k->token.len ? k->token : str_fmt(c->a, "sim-%.*s", STR_ARG(id));
}

static bool instagram_field(struct sim_call *c, struct json_out *o, struct str id, struct str field,
                            struct str inner)
{
    (void)inner;
    if (str_eq_c(field, "id"))
        // Of Instagram login this is the app's own id of the user, and another than user_id.
        json_put_str(o, "id",
                     str_eq_c(c->args[1], "me") ? str_fmt(c->a, "25%.*s", STR_ARG(id)) : id);
    else if (str_eq_c(field, "user_id"))
        json_put_str(o, "user_id", id);
    else if (str_eq_c(field, "username"))
        json_put_str(o, "username", username_of(c, id));
    else if (str_eq_c(field, "account_type"))
        json_put_str(o, "account_type", STR("BUSINESS"));
    else if (str_eq_c(field, "name"))
        json_put_str(o, "name", name_of(c, id));
    else if (str_eq_c(field, "profile_picture_url"))
        json_put_str(o, "profile_picture_url", STR("https://scontent.example/picture.jpg"));
    else
        return false;
    return true;
}

/* The Instagram account that is linked to a page. Absent: none. */
static struct str linked(struct sim_call *c, struct str page)
{
    struct sim_accounts *all = c->server->accounts;
    for (size_t i = 0; i < sim_accounts_n(all); i++) {
        const struct sim_known *k = sim_accounts_at(all, i);
        if (str_eq_c(k->provider, "instagram") && str_eq(k->parent, page))
            return k->id;
    }
    return STR_NONE;
}

static bool linked_field(struct sim_call *c, struct json_out *o, struct str id, struct str field,
                         struct str inner)
{
    // Behind a page the id is the account's own.
    if (!str_eq_c(field, "id"))
        return instagram_field(c, o, id, field, inner);
    json_put_str(o, "id", id);
    return true;
}

static bool page_field(struct sim_call *c, struct json_out *o, struct str id, struct str field,
                       struct str inner)
{
    struct str instagram = linked(c, id);
    if (str_eq_c(field, "id")) {
        json_put_str(o, "id", id);
    } else if (str_eq_c(field, "name")) {
        json_put_str(o, "name", name_of(c, id));
    } else if (str_eq_c(field, "access_token")) {
        json_put_str(o, "access_token", token_of(c, id));
    } else if (str_eq_c(field, "category")) {
        json_put_str(o, "category", STR("Shop"));
    } else if (str_eq_c(field, "tasks")) {
        json_put_raw(o, "tasks", STR("[\"MESSAGING\",\"MODERATE\"]"));
    } else if (str_eq_c(field, "instagram_business_account")) {
        if (!instagram.len)
            return true; // a page without one says nothing of it
        json_key_out(o, "instagram_business_account");
        return put_fields(c, o, instagram, inner.len ? inner : STR("id"), linked_field);
    } else {
        return false;
    }
    return true;
}

static bool number_field(struct sim_call *c, struct json_out *o, struct str id, struct str field,
                         struct str inner)
{
    static const struct {
        const char *name, *value; /* JSON */
    } constants[] = {
        {"quality_rating", "\"GREEN\""},
        {"code_verification_status", "\"VERIFIED\""},
        {"name_status", "\"APPROVED\""},
        {"platform_type", "\"CLOUD_API\""},
        {"throughput", "{\"level\":\"STANDARD\"}"},
        {"account_mode", "\"LIVE\""},
    };
    (void)inner;
    const struct sim_known *k = known(c, id);
    if (str_eq_c(field, "id"))
        json_put_str(o, "id", id);
    else if (str_eq_c(field, "display_phone_number"))
        json_put_str(o, "display_phone_number",
                     k && k->username.len ? k->username : STR("+1 555-010-0001"));
    else if (str_eq_c(field, "verified_name"))
        json_put_str(o, "verified_name", name_of(c, id));
    else if (str_eq_c(field, "status"))
        json_put_str(o, "status", k && k->status.len ? k->status : STR("CONNECTED"));
    else
        for (size_t i = 0;; i++) {
            if (i == ARRAY_LEN(constants))
                return false;
            if (!str_eq_c(field, constants[i].name))
                continue;
            json_put_raw(o, constants[i].name, str_of(constants[i].value));
            break;
        }
    return true;
}

/* Fields of what stands for an account of this API, and those that come unasked. */
static graph_field *fields_of(const struct sim_call *c, const char **preset)
{
    bool is_whatsapp = strcmp(c->api->name, "whatsapp") == 0;
    *preset = is_whatsapp ? "verified_name,display_phone_number,quality_rating,id" : "name,id";
    return is_whatsapp ? number_field : sim_is_instagram(c) ? instagram_field : page_field;
}

static void answer_node(struct sim_call *c, struct str id)
{
    const char *preset;
    graph_field *field = fields_of(c, &preset);
    struct buf out;
    buf_init(&out, 64 << 10);
    if (sim_graph_node(c, &out, id, preset, field))
        sim_answer(c, 200, buf_str(&out));
    buf_done(&out);
}

void sim_meta_me(struct sim_call *c)
{
    c->args[1] = STR("me");
    answer_node(c, sim_token_account(c->a, c->token));
}

void sim_meta_node(struct sim_call *c)
{
    struct graph_error e = sim_graph_error(100, 33);
    if (!sim_is_digits(c->args[1]))
        (void)sim_graph_refuse(c, &e, NULL);
    else
        answer_node(c, c->args[1]);
}

/* Ids of the accounts, or of what they belong to, that were told of. */
static size_t told(struct sim_call *c, bool parents, struct str parent, struct str *ids)
{
    size_t n = 0;
    for (size_t i = 0; i < sim_accounts_n(c->server->accounts) && n < GRAPH_LIST_MAX; i++) {
        const struct sim_known *k = sim_accounts_at(c->server->accounts, i);
        if (!k->is_told || !str_eq_c(k->provider, c->api->name) ||
            (parent.len && k->parent.len && !str_eq(k->parent, parent)) ||
            (parents && !k->parent.len))
            continue;
        ids[n++] = parents ? k->parent : k->id;
    }
    return n;
}

void sim_meta_accounts(struct sim_call *c)
{
    struct str ids[GRAPH_LIST_MAX];
    size_t n = told(c, sim_is_instagram(c), STR_NONE, ids);
    if (!n)
        ids[n++] = sim_token_account(c->a, c->token);
    sim_graph_list(c, ids, n, "access_token,category,name,id,tasks", page_field);
}

void sim_meta_numbers(struct sim_call *c)
{
    struct str ids[GRAPH_LIST_MAX];
    size_t n = told(c, false, c->args[1], ids);
    struct graph_error e = sim_graph_error(100, 33);
    if (!sim_is_digits(c->args[1])) {
        (void)sim_graph_refuse(c, &e, NULL);
        return;
    }
    if (!n)
        ids[n++] = sim_token_account(c->a, c->token);
    sim_graph_list(c, ids, n, "verified_name,display_phone_number,quality_rating,id", number_field);
}

/* --- tokens ----------------------------------------------------------------------------------- */

static const char scopes[] =
    "[\"instagram_business_basic\",\"instagram_business_manage_messages\",\"pages_messaging\","
    "\"pages_manage_metadata\",\"whatsapp_business_messaging\",\"whatsapp_business_management\"]";

void sim_meta_debug_token(struct sim_call *c)
{
    struct str token = http_query(c->http, "input_token");
    if (!token.len) {
        (void)sim_graph_missing(c, "input_token");
        return;
    }
    bool is_over = str_starts(token, STR("sim-expired")) || str_starts(token, STR("sim-revoked"));
    bool is_valid = str_starts(token, STR("sim-")) && !is_over;
    struct graph_error e =
        sim_graph_error(190, is_over ? str_starts(token, STR("sim-expired")) ? 463 : 460 : 0);
    struct str error =
        is_valid ? STR("")
                 : str_fmt(c->a, "\"error\":{\"code\":190,\"message\":\"%s\",\"subcode\":%lld},",
                           e.message, (long long)e.subcode);
    sim_answer(c, 200,
               str_fmt(c->a,
                       "{\"data\":{%.*s\"app_id\":\"" SIM_META_APP "\",\"type\":\"PAGE\","
                       "\"application\":\"Shop Example\",\"is_valid\":%s,\"expires_at\":0,"
                       "\"scopes\":%s,\"user_id\":\"%.*s\"}}",
                       STR_ARG(error), is_valid ? "true" : "false", scopes,
                       STR_ARG(sim_token_account(c->a, token))));
}

void sim_meta_permissions(struct sim_call *c)
{
    static const char *const names[] = {"pages_messaging",           "pages_manage_metadata",
                                        "pages_show_list",           "instagram_basic",
                                        "instagram_manage_messages", "whatsapp_business_messaging"};
    struct str all = STR("");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        all = str_fmt(c->a, "%.*s%s{\"permission\":\"%s\",\"status\":\"granted\"}", STR_ARG(all),
                      i ? "," : "", names[i]);
    sim_answer(c, 200, str_fmt(c->a, "{\"data\":[%.*s]}", STR_ARG(all)));
}
