/* SPDX-License-Identifier: Apache-2.0 */
/* `postrider consistency [--repair]`: what does not fit together. The checks are functions of the
 * database, which the api calls too; what only Kafka knows comes from its consumer group. */
#include <inttypes.h>
#include <string.h>

#include "database.h"
#include "json.h"
#include "kafka.h"
#include "mem.h"
#include "settings.h"
#include "topic_specs.h"

#define TIMEOUT_MS       60000
#define KAFKA_TIMEOUT_MS 5000
#define PARTITIONS_MAX   1024
// A router that keeps up is behind by what came in the last second or so.
#define LAG_ACCEPTED 10000

struct finding {
    struct str check, severity, detail, command;
    int64_t count;
    struct str examples; /* JSON array of texts */
};

static void put_finding(struct buf *out, const struct finding *f, bool as_json, bool first)
{
    struct json_out o = {.buf = out, .comma = !first};
    if (!as_json) {
        buf_putf(out, "%-8.*s %-32.*s %" PRId64 "  %.*s\n", STR_ARG(f->severity), STR_ARG(f->check),
                 f->count, STR_ARG(f->detail));
        buf_putf(out, "         e.g. %.*s\n         mend: %.*s\n", STR_ARG(f->examples),
                 STR_ARG(f->command));
        return;
    }
    json_open(&o, '{');
    json_put_str(&o, "check", f->check);
    json_put_str(&o, "severity", f->severity);
    json_put_int(&o, "count", f->count);
    json_put_raw(&o, "examples", f->examples);
    json_put_str(&o, "detail", f->detail);
    json_put_str(&o, "command", f->command);
    json_close(&o, '}');
}

static struct finding finding_of(const struct pg_result *r, int i)
{
    return (struct finding){.check = pg_text(r, i, 0),
                            .severity = pg_text(r, i, 1),
                            .count = pg_i64(r, i, 2),
                            .examples = pg_text(r, i, 3),
                            .detail = pg_text(r, i, 4),
                            .command = pg_text(r, i, 5)};
}

/* Partitions of `topic` that the router's group is behind in: their numbers as a JSON array. */
static bool partitions_behind(struct consumer *c, const char *topic, struct buf *examples,
                              int64_t *n_behind, struct err *err)
{
    int n = 0;
    if (!consumer_partitions(c, topic, &n, KAFKA_TIMEOUT_MS, err))
        return false;
    struct json_out o = {.buf = examples, .comma = *n_behind > 0};
    for (int32_t p = 0; p < n && p < PARTITIONS_MAX; p++) {
        int64_t low, high, at;
        char name[300];
        if (!consumer_range(c, topic, p, &low, &high, KAFKA_TIMEOUT_MS, err) ||
            !consumer_committed(c, topic, p, &at, KAFKA_TIMEOUT_MS, err))
            return false;
        int64_t lag = high - (at > low ? at : low);
        if (lag <= LAG_ACCEPTED)
            continue;
        (void)snprintf(name, sizeof name, "%s[%d]: %" PRId64, topic, p, lag);
        json_str(&o, str_of(name));
        ++*n_behind;
    }
    return true;
}

/* True: *f is a finding. A Kafka that does not answer is one too. */
static bool check_kafka(struct arena *a, const struct cli_conf *conf, struct finding *f)
{
    struct err err = {0};
    struct buf examples;
    int64_t n = 0;
    // It asks about the group and does not join it.
    struct consumer_opts opts = {.kafka = kafka_opts_of(conf),
                                 .group = str_c(a, str_fmt(a, "%srouter", conf->topic_prefix))};
    struct consumer *c = consumer_new(&opts, &err);
    const char *const topics[] = {"inbound", "results", "quarantine"};
    buf_init(&examples, 1 << 16);
    buf_putc(&examples, '[');
    bool ok = c != NULL;
    for (size_t i = 0; ok && i < ARRAY_LEN(topics); i++)
        ok = partitions_behind(c, str_c(a, str_fmt(a, "%s%s", conf->topic_prefix, topics[i])),
                               &examples, &n, &err);
    buf_putc(&examples, ']');
    *f = (struct finding){.check = STR("partitions_behind"),
                          .severity = STR("error"),
                          .count = n,
                          .examples = str_dup(a, buf_str(&examples)),
                          .detail = STR("partitions whose records wait for the router"),
                          .command = STR("start more routers, or see why they stand still: their "
                                         "/readyz and log")};
    if (!ok) {
        f->check = STR("kafka");
        f->examples = STR("[]");
        f->detail = str_dup(a, str_of(err.msg));
        f->command = STR("postrider doctor");
    }
    buf_done(&examples);
    consumer_free(c);
    return !ok || n > 0;
}

static bool is_bad(const struct finding *f)
{
    return str_eq_c(f->severity, "critical") || str_eq_c(f->severity, "error");
}

static int check(struct pg *pg, const struct cli_conf *conf, struct err *err)
{
    auto_arena a = arena_new(4 << 20);
    auto_result r = database_query(pg,
                                   "SELECT \"check\", severity, count, examples, detail, command "
                                   "FROM consistency_findings()",
                                   NULL, 0, err);
    if (!r)
        return verb_fail("consistency", err);
    struct buf out;
    buf_init(&out, VERB_OUT_MAX);
    int n = 0;
    bool bad = false;
    struct finding f;
    if (conf->json)
        buf_putc(&out, '[');
    for (int i = 0; i < pg_rows(r); i++) {
        f = finding_of(r, i);
        bad |= is_bad(&f);
        put_finding(&out, &f, conf->json, n++ == 0);
    }
    if (check_kafka(a, conf, &f)) {
        bad = true;
        put_finding(&out, &f, conf->json, n++ == 0);
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
    struct buf out;
    buf_init(&out, VERB_OUT_MAX);
    database_print(r, titles, ARRAY_LEN(titles), conf->json, &out);
    bool ok = verb_print(&out);
    buf_done(&out);
    return ok ? EXIT_OK : EXIT_FAILED;
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
