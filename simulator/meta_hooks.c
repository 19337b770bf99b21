/* SPDX-License-Identifier: Apache-2.0 */
/* Webhooks of Meta's apps: /{app}/subscriptions with the verification of the address, and
 * /{account}/subscribed_apps. One field that is unknown refuses all. */
#include <stdlib.h>
#include <string.h>

#include "fetch.h"
#include "mem.h"
#include "meta_api.h"
#include "server.h"

#define APPS_SOURCE "subscribed_apps"
#define ID_MAX      40
#define ANSWER_MAX  4096

static const char *const instagram_fields[] = {
    "messages",
    "message_echoes",
    "message_reactions",
    "messaging_postbacks",
    "messaging_seen",
    "messaging_referral",
    "messaging_optins",
    "messaging_handover",
    "standby",
    "comments",
    "live_comments",
    "mentions",
    "story_insights",
    "message_edit",
    NULL,
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
    "feed",
    "messaging_policy_enforcement",
    "mention",
    "leadgen",
    NULL,
};
static const char *const whatsapp_fields[] = {
    "messages",
    "smb_message_echoes",
    "smb_app_state_sync",
    "history",
    "user_preferences",
    "account_update",
    "account_review_update",
    "account_alerts",
    "phone_number_quality_update",
    "phone_number_name_update",
    "message_template_status_update",
    "message_template_quality_update",
    "message_template_components_update",
    "template_category_update",
    "business_capability_update",
    "security",
    "flows",
    NULL,
};

static const struct {
    const char *provider, *object;
    const char *const *fields;
} objects[] = {
    {"instagram", "instagram", instagram_fields},
    {"messenger", "page", page_fields},
    {"whatsapp", "whatsapp_business_account", whatsapp_fields},
};

static size_t object_of(const struct sim_call *c)
{
    size_t i = 0;
    while (strcmp(objects[i].provider, c->api->name) != 0)
        i++;
    return i;
}

/* ["a","b"] of "a,b". Absent: has failed. */
static struct str fields_json(struct sim_call *c, struct str fields, const char *const *allowed)
{
    struct str all = STR(""), rest = fields, name;
    while (rest.len) {
        (void)str_cut(rest, ',', &name, &rest);
        name = str_trim(name);
        if (!sim_is_one_of(name, allowed)) {
            (void)sim_graph_invalid(c, "subscribed_fields",
                                    str_c(c->a, str_fmt(c->a, "must be a subscribable field: %.*s",
                                                        STR_ARG(str_utf8(c->a, name)))));
            return STR_NONE;
        }
        all = str_fmt(c->a, "%.*s%s\"%.*s\"", STR_ARG(all), all.len ? "," : "", STR_ARG(name));
    }
    return str_fmt(c->a, "[%.*s]", STR_ARG(all));
}

/* A parameter out of the query or a form. */
static struct str parameter(struct sim_call *c, const struct sim_body *b, const char *name)
{
    struct str v = http_query(c->http, name);
    return v.len ? v : sim_field_text(b, name);
}

static void answer_success(struct sim_call *c)
{
    sim_answer(c, 200, STR("{\"success\":true}"));
}

/* --- accounts: /{id}/subscribed_apps ---------------------------------------------------------- */

static struct str apps_id(struct sim_call *c)
{
    return str_fmt(c->a, "apps %.*s", STR_ARG(c->args[1]));
}

void sim_meta_apps_subscribe(struct sim_call *c)
{
    struct sim_body b;
    size_t o = object_of(c);
    bool is_whatsapp = objects[o].fields == whatsapp_fields;
    // An Instagram account behind a page is subscribed as the page, in the page's words.
    bool is_page = sim_is_instagram(c) && !str_eq(sim_meta_account(c), c->args[1]);
    if (!sim_body(c, SIM_BODY_NONE | SIM_BODY_FORM | SIM_BODY_JSON, &b))
        return;
    struct str fields = parameter(c, &b, "subscribed_fields");
    if (!fields.len && !is_whatsapp) {
        (void)sim_graph_missing(c, "subscribed_fields");
        return;
    }
    struct str json = fields_json(c, fields, is_page ? page_fields : objects[o].fields);
    if (!json.len)
        return;
    (void)sim_hooks_put(c->server->hooks, &(struct sim_hook){.provider = str_of(c->api->name),
                                                             .id = apps_id(c),
                                                             .account = c->args[1],
                                                             .source = STR(APPS_SOURCE),
                                                             .detail = json,
                                                             .at_ms = c->at_ms});
    answer_success(c);
}

