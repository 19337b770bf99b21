/* SPDX-License-Identifier: Apache-2.0 */
/* `postrider channel connect|list|disconnect`. */
#include <string.h>

#include "clock.h"
#include "database.h"
#include "id.h"
#include "json.h"
#include "mem.h"
#include "provider.h"
#include "tenant_id.h"

#define TIMEOUT_MS 15000

struct connect {
    char tenant[UUID_TEXT + 1], id[UUID_TEXT + 1];
    const struct provider *provider;
    const char *account, *type, *name;
    const char *platform;
};

static bool read_connect(struct connect *c, struct arena *a, const struct cli_conf *conf,
                         char **argv, struct err *err)
{
    if (!tenant_id_parse(argv[0], c->tenant, err))
        return false;
    c->provider = provider_find(str_of(argv[1]));
    if (!c->provider)
        return err_set(err, ERR_INVALID, "there is no provider '%.32s'", argv[1]);
    if (argv[2][0] == '\0')
        return err_set(err, ERR_INVALID, "the account's id is empty");
    const char *type = conf->type[0] ? conf->type : c->provider->default_account_type;
    if (!type)
        return err_set(err, ERR_INVALID,
                       "%s serves several networks: say which with --type, as its webhooks do "
                       "(WHATSAPP, INSTAGRAM, LINKEDIN, TELEGRAM, MESSENGER, TWITTER)",
                       c->provider->name);
    struct str normal = c->provider->normal_type(str_of(type));
    c->type = str_c(a, normal);
    c->platform = c->provider->platform(normal);
    // A mistyped type would send all of the account's webhooks to quarantine.
    if (strcmp(c->platform, "other") == 0)
        (void)fprintf(
            stderr,
            "postrider channel connect: note: the account type '%s' is not a known one of "
            "%s; it must be what the webhooks say\n",
            c->type, c->provider->name);
    c->account = argv[2];
    c->name = conf->name[0] ? conf->name : NULL;
    uuid_format(uuid_v7(clock_at_ms()), c->id);
    return true;
}

/* The row that has the account already decides: ours is connected again, another's is refused. */
static bool call_connect(struct pg *pg, struct connect *c, struct err *err)
{
    const char *const values[] = {c->tenant,   c->id,  c->provider->name, c->account, c->type,
                                  c->platform, c->name};
    auto_result r = database_query(pg,
                                   "SELECT channel_connect($1::uuid, $2::uuid, $3, $4, $5, $6, $7, "
                                   "NULL, NULL, NULL, NULL, NULL)",
                                   values, 7, err);
    if (!r && strcmp(pg_sqlstate(pg), "23505") == 0)
        return err_set(
            err, ERR_CONFLICT,
            "the %s account %s is connected to another tenant already: an account belongs to "
            "one tenant",
            c->provider->name, c->account);
    if (!r)
        return false;
    struct str id = pg_text(r, 0, 0);
    (void)snprintf(c->id, sizeof c->id, "%.*s", STR_ARG(id));
    return true;
}

static bool check_tenant(struct pg *pg, const char *tenant, struct err *err)
{
    auto_result r =
        database_query(pg, "SELECT 1 FROM tenants WHERE id = $1::uuid", &tenant, 1, err);
    if (!r)
        return false;
    return pg_rows(r) == 1 ||
           err_set(err, ERR_ABSENT, "there is no tenant %s: see `postrider tenant list`", tenant);
}

static bool connect_channel(struct pg *pg, struct connect *c, struct err *err)
{
    return check_tenant(pg, c->tenant, err) && call_connect(pg, c, err);
}

static int print_channel(const struct connect *c, bool json)
{
    struct buf out;
    buf_init(&out, VERB_OUT_MAX);
    struct json_out o = {.buf = &out};
    if (json) {
        json_open(&o, '{');
        json_put_str(&o, "id", str_of(c->id));
        json_put_str(&o, "tenant_id", str_of(c->tenant));
        json_put_str(&o, "provider", str_of(c->provider->name));
        json_put_str(&o, "external_account_id", str_of(c->account));
        json_put_str(&o, "account_type", str_of(c->type));
        json_put_str(&o, "platform", str_of(c->platform));
        json_close(&o, '}');
    } else {
        buf_put_c(&out, c->id);
    }
    buf_putc(&out, '\n');
    bool ok = verb_print(&out);
    buf_done(&out);
    return ok ? EXIT_OK : EXIT_FAILED;
}

int channel_connect_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)argc;
    auto_arena a = arena_new(1 << 16);
    struct err err = {0};
    struct connect c = {0};
    if (!read_connect(&c, a, conf, argv, &err))
        return verb_fail("channel connect", &err);
    auto_pg pg = database_open(conf->database_url, TIMEOUT_MS, &err);
    if (!pg || !connect_channel(pg, &c, &err))
        return verb_fail("channel connect", &err);
    return print_channel(&c, conf->json);
}

int channel_list_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)argc, (void)argv;
    static const char *const titles[] = {
        "id",           "tenant_id", "provider", "external_account_id",
        "account_type", "platform",  "status",   "name"};
    struct err err = {0};
    char tenant[UUID_TEXT + 1];
    const char *only = NULL;
    if (conf->tenant[0]) {
        if (!tenant_id_parse(conf->tenant, tenant, &err))
            return verb_fail("channel list", &err);
        only = tenant;
    }
    auto_pg pg = database_open(conf->database_url, TIMEOUT_MS, &err);
    if (!pg)
        return verb_fail("channel list", &err);
    auto_result r =
        database_query(pg,
                       "SELECT id, tenant_id, provider, external_account_id, account_type, "
                       "platform, status, coalesce(name, '') FROM channels_account WHERE $1::uuid "
                       "IS NULL OR tenant_id = $1::uuid ORDER BY tenant_id, id",
                       &only, 1, &err);
    if (!r)
        return verb_fail("channel list", &err);
    return database_show(r, titles, ARRAY_LEN(titles), conf->json);
}

static bool disconnect(struct pg *pg, const char *id, struct err *err)
{
    auto_result r = database_query(pg, "SELECT channel_disconnect($1::uuid)", &id, 1, err);
    if (!r)
        return false;
    return !pg_null(r, 0, 0) ||
           err_set(err, ERR_ABSENT, "there is no channel %s: see `postrider channel list`", id);
}

int channel_disconnect_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)argc;
    struct err err = {0};
    struct uuid id;
    char text[UUID_TEXT + 1];
    if (!uuid_parse(str_of(argv[0]), &id)) {
        err_set(&err, ERR_INVALID, "'%.64s' is not a channel's id, which is a UUID", argv[0]);
        return verb_fail("channel disconnect", &err);
    }
    uuid_format(id, text);
    auto_pg pg = database_open(conf->database_url, TIMEOUT_MS, &err);
    if (!pg || !disconnect(pg, text, &err))
        return verb_fail("channel disconnect", &err);
    (void)printf(conf->json ? "{\"id\":\"%s\",\"status\":\"disconnected\"}\n" : "%s\n", text);
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}
