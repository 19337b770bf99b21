/* SPDX-License-Identifier: Apache-2.0 */
#include "webhooks_conf.h"

#include "id.h"
#include "mem.h"
#include "simulator_main.h"

static const struct conf_row rows[] = {
#define CONF(name, type, preset, min, max, help) \
    {#name, CONF_##type, offsetof(struct sim_conf, name), preset, min, max, help},
#include "simulator_conf.def"
#undef CONF
};

const struct conf_table simulator_webhooks_conf = {
    .daemon = "simulate", .rows = rows, .n = ARRAY_LEN(rows)};

size_t sim_cast_find(const struct sim_cast *cast, const struct sim_provider *p)
{
    for (size_t i = 0; i < cast->n_providers; i++)
        if (cast->providers[i] == p)
            return i;
    return SIZE_MAX;
}

static bool add_providers(struct sim_cast *cast, const struct sim_conf *conf, struct err *err)
{
    struct str rest = str_of(conf->provider), name;
    while (rest.len) {
        (void)str_cut(rest, ',', &name, &rest);
        const struct sim_provider *p = sim_provider_find(str_trim(name));
        if (!p)
            return err_set(err, ERR_INVALID,
                           "provider '%.*s' is not simulated; known are unipile, instagram, "
                           "messenger, whatsapp, telegram, x",
                           STR_ARG(name));
        if (sim_cast_find(cast, p) != SIZE_MAX)
            continue;
        cast->providers[cast->n_providers++] = p;
    }
    return cast->n_providers > 0 || err_set(err, ERR_INVALID, "provider: name at least one");
}

/* ID, PROVIDER:ID or PROVIDER:ID:TYPE. */
static bool add_account(struct sim_cast *cast, struct str spec, struct err *err)
{
    struct str first, rest, id, type;
    const struct sim_provider *p = cast->providers[0];
    if (str_cut(spec, ':', &first, &rest)) {
        p = sim_provider_find(first);
        if (!p || sim_cast_find(cast, p) == SIZE_MAX)
            return err_set(err, ERR_INVALID, "account '%.*s': '%.*s' is not among the providers",
                           STR_ARG(spec), STR_ARG(first));
    } else if (cast->n_providers > 1) {
        return err_set(err, ERR_INVALID,
                       "account '%.*s': several providers are simulated, so write PROVIDER:ID",
                       STR_ARG(spec));
    } else {
        rest = first;
    }
    if (!str_cut(rest, ':', &id, &type))
        type = str_of(p->default_type);
    if (id.len == 0 || type.len == 0)
        return err_set(err, ERR_INVALID, "account '%.*s': want PROVIDER:ID or PROVIDER:ID:TYPE",
                       STR_ARG(spec));
    cast->accounts[cast->n_accounts++] =
        (struct sim_account){.provider = p, .id = id, .type = type};
    return true;
}

static bool add_accounts(struct sim_cast *cast, struct arena *a, const struct sim_conf *conf,
                         struct err *err)
{
    struct str rest = str_of(conf->account), spec;
    size_t max = cast->n_providers;
    for (size_t i = 0; i < rest.len; i++)
        max += rest.ptr[i] == ',';
    if (max > SIM_ACCOUNTS_MAX)
        return err_set(err, ERR_LIMITED, "account: at most %d accounts", SIM_ACCOUNTS_MAX);
    cast->accounts = ARENA_ARRAY(a, struct sim_account, max + 1);
    while (rest.len) {
        (void)str_cut(rest, ',', &spec, &rest);
        if (!add_account(cast, str_trim(spec), err))
            return false;
    }
    for (size_t i = 0; i < cast->n_providers; i++) {
        const struct sim_provider *p = cast->providers[i];
        bool has = false;
        for (uint32_t k = 0; k < cast->n_accounts; k++)
            has |= cast->accounts[k].provider == p;
        if (!has)
            cast->accounts[cast->n_accounts++] = (struct sim_account){
                .provider = p, .id = str_of(p->default_account), .type = str_of(p->default_type)};
    }
    return true;
}

static bool tenant_secret(struct sim_secrets *s, struct arena *a, const struct sim_provider *p,
                          const struct sim_conf *conf, struct err *err)
{
    struct uuid id;
    if (!uuid_parse(str_of(conf->tenant), &id))
        return err_set(err, ERR_INVALID,
                       "%s: --tenant must be the tenant's UUID (postrider tenant list)", p->name);
    if (!conf->webhook_master_key[0])
        return err_set(err, ERR_INVALID,
                       "%s: POSTRIDER_WEBHOOK_MASTER_KEY is not set; it must be that of ingest",
                       p->name);
    char *text = arena_alloc(a, UUID_TEXT + 1);
    uuid_format(id, text);
    s->tenant_id = str_of(text);
    struct hmac *master = hmac_new(str_of(conf->webhook_master_key));
    s->tenant_secret = webhook_secret(a, master, str_of(p->name), s->tenant_id,
                                      str_of(conf->webhook_secret_version));
    hmac_free(master);
    return true;
}

static bool app_secret(struct sim_cast *cast, size_t i, const struct sim_conf *conf,
                       struct err *err)
{
    enum sim_app app = cast->providers[i]->app;
    const char *all = conf->meta_app_secret, *name = "META_APP_SECRET";
    if (app == SIM_APP_INSTAGRAM && conf->instagram_app_secret[0])
        all = conf->instagram_app_secret;
    if (app == SIM_APP_X) {
        all = conf->x_consumer_secret;
        name = "X_CONSUMER_SECRET";
    }
    struct str secret, rest;
    (void)str_cut(str_of(all), ',', &secret, &rest);
    if (secret.len == 0)
        return err_set(err, ERR_INVALID, "%s: POSTRIDER_%s is not set; it must be that of ingest",
                       cast->providers[i]->name, name);
    cast->secrets[i].app = cast->apps[i] = hmac_new(secret);
    return true;
}

bool sim_cast_init(struct sim_cast *cast, struct arena *a, const struct sim_conf *conf,
                   struct err *err)
{
    *cast = (struct sim_cast){0};
    bool ok = add_providers(cast, conf, err) && add_accounts(cast, a, conf, err);
    for (size_t i = 0; ok && i < cast->n_providers; i++) {
        const struct sim_provider *p = cast->providers[i];
        ok = p->app == SIM_APP_NONE ? tenant_secret(&cast->secrets[i], a, p, conf, err)
                                    : app_secret(cast, i, conf, err);
    }
    if (!ok)
        sim_cast_done(cast);
    return ok;
}

void sim_cast_done(struct sim_cast *cast)
{
    for (size_t i = 0; i < ARRAY_LEN(cast->apps); i++) {
        hmac_free(cast->apps[i]);
        cast->apps[i] = NULL;
    }
}