void sim_meta_apps_unsubscribe(struct sim_call *c)
{
    struct sim_hook *hook = sim_hooks_get(c->server->hooks, str_of(c->api->name), apps_id(c));
    if (hook)
        hook->is_gone = true;
    answer_success(c);
}

void sim_meta_apps(struct sim_call *c)
{
    const struct sim_hook *hook = sim_hooks_get(c->server->hooks, str_of(c->api->name), apps_id(c));
    const char *app =
        "\"link\":\"https://shop.example/\",\"name\":\"Shop Example\",\"id\":\"" SIM_META_APP "\"";
    if (!hook)
        sim_answer(c, 200, STR("{\"data\":[]}"));
    else if (strcmp(c->api->name, "whatsapp") == 0)
        sim_answer(c, 200,
                   str_fmt(c->a, "{\"data\":[{\"whatsapp_business_api_data\":{%s}}]}", app));
    else
        sim_answer(c, 200,
                   str_fmt(c->a, "{\"data\":[{%s,\"subscribed_fields\":%.*s}]}", app,
                           STR_ARG(hook->detail)));
}

/* --- apps: /{app}/subscriptions --------------------------------------------------------------- */

static struct str encoded(struct sim_call *c, struct str s)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = arena_alloc(c->a, 3 * s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t b = (uint8_t)s.ptr[i];
        bool plain = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') ||
                     b == '-' || b == '_' || b == '.' || b == '~';
        if (plain) {
            out[n++] = (char)b;
            continue;
        }
        out[n++] = '%';
        out[n++] = hex[b >> 4];
        out[n++] = hex[b & 15];
    }
    return (struct str){out, n};
}

/* A question under way. What is to be subscribed waits as a hook that nothing is delivered to. */
struct question {
    struct sim_server *server;
    const struct sim_api *api;
    struct sim_later *later;
    char id[ID_MAX];   /* of the hook that waits */
    char text[ID_MAX]; /* what is to come back */
};

static void refuse_later(struct question *q, const char *details)
{
    auto_arena a = arena_new(1 << 20);
    struct graph_error e = sim_graph_error(2200, 0);
    sim_later_answer(q->later, e.status,
                     sim_graph_error_body(a, q->api, &e, details, str_of(q->text)));
}

static void on_answer(void *ctx, struct transfer *t)
{
    struct question *q = ctx;
    struct sim_hooks *hooks = q->server->hooks;
    struct sim_hook *waiting = sim_hooks_get(hooks, str_of(q->api->name), str_of(q->id));
    bool is_right = transfer_end(t) == FETCH_WHOLE && transfer_status(t) == 200 &&
                    str_eq_c(transfer_body(t), q->text);
    if (waiting && is_right) {
        struct sim_hook hook = *waiting;
        hook.id = waiting->headers; // where it waited under another name
        hook.headers = hook.source = STR_NONE;
        (void)sim_hooks_put(hooks, &hook);
        sim_later_answer(q->later, 200, STR("{\"success\":true}"));
    } else {
        char details[80];
        (void)snprintf(details, sizeof details, "Verify code failed; HTTP Status Code = %d",
                       transfer_status(t));
        refuse_later(q, details);
    }
    if (waiting)
        waiting->is_gone = true;
    free(q);
}

static struct str path_of(struct str url)
{
    struct str rest = str_skip(url, STR("https://").len), host, path, query;
    if (!str_cut(rest, '/', &host, &path))
        return STR("");
    (void)str_cut(path, '?', &path, &query);
    return path;
}

