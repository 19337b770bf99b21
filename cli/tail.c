/* SPDX-License-Identifier: Apache-2.0 */
/* `postrider tail TOPIC`: a topic's records as JSON lines. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "crypto.h"
#include "json.h"
#include "mem.h"
#include "records.h"
#include "signals.h"
#include "topic_reader.h"

#define BATCH      200
#define RECORD_MAX (64 << 20)
/* At the end of a topic nothing comes for this long. Offsets alone do not tell: a transaction's
 * marker takes one and is never seen. */
#define QUIET_MS 2000

struct tail {
    const struct cli_conf *conf;
    struct topic_reader reader;
    struct codec *codec;
    struct arena *arena;
    struct buf out;
    int signals;
    int64_t printed;
    int64_t *next; /* per partition of the reader: first offset not seen */
};

/* "inbound", or the topic's whole name. */
static const char *whole_name(struct arena *a, const char *prefix, const char *word)
{
    for (int t = 0; t < TOPICS; t++)
        if (strcmp(word, topic_name((enum topic)t)) == 0)
            return str_c(a, str_fmt(a, "%s%s", prefix, word));
    return word;
}

static void put_headers(struct json_out *o, const struct record *r)
{
    static const char *const names[] = {"traceparent", "postrider-provider", "postrider-schema"};
    json_key_out(o, "headers");
    json_open(o, '{');
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct str v = record_header(r, names[i]);
        if (v.ptr)
            json_put_str(o, names[i], v);
    }
    json_close(o, '}');
}

static void put_record(struct tail *t, const struct record *r)
{
    struct json_out o = {.buf = &t->out};
    struct err err = {0};
    struct buf value;
    arena_reset(t->arena);
    buf_init(&value, VERB_OUT_MAX);
    json_open(&o, '{');
    json_put_str(&o, "topic", str_of(r->topic));
    json_put_int(&o, "partition", r->partition);
    json_put_int(&o, "offset", r->offset);
    json_put_time(&o, "timestamp", r->timestamp_at_ms);
    json_put_str(&o, "key", str_utf8(t->arena, r->key));
    put_headers(&o, r);
    if (decode_to_json(t->codec, t->arena, r->value, &value, &err)) {
        json_put_raw(&o, "value", buf_str(&value));
    } else {
        json_put_str(&o, "error", str_of(err.msg));
        json_put_str(&o, "value_base64", base64_encode(t->arena, r->value));
    }
    json_close(&o, '}');
    buf_putc(&t->out, '\n');
    buf_done(&value);
}

static void note_position(struct tail *t, const struct record *r)
{
    for (size_t i = 0; i < t->reader.n_parts; i++)
        if (t->reader.parts[i].partition == r->partition)
            t->next[i] = r->offset + 1;
}

static bool is_at_end(const struct tail *t)
{
    for (size_t i = 0; i < t->reader.n_parts; i++)
        if (t->next[i] < t->reader.parts[i].offset)
            return false;
    return true;
}

static bool is_enough(const struct tail *t)
{
    return t->conf->count > 0 && t->printed >= t->conf->count;
}

static bool print_batch(struct tail *t, struct record *records, int n)
{
    for (int i = 0; i < n; i++) {
        note_position(t, &records[i]);
        if (!is_enough(t)) {
            put_record(t, &records[i]);
            t->printed++;
        }
        record_free(&records[i]);
    }
    bool ok = verb_print(&t->out);
    buf_clear(&t->out);
    return ok;
}

static bool is_stopped(int signals)
{
    struct pollfd p = {.fd = signals, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static int loop(struct tail *t)
{
    struct record records[BATCH];
    struct err err = {0};
    int64_t quiet_since_ms = clock_ms();
    while (!is_stopped(t->signals) && !is_enough(t)) {
        int n = consumer_poll(t->reader.consumer, records, BATCH, 200, &err);
        if (n < 0)
            return verb_fail("tail", &err);
        if (n > 0) {
            quiet_since_ms = clock_ms();
            // Whoever read us has gone: that is an end like another.
            if (!print_batch(t, records, n))
                return EXIT_OK;
        }
        bool quiet = clock_ms() - quiet_since_ms > QUIET_MS;
        if (!t->conf->follow &&
            (is_at_end(t) || (quiet && consumer_is_connected(t->reader.consumer))))
            break;
    }
    return EXIT_OK;
}

int tail_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)argc;
    struct err err = {0};
    enum reader_from from;
    int64_t offset;
    if (!reader_from_parse(conf->from, &from, &offset, &err))
        return verb_fail("tail", &err);
    auto_arena names = arena_new(1 << 16);
    const char *name = whole_name(names, conf->topic_prefix, argv[0]);
    struct tail t = {.conf = conf, .signals = signals_open()};
    int status = EXIT_FAILED;
    if (topic_reader_open(&t.reader, conf, &name, 1, from, offset, &err))
        t.codec = codec_new(conf->schema_registry_url, conf->topic_prefix, &err);
    if (t.codec) {
        t.arena = arena_new(RECORD_MAX);
        t.next = arena_alloc(names, sizeof *t.next * (t.reader.n_parts + 1));
        buf_init(&t.out, VERB_OUT_MAX * 4);
        status = loop(&t);
        buf_done(&t.out);
        arena_free(t.arena);
    } else {
        status = verb_fail("tail", &err);
    }
    codec_free(t.codec);
    topic_reader_close(&t.reader);
    if (t.signals >= 0)
        (void)close(t.signals);
    return status;
}
