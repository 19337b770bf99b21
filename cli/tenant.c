/* SPDX-License-Identifier: Apache-2.0 */
/* `postrider tenant create|list|token|webhook-secret`. */
#include "clock.h"
#include "crypto.h"
#include "database.h"
#include "id.h"
#include "json.h"
#include "jwt_token.h"
#include "mem.h"
#include "provider.h"
#include "tenant_id.h"

#define TIMEOUT_MS 15000

/* One value: alone on its line, or as an object's member. */
static int print_value(const char *name, struct str value, bool json)
{
    struct buf out;
    buf_init(&out, VERB_OUT_MAX);
    struct json_out o = {.buf = &out};
    if (json) {
        json_open(&o, '{');
        json_put_str(&o, name, value);
        json_close(&o, '}');
    } else {
        buf_put_str(&out, value);
    }
    buf_putc(&out, '\n');
    bool ok = verb_print(&out);
    buf_done(&out);
    return ok ? EXIT_OK : EXIT_FAILED;
}

bool tenant_id_parse(const char *text, char out[UUID_TEXT + 1], struct err *err)
{
    struct uuid id;
    if (!uuid_parse(str_of(text), &id))
        return err_set(err, ERR_INVALID,
                       "'%.64s' is not a tenant's id, which is a UUID: see `postrider tenant list`",
                       text);
    uuid_format(id, out);
    return true;
}

int tenant_create_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)argc;
    struct err err = {0};
    char id[UUID_TEXT + 1];
    auto_pg pg = database_open(conf->database_url, TIMEOUT_MS, &err);
    if (!pg)
        return verb_fail("tenant create", &err);
    uuid_format(uuid_v7(clock_at_ms()), id);
    const char *const values[] = {id, argv[0]};
    if (!database_do(pg, "INSERT INTO tenants (id, name) VALUES ($1, $2)", values, 2, &err))
        return verb_fail("tenant create", &err);
    return print_value("id", str_of(id), conf->json);
}

int tenant_list_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)argc, (void)argv;
    static const char *const titles[] = {"id", "name", "status", "created_at", "channels"};
    struct err err = {0};
    auto_pg pg = database_open(conf->database_url, TIMEOUT_MS, &err);
    if (!pg)
        return verb_fail("tenant list", &err);
    auto_result r = database_query(
        pg,
        "SELECT id, name, status, to_char(created_at AT TIME ZONE 'UTC', "
        "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), (SELECT count(*) FROM channels_account c WHERE "
        "c.tenant_id = t.id) FROM tenants t ORDER BY id",
        NULL, 0, &err);
    if (!r)
        return verb_fail("tenant list", &err);
    return database_show(r, titles, ARRAY_LEN(titles), conf->json);
}

bool tenant_token(struct arena *a, const char *tenant, const struct cli_conf *conf, int64_t ttl_ms,
                  struct str *out, struct err *err)
{
    char *id = arena_alloc(a, 2 * (UUID_TEXT + 1)), *jti = id + UUID_TEXT + 1;
    if (!tenant_id_parse(tenant, id, err))
        return false;
    int64_t now_at_ms = clock_at_ms();
    uuid_format(uuid_v7(now_at_ms), jti);
    struct token t = {.issuer = STR("postrider"),
                      .subject = conf->sub ? str_of(conf->sub) : STR("cli"),
                      .tenant_id = str_of(id),
                      .role = conf->role ? str_of(conf->role) : STR("owner"),
                      .id = str_of(jti),
                      .key_id = STR("default"),
                      .issued_at_ms = now_at_ms,
                      .expires_at_ms = now_at_ms + ttl_ms};
    return token_sign(a, &t, str_of(conf->jwt_secret), out, err);
}

int tenant_token_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)argc;
    auto_arena a = arena_new(1 << 16);
    struct err err = {0};
    struct str jwt, role = str_of(conf->role);
    if (!str_eq_c(role, "owner") && !str_eq_c(role, "agent") && !str_eq_c(role, "operator")) {
        err_set(&err, ERR_INVALID, "role '%.32s': want owner, agent or operator", conf->role);
        return verb_fail("tenant token", &err);
    }
    if (!tenant_token(a, argv[0], conf, conf->ttl, &jwt, &err))
        return verb_fail("tenant token", &err);
    return print_value("token", jwt, conf->json);
}

int tenant_webhook_secret_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)argc;
    auto_arena a = arena_new(1 << 16);
    struct err err = {0};
    char id[UUID_TEXT + 1];
    if (!tenant_id_parse(argv[0], id, &err))
        return verb_fail("tenant webhook-secret", &err);
    const struct provider *p = provider_find(str_of(argv[1]));
    if (!p) {
        err_set(&err, ERR_INVALID, "there is no provider '%.32s'", argv[1]);
        return verb_fail("tenant webhook-secret", &err);
    }
    if (p->scope != SCOPE_TENANT) {
        err_set(&err, ERR_INVALID,
                "%s signs with its app's secret: it has no secret of a tenant's own", p->name);
        return verb_fail("tenant webhook-secret", &err);
    }
    struct hmac *master = hmac_new(str_of(conf->webhook_master_key));
    struct str version = str_fmt(a, "%d", (int)conf->version);
    struct str secret = webhook_secret(a, master, str_of(p->name), str_of(id), version);
    hmac_free(master);
    return print_value("secret", secret, conf->json);
}
