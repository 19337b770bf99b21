/* SPDX-License-Identifier: Apache-2.0 */
#include "finding.h"

#include <inttypes.h>

#include "clock.h"
#include "mem.h"
#include "records.h"

#define PARTITIONS_MAX 4096
// Who keeps up is behind by what came in the last second or so.
#define LAG_ACCEPTED INT64_C(10000)
#define EXAMPLES_MAX 5

static int rank_of(struct str severity)
{
    static const char *const names[] = {"critical", "error", "warning", "info"};
    int i = 0;
    while (i < (int)ARRAY_LEN(names) && !str_eq_c(severity, names[i]))
        i++;
    return i;
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

struct finding *findings_read(struct arena *a, const struct pg_result *r,
                              const struct finding *more, size_t *n)
{
    struct finding *all = ARENA_ARRAY(a, struct finding, (size_t)pg_rows(r) + 1);
    *n = 0;
    for (int i = 0; i < pg_rows(r); i++) {
        struct finding f = finding_of(r, i);
        if (more && rank_of(f.severity) > rank_of(more->severity)) {
            all[(*n)++] = *more;
            more = NULL;
        }
        all[(*n)++] = f;
    }
    if (more)
        all[(*n)++] = *more;
    return all;
}

bool finding_is_bad(const struct finding *f)
{
    return rank_of(f->severity) <= rank_of(STR("error"));
}

void finding_put(struct json_out *o, const struct finding *f)
{
    json_open(o, '{');
    json_put_str(o, "check", f->check);
    json_put_str(o, "severity", f->severity);
    json_put_int(o, "count", f->count);
    json_put_raw(o, "examples", f->examples);
    json_put_str(o, "detail", f->detail);
    json_put_str(o, "command", f->command);
    json_close(o, '}');
}

/* --- Kafka ------------------------------------------------------------------------------------ */

struct behind {
    struct arena *arena;
    struct json_out examples;
    int64_t n;
};

static bool look_at_topic(struct behind *b, struct consumer *c, const char *topic,
                          int64_t timeout_ms, struct err *err)
{
    int64_t *lag = ARENA_ARRAY(b->arena, int64_t, PARTITIONS_MAX);
    int n = 0;
    if (!consumer_behind(c, topic, lag, PARTITIONS_MAX, &n, timeout_ms, err))
        return false;
    for (int p = 0; p < n; p++) {
        if (lag[p] <= LAG_ACCEPTED)
            continue;
        if (b->n++ < EXAMPLES_MAX)
            json_str(&b->examples, str_fmt(b->arena, "%s[%d]: %" PRId64, topic, p, lag[p]));
    }
    return true;
}

static bool look_at_group(struct behind *b, const struct finding_groups *g, const char *group,
                          const enum topic *topics, size_t n, int64_t until_ms, struct err *err)
{
    // It asks about the group and does not join it.
    const struct consumer_opts opts = {.kafka = g->kafka, .group = group};
    struct consumer *c = consumer_new(&opts, err);
    bool ok = c != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        struct str name = str_fmt(b->arena, "%s%s", g->topic_prefix, topic_name(topics[i]));
        ok = look_at_topic(b, c, str_c(b->arena, name), until_ms - clock_ms(), err);
    }
    consumer_free(c);
    return ok;
}

static const char *group_name(struct arena *a, const struct finding_groups *g, const char *set,
                              const char *of)
{
    return set[0] ? set : str_c(a, str_fmt(a, "%s%s", g->topic_prefix, of));
}

bool finding_of_kafka(struct arena *a, const struct finding_groups *g, struct finding *f,
                      struct err *err)
{
    static const enum topic routers[] = {TOPIC_INBOUND, TOPIC_RESULTS, TOPIC_QUARANTINE};
    static const enum topic senders[] = {TOPIC_OUTBOUND};
    int64_t until_ms = clock_ms() + g->timeout_ms;
    struct buf examples;
    buf_init(&examples, 1 << 16);
    struct behind b = {.arena = a, .examples = {.buf = &examples}};
    json_open(&b.examples, '[');
    bool ok = look_at_group(&b, g, group_name(a, g, g->router_group, "router"), routers,
                            ARRAY_LEN(routers), until_ms, err) &&
              look_at_group(&b, g, group_name(a, g, g->sender_group, "sender"), senders,
                            ARRAY_LEN(senders), until_ms, err);
    json_close(&b.examples, ']');
    if (ok)
        *f = (struct finding){
            .check = STR("partitions_behind"),
            .severity = STR("error"),
            .count = b.n,
            .examples = str_dup(a, buf_str(&examples)),
            .detail = STR("partitions whose records wait for a router (outbound: for a sender)"),
            .command = STR("start more of them, or see why they stand still: their /readyz and "
                           "log")};
    else
        *f = (struct finding){.check = STR("kafka"),
                              .severity = STR("error"),
                              .examples = STR("[]"),
                              .detail = STR("Kafka does not tell how far its readers are"),
                              .command = STR("postrider doctor")};
    buf_done(&examples);
    return !ok || b.n > 0;
}
