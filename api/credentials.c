/* SPDX-License-Identifier: Apache-2.0 */
/* A tenant's own access to the provider that serves many platforms: tried before it is stored,
 * sealed, and never shown again but for its end. */
#include "crypto.h"
#include "handlers.h"
#include "outside.h"
#include "probe.h"
#include "tenant_access.h"
#include "way.h"

#define MS(column) "(extract(epoch FROM " column ") * 1000)::bigint"
#define HINT_CHARS 4

static const struct pg_stmt select_sql = {
    "credentials_get",
    "SELECT hint, base_url, whatsapp_phone_number, webhook_url, status, " MS("checked_at") ", " MS(
        "updated_at") " FROM tenant_credentials WHERE provider = $1"};

static const struct pg_stmt put_sql = {
    "credentials_put",
    "INSERT INTO tenant_credentials AS t (tenant_id, provider, credentials, credentials_key_id, "
    "hint, base_url, whatsapp_phone_number, webhook_url, checked_at, created_by) VALUES "
    "(nullif(current_setting('postrider.tenant_id', true), '')::uuid, $1, $2::bytea, $3, $4, $5, "
    "$6, $7, now(), $8::uuid) ON CONFLICT (tenant_id, provider) DO UPDATE SET credentials = "
    "excluded.credentials, credentials_key_id = excluded.credentials_key_id, hint = excluded.hint, "
    "base_url = excluded.base_url, whatsapp_phone_number = excluded.whatsapp_phone_number, "
    "webhook_url = excluded.webhook_url, status = 'valid', checked_at = now()"};

/* The sender reads one place: the channels have copies, which change with it. */
static const struct pg_stmt spread_sql = {
    "credentials_spread",
    "WITH c AS (UPDATE channels_account SET credentials = $2::bytea, credentials_key_id = $3, "
    "base_url = $4, credential_status = 'valid', credential_detail = NULL, credential_checked_at = "
    "now(), credential_expires_at = NULL, status = CASE status WHEN 'auth_required' THEN 'ok' ELSE "
    "status END, rev = rev + 1 WHERE provider = $1 AND status <> 'disconnected' RETURNING "
    "tenant_id, id) INSERT INTO outbox (tenant_id, id, object_kind, object_id) SELECT tenant_id, "
    "gen_random_uuid(), 'channel', id FROM c"};

static const struct pg_stmt delete_sql = {
    "credentials_delete", "DELETE FROM tenant_credentials WHERE provider = $1 RETURNING 1"};

static const struct pg_stmt withdraw_sql = {
    "credentials_withdraw",
    "WITH c AS (UPDATE channels_account SET credentials = NULL, credentials_key_id = NULL, "
    "credential_status = 'revoked', credential_detail = 'the credentials were deleted', status = "
    "CASE status WHEN 'disconnected' THEN status ELSE 'auth_required' END, rev = rev + 1 WHERE "
    "provider = $1 AND credentials IS NOT NULL RETURNING tenant_id, id) INSERT INTO outbox "
    "(tenant_id, id, object_kind, object_id) SELECT tenant_id, gen_random_uuid(), 'channel', id "
    "FROM c"};

/* --- reading ---------------------------------------------------------------------------------- */

/* `found`: of the check just made; NULL: none was. */
static void answer(struct call *c, const struct pg_result *r, const struct found_accounts *found)
{
    const struct provider *p = api_way_shared();
    struct json_out *o = call_out(c);
    bool is_there = pg_rows(r) == 1;
    struct str hint = is_there ? pg_text(r, 0, 0) : STR_NONE;
    json_open(o, '{');
    json_put_bool(o, "configured", is_there);
    json_put_str(o, "unipile_api_key",
                 is_there ? str_fmt(call_arena(c), "\xe2\x80\xa6%.*s", STR_ARG(hint)) : STR_NONE);
    json_put_str(o, "unipile_api_url", is_there ? pg_text(r, 0, 1) : STR_NONE);
    json_put_str(o, "whatsapp_phone_number", is_there ? pg_text(r, 0, 2) : STR_NONE);
    json_put_str(o, "webhook_url", is_there ? pg_text(r, 0, 3) : STR_NONE);
    json_put_str(o, "status", is_there ? pg_text(r, 0, 4) : STR_NONE);
    json_put_time(o, "checked_at", is_there ? pg_i64(r, 0, 5) : 0);
    json_put_time(o, "updated_at", is_there ? pg_i64(r, 0, 6) : 0);
    json_key_out(o, "webhook");
    api_put_webhook(c, p, STR_NONE, str_eq_c(call_who(c)->role, "owner"));
    json_key_out(o, "accounts");
    if (found)
        json_open(o, '[');
    else
        json_null(o);
    for (size_t i = 0; found && i < found->n; i++)
        api_put_found(c, p, &found->items[i], STR_NONE);
    if (found)
        json_close(o, ']');
    json_close(o, '}');
    call_answer(c, 200);
}

