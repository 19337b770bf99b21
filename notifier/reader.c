/* SPDX-License-Identifier: Apache-2.0 */
#include "reader.h"

#include <assert.h>
#include <stdlib.h>

#include "kafka.h"
#include "log.h"
#include "mem.h"
#include "protocol.h"

#define CHUNK 32
/* One turn's reading: about this much is written to every client of a tenant before the next. */
#define TURN_RECORDS    256
#define TURN_BYTES      (128 * 1024)
#define TURN_DELIVERIES 20000
#define FETCH_WAIT_MS   100 /* the end of a partition is learned no sooner than this */
#define FETCH_QUEUE     (4 * 1024 * 1024)
/* An update is decoded, made valid UTF-8 (three times its size at worst) and encoded once. */
#define SCRATCH_BYTES (64 * 1024 * 1024)

struct reader {
    struct reader_opts opts;
    struct consumer *consumer; /* NULL: freed, the handle is being closed */
    uv_poll_t poll;
    struct record chunk[CHUNK];
    int chunk_n, chunk_i; /* what lies between has not been handled: its schema is awaited */
    struct arena *scratch;
};

static void on_readable(uv_poll_t *poll, int status, int events);

static struct ring *ring_of(const struct reader *r, int32_t partition)
{
    return notifier_history_ring(r->opts.history, partition);
}

/* --- records ------------------------------------------------------------------------------ */

static void drop_record(struct reader *r, const struct record *rec, const char *reason,
                        const struct err *err)
{
    notifier_stats_count(r->opts.stats, NOTIFIER_DROPPED, reason);
    log_warn("update dropped", kv_c("reason", reason), kv_int("partition", rec->partition),
             kv_int("offset", rec->offset), kv_c("error", err->msg));
}

/* NULL: *err says why; with ERR_BUSY the record is to be tried again. */
static struct packet *encode(struct reader *r, const struct record *rec, struct err *err)
{
    struct update u = {0};
    if (!decode_update(r->opts.codec, r->scratch, rec->value, &u, err))
        return NULL;
    struct str trace_id = traceparent_trace_id(record_header(rec, "traceparent"));
    return notifier_protocol_update(r->scratch, &u, (struct cursor){rec->partition, rec->offset},
                                    rec->timestamp_at_ms, trace_id, err);
}

/* What cannot be read is not passed over in silence: whose it is stands in the key. */
static struct packet *encode_lost(struct reader *r, const struct record *rec, const struct err *err)
{
    struct uuid tenant;
    bool is_known = uuid_parse(rec->key, &tenant);
    drop_record(r, rec, is_known ? "unreadable" : "no_tenant", err);
    if (!is_known)
        return NULL;
    return notifier_protocol_lost(&tenant, (struct cursor){rec->partition, rec->offset},
                                  rec->timestamp_at_ms);
}

/* False: not handled, try again. *deliveries grows. */
static bool handle(struct reader *r, const struct record *rec, size_t *deliveries, struct err *why)
{
    struct ring *ring = ring_of(r, rec->partition);
    if (rec->offset < notifier_ring_next(ring))
        return true; // read before; a log that begins anew is the probe's to notice
    struct err err = {0};
    struct packet *p = encode(r, rec, &err);
    if (!p && err.kind == ERR_BUSY) {
        *why = err;
        return false;
    }
    if (!p)
        p = encode_lost(r, rec, &err);
    if (p) {
        notifier_ring_push(ring, p);
        *deliveries += r->opts.on_update(r->opts.ctx, p);
        notifier_packet_unref(p);
    }
    metric_add(r->opts.stats->updates, 1);
    return true;
}

/* The rest of the chunk. False: it must wait. */
static bool handle_chunk(struct reader *r, size_t *bytes, size_t *deliveries, struct err *why)
{
    while (r->chunk_i < r->chunk_n) {
        struct record *rec = &r->chunk[r->chunk_i];
        bool handled = handle(r, rec, deliveries, why);
        arena_reset(r->scratch);
        if (!handled)
            return false;
        *bytes += rec->value.len;
        record_free(rec);
        r->chunk_i++;
    }
    r->chunk_i = r->chunk_n = 0;
    return true;
}

