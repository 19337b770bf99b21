/* SPDX-License-Identifier: Apache-2.0 */
#include "secrets.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "ingest_conf.h"
#include "mem.h"

#define SETS        256
#define WAYS        4
#define SECRET_TEXT 48 /* base64url of a SHA-256 is 43 */
#define SCRATCH_MAX 4096

/* Which settings hold the secrets of which app. */
static const struct {
    const char *app; /* as in struct provider */
    size_t secrets[2], tokens[2];
    size_t n_secrets, n_tokens;
} app_rows[] = {
    {"meta",
     {offsetof(struct ingest_conf, meta_app_secret),
      offsetof(struct ingest_conf, instagram_app_secret)},
     {offsetof(struct ingest_conf, meta_verify_token),
      offsetof(struct ingest_conf, instagram_verify_token)},
     2,
     2},
    {"x", {offsetof(struct ingest_conf, x_consumer_secret)}, {0}, 1, 0},
};
#define APPS ARRAY_LEN(app_rows)

struct app_secrets {
    struct hmac *keys[INGEST_SECRETS_MAX];
    struct str tokens[INGEST_SECRETS_MAX]; /* point into the settings */
    size_t n_keys, n_tokens;
};

struct derived {
    char tenant[UUID_TEXT];
    char text[INGEST_VERSIONS_MAX][SECRET_TEXT];
    size_t provider;
    uint64_t used; /* 0: free; else when, in calls */
};

struct ingest_secrets {
    struct app_secrets apps[APPS];
    struct hmac *master; /* NULL: no master key */
    struct str versions[INGEST_VERSIONS_MAX];
    size_t n_versions;
    struct arena *scratch;
    uint64_t calls;
    struct str plain[INGEST_VERSIONS_MAX]; /* what the last call gave out */
    struct derived derived[SETS][WAYS];
};

/* Append the words of a comma-separated setting. False: more than `max`. */
static bool split_words(struct str list, struct str *words, size_t *n, size_t max)
{
    struct str word, rest = list;
    for (bool more = true; more;) {
        more = str_cut(rest, ',', &word, &rest);
        word = str_trim(word);
        if (!word.len)
            continue;
        if (*n == max)
            return false;
        words[(*n)++] = word;
    }
    return true;
}

static struct str setting(const struct ingest_conf *conf, size_t offset)
{
    char *text;
    memcpy(&text, (const char *)conf + offset, sizeof text);
    return str_of(text);
}

static bool load_app(const struct ingest_conf *conf, size_t i, struct app_secrets *app,
                     struct err *err)
{
    struct str words[INGEST_SECRETS_MAX];
    size_t n = 0;
    for (size_t k = 0; k < app_rows[i].n_secrets; k++)
        if (!split_words(setting(conf, app_rows[i].secrets[k]), words, &n, INGEST_SECRETS_MAX))
            return err_set(err, ERR_INVALID, "more than %d secrets of the %s app: remove old ones",
                           INGEST_SECRETS_MAX, app_rows[i].app);
    for (size_t k = 0; k < n; k++)
        app->keys[app->n_keys++] = hmac_new(words[k]);
    for (size_t k = 0; k < app_rows[i].n_tokens; k++)
        if (!split_words(setting(conf, app_rows[i].tokens[k]), app->tokens, &app->n_tokens,
                         INGEST_SECRETS_MAX))
            return err_set(err, ERR_INVALID,
                           "more than %d verify tokens of the %s app: remove old ones",
                           INGEST_SECRETS_MAX, app_rows[i].app);
    return true;
}

static bool load(struct ingest_secrets *s, const struct ingest_conf *conf, struct err *err)
{
    for (size_t i = 0; i < APPS; i++)
        if (!load_app(conf, i, &s->apps[i], err))
            return false;
    if (conf->webhook_master_key[0])
        s->master = hmac_new(str_of(conf->webhook_master_key));
    if (!split_words(str_of(conf->webhook_secret_versions), s->versions, &s->n_versions,
                     INGEST_VERSIONS_MAX))
        return err_set(err, ERR_INVALID, "more than %d webhook_secret_versions: remove old ones",
                       INGEST_VERSIONS_MAX);
    return true;
}

struct ingest_secrets *ingest_secrets_new(const struct ingest_conf *conf, struct err *err)
{
    struct ingest_secrets *s = xalloc(sizeof *s);
    s->scratch = arena_new(SCRATCH_MAX);
    if (load(s, conf, err))
        return s;
    ingest_secrets_free(s);
    return NULL;
}

void ingest_secrets_free(struct ingest_secrets *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < APPS; i++)
        for (size_t k = 0; k < s->apps[i].n_keys; k++)
            hmac_free(s->apps[i].keys[k]);
    hmac_free(s->master);
    arena_free(s->scratch);
    crypto_wipe(s->derived, sizeof s->derived);
    free(s);
}

static void derive(struct ingest_secrets *s, const struct ingest_route *route, struct derived *d)
{
    for (size_t i = 0; i < s->n_versions; i++) {
        struct str secret = webhook_secret(s->scratch, s->master, str_of(route->provider->name),
                                           ingest_route_tenant(route), s->versions[i]);
        assert(secret.len < SECRET_TEXT);
        memcpy(d->text[i], secret.ptr, secret.len);
        d->text[i][secret.len] = '\0';
        crypto_wipe((char *)secret.ptr, secret.len);
    }
    arena_reset(s->scratch);
}

/* The remembered secrets of a tenant, or the place that was not used for longest, filled anew. */
static struct derived *find_derived(struct ingest_secrets *s, const struct ingest_route *route)
{
    struct str tenant = ingest_route_tenant(route);
    struct derived *set = s->derived[(str_hash(tenant) ^ route->index) % SETS];
    struct derived *oldest = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        struct derived *d = &set[i];
        if (d->used && d->provider == route->index && memcmp(d->tenant, tenant.ptr, UUID_TEXT) == 0)
            return d;
        if (d->used < oldest->used)
            oldest = d;
    }
    memcpy(oldest->tenant, tenant.ptr, UUID_TEXT);
    oldest->provider = route->index;
    derive(s, route, oldest);
    return oldest;
}

void ingest_secrets_for(struct ingest_secrets *s, const struct ingest_route *route,
                        struct secrets *out)
{
    *out = (struct secrets){0};
    if (route->provider->scope == SCOPE_TENANT) {
        if (!s->master)
            return;
        struct derived *d = find_derived(s, route);
        d->used = ++s->calls;
        for (size_t i = 0; i < s->n_versions; i++)
            s->plain[i] = str_of(d->text[i]);
        out->plain = s->plain;
        out->n_plain = s->n_versions;
        return;
    }
    for (size_t i = 0; i < APPS; i++) {
        const struct app_secrets *app = &s->apps[i];
        if (!route->provider->app || strcmp(route->provider->app, app_rows[i].app) != 0)
            continue;
        *out = (struct secrets){app->keys, app->tokens, app->n_keys, app->n_tokens};
    }
}
