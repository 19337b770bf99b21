/* SPDX-License-Identifier: Apache-2.0 */
/* Instagram by the paths that today's frontends call. The webhook's path is answered by ingest. */
#include "connect.h"
#include "exchange.h"
#include "handlers.h"
#include "outside.h"
#include "send.h"
#include "way.h"

#define PLATFORM STR("instagram")

struct instagram {
    struct api_connect connect; /* first: see is_wanted */
    struct str username;        /* as given */
    struct webhook_ask ask;
    bool may_message;
    struct call *call;
};

static struct instagram *read_request(struct call *c)
{
    struct instagram *x = ARENA_NEW(call_arena(c), struct instagram);
    struct str username = str_trim(json_text(call_arena(c), json_get(call_body(c), "username")));
    x->call = c;
    x->username = str_starts(username, STR("@")) ? str_skip(username, 1) : username;
    x->connect.probe.provider = api_way_direct(PLATFORM);
    x->connect.probe.account.token = api_secret_take(c, call_body(c), "access_token");
    x->connect.probe.account.base_url = api_provider_url(c, x->connect.probe.provider);
    *call_state(c) = x;
    return x;
}

static bool is_same_user(const struct instagram *x)
{
    struct str found = x->connect.probe.found.username;
    return !x->username.len || !found.len || str_ieq(x->username, found);
}

/* --- trying ----------------------------------------------------------------------------------- */

static void put_account(struct json_out *o, const struct api_probe *p)
{
    json_open(o, '{');
    json_put_str(o, "id", p->found.external_id);
    json_put_str(o, "username", p->found.username);
    json_put_str(o, "name", p->found.name);
    json_put_str(o, "account_type", api_found_type(p->provider, &p->found));
    json_close(o, '}');
}

static void answer_test(struct call *c, struct instagram *x, bool is_ok, struct str reason)
{
    struct json_out *o = call_out(c);
    api_secret_wipe(x->connect.probe.account.token);
    json_open(o, '{');
    json_put_bool(o, "ok", is_ok);
    json_key_out(o, "account");
    if (x->connect.probe.is_ok)
        put_account(o, &x->connect.probe);
    else
        json_null(o);
    json_key_out(o, "permissions");
    json_open(o, '[');
    if (x->connect.probe.is_ok)
        json_str(o, STR("instagram_business_basic"));
    if (x->may_message)
        json_str(o, STR("instagram_business_manage_messages"));
    json_close(o, ']');
    json_put_str(o, "reason", reason);
    json_close(o, '}');
    call_answer(c, 200);
}

static void on_subscriptions(void *ctx, const struct exchange_done *d)
{
    struct instagram *x = ctx;
    x->may_message = d->judgement.outcome == OUTCOME_SENT;
    answer_test(x->call, x, x->may_message,
                x->may_message ? STR_NONE
                               : STR("The access does not include the account's messages: grant "
                                     "the permission to manage them."));
}

/* Nothing lists what a token may do; so what messages need is asked for. */
static void on_tried(struct call *c, struct api_probe *p)
{
    struct instagram *x = *call_state(c);
    if (!p->is_ok) {
        answer_test(c, x, false, p->why.reason);
        return;
    }
    if (!is_same_user(x)) {
        answer_test(c, x, false, STR("The access is for another user name."));
        return;
    }
    struct err err = {0};
    x->ask = (struct webhook_ask){.what = WEBHOOK_CHECK, .part = p->provider->webhook->n_app_parts};
    if (!exchange_webhook(&call_api(c)->outside->exchange, p->provider, &x->ask, &p->account,
                          on_subscriptions, x, &err))
        answer_test(c, x, false, str_dup(call_arena(c), str_of(err.msg)));
}

static void test_connection(struct call *c)
{
    struct instagram *x = read_request(c);
    api_probe_account(c, &x->connect.probe, on_tried);
}

/* --- connecting ------------------------------------------------------------------------------- */

static bool is_wanted(struct call *c, const struct api_connect *connect)
{
    const struct instagram *x = (const struct instagram *)connect;
    if (is_same_user(x))
        return true;
    call_problem(c, 422, "wrong_account", STR("#/username"),
                 "The access is for another user name.");
    return false;
}

static void update_instagram(struct call *c)
{
    struct instagram *x = read_request(c);
    const struct json *business = json_get(call_body(c), "business");
    x->connect.platform = PLATFORM;
    x->connect.name = json_text(call_arena(c), json_get(business, "name"));
    x->connect.business = business ? business->span : STR_NONE;
    x->connect.action = "channel.connected";
    x->connect.status = 200;
    x->connect.put = api_put_connected;
    x->connect.is_wanted = is_wanted;
    api_connect_run(c, &x->connect);
}

