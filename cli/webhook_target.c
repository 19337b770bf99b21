/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook_target.h"

#include <string.h>

#include "access.h"
#include "crypto.h"
#include "database.h"
#include "id.h"
#include "tenant_id.h"
#include "vault.h"

enum { PROVIDER, ACCOUNT, TYPE, BASE_URL, SEALED, KEY_ID };

// clang-format off
static const char channel_sql[] =
    "SELECT provider, external_account_id, account_type, base_url, encode(credentials, 'hex'), "
    "credentials_key_id FROM channels_account WHERE tenant_id = $1::uuid AND ($2::uuid IS NULL OR id = $2::uuid) "
    "AND ($3::text IS NULL OR provider = $3) AND status <> 'disconnected' ORDER BY id LIMIT 1000";
static const char tenant_sql[] =
    "SELECT provider, NULL, NULL, base_url, encode(credentials, 'hex'), credentials_key_id "
    "FROM tenant_credentials WHERE tenant_id = $1::uuid AND $2::uuid IS NULL AND provider = $3";
// clang-format on

/* --- the app's -------------------------------------------------------------------------------- */

static struct str first_of(struct str list)
{
    struct str head, rest;
    (void)str_cut(list, ',', &head, &rest);
    return str_trim(head);
}

/* By what an app proves itself, and what its webhook is proved by. */
static bool app_read(struct arena *a, const struct cli_conf *conf, struct webhook_target *t,
                     struct err *err)
{
    struct str app = str_of(t->provider->app);
    if (str_eq_c(app, "meta")) {
        struct str id = str_of(conf->meta_app_id), secret = first_of(str_of(conf->meta_app_secret));
        if (!id.len || !secret.len)
            return err_set(
                err, ERR_INVALID,
                "set meta_app_id and meta_app_secret: the app's webhook is made by them");
        t->app_id = id;
        t->app.token = str_fmt(a, "%.*s|%.*s", STR_ARG(id), STR_ARG(secret));
        t->secret = first_of(str_of(conf->meta_verify_token));
        return true;
    }
    t->app.token = str_dup(a, str_of(conf->x_app_token));
    return t->app.token.len ||
           err_set(err, ERR_INVALID, "set x_app_token: the app's webhook is made by it");
}

/* --- one -------------------------------------------------------------------------------------- */

static bool open_access(struct arena *a, struct vault *v, const char *place,
                        const struct pg_result *r, int row, struct webhook_target *t,
                        struct err *err)
{
    struct str hex = pg_text(r, row, SEALED), text;
    if (!hex.ptr)
        return err_set(err, ERR_INVALID,
                       "the %s account %.*s has no credentials: connect it by the api",
                       t->provider->name, STR_ARG(t->account.external_id));
    char *bytes = arena_alloc(a, hex.len / 2 + 1);
    struct str sealed = {bytes, hex.len / 2};
    if (!hex_decode(hex, (uint8_t *)bytes, hex.len / 2))
        return err_set(err, ERR_FAULT, "sealed credentials are no hex");
    struct vault_place at = {t->tenant_id, place};
    if (!vault_unseal(v, a, &at, pg_text(r, row, KEY_ID), sealed, &text, err))
        return err_wrap(err, "credentials of %s", t->provider->name);
    bool ok = access_read(a, text, &t->account, err);
    // What was read from it has copies of its own.
    t->account.token = str_dup(a, t->account.token);
    t->account.login = str_dup(a, t->account.login);
    t->account.parent_id = str_dup(a, t->account.parent_id);
    t->account.api_version = str_dup(a, t->account.api_version);
    crypto_wipe((void *)text.ptr, text.len);
    return ok;
}

