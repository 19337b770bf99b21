/* SPDX-License-Identifier: Apache-2.0 */
/* The doctor's checks of what we talk to: Kafka, the registry, PostgreSQL, the daemons. */
#include <curl/curl.h>
#include <stdlib.h>

#include "check.h"
#include "clock.h"
#include "curl_start.h"
#include "database.h"
#include "embedded.h"
#include "mem.h"
#include "migration_plan.h"
#include "program.h"
#include "settings.h"
#include "topic_specs.h"

#define TIMEOUT_MS      5000
#define CLOCK_APART_MS  2000
#define POSTGRES_OLDEST 150000

void doctor_kafka(struct checks *c, const struct cli_conf *conf)
{
    auto_arena a = arena_new(1 << 16);
    struct topic_spec specs[TOPICS];
    enum topic_state states[TOPICS] = {0};
    struct err err = {0};
    struct kafka_opts kafka = kafka_opts_of(conf);
    // One partition is asked for: how many there ought to be is the operator's choice.
    topic_specs(a, conf->topic_prefix, 1, 1, specs);
    if (!kafka_topics(&kafka, specs, TOPICS, true, states, TIMEOUT_MS, &err)) {
        check_add(
            c, CHECK_FAIL, "kafka",
            "start it, or set POSTRIDER_KAFKA_BROKERS (and POSTRIDER_KAFKA_PROPERTIES for TLS "
            "and SASL)",
            "%s does not answer: %s", conf->kafka_brokers, err.msg);
        return;
    }
    check_add(c, CHECK_OK, "kafka", NULL, "%s answers", conf->kafka_brokers);
    for (int t = 0; t < TOPICS; t++) {
        bool there = states[t] != TOPIC_MISSING;
        check_add(c, there ? CHECK_OK : CHECK_FAIL, specs[t].name,
                  there ? NULL : "run `postrider topics`", there ? "is there" : "is missing");
    }
}

static size_t swallow(char *data, size_t size, size_t n, void *ctx)
{
    struct buf *out = ctx;
    buf_put(out, data, size * n);
    return size * n;
}

/* HTTP status of a GET, the body's beginning in `body`; 0: no answer. */
static long http_get(const char *url, struct buf *body)
{
    long status = 0;
    curl_start();
    CURL *curl = curl_easy_init();
    if (!curl)
        return 0;
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, swallow);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    if (curl_easy_perform(curl) == CURLE_OK)
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    return status;
}

void doctor_registry(struct checks *c, const struct cli_conf *conf)
{
    if (!conf->schema_registry_url[0])
        return;
    auto_arena a = arena_new(1 << 14);
    struct buf body;
    buf_init(&body, 1 << 20);
    struct str base = str_of(conf->schema_registry_url);
    if (str_ends(base, STR("/")))
        base.len--;
    long status = http_get(str_c(a, str_fmt(a, "%.*s/subjects", STR_ARG(base))), &body);
    check_add(c, status == 200 ? CHECK_OK : CHECK_FAIL, "schema registry",
              status == 200
                  ? NULL
                  : "start it, or mend POSTRIDER_SCHEMA_REGISTRY_URL (of Apicurio it ends "
                    "in /apis/ccompat/v7), or unset it",
              status ? "%s answers %ld" : "%s does not answer", conf->schema_registry_url, status);
    buf_done(&body);
}

static void server(struct checks *c, struct pg *pg)
{
    struct err err = {0};
    auto_result r = database_query(
        pg,
        "SELECT current_setting('server_version_num'), current_setting('server_version'), "
        "(extract(epoch FROM clock_timestamp()) * 1000)::bigint, current_setting('fsync')",
        NULL, 0, &err);
    if (!r) {
        check_add(c, CHECK_FAIL, "postgresql", "see the server's log", "%s", err.msg);
        return;
    }
    bool recent = pg_i64(r, 0, 0) >= POSTGRES_OLDEST;
    check_add(c, recent ? CHECK_OK : CHECK_FAIL, "postgresql",
              recent ? NULL : "version 15 or later is needed", "version %.*s answers",
              STR_ARG(pg_text(r, 0, 1)));
    int64_t apart_ms = llabs(pg_i64(r, 0, 2) - clock_at_ms());
    bool together = apart_ms < CLOCK_APART_MS;
    check_add(c, together ? CHECK_OK : CHECK_WARN, "clocks",
              together ? NULL : "let NTP keep the time of both machines",
              "this machine and the database are %lld ms apart", (long long)apart_ms);
    if (str_eq_c(pg_text(r, 0, 3), "off"))
        check_add(c, CHECK_FAIL, "fsync", "set fsync = on: what is acknowledged must be durable",
                  "is off");
}