/* --- what is connected ------------------------------------------------------------------------ */

static const struct pg_stmt status_sql = {
    "instagram_status",
    "SELECT is_connected, channel_id, provider, account_id, username, name, status, "
    "credential_status, conversations, unread, (extract(epoch FROM last_message_at) * "
    "1000)::bigint FROM get_user_instagram_status()"};

static void on_status(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    const struct pg_result *r = results[0];
    struct json_out *o = call_out(c);
    bool is_connected = str_eq_c(pg_text(r, 0, 0), "t");
    bool is_ok = is_connected;
    for (int i = 0; i < pg_rows(r); i++)
        is_ok &= str_eq_c(pg_text(r, i, 6), "ok");
    json_open(o, '{');
    json_put_bool(o, "ok", is_ok);
    json_put_bool(o, "connected", is_connected);
    json_key_out(o, "accounts");
    json_open(o, '[');
    for (int i = 0; is_connected && i < pg_rows(r); i++) {
        json_open(o, '{');
        json_put_str(o, "channel_id", pg_text(r, i, 1));
        json_put_str(o, "provider", pg_text(r, i, 2));
        json_put_str(o, "id", pg_text(r, i, 3));
        json_put_str(o, "username", pg_text(r, i, 4));
        json_put_str(o, "name", pg_text(r, i, 5));
        json_put_str(o, "status", pg_text(r, i, 6));
        json_put_str(o, "credentials", pg_text(r, i, 7));
        json_put_int(o, "conversations", pg_i64(r, i, 8));
        json_put_int(o, "unread", pg_i64(r, i, 9));
        json_put_time(o, "last_message_at", pg_i64(r, i, 10));
        json_close(o, '}');
    }
    json_close(o, ']');
    json_close(o, '}');
    call_answer(c, 200);
}

static void test_instagram(struct call *c)
{
    call_send(c, &status_sql, NULL, 0);
    call_commit(c, on_status);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* Two: enough to see that there is more than one. */
static const struct pg_stmt channel_sql = {
    "instagram_channel",
    "SELECT id FROM channels_account WHERE platform = 'instagram' AND ($1::uuid IS NULL OR id = "
    "$1::uuid) AND ($1::uuid IS NOT NULL OR status <> 'disconnected') ORDER BY id LIMIT 2"};

/* What these frontends say of a message, as schema NewMessage. */
static const struct json *new_message(struct call *c, struct err *err)
{
    const struct json *text = json_get(call_body(c), "text");
    const struct json *file = json_get(call_body(c), "attachment");
    struct buf out;
    buf_init(&out, call_body(c)->span.len + 64);
    struct json_out o = {.buf = &out};
    json_open(&o, '{');
    if (text)
        json_put_raw(&o, "text", text->span);
    if (file) {
        json_key_out(&o, "media");
        json_open(&o, '[');
        json_raw(&o, file->span);
        json_close(&o, ']');
    }
    json_close(&o, '}');
    struct str whole = str_dup(call_arena(c), buf_str(&out));
    buf_done(&out);
    return json_parse(call_arena(c), whole, err);
}

static void on_channel(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    struct err err = {0};
    const struct pg_result *r = results[0];
    if (pg_rows(r) == 0) {
        call_problem(c, 422, "unknown_channel", STR("#/channel_id"),
                     "No such Instagram account is connected.");
        return;
    }
    if (pg_rows(r) > 1) {
        call_problem(c, 422, "channel_wanted", STR("#/channel_id"),
                     "Several Instagram accounts are connected: say which one.");
        return;
    }
    const struct json *message = new_message(c, &err);
    struct str to = json_text(call_arena(c), json_get(call_body(c), "recipient"));
    if (message)
        api_send_to(c, str_dup(call_arena(c), pg_text(r, 0, 0)), to, message, "message");
    else
        call_problem_err(c, &err);
}

static void send_message(struct call *c)
{
    struct str channel = json_text(call_arena(c), json_get(call_body(c), "channel_id"));
    call_send(c, &channel_sql, &channel, 1);
    call_run(c, on_channel);
}

const struct api_handler api_instagram_handlers[] = {
    {"testInstagramConnection", test_connection},
    {"updateInstagram", update_instagram},
    {"testInstagram", test_instagram},
    {"sendInstagramMessage", send_message},
    {0},
};