static bool target_read(struct arena *a, const struct cli_conf *conf, struct vault *v,
                        const char *place, const struct pg_result *r, int row,
                        struct webhook_target *t, struct err *err)
{
    t->provider = provider_find(pg_text(r, row, PROVIDER));
    if (!t->provider || !t->provider->webhook)
        return err_set(err, ERR_INVALID, "%.*s has no webhook that could be registered",
                       STR_ARG(pg_text(r, row, PROVIDER)));
    struct str base = pg_text(r, row, BASE_URL),
               ours = provider_url(t->provider, str_of(conf->provider_urls));
    t->account = (struct send_account){.external_id = str_dup(a, pg_text(r, row, ACCOUNT)),
                                       .type = str_dup(a, pg_text(r, row, TYPE)),
                                       .base_url = base.ptr ? str_dup(a, base) : ours};
    t->app = (struct send_account){.base_url = ours};
    if (!open_access(a, v, place, r, row, t, err))
        return false;
    if (t->provider->webhook->n_app_parts && !app_read(a, conf, t, err))
        return false;
    struct str url = str_of(conf->url);
    while (str_ends(url, STR("/")))
        url.len--;
    t->url = provider_webhook_url(a, t->provider, url, t->tenant_id, t->account.external_id);
    if (t->provider->scope == SCOPE_TENANT) {
        struct hmac *master = hmac_new(str_of(conf->webhook_master_key));
        t->secret = webhook_secret(a, master, str_of(t->provider->name), t->tenant_id,
                                   str_fmt(a, "%d", (int)conf->version));
        hmac_free(master);
    }
    return true;
}

/* --- all -------------------------------------------------------------------------------------- */

static bool rows_read(struct arena *a, const struct cli_conf *conf, struct vault *v,
                      const char *place, const struct pg_result *r, struct str tenant,
                      struct webhook_targets *out, struct err *err)
{
    out->items = ARENA_ARRAY(a, struct webhook_target, (size_t)pg_rows(r) + 1);
    for (int i = 0; i < pg_rows(r); i++) {
        struct webhook_target *t = &out->items[i];
        t->tenant_id = tenant;
        out->n++;
        if (!target_read(a, conf, v, place, r, i, t, err))
            return false;
    }
    return true;
}

static bool channel_id_read(const char *text, char out[UUID_TEXT + 1], struct err *err)
{
    struct uuid id;
    if (!uuid_parse(str_of(text), &id))
        return err_set(err, ERR_INVALID, "'%.64s' is not a channel's id, which is a UUID", text);
    uuid_format(id, out);
    return true;
}

bool webhook_targets_read(struct arena *a, struct pg *pg, const struct cli_conf *conf,
                          const char *tenant, const char *channel, struct webhook_targets *out,
                          struct err *err)
{
    char *tenant_id = arena_alloc(a, 2 * (UUID_TEXT + 1)), *channel_id = tenant_id + UUID_TEXT + 1;
    const char *provider = conf->provider[0] ? conf->provider : NULL;
    if (!tenant_id_parse(tenant, tenant_id, err) ||
        (channel && !channel_id_read(channel, channel_id, err)))
        return false;
    if (!channel && !provider)
        return err_set(err, ERR_INVALID,
                       "say which CHANNEL, or --provider for all of its accounts");
    if (provider && !provider_find(str_of(provider)))
        return err_set(err, ERR_INVALID, "there is no provider '%.32s'", provider);
    const char *const values[] = {tenant_id, channel ? channel_id : NULL, provider};
    struct vault *v = vault_open(conf->key_ring, err);
    if (!v)
        return false;
    // One access of the tenant's opens all accounts: then one webhook serves them.
    auto_result own = database_query(pg, tenant_sql, values, 3, err);
    bool is_own = own && pg_rows(own) > 0;
    auto_result rows = is_own || !own ? NULL : database_query(pg, channel_sql, values, 3, err);
    bool ok = false;
    if (is_own)
        ok = rows_read(a, conf, v, "tenant_credentials.credentials", own, str_of(tenant_id), out,
                       err);
    else if (rows && pg_rows(rows) > 0)
        ok = rows_read(a, conf, v, "channels_account.credentials", rows, str_of(tenant_id), out,
                       err);
    else if (rows)
        (void)err_set(err, ERR_ABSENT,
                      "the tenant has no such channel: see `postrider channel list`");
    vault_close(v);
    if (!ok)
        webhook_targets_wipe(out);
    return ok;
}

void webhook_targets_wipe(struct webhook_targets *t)
{
    for (size_t i = 0; i < t->n; i++) {
        struct str secrets[] = {t->items[i].account.token, t->items[i].app.token};
        for (size_t k = 0; k < ARRAY_LEN(secrets); k++) {
            if (secrets[k].len)
                crypto_wipe((void *)secrets[k].ptr, secrets[k].len);
        }
    }
}
