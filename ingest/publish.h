/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* From a verified body to records in Kafka, and back to one verdict per request.
 *
 * A delivery is all records of one request. It settles exactly once: when every record is durable,
 * when one could not be delivered, or when the time is over; reports that come later are only
 * counted. It outlives its request until the last report. */
#include "kafka.h"
#include "records.h"
#include "route.h"
#include "stats.h"

struct ingest_publisher;
struct ingest_delivery;

struct ingest_publisher_opts {
    const char *topic_prefix;
    int64_t ack_timeout_ms;
    int64_t value_max_bytes; /* of one encoded record */
    struct codec *codec;     /* borrowed */
    struct ingest_stats *stats;
    /* A request's verdict; `err` NULL: all durable. Not called from within the functions below,
     * except ingest_publisher_expire and ingest_publisher_report. */
    void (*on_settled)(void *ctx, void *request, const struct err *err);
    void *ctx;
};

/* Returns owned. */
struct ingest_publisher *ingest_publisher_new(const struct ingest_publisher_opts *opts);
/* The producer whose reports come to ingest_publisher_report; borrowed, set once before use. */
void ingest_publisher_bind(struct ingest_publisher *p, struct producer *producer);
/* After the producer is freed: no report comes any more. */
void ingest_publisher_free(struct ingest_publisher *p);

/* What all records of one request share. */
struct ingest_envelope {
    const struct ingest_route *route;
    struct str traceparent;
    int64_t received_at_ms;
};

/* Start a delivery for `request`, with `n` units or one quarantine record. NULL: the records could
 * not be handed over; `err` has the verdict, on_settled is not called. */
struct ingest_delivery *ingest_publish_units(struct ingest_publisher *p,
                                             const struct ingest_envelope *e,
                                             const struct units *units, void *request,
                                             struct err *err);
/* `reason` is constant: it is also a metric's label. */
struct ingest_delivery *ingest_publish_quarantine(struct ingest_publisher *p,
                                                  const struct ingest_envelope *e,
                                                  const char *reason, struct str detail,
                                                  struct str body, struct str headers,
                                                  void *request, struct err *err);
/* The request is gone: no verdict wanted. */
void ingest_publisher_forget(struct ingest_publisher *p, struct ingest_delivery *d);

/* For the producer's on_delivery: ctx is the publisher, opaque its delivery. */
void ingest_publisher_report(void *ctx, void *opaque, const struct err *err);
/* Settle what has waited too long; call it a few times a second. */
void ingest_publisher_expire(struct ingest_publisher *p, int64_t now_ms);
/* Settle all that waits, now. */
void ingest_publisher_give_up(struct ingest_publisher *p);
/* Kafka may be connected and still not answer: a record waits for long, or the last verdict of late
 * was a failure. True for at most ack_timeout after the last failure, so that a balancer that
 * listens to /readyz gives us a new try. */
bool ingest_publisher_is_stalled(const struct ingest_publisher *p, int64_t now_ms);
/* Requests without a verdict. */
size_t ingest_publisher_waiting(const struct ingest_publisher *p);