static void on_read(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    answer(c, results[0], NULL);
}

static void get_credentials(struct call *c)
{
    struct str params[] = {str_of(api_way_shared()->name)};
    call_send(c, &select_sql, params, 1);
    call_commit(c, on_read);
}

/* --- storing ---------------------------------------------------------------------------------- */

static void on_stored(struct call *c, struct pg_result *const *results, int n)
{
    struct api_probe *p = *call_state(c);
    answer(c, results[n - 1], &p->list);
}

static struct str member(struct call *c, const char *name)
{
    struct str text = json_text(call_arena(c), json_get(call_body(c), name));
    return text.len ? text : STR_NONE;
}

static void on_tried(struct call *c, struct api_probe *p)
{
    if (!p->is_ok) {
        api_secret_wipe(p->account.token);
        api_probe_problem(c, p);
        return;
    }
    // What opens the tenant's accounts is sealed twice: at its own place, and at the channels'.
    struct str name = str_of(p->provider->name), own, own_key, copy, copy_key;
    size_t shown = p->account.token.len > 2 * (size_t)HINT_CHARS ? (size_t)HINT_CHARS : 0;
    struct str hint =
        str_dup(call_arena(c),
                str_utf8(call_arena(c), str_skip(p->account.token, p->account.token.len - shown)));
    bool ok = api_seal(c, API_PLACE_TENANT, &p->account, &own, &own_key) &&
              api_seal(c, API_PLACE_CHANNEL, &p->account, &copy, &copy_key);
    api_secret_wipe(p->account.token);
    if (!ok)
        return;
    struct str url = p->account.base_url;
    struct str put[] = {name,
                        own,
                        own_key,
                        hint,
                        url,
                        member(c, "whatsapp_phone_number"),
                        member(c, "webhook_url"),
                        call_who(c)->user_id};
    struct str spread[] = {name, copy, copy_key, url};
    call_send(c, &put_sql, put, ARRAY_LEN(put));
    call_send(c, &spread_sql, spread, ARRAY_LEN(spread));
    call_audit(c, "credentials.stored", "credentials", name, STR_NONE);
    call_send(c, &select_sql, &name, 1);
    call_commit(c, on_stored);
}

static bool phone_ok(struct call *c, struct str phone)
{
    if (!phone.len || api_is_e164(phone))
        return true;
    call_problem(c, 422, "not_a_phone_number", STR("#/whatsapp_phone_number"),
                 "A phone number begins with + and the country's code, and has 8 to 15 digits.");
    return false;
}

static void put_credentials(struct call *c)
{
    struct api_probe *p = ARENA_NEW(call_arena(c), struct api_probe);
    struct str webhook = member(c, "webhook_url");
    p->provider = api_way_shared();
    p->account.base_url = member(c, "unipile_api_url");
    *call_state(c) = p;
    if (!phone_ok(c, member(c, "whatsapp_phone_number")) ||
        !api_url_ok(c, p->account.base_url, "#/unipile_api_url") ||
        (webhook.len && !api_url_ok(c, webhook, "#/webhook_url")))
        return;
    while (str_ends(p->account.base_url, STR("/")))
        p->account.base_url.len--;
    p->account.token = api_secret_take(c, call_body(c), "unipile_api_key");
    api_probe_list(c, p, STR_NONE, on_tried);
}

/* --- deleting --------------------------------------------------------------------------------- */

static void on_withdrawn(struct call *c, struct pg_result *const *results, int n)
{
    (void)results;
    (void)n;
    call_answer(c, 204);
}

static void on_deleted(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    if (pg_rows(results[0]) == 0) {
        call_answer(c, 204);
        return;
    }
    call_audit(c, "credentials.deleted", "credentials", str_of(api_way_shared()->name), STR_NONE);
    call_commit(c, on_withdrawn);
}

static void delete_credentials(struct call *c)
{
    struct str name = str_of(api_way_shared()->name);
    call_send(c, &delete_sql, &name, 1);
    call_send(c, &withdraw_sql, &name, 1);
    call_run(c, on_deleted);
}

const struct api_handler api_credentials_handlers[] = {
    {"getCredentials", get_credentials},
    {"putCredentials", put_credentials},
    {"deleteCredentials", delete_credentials},
    {0},
};
