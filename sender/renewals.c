/* SPDX-License-Identifier: Apache-2.0 */
/* A call that takes long, an upload in many pieces to a slow provider, keeps its claim: its lease
 * is renewed before it ends. So a lease that ended says that its sender is not there any more. */
#include "clock.h"
#include "engine_impl.h"

#define LEASE_PART 4 /* of a lease, after which it is renewed */

static int64_t part_us(const struct sender_engine *e)
{
    return e->opts.conf->lease * 1000 / LEASE_PART;
}

static void on_renewed(void *ctx, const bool *is_ours, size_t n, const struct err *err)
{
    struct sender_engine *e = ctx;
    bool is_failed = sender_round_failed(e, "renew", err);
    for (size_t i = 0; !is_failed && i < e->n_renewing; i++) {
        if (!e->renewing[i])
            continue;
        if (i < n && is_ours[i])
            sender_call_renewed(e->renewing[i], e->renew_began_ms);
        else
            sender_call_lost(e->renewing[i]);
    }
    e->n_renewing = 0;
    sender_engine_pump(e);
}

/* Those of a ring whose time has come. */
static void collect(struct sender_engine *e, const struct ring *calls, int64_t before_ms)
{
    for (struct ring *r = calls->next; r != calls && e->n_renewing < SENDER_RENEW_MAX;
         r = r->next) {
        struct sender_call *call = RING_OF(r, struct sender_call, link);
        if (call->leased_ms <= before_ms)
            e->renewing[e->n_renewing++] = call;
    }
}

void sender_renew(struct sender_engine *e, int64_t now_us)
{
    struct sender_lease leases[SENDER_RENEW_MAX];
    if (e->n_renewing || e->renew_at_us > now_us)
        return;
    int64_t now_ms = clock_ms();
    collect(e, &e->announced, now_ms - part_us(e) / 1000);
    collect(e, &e->begun, now_ms - part_us(e) / 1000);
    // Those for which there was no room are looked at when these are done.
    if (e->n_renewing < SENDER_RENEW_MAX)
        e->renew_at_us = now_us + part_us(e) / 2;
    if (!e->n_renewing)
        return;
    for (size_t i = 0; i < e->n_renewing; i++) {
        const struct sender_call *call = e->renewing[i];
        leases[i] = (struct sender_lease){call->conversation->channel->tenant->id, call->message_id,
                                          call->attempt};
    }
    e->renew_began_ms = now_ms;
    metric_add(metric_cell(e->opts.metrics, SENDER_METRIC_ROUNDS, "renew"), 1);
    sender_store_renew(e->store, leases, e->n_renewing, on_renewed, e);
}

void sender_renew_not(struct sender_engine *e, const struct sender_call *call)
{
    for (size_t i = 0; i < e->n_renewing; i++)
        if (e->renewing[i] == call)
            e->renewing[i] = NULL;
}
