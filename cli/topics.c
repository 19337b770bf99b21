/* SPDX-License-Identifier: Apache-2.0 */
/* `postrider topics`. */
#include "json.h"
#include "topic_specs.h"

#define DAY_MS     ((int64_t)24 * 60 * 60 * 1000)
#define TIMEOUT_MS 30000

void topic_specs(struct arena *a, const char *prefix, int partitions, int replication,
                 struct topic_spec out[TOPICS])
{
    for (int t = 0; t < TOPICS; t++)
        out[t] = (struct topic_spec){
            .name = str_c(a, str_fmt(a, "%s%s", prefix, topic_name((enum topic)t))),
            .partitions = partitions,
            .replication = replication,
            // What was parked waits for a person; the rest is reread after an outage at most.
            .retention_ms = t == TOPIC_QUARANTINE ? 30 * DAY_MS : 7 * DAY_MS};
}

const char *topic_state_text(enum topic_state s)
{
    switch (s) {
    case TOPIC_OK:
        return "ok";
    case TOPIC_CREATED:
        return "created";
    case TOPIC_FEWER_PARTITIONS:
        return "fewer partitions";
    case TOPIC_MORE_PARTITIONS:
        return "more partitions";
    case TOPIC_MISSING:
        return "missing";
    }
    return "unknown";
}

bool topic_state_is_bad(enum topic_state s)
{
    return s == TOPIC_MISSING || s == TOPIC_FEWER_PARTITIONS;
}

struct kafka_opts kafka_opts_of(const struct cli_conf *conf)
{
    return (struct kafka_opts){.brokers = conf->kafka_brokers,
                               .properties = conf->kafka_properties,
                               .client_id = "postrider-cli"};
}

static const char *mend(enum topic_state s)
{
    switch (s) {
    case TOPIC_MISSING:
        return "missing: run `postrider topics` without --check";
    case TOPIC_FEWER_PARTITIONS:
        return "fewer partitions than asked for: adding some moves conversations to other "
               "partitions, so\nstop ingest, let the routers catch up, and add them with Kafka's "
               "tools; or ask for the\nnumber that is there";
    case TOPIC_MORE_PARTITIONS:
        return "more partitions than asked for: that does no harm";
    default:
        return NULL;
    }
}

/* Each piece of advice once, however many topics it is for. */
static void advise(const enum topic_state *states, struct buf *out)
{
    bool said[TOPIC_MISSING + 1] = {0};
    for (int t = 0; t < TOPICS; t++) {
        const char *text = mend(states[t]);
        if (text && !said[states[t]])
            buf_putf(out, "%s\n", text);
        said[states[t]] = true;
    }
}

static void report(const struct topic_spec *specs, const enum topic_state *states, bool json,
                   struct buf *out)
{
    struct json_out o = {.buf = out};
    if (json)
        json_open(&o, '[');
    for (int t = 0; t < TOPICS; t++) {
        if (!json) {
            buf_putf(out, "%-24s %s\n", specs[t].name, topic_state_text(states[t]));
            continue;
        }
        json_open(&o, '{');
        json_put_str(&o, "topic", str_of(specs[t].name));
        json_put_str(&o, "state", str_of(topic_state_text(states[t])));
        json_put_int(&o, "partitions_wanted", specs[t].partitions);
        json_close(&o, '}');
    }
    if (json) {
        json_close(&o, ']');
        buf_putc(out, '\n');
    } else {
        advise(states, out);
    }
}

int topics_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)argc, (void)argv;
    auto_arena a = arena_new(1 << 16);
    struct topic_spec specs[TOPICS];
    enum topic_state states[TOPICS] = {0};
    struct err err = {0};
    struct kafka_opts kafka = kafka_opts_of(conf);
    topic_specs(a, conf->topic_prefix, (int)conf->partitions, (int)conf->replication, specs);
    if (!kafka_topics(&kafka, specs, TOPICS, conf->check, states, TIMEOUT_MS, &err)) {
        err_wrap(&err, "Kafka at %s", conf->kafka_brokers);
        return verb_fail("topics", &err);
    }
    struct buf out;
    buf_init(&out, VERB_OUT_MAX);
    report(specs, states, conf->json, &out);
    bool ok = verb_print(&out);
    buf_done(&out);
    for (int t = 0; t < TOPICS; t++)
        ok &= !topic_state_is_bad(states[t]);
    return ok ? EXIT_OK : EXIT_FAILED;
}
