/* SPDX-License-Identifier: Apache-2.0 */
/* `postrider quarantine replay|drop`. What may be done is decided by functions of the database,
 * which the api calls too. */
#include <string.h>

#include "database.h"
#include "id.h"
#include "json.h"
#include "mem.h"
#include "tenant_id.h"

#define TIMEOUT_MS 60000

static const struct {
    const char *word, *says;
    bool is_fine;
} answers[] = {
    {"queued", "will be published again by the scheduler (of `postrider sender`)", true},
    {"replayed", "was replayed before", true},
    {"dropped", "is dropped", true},
    {"nobody", "belongs to an account that no tenant has connected: connect it first", false},
    {"absent", "is not in quarantine", false},
};

static bool read_id(const char *text, char id[UUID_TEXT + 1], struct err *err)
{
    struct uuid parsed;
    if (!uuid_parse(str_of(text), &parsed))
        return err_set(err, ERR_INVALID,
                       "'%.64s' is not a record's id: see `postrider quarantine list`", text);
    uuid_format(parsed, id);
    return true;
}

/* Rows of (id, word). */
static int report(const char *verb, const struct pg_result *r, bool as_json, bool wants_replay)
{
    static const char *const titles[] = {"id", "result"};
    struct buf out;
    buf_init(&out, VERB_OUT_MAX);
    int status = EXIT_OK;
    if (as_json)
        database_print(r, titles, ARRAY_LEN(titles), true, &out);
    for (int i = 0; i < pg_rows(r); i++) {
        for (size_t k = 0; k < ARRAY_LEN(answers); k++) {
            if (!str_eq_c(pg_text(r, i, 1), answers[k].word))
                continue;
            // A dropped record cannot be replayed, and the reverse.
            bool is_other = strcmp(answers[k].word, wants_replay ? "dropped" : "replayed") == 0;
            if (!answers[k].is_fine || is_other)
                status = EXIT_FAILED;
            if (!as_json)
                buf_putf(&out, "%.*s %s\n", STR_ARG(pg_text(r, i, 0)), answers[k].says);
        }
    }
    if (!as_json && pg_rows(r) == 0)
        buf_put_c(&out, "nothing waits\n");
    bool ok = verb_print(&out);
    buf_done(&out);
    if (status != EXIT_OK)
        (void)fprintf(stderr, "postrider %s: not done for all of them\n", verb);
    return ok ? status : EXIT_FAILED;
}

static int run(const char *verb, const struct cli_conf *conf, const char *sql,
               const char *const *values, int n, bool wants_replay)
{
    struct err err = {0};
    auto_pg pg = database_open(conf->database_url, TIMEOUT_MS, &err);
    if (!pg)
        return verb_fail(verb, &err);
    auto_result r = database_query(pg, sql, values, n, &err);
    return r ? report(verb, r, conf->json, wants_replay) : verb_fail(verb, &err);
}

int quarantine_replay_run(const struct cli_conf *conf, int argc, char **argv)
{
    // In the order in which they came; `limit` at a time.
    static const char many[] =
        "SELECT q.id, quarantine_replay(q.id) FROM (SELECT id FROM quarantine WHERE "
        "replayed_at IS NULL AND dropped_at IS NULL AND reason = $1 AND ($2::uuid IS NULL OR "
        "tenant_id = $2::uuid) ORDER BY received_at, topic, partition, \"offset\" "
        "LIMIT $3::bigint) q";
    struct err err = {0};
    char id[UUID_TEXT + 1], tenant[UUID_TEXT + 1], limit[24];
    if ((argc == 1) == (conf->reason[0] != '\0')) {
        err_set(&err, ERR_INVALID,
                "want either the ID of one record, or --reason REASON for all "
                "that wait for it");
        return verb_fail("quarantine replay", &err);
    }
    if (argc == 1) {
        if (!read_id(argv[0], id, &err))
            return verb_fail("quarantine replay", &err);
        const char *const values[] = {id};
        return run("quarantine replay", conf, "SELECT $1::uuid, quarantine_replay($1::uuid)",
                   values, 1, true);
    }
    if (conf->tenant[0] && !tenant_id_parse(conf->tenant, tenant, &err))
        return verb_fail("quarantine replay", &err);
    (void)snprintf(limit, sizeof limit, "%lld", (long long)conf->limit);
    const char *const values[] = {conf->reason, conf->tenant[0] ? tenant : NULL, limit};
    return run("quarantine replay", conf, many, values, 3, true);
}

int quarantine_drop_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)argc;
    struct err err = {0};
    char id[UUID_TEXT + 1];
    if (!read_id(argv[0], id, &err))
        return verb_fail("quarantine drop", &err);
    const char *const values[] = {id};
    return run("quarantine drop", conf, "SELECT $1::uuid, quarantine_drop($1::uuid)", values, 1,
               false);
}
