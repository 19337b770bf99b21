/* SPDX-License-Identifier: Apache-2.0 */
/* `postrider migrate`: the embedded SQL files, each once, in order, in a transaction of its own. */
#include <time.h>

#include "clock.h"
#include "database.h"
#include "embedded.h"
#include "json.h"
#include "mem.h"
#include "migration_plan.h"

#define TIMEOUT_MS   (30 * 60 * 1000) /* an index on a large table takes its time */
#define LOCK_WAIT_MS 60000
/* Any number that nothing else in the database uses; spells "postride". */
#define LOCK_KEY "8101821198635721829"

static bool take_lock(struct pg *pg, struct err *err)
{
    int64_t give_up_at_ms = clock_ms() + LOCK_WAIT_MS;
    for (;;) {
        auto_result r =
            database_query(pg, "SELECT pg_try_advisory_lock(" LOCK_KEY ")::int", NULL, 0, err);
        if (!r)
            return false;
        if (pg_i64(r, 0, 0) == 1)
            return true;
        if (clock_ms() > give_up_at_ms)
            return err_set(
                err, ERR_BUSY,
                "another `postrider migrate` has been at work for a minute: wait for it");
        struct timespec pause = {.tv_nsec = 200000000};
        (void)nanosleep(&pause, NULL);
    }
}

/* Applied migrations; lives in a. */
static bool read_applied(struct pg *pg, struct arena *a, struct applied **out, size_t *n,
                         struct err *err)
{
    auto_result there = database_query(
        pg, "SELECT (to_regclass('schema_migrations') IS NOT NULL)::int", NULL, 0, err);
    if (!there)
        return false;
    *n = 0;
    if (pg_i64(there, 0, 0) == 0)
        return true;
    auto_result r = database_query(
        pg, "SELECT name, checksum FROM schema_migrations ORDER BY name COLLATE \"C\"", NULL, 0,
        err);
    if (!r)
        return false;
    *n = (size_t)pg_rows(r);
    *out = ARENA_ARRAY(a, struct applied, *n + 1);
    for (size_t i = 0; i < *n; i++)
        (*out)[i] = (struct applied){.name = str_dup(a, pg_text(r, (int)i, 0)),
                                     .checksum = str_dup(a, pg_text(r, (int)i, 1))};
    return true;
}

static bool apply_in_transaction(struct pg *pg, const struct embedded *file, const char *checksum,
                                 struct err *err)
{
    const char *const row[] = {file->name, checksum};
    return database_do(pg, "BEGIN", NULL, 0, err) && database_do(pg, file->text, NULL, 0, err) &&
           database_do(pg, "RESET ROLE", NULL, 0, err) &&
           database_do(pg, "INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)", row, 2,
                       err) &&
           database_do(pg, "COMMIT", NULL, 0, err);
}

static bool apply(struct pg *pg, const struct embedded *file, struct err *err)
{
    auto_arena a = arena_new(1 << 20);
    const char *checksum = str_c(a, migration_checksum(a, file));
    if (apply_in_transaction(pg, file, checksum, err))
        return true;
    struct err ignored;
    (void)pg_rollback(pg, &ignored);
    return err_wrap(err, "migration %s failed and was taken back whole", file->name);
}

static const char create_table[] =
    "CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, checksum text NOT NULL,"
    " applied_at timestamptz NOT NULL DEFAULT now())";
/* Whoever migrated first, later ones come as the owner. */
static const char give_table[] =
    "DO $$ BEGIN"
    " IF EXISTS (SELECT FROM pg_tables WHERE tablename = 'schema_migrations'"
    "            AND schemaname = current_schema() AND tableowner <> 'postrider_owner')"
    "    AND EXISTS (SELECT FROM pg_roles WHERE rolname = 'postrider_owner') THEN"
    "  ALTER TABLE schema_migrations OWNER TO postrider_owner;"
    " END IF; END $$";

struct outcome {
    size_t before, applied, total;
};

static bool migrate(struct pg *pg, bool dry_run, struct outcome *done, struct buf *names,
                    struct err *err)
{
    auto_arena a = arena_new(4 << 20);
    struct applied *applied = NULL;
    size_t n, first;
    if (!read_applied(pg, a, &applied, &n, err) ||
        !migration_plan(sql_migrations, applied, n, &first, err))
        return false;
    done->before = first;
    if (!dry_run && sql_migrations[first].name && !database_do(pg, create_table, NULL, 0, err))
        return false;
    for (size_t i = first; sql_migrations[i].name; i++) {
        if (!dry_run && !apply(pg, &sql_migrations[i], err))
            return false;
        done->applied++;
        buf_put_c(names, sql_migrations[i].name);
        buf_putc(names, '\n');
    }
    done->total = done->before + done->applied;
    return dry_run || done->applied == 0 || database_do(pg, give_table, NULL, 0, err);
}

static void report(const struct outcome *done, struct str names, const struct cli_conf *conf,
                   struct buf *out)
{
    struct str name;
    struct json_out o = {.buf = out};
    if (conf->json) {
        json_open(&o, '{');
        json_put_bool(&o, "dry_run", conf->dry_run);
        json_put_int(&o, "already_applied", (int64_t)done->before);
        json_key_out(&o, conf->dry_run ? "would_apply" : "applied");
        json_open(&o, '[');
    }
    while (names.len) {
        (void)str_cut(names, '\n', &name, &names);
        if (conf->json)
            json_str(&o, name);
        else
            buf_putf(out, "%s %.*s\n", conf->dry_run ? "would apply" : "applied", STR_ARG(name));
    }
    if (conf->json) {
        json_close(&o, ']');
        json_close(&o, '}');
        buf_putc(out, '\n');
    } else if (done->applied == 0) {
        buf_putf(out, "nothing to do: all %zu migrations are applied\n", done->total);
    }
}

int migrate_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)argc, (void)argv;
    struct err err = {0};
    struct outcome done = {0};
    struct buf names, out;
    auto_pg pg = database_open(conf->database_url, TIMEOUT_MS, &err);
    if (!pg)
        return verb_fail("migrate", &err);
    buf_init(&names, 1 << 20);
    buf_init(&out, VERB_OUT_MAX);
    bool ok = take_lock(pg, &err) && migrate(pg, conf->dry_run, &done, &names, &err);
    // Also after a failure: what went in before it stays.
    if (ok || done.applied)
        report(&done, buf_str(&names), conf, &out);
    (void)verb_print(&out);
    buf_done(&names);
    buf_done(&out);
    return ok ? EXIT_OK : verb_fail("migrate", &err);
}
