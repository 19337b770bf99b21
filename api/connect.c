/* SPDX-License-Identifier: Apache-2.0 */
#include "connect.h"

#include "channel_row.h"
#include "clock.h"
#include "id.h"
#include "outside.h"

static const struct pg_stmt connect_sql = {
    "channel_connect",
    "SELECT channel_connect(nullif(current_setting('postrider.tenant_id', true), '')::uuid, "
    "$1::uuid, $2, $3, $4, $5, $6, $7, $8, $9::bytea, $10, to_timestamp($11::bigint / 1000.0))"};

static const struct pg_stmt settings_sql = {
    "channel_settings",
    "UPDATE channels_account SET settings = settings || jsonb_build_object('business', $3::jsonb) "
    "WHERE provider = $1 AND external_account_id = $2"};

static const struct pg_stmt row_sql = {
    "channel_of_account", "SELECT " API_CHANNEL_COLUMNS " FROM channels_account WHERE provider = "
                          "$1 AND external_account_id = $2"};

bool api_given_read(struct call *c, const struct json *object, const char *pointer,
                    struct api_given *out)
{
    struct str expires = json_text(call_arena(c), json_get(object, "expires_at"));
    *out = (struct api_given){
        .login = json_text(call_arena(c), json_get(object, "login")),
        .parent_id = json_text(call_arena(c), json_get(object, "parent_id")),
    };
    if (expires.len && !clock_parse(expires, &out->expires_at_ms)) {
        call_problem(c, 422, "not_a_time", str_of(pointer), "expires_at is no time.");
        return false;
    }
    out->token = api_secret_take(c, object, "access_token");
    return true;
}

/* --- storing ---------------------------------------------------------------------------------- */

static void on_taken(struct call *c)
{
    call_problem(c, 409, "account_taken", STR_NONE,
                 "This account cannot be connected here: an account belongs to one tenant.");
}

static void on_stored(struct call *c, struct pg_result *const *results, int n)
{
    struct api_connect *x = *call_state(c);
    x->put(c, results[n - 1]);
    call_answer(c, x->status);
}

static struct str shortened(struct str s, size_t max)
{
    return s.len > max ? (struct str){s.ptr, max} : s;
}

static void store(struct call *c, struct api_connect *x)
{
    enum { NAME_MAX_BYTES = 400 };
    struct arena *a = call_arena(c);
    const struct api_probe *p = &x->probe;
    struct str type = p->account.type, sealed, key_id, provider = str_of(p->provider->name);
    char *id = arena_alloc(a, UUID_TEXT + 1);
    uuid_format(uuid_v7(clock_at_ms()), id);
    bool ok = api_seal(c, API_PLACE_CHANNEL, &p->account, &sealed, &key_id);
    api_secret_wipe(p->account.token);
    if (!ok)
        return;
    struct str name = x->name.len ? x->name : p->found.name;
    struct str params[] = {
        str_of(id),
        provider,
        p->account.external_id,
        type,
        str_of(p->provider->platform(type)),
        str_utf8(a, shortened(name, NAME_MAX_BYTES)),
        str_utf8(a, shortened(p->found.username, NAME_MAX_BYTES)),
        p->account.base_url,
        sealed,
        key_id,
        x->expires_at_ms ? str_fmt(a, "%lld", (long long)x->expires_at_ms) : STR_NONE,
    };
    struct str of[] = {provider, p->account.external_id, x->business};
    call_on_conflict(c, "channels_account_provider_external_account_id_key", on_taken);
    call_send(c, &connect_sql, params, ARRAY_LEN(params));
    if (x->business.len)
        call_send(c, &settings_sql, of, 3);
    call_audit(c, x->action, "channel", p->account.external_id,
               str_fmt(a, "{\"provider\":\"%s\"}", p->provider->name));
    call_send(c, &row_sql, of, 2);
    call_commit(c, on_stored);
}

static void on_found(struct call *c, struct api_probe *p)
{
    struct api_connect *x = *call_state(c);
    if (!p->is_ok) {
        api_secret_wipe(p->account.token);
        api_probe_problem(c, p);
        return;
    }
    const char *platform = p->provider->platform(p->account.type);
    if (x->platform.len && !str_eq_c(x->platform, platform)) {
        api_secret_wipe(p->account.token);
        call_problem(c, 422, "wrong_platform", STR("#/external_account_id"),
                     "The account is one of %s, not of %.*s.", platform, STR_ARG(x->platform));
        return;
    }
    if (x->is_wanted && !x->is_wanted(c, x)) {
        api_secret_wipe(p->account.token);
        return;
    }
    store(c, x);
}

void api_connect_run(struct call *c, struct api_connect *x)
{
    *call_state(c) = x;
    api_probe_account(c, &x->probe, on_found);
}

void api_put_connected(struct call *c, const struct pg_result *channel)
{
    struct json_out *o = call_out(c);
    json_open(o, '{');
    json_key_out(o, "channel");
    api_put_channel(call_out(c), channel, 0);
    json_close(o, '}');
}