/* Behind the last record there may be transaction markers: the position passes them, and so does
 * the ring, or a cursor from another instance would look as if it lay ahead of the log. */
static void pass_markers(struct reader *r)
{
    for (int32_t i = 0; i < notifier_history_partitions(r->opts.history); i++)
        notifier_ring_advance(ring_of(r, i), consumer_position(r->consumer, r->opts.topic, i));
}

/* --- one turn ----------------------------------------------------------------------------- */

/* False: *err says why reading does not go on. */
static bool read_some(struct reader *r, struct err *err)
{
    size_t records = 0;
    size_t bytes = 0;
    size_t deliveries = 0;
    // What is left makes the descriptor readable again, and the flush before it keeps the loop
    // awake.
    while (records < TURN_RECORDS && bytes < TURN_BYTES && deliveries < TURN_DELIVERIES &&
           r->opts.may_go_on(r->opts.ctx)) {
        if (!handle_chunk(r, &bytes, &deliveries, err))
            return false;
        int n = consumer_poll(r->consumer, r->chunk, CHUNK, 0, err);
        if (n < 0)
            return false;
        r->chunk_n = n;
        records += (size_t)n;
        if (!handle_chunk(r, &bytes, &deliveries, err))
            return false;
        if (n == 0)
            pass_markers(r); // woken for nothing but an end
        if (n < CHUNK)
            break;
    }
    return true;
}

static void take_turn(struct reader *r)
{
    struct err err = {0};
    bool ok = read_some(r, &err);
    // A record that waits for its schema is for the nudge: trying at once would turn the loop idly.
    bool is_held = r->chunk_n > 0;
    if (is_held)
        (void)uv_poll_stop(&r->poll);
    else
        (void)uv_poll_start(&r->poll, UV_READABLE, on_readable);
    r->opts.on_turn(r->opts.ctx, ok ? NULL : &err);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct reader *r = poll->data;
    if (r->consumer)
        take_turn(r);
}

void notifier_reader_nudge(struct reader *r)
{
    if (r->chunk_n == 0)
        pass_markers(r);
    take_turn(r);
}

/* --- life --------------------------------------------------------------------------------- */

bool notifier_reader_assign(struct reader *r, struct err *err)
{
    size_t n = (size_t)notifier_history_partitions(r->opts.history);
    struct partition *parts = xalloc(n * sizeof *parts);
    for (size_t i = 0; i < n; i++)
        parts[i] = (struct partition){.topic = r->opts.topic,
                                      .partition = (int32_t)i,
                                      .offset = notifier_ring_next(ring_of(r, (int32_t)i))};
    bool ok = consumer_assign(r->consumer, parts, n, err);
    free(parts);
    return ok;
}

bool notifier_reader_is_connected(const struct reader *r)
{
    return consumer_is_connected(r->consumer);
}

struct reader *notifier_reader_new(const struct reader_opts *opts, struct err *err)
{
    struct consumer *consumer =
        consumer_new(&(struct consumer_opts){.kafka = {.brokers = opts->conf->kafka_brokers,
                                                       .properties = opts->conf->kafka_properties,
                                                       .client_id = opts->client_id},
                                             .read_committed = true,
                                             .fetch_wait_ms = FETCH_WAIT_MS,
                                             .queue_max_bytes = FETCH_QUEUE},
                     err);
    if (!consumer)
        return NULL;
    struct reader *r = xalloc(sizeof *r);
    r->opts = *opts;
    r->consumer = consumer;
    r->scratch = arena_new(SCRATCH_BYTES);
    int rc = uv_poll_init(opts->loop, &r->poll, consumer_fd(consumer));
    assert(rc == 0); // fails only for descriptors that cannot be polled
    r->poll.data = r;
    (void)uv_poll_start(&r->poll, UV_READABLE, on_readable);
    return r;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void notifier_reader_free(struct reader *r)
{
    if (!r)
        return;
    for (; r->chunk_i < r->chunk_n; r->chunk_i++)
        record_free(&r->chunk[r->chunk_i]);
    uv_close((uv_handle_t *)&r->poll, on_closed);
    consumer_free(TAKE(r->consumer));
    arena_free(r->scratch);
}