static void migrations(struct checks *c, struct pg *pg)
{
    struct err err = {0};
    size_t total = 0;
    while (sql_migrations[total].name)
        total++;
    auto_result r = database_query(
        pg, "SELECT name, checksum FROM schema_migrations ORDER BY name COLLATE \"C\"", NULL, 0,
        &err);
    if (!r) {
        check_add(c, CHECK_FAIL, "migrations", "run `postrider migrate`", "none is applied");
        return;
    }
    size_t n = (size_t)pg_rows(r), first = 0;
    auto_arena a = arena_new(1 << 20);
    struct applied *applied = ARENA_ARRAY(a, struct applied, n + 1);
    for (size_t i = 0; i < n; i++)
        applied[i] = (struct applied){pg_text(r, (int)i, 0), pg_text(r, (int)i, 1)};
    if (!migration_plan(sql_migrations, applied, n, &first, &err))
        check_add(c, CHECK_FAIL, "migrations", "see `postrider migrate`", "%s", err.msg);
    else if (first < total)
        check_add(c, CHECK_FAIL, "migrations", "run `postrider migrate`", "%zu of %zu are applied",
                  first, total);
    else
        check_add(c, CHECK_OK, "migrations", NULL, "all %zu are applied", total);
}

static void roles(struct checks *c, struct pg *pg)
{
    static const char *const names[] = {"postrider_owner", "postrider_router", "postrider_api",
                                        "postrider_sender", "postrider_operator"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct err err = {0};
        bool is_owner = i == 0;
        auto_result r =
            database_query(pg,
                           "SELECT (rolbypassrls OR rolsuper)::int, rolcanlogin::int FROM pg_roles "
                           "WHERE rolname = $1",
                           &names[i], 1, &err);
        if (!r || pg_rows(r) == 0)
            check_add(c, CHECK_FAIL, names[i], "run `postrider migrate`", "the role is missing");
        else if (pg_i64(r, 0, 0) != is_owner)
            check_add(c, CHECK_FAIL, names[i],
                      is_owner
                          ? "ALTER ROLE postrider_owner BYPASSRLS"
                          : "ALTER ROLE ... NOSUPERUSER NOBYPASSRLS: tenants are kept apart by it",
                      is_owner ? "cannot see all tenants" : "bypasses row level security");
        else if (!is_owner && pg_i64(r, 0, 1) == 0)
            check_add(c, CHECK_FAIL, names[i], "ALTER ROLE ... LOGIN", "may not log in");
        else
            check_add(c, CHECK_OK, names[i], NULL, "is as it ought to be");
    }
}

static void row_security(struct checks *c, struct pg *pg)
{
    struct err err = {0};
    auto_result r = database_query(
        pg,
        "SELECT count(*), string_agg(c.relname, ', ') FILTER (WHERE NOT (c.relrowsecurity AND "
        "c.relforcerowsecurity)) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND "
        "a.attname = 'tenant_id' AND NOT a.attisdropped WHERE c.relkind IN ('r', 'p') AND "
        "c.relnamespace = 'public'::regnamespace",
        NULL, 0, &err);
    if (!r)
        check_add(c, CHECK_FAIL, "row level security", "see the server's log", "%s", err.msg);
    else if (pg_i64(r, 0, 0) == 0)
        check_add(c, CHECK_FAIL, "row level security", "run `postrider migrate`",
                  "there are no tables");
    else if (!pg_null(r, 0, 1))
        check_add(c, CHECK_FAIL, "row level security",
                  "ALTER TABLE ... ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
                  "is not forced on %.*s", STR_ARG(pg_text(r, 0, 1)));
    else
        check_add(c, CHECK_OK, "row level security", NULL, "is forced on all %lld tenants' tables",
                  (long long)pg_i64(r, 0, 0));
}

void doctor_database(struct checks *c, const struct cli_conf *conf)
{
    struct err err = {0};
    if (!conf->database_url[0]) {
        check_add(c, CHECK_FAIL, "postgresql",
                  "set POSTRIDER_DATABASE_URL to the owner's connection string",
                  "no database is named");
        return;
    }
    auto_pg pg = database_open(conf->database_url, TIMEOUT_MS, &err);
    if (!pg) {
        check_add(c, CHECK_FAIL, "postgresql", "start it, or mend POSTRIDER_DATABASE_URL", "%s",
                  err.msg);
        return;
    }
    server(c, pg);
    migrations(c, pg);
    roles(c, pg);
    row_security(c, pg);
}

static void ask_daemon(struct checks *c, const struct daemon *d)
{
    auto_arena a = arena_new(1 << 14);
    struct buf host, port, body;
    buf_init(&host, 256);
    buf_init(&port, 32);
    buf_init(&body, 1 << 20);
    bool found = settings_value(d->conf, "admin_host", &host) &&
                 settings_value(d->conf, "admin_port", &port);
    struct str url =
        str_fmt(a, "http://%.*s:%.*s/readyz", STR_ARG(buf_str(&host)), STR_ARG(buf_str(&port)));
    long status = found ? http_get(str_c(a, url), &body) : 0;
    struct str why = str_trim(buf_str(&body));
    if (status == 0)
        check_add(c, CHECK_WARN, d->name, "start it if it is to run on this machine",
                  "does not answer at %.*s", STR_ARG(url));
    else if (status == 200)
        check_add(c, CHECK_OK, d->name, NULL, "is ready");
    else
        check_add(c, CHECK_FAIL, d->name, "mend what it waits for, see its log",
                  "is not ready (%ld): %.200s", status, str_c(a, why));
    buf_done(&host);
    buf_done(&port);
    buf_done(&body);
}

void doctor_daemons(struct checks *c)
{
    for (size_t i = 0; program_daemons[i]; i++)
        ask_daemon(c, program_daemons[i]);
}
