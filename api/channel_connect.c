/* SPDX-License-Identifier: Apache-2.0 */
/* Trying, connecting and reconnecting channels. */
#include "channel_row.h"
#include "connect.h"
#include "handlers.h"
#include "outside.h"
#include "tenant_access.h"
#include "way.h"

/* What the request asks for, before it is known how the account is opened. */
struct request {
    struct api_connect connect;
    struct api_given given;
    bool is_test;
};

static struct str body_text(struct call *c, const char *name)
{
    return json_text(call_arena(c), json_get(call_body(c), name));
}

static struct request *read_request(struct call *c)
{
    struct request *q = ARENA_NEW(call_arena(c), struct request);
    if (!api_given_read(c, json_get(call_body(c), "credentials"), "#/credentials/expires_at",
                        &q->given))
        return NULL;
    q->connect.name = body_text(c, "name");
    q->connect.expires_at_ms = q->given.expires_at_ms;
    q->connect.probe.account.external_id = body_text(c, "external_account_id");
    q->connect.put = api_put_connected;
    return q;
}

/* The token that was given, at the provider's own address or where the operator says it is. */
static void use_given(struct call *c, struct request *q)
{
    struct send_account *account = &q->connect.probe.account;
    account->token = q->given.token;
    account->login = q->given.login;
    account->parent_id = q->given.parent_id;
    account->base_url = api_provider_url(c, q->connect.probe.provider);
}

/* --- trying ----------------------------------------------------------------------------------- */

static void on_tried(struct call *c, struct api_probe *p)
{
    struct json_out *o = call_out(c);
    api_secret_wipe(p->account.token);
    json_open(o, '{');
    json_put_bool(o, "ok", p->is_ok);
    json_key_out(o, "account");
    if (p->is_ok)
        api_put_found(c, p->provider, &p->found, STR_NONE);
    else
        json_null(o);
    json_put_str(o, "reason", p->is_ok ? STR_NONE : p->why.reason);
    json_close(o, '}');
    call_answer(c, 200);
}

static void run(struct call *c, struct request *q)
{
    if (q->is_test)
        api_probe_account(c, &q->connect.probe, on_tried);
    else
        api_connect_run(c, &q->connect);
}

/* --- the way ---------------------------------------------------------------------------------- */

static void on_access(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    struct request *q = *call_state(c);
    struct api_probe *p = &q->connect.probe;
    // Who gives a token means the platform's own API, unless the request says otherwise.
    bool has_shared = api_has_tenant_access(results[0]) && !q->given.token.len;
    p->provider = api_way(call_path(c, "provider"), call_query(c, "via"), has_shared);
    if (!p->provider) {
        call_absent(c);
        return;
    }
    if (!api_way_is_shared(p->provider)) {
        if (!q->given.token.len) {
            call_problem(c, 422, "credentials_wanted", STR("#/credentials"),
                         "Give the credentials of the account.");
            return;
        }
        use_given(c, q);
        run(c, q);
        return;
    }
    api_secret_wipe(q->given.token);
    if (!p->account.external_id.len && !q->is_test) {
        call_problem(c, 422, "account_wanted", STR("#/external_account_id"),
                     "Name the account: GET /api/channels/{provider}/available lists them.");
        return;
    }
    if (api_open_tenant_access(c, results[0], &p->account))
        run(c, q);
}

static void start(struct call *c, bool is_test)
{
    struct request *q = read_request(c);
    if (!q)
        return;
    q->is_test = is_test;
    q->connect.platform = call_path(c, "provider");
    q->connect.action = "channel.connected";
    q->connect.status = 201;
    *call_state(c) = q;
    api_send_tenant_access(c);
    call_run(c, on_access);
}

static void test_channel(struct call *c)
{
    start(c, true);
}

static void connect_channel(struct call *c)
{
    start(c, false);
}

/* --- again ------------------------------------------------------------------------------------ */

static void on_channel(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    struct request *q = *call_state(c);
    const struct pg_result *channel = results[1];
    if (pg_rows(channel) != 1) {
        call_absent(c);
        return;
    }
    struct api_probe *p = &q->connect.probe;
    p->provider = api_channel_account(c, channel, &p->account);
    if (!p->provider || !p->provider->discover) {
        call_absent(c);
        return;
    }
    bool is_open = true;
    if (q->given.token.len && !api_way_is_shared(p->provider))
        use_given(c, q);
    else if (api_way_is_shared(p->provider))
        is_open = api_open_tenant_access(c, results[0], &p->account);
    else if (api_channel_has_access(channel))
        is_open = api_channel_open(c, channel, &p->account);
    else {
        call_problem(c, 409, "credentials_wanted", STR("#/credentials"),
                     "The channel's credentials are gone: give new ones.");
        return;
    }
    if (is_open)
        api_connect_run(c, &q->connect);
}

static void reconnect_channel(struct call *c)
{
    struct request *q = read_request(c);
    if (!q)
        return;
    q->connect.action = "channel.reconnected";
    q->connect.status = 200;
    *call_state(c) = q;
    api_send_tenant_access(c);
    api_send_channel(c, call_path(c, "id"));
    call_run(c, on_channel);
}

const struct api_handler api_channel_connect_handlers[] = {
    {"testChannel", test_channel},
    {"connectChannel", connect_channel},
    {"reconnectChannel", reconnect_channel},
    {0},
};
