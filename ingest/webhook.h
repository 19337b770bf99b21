/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One webhook request: whose it is, whether it may come, whether it is genuine, what is in it; and
 * its answer, which is 200 only when Kafka has all of it. */
#include "http.h"
#include "limits.h"
#include "publish.h"
#include "secrets.h"

struct ingest_webhooks;

struct ingest_webhooks_opts {
    struct ingest_secrets *secrets; /* all borrowed */
    struct ingest_sources *sources; /* NULL: no rate per source */
    struct ingest_stats *stats;
    struct codec *codec;
    const char *topic_prefix;
    int64_t ack_timeout_ms;
    int64_t body_max_bytes;
    size_t max_in_flight;
};

/* Returns owned. */
struct ingest_webhooks *ingest_webhooks_new(const struct ingest_webhooks_opts *opts);
/* After server and producer are freed. */
void ingest_webhooks_free(struct ingest_webhooks *w);
/* Its publisher, for the producer's reports and the timer. */
struct ingest_publisher *ingest_webhooks_publisher(struct ingest_webhooks *w);

/* For the server: ctx is the ingest_webhooks. */
void ingest_webhooks_on_request(void *ctx, struct http_request *r);
void ingest_webhooks_on_done(void *ctx, struct http_request *r);
void ingest_webhooks_on_refused(void *ctx, int status);
