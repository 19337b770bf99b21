/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Kafka through librdkafka: a producer that tells when a record is durable, a consumer of batches,
 * transactions that bind the two, and topic administration.
 *
 * A producer or consumer belongs to one thread; librdkafka's own threads only wake its file
 * descriptor. Two exceptions: *_is_connected may be called from any thread, and producer_commit may
 * be given a consumer that another thread is polling, because it only asks that consumer's
 * librdkafka handle, which is thread safe, for the group's metadata. The consumer must outlive the
 * call.
 *
 * Nothing here retries what librdkafka already retries; an error that comes out is ERR_BUSY
 * (outage, wait), ERR_CONFLICT (fenced: another instance took over), ERR_LIMITED (queue full, then
 * retry_after_ms is set; or record too large), ERR_ABSENT (no such topic), ERR_DENIED, ERR_INVALID
 * (a setting), or ERR_FAULT. */
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "str.h"

struct kafka_opts {
    const char *brokers;
    const char
        *properties; /* more of librdkafka's, "a=b,c=d"; "\\," is a comma in a value; "": none */
    const char *client_id;
};

struct header {
    const char *name;
    struct str value;
};
#define HEADERS_MAX 8
/* A record whose key, value and headers are no larger passes the producer, the broker and a topic
 * of ours, however badly it compresses. */
#define KAFKA_RECORD_MAX ((size_t)2 * 1024 * 1024 - (size_t)16 * 1024)

/* *_is_connected is truthful for /readyz: false from the moment on that no broker connection is up,
 * also when idle, and true again when one is. librdkafka's threads keep it current; it costs a
 * load. */

/* --- producer ------------------------------------------------------------------------------- */
struct producer;

struct producer_opts {
    struct kafka_opts kafka;
    int64_t linger_ms;           /* never 0 under load: 124 us a request against 28 */
    int64_t delivery_timeout_ms; /* then on_delivery reports ERR_BUSY */
    const char *compression;     /* "lz4", "zstd", "none" */
    int64_t queue_max_bytes;
    const char *transactional_id; /* NULL: plain idempotent producer */
    /* Once for each accepted record, from producer_poll (also from flush, commit, abort and free,
     * which serve reports while they wait). err NULL: durable (acks=all). NULL: reports are
     * dropped. */
    void (*on_delivery)(void *ctx, void *opaque, const struct err *err);
    void *ctx;
};

struct record_out {
    const char *topic; /* with prefix */
    struct str key;
    struct str value;
    struct header headers[HEADERS_MAX];
    size_t n_headers;
    int32_t partition; /* -1: by key */
};

/* acks=all, idempotence on. Returns owned; NULL: err. Does not wait for a broker, except with a
 * transactional_id, where init_transactions blocks up to 10 s: ERR_BUSY, try again. A producer that
 * librdkafka gave up for good (a fatal error) is replaced inside by the next send or begin. */
struct producer *producer_new(const struct producer_opts *opts, struct err *err);
/* Waits for nothing: flush first. Undelivered records are reported as failed. */
void producer_free(struct producer *p);
/* Copies key, headers and value. `opaque` comes back in on_delivery. False: not accepted, and
 * on_delivery will not come; ERR_LIMITED: queue full, poll and try again. */
bool producer_send(struct producer *p, const struct record_out *rec, void *opaque,
                   struct err *err) NODISCARD;
/* The same, but takes `value` (from malloc), also on failure. */
bool producer_send_owned(struct producer *p, const struct record_out *rec, void *opaque,
                         struct err *err) NODISCARD;
/* Serve delivery reports; returns how many. blocks up to `timeout_ms`. */
int producer_poll(struct producer *p, int64_t timeout_ms);
/* Readable when producer_poll has work: for uv_poll. Drained by producer_poll. */
int producer_fd(struct producer *p);
size_t producer_queued(const struct producer *p);
/* blocks up to `timeout_ms`; false: records are left. */
bool producer_flush(struct producer *p, int64_t timeout_ms);
bool producer_is_connected(const struct producer *p);

/* --- consumer ------------------------------------------------------------------------------- */
struct consumer;

struct partition {
    const char *topic;
    int32_t partition;
    int64_t offset;
};

struct consumer_opts {
    struct kafka_opts kafka;
    const char *group;         /* NULL: no group, consumer_assign decides */
    const char *instance_id;   /* group.instance.id; NULL: dynamic membership */
    const char *assignor;      /* "range", "roundrobin", "cooperative-sticky" */
    const char *const *topics; /* to subscribe, n_topics; with a group. None: it does not join */
    size_t n_topics;
    bool read_committed;
    int64_t fetch_wait_ms;
    int64_t queue_max_bytes; /* prefetched, bounded: a few MiB */
    int64_t session_timeout_ms;
    /* From consumer_poll: partitions are being taken away. Finish or drop what is in flight of
     * them; after return they belong to others. */
    void (*on_revoke)(void *ctx, const struct partition *parts, size_t n);
    void (*on_assign)(void *ctx, const struct partition *parts, size_t n);
    void *ctx;
};

struct record {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_at_ms;
    struct str key, value; /* borrowed until record_free */
    void *handle;
};

/* Returns owned; NULL: err. Does not wait for a broker. A group whose positions transactions commit
 * needs read_committed. */
