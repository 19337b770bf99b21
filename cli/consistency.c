/* SPDX-License-Identifier: Apache-2.0 */
/* `postrider consistency [--repair]`: what does not fit together. The checks are functions of the
 * database, which the api calls too; what only Kafka knows comes from its consumer group. */
#include <inttypes.h>

#include "database.h"
#include "finding.h"
#include "mem.h"
#include "topic_specs.h"

#define TIMEOUT_MS       60000
#define KAFKA_TIMEOUT_MS 20000

static void put_finding(struct buf *out, const struct finding *f, bool as_json, bool first)
{
    struct json_out o = {.buf = out, .comma = !first};
    if (as_json) {
        finding_put(&o, f);
        return;
    }
    buf_putf(out, "%-8.*s %-32.*s %" PRId64 "  %.*s\n", STR_ARG(f->severity), STR_ARG(f->check),
             f->count, STR_ARG(f->detail));
    buf_putf(out, "         e.g. %.*s\n         mend: %.*s\n", STR_ARG(f->examples),
             STR_ARG(f->command));
}

/* True: *f is a finding. */
static bool look_at_kafka(struct arena *a, const struct cli_conf *conf, struct finding *f)
{
    struct err err = {0};
    const struct finding_groups groups = {.kafka = kafka_opts_of(conf),
                                          .topic_prefix = conf->topic_prefix,
                                          .router_group = conf->router_group,
                                          .sender_group = conf->sender_group,
                                          .timeout_ms = KAFKA_TIMEOUT_MS};
    bool found = finding_of_kafka(a, &groups, f, &err);
    if (found && err.kind != ERR_NONE)
        f->detail = str_fmt(a, "%.*s: %s", STR_ARG(f->detail), err.msg);
    return found;
}

static int check(struct pg *pg, const struct cli_conf *conf, struct err *err)
{
    auto_arena a = arena_new(4 << 20);
    auto_result r = database_query(pg, FINDINGS_SQL, NULL, 0, err);
    if (!r)
        return verb_fail("consistency", err);
    struct buf out;
    struct finding kafka;
    size_t n = 0;
    bool bad = false;
    const struct finding *more = look_at_kafka(a, conf, &kafka) ? &kafka : NULL;
    const struct finding *all = findings_read(a, r, more, &n);
    buf_init(&out, VERB_OUT_MAX);
    if (conf->json)
        buf_putc(&out, '[');
    for (size_t i = 0; i < n; i++) {
        bad |= finding_is_bad(&all[i]);
        put_finding(&out, &all[i], conf->json, i == 0);
    }
    buf_put_c(&out, conf->json ? "]\n" : n ? "" : "everything fits together\n");
    bool ok = verb_print(&out);
    buf_done(&out);
    return ok && !bad ? EXIT_OK : EXIT_FAILED;
}

static int repair(struct pg *pg, const struct cli_conf *conf, struct err *err)
{
    static const char *const titles[] = {"check", "count"};
    auto_result r = database_query(pg, "SELECT * FROM consistency_repair()", NULL, 0, err);
    if (!r)
        return verb_fail("consistency", err);
    return database_show(r, titles, ARRAY_LEN(titles), conf->json);
}

int consistency_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)argc, (void)argv;
    struct err err = {0};
    auto_pg pg = database_open(conf->database_url, TIMEOUT_MS, &err);
    if (!pg)
        return verb_fail("consistency", &err);
    return conf->repair ? repair(pg, conf, &err) : check(pg, conf, &err);
}
