/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The scheduler: a thread of the sender that turns rows which are due into records.
 *
 *   outbox     what others than the router changed -> ObjectChanged; quarantine -> its topic again
 *   due rows   send_at or next_attempt_at reached, or claimed by nobody -> SendCommand
 *   leases     an attempt that ended without an answer -> SendResult uncertain;
 *              a stored answer whose SendResult did not come -> published again
 *   uncertain  after `uncertain_hold` the tenant's policy decides
 *   bulk       a bulk's recipients become messages as fast as their channel may send
 *   clean-up   rows that nobody needs any more
 *
 * All its state is in the database: any number of senders run it at once, rows are taken with SKIP
 * LOCKED, and what it publishes may come twice (commands and results are only ever news once). Its
 * loop may wait for the database and for delivery reports: nothing else runs on it. */
#include "buf.h"
#include "err.h"
#include "metric.h"

struct sender_conf;
struct sender_scheduler;

struct sender_scheduler_opts {
    const struct sender_conf
        *conf; /* constant after start; rows of scheduler_conf.def and the common ones */
    const char *instance;
    struct metrics *metrics; /* rows of scheduler_metric.def are among them */
    /* Messages a second that the channel may send now, by published limits and what was learnt;
     * called in the scheduler's thread. NULL: the setting bulk_rate. */
    double (*rate)(void *ctx, struct str provider, struct str account_type, struct str channel_id);
    void (*on_stopped)(void *ctx); /* from its thread: it has ended; what remains is _free */
    void *ctx;
};

/* Starts the thread; it waits for Kafka and PostgreSQL as long as it takes. Returns owned. */
struct sender_scheduler *sender_scheduler_new(const struct sender_scheduler_opts *opts,
                                              struct err *err);
/* Finish what is under way, end. Any thread. */
void sender_scheduler_stop(struct sender_scheduler *s);
bool sender_scheduler_has_stopped(const struct sender_scheduler *s); /* any thread */
/* It ended by itself: it cannot go on. Any thread. */
bool sender_scheduler_has_failed(const struct sender_scheduler *s);
/* Why it is not ready, a line each; any thread. */
void sender_scheduler_not_ready(const struct sender_scheduler *s, struct buf *why);
/* After it has stopped. */
void sender_scheduler_free(struct sender_scheduler *s);