struct consumer *consumer_new(const struct consumer_opts *opts, struct err *err);
/* Leaves the group (unless static membership: then its partitions wait for the same instance), with
 * on_revoke for what it holds. Free all its records first. Blocks until the group has answered, a
 * few seconds at most; not at all without a connection. */
void consumer_free(struct consumer *c);
/* Up to `max` records into `out`; returns how many (0: none within timeout_ms). Serves rebalances,
 * so it must be called at least every few minutes, also while paused. blocks up to `timeout_ms`.
 * A consumer error that is not transient ends in *err and -1. Records of partitions that are
 * revoked during the call are not among `out`. Returns as soon as there is one record.
 *
 * A static member that is fenced (a broker that restarts in the middle of a join does that) loses
 * its partitions by on_revoke and joins anew within the next calls, at most every 5 s. After 16
 * times in a consumer's life it stays out, with ERR_CONFLICT: two processes may have one
 * instance_id. */
int consumer_poll(struct consumer *c, struct record *out, int max, int64_t timeout_ms,
                  struct err *err);
int consumer_fd(struct consumer *c); /* readable when consumer_poll has work */
void record_free(struct record *r);
struct str record_header(const struct record *r, const char *name); /* borrowed */
/* All assigned partitions, also those assigned while paused: fetch nothing, or go on. */
void consumer_pause(struct consumer *c);
void consumer_resume(struct consumer *c);
/* Go back to these positions (a batch that is to be read again). */
bool consumer_seek(struct consumer *c, const struct partition *parts, size_t n,
                   struct err *err) NODISCARD;
/* Without a group: read exactly these, from `offset` (>= 0). */
bool consumer_assign(struct consumer *c, const struct partition *parts, size_t n,
                     struct err *err) NODISCARD;
/* Go back to the committed positions of all assigned partitions (the first record where there are
 * none): what to do after ERR_CONFLICT from producer_commit. With read_committed it waits for the
 * end of a transaction that holds such positions. blocks up to 10 s. */
bool consumer_rewind(struct consumer *c, struct err *err) NODISCARD;
/* Commit; offset is the next one to read. blocks up to the request timeout. */
bool consumer_commit(struct consumer *c, const struct partition *parts, size_t n,
                     struct err *err) NODISCARD;
bool consumer_is_connected(const struct consumer *c);
/* Records behind the end of the assigned partitions, as last known; -1: unknown. */
int64_t consumer_lag(struct consumer *c);
/* Without a group: up to where a partition has been read. That is behind the last record that
 * consumer_poll returned or, once the end was reached, the end itself, which lies behind
 * transaction markers and aborted records too; before anything was read, where consumer_assign
 * began. -1: not assigned. */
int64_t consumer_position(const struct consumer *c, const char *topic, int32_t partition);
/* How many records of each partition of `topic` wait for the group of `c`, which need not join:
 * those that are held behind its committed position; of a partition without one, all. `behind` has
 * room for `max` partitions (more: ERR_LIMITED). blocks up to `timeout_ms`. */
bool consumer_behind(struct consumer *c, const char *topic, int64_t *behind, int max, int *n,
                     int64_t timeout_ms, struct err *err) NODISCARD;

/* --- transactions --------------------------------------------------------------------------- */
/* begin, send..., commit with the consumer's offsets: what was sent and the positions become
 * visible together or not at all. commit flushes, and blocks up to timeout_ms; with n 0, c may be
 * NULL. When it fails the transaction is over, and the kind says what to do:
 *
 * ERR_CONFLICT: fenced, the partitions moved on, or the outcome is not known. Drop the work and
 * read again what the group has not committed: consumer_rewind. Partitions that moved on come up in
 * on_revoke, and their new owner reads them. The next begin opens a new producer where that is
 * needed, which takes up to 10 s.
 *
 * Any other: it is certainly aborted, and the same records may be sent again from begin.
 *
 * After a send that fails within a transaction: producer_abort, then again from begin. */
bool producer_begin(struct producer *p, struct err *err) NODISCARD;
bool producer_commit(struct producer *p, struct consumer *c, const struct partition *offsets,
                     size_t n, int64_t timeout_ms, struct err *err) NODISCARD;
void producer_abort(struct producer *p);

/* --- administration ------------------------------------------------------------------------- */
struct topic_spec {
    const char *name;
    int partitions;
    int replication;
    int64_t retention_ms;
};
enum topic_state {
    TOPIC_OK,
    TOPIC_CREATED,
    TOPIC_FEWER_PARTITIONS,
    TOPIC_MORE_PARTITIONS,
    TOPIC_MISSING
};
/* Create the topics that are missing, cleanup by deletion after retention_ms, records up to 2 MiB
 * (check_only: none), report each. blocks up to `timeout_ms`. */
bool kafka_topics(const struct kafka_opts *opts, const struct topic_spec *specs, size_t n,
                  bool check_only, enum topic_state *states, int64_t timeout_ms,
                  struct err *err) NODISCARD;
/* Number of partitions of a topic; and the first and next offset of one. block up to `timeout_ms`.
 */
bool consumer_partitions(struct consumer *c, const char *topic, int *n, int64_t timeout_ms,
                         struct err *err) NODISCARD;
bool consumer_range(struct consumer *c, const char *topic, int32_t partition, int64_t *low,
                    int64_t *high, int64_t timeout_ms, struct err *err) NODISCARD;