/* The address must give back what it is asked, before it is taken. */
static void ask(struct sim_call *c, struct sim_hook hook, struct str token)
{
    struct err err = {0};
    struct transfer *t;
    struct str base = str_of(c->server->conf->ingest_url);
    unsigned long long n = sim_unique(c);
    struct question *q = xalloc(sizeof *q);
    *q = (struct question){.server = c->server, .api = c->api};
    (void)snprintf(q->id, sizeof q->id, "asked %llu", n);
    (void)snprintf(q->text, sizeof q->text, "1158201%llu", n);
    hook.headers = hook.id;
    hook.id = str_of(q->id);
    hook.source = STR("asked");
    bool has_room = sim_hooks_put(c->server->hooks, &hook);
    base.len -= str_ends(base, STR("/"));
    q->later = sim_answer_later(c);
    const struct fetch_request r = {
        .method = FETCH_GET,
        .url =
            str_fmt(c->a, "%.*s/%.*s?hub.mode=subscribe&hub.challenge=%s&hub.verify_token=%.*s",
                    STR_ARG(base), STR_ARG(path_of(hook.url)), q->text, STR_ARG(encoded(c, token))),
        .timeout_ms = c->server->conf->webhook_timeout,
        .answer_max_bytes = ANSWER_MAX,
        .on_done = on_answer,
        .ctx = q,
    };
    if (has_room && c->server->fetch && fetch_start(c->server->fetch, &r, &t, &err))
        return;
    refuse_later(q, c->server->fetch ? err.msg : "the simulator has no ingest_url to ask");
    free(q);
}

void sim_meta_subscribe(struct sim_call *c)
{
    static const char *const known[] = {"object",         "callback_url", "fields", "verify_token",
                                        "include_values", "access_token", NULL};
    struct sim_body b;
    size_t o = object_of(c);
    if (!sim_body(c, SIM_BODY_FORM | SIM_BODY_JSON, &b))
        return;
    const struct sim_field *odd = sim_field_unknown(&b, known);
    struct str url = sim_field_text(&b, "callback_url"), token = sim_field_text(&b, "verify_token");
    struct str fields = sim_field_text(&b, "fields");
    if (odd)
        (void)sim_graph_invalid(c, str_c(c->a, str_utf8(c->a, odd->name)),
                                "is not a known parameter.");
    else if (!str_eq_c(sim_field_text(&b, "object"), objects[o].object))
        (void)sim_graph_invalid(c, "object", "must be an object of this product.");
    else if (!str_starts(url, STR("https://")))
        (void)sim_graph_invalid(c, "callback_url", "must be an https:// address.");
    else if (!token.len)
        (void)sim_graph_missing(c, "verify_token");
    else if (!fields.len)
        (void)sim_graph_missing(c, "fields");
    if (c->is_answered)
        return;
    struct str json = fields_json(c, fields, objects[o].fields);
    if (!json.len)
        return;
    ask(c,
        (struct sim_hook){.provider = str_of(c->api->name),
                          .id = c->args[1],
                          .url = url,
                          .detail = json,
                          .at_ms = c->at_ms,
                          .is_valid = true},
        token);
}

void sim_meta_unsubscribe(struct sim_call *c)
{
    struct sim_hook *hook = sim_hooks_get(c->server->hooks, str_of(c->api->name), c->args[1]);
    if (hook)
        hook->is_gone = true;
    answer_success(c);
}

void sim_meta_subscriptions(struct sim_call *c)
{
    const struct sim_hook *hook = sim_hooks_get(c->server->hooks, str_of(c->api->name), c->args[1]);
    if (!hook) {
        sim_answer(c, 200, STR("{\"data\":[]}"));
        return;
    }
    struct buf out;
    buf_init(&out, 64 << 10);
    struct json_out j = {.buf = &out};
    json_open(&j, '{');
    json_key_out(&j, "data");
    json_open(&j, '[');
    json_open(&j, '{');
    json_put_str(&j, "object", str_of(objects[object_of(c)].object));
    json_put_str(&j, "callback_url", str_utf8(c->a, hook->url));
    json_put_bool(&j, "active", true);
    json_key_out(&j, "fields");
    json_open(&j, '[');
    struct str rest = str_skip(hook->detail, 1), name;
    while (rest.len > 1) {
        (void)str_cut((struct str){rest.ptr, rest.len}, ',', &name, &rest);
        if (str_ends(name, STR("]")))
            name.len--;
        json_open(&j, '{');
        json_put_raw(&j, "name", name);
        json_put_str(&j, "version", c->args[0]);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
    json_close(&j, ']');
    json_close(&j, '}');
    sim_answer(c, 200, buf_str(&out));
    buf_done(&out);
}
