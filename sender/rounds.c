/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "clock.h"
#include "engine_impl.h"
#include "log.h"
#include "mem.h"

#define LOCKED_AGAIN_US  20000 /* somebody has the row for a moment */
#define REFUSED_AGAIN_US INT64_C(60000000)
#define BULK_SHARE       8 /* one in so many calls is kept for replies */

static void count_round(struct sender_engine *e, const char *what)
{
    metric_add(metric_cell(e->opts.metrics, SENDER_METRIC_ROUNDS, what), 1);
}

bool sender_round_failed(struct sender_engine *e, const char *what, const struct err *err)
{
    if (!err) {
        if (e->outage.attempt)
            log_info("the database takes rounds again");
        backoff_reset(&e->outage);
        e->outage_until_us = 0;
        return false;
    }
    if (!e->outage.attempt)
        log_warn("a round of the database failed", kv_c("round", what),
                 kv_c("kind", err_kind_name(err->kind)), kv_c("why", err->msg));
    metric_add(metric_cell(e->opts.metrics, SENDER_METRIC_ROUND_ERRORS, what), 1);
    e->outage_until_us = clock_us() + backoff_next_ms(&e->outage) * 1000;
    return true;
}

static void line_shift(struct sender_line *l)
{
    l->n -= l->n_sent;
    memmove(l->channels, l->channels + l->n_sent, l->n * sizeof(struct sender_channel *));
    l->n_sent = 0;
}

void sender_left(struct sender_engine *e, struct sender_channel *ch)
{
    ch->n_in_flight--;
    e->n_in_flight--;
    if (ch->is_blocked && !ch->is_timed && !ch->is_loading && !ch->pace.is_asking)
        sender_queue_unblock(e->queue, ch);
}

/* --- channels ------------------------------------------------------------------------------- */

static void on_loaded(void *ctx, const struct sender_channel_row *rows, size_t n,
                      const struct err *err)
{
    struct sender_engine *e = ctx;
    struct sender_line *l = &e->loads;
    l->is_under_way = false;
    if (sender_round_failed(e, "load", err)) {
        sender_engine_pump(e);
        return;
    }
    for (size_t i = 0; i < l->n_sent; i++) {
        struct sender_channel *ch = l->channels[i];
        static const struct sender_channel_row gone = {.per_minute = -1, .pair_per_minute = -1};
        const struct sender_channel_row *row = &gone; // then its claims find nothing
        for (size_t k = 0; k < n; k++)
            if (uuid_eq(rows[k].id, ch->id))
                row = &rows[k];
        ch->is_loading = false;
        sender_channel_know(e, ch, row);
        sender_queue_unblock(e->queue, ch);
    }
    line_shift(l);
    sender_engine_pump(e);
}

static void load(struct sender_engine *e)
{
    struct sender_line *l = &e->loads;
    struct uuid ids[SENDER_LOAD_MAX];
    if (l->is_under_way || !l->n)
        return;
    l->n_sent = l->n < SENDER_LOAD_MAX ? l->n : SENDER_LOAD_MAX;
    for (size_t i = 0; i < l->n_sent; i++)
        ids[i] = l->channels[i]->id;
    l->is_under_way = true;
    count_round(e, "load");
    sender_store_load(e->store, ids, l->n_sent, on_loaded, e);
}

/* --- slots ---------------------------------------------------------------------------------- */

static void count_slots(struct sender_engine *e, struct sender_pace *p, int reserved)
{
    metric_add(metric_cell(e->opts.metrics, SENDER_METRIC_SLOTS, "reserved"), reserved);
    metric_add(metric_cell(e->opts.metrics, SENDER_METRIC_SLOTS, "forfeited"), p->n_forfeited);
    p->n_forfeited = 0;
}

static void on_reserved(void *ctx, const struct sender_slots *slots, size_t n,
                        const struct err *err)
{
    struct sender_engine *e = ctx;
    struct sender_line *l = &e->asks;
    l->is_under_way = false;
    if (sender_round_failed(e, "reserve", err)) {
        sender_engine_pump(e);
        return;
    }
    int64_t now_us = clock_us();
    for (size_t i = 0; i < l->n_sent && i < n; i++) {
        struct sender_channel *ch = l->channels[i];
        sender_pace_grant(&ch->pace, now_us + slots[i].first_in_us, slots[i].n);
        count_slots(e, &ch->pace, slots[i].n);
        if (!ch->is_timed)
            sender_queue_unblock(e->queue, ch);
    }
    line_shift(l);
    sender_engine_pump(e);
}

static void reserve(struct sender_engine *e, int64_t now_us)
{
    struct sender_line *l = &e->asks;
    struct sender_ask asks[SENDER_RESERVE_MAX];
    if (l->is_under_way || !l->n)
        return;
    l->n_sent = l->n < SENDER_RESERVE_MAX ? l->n : SENDER_RESERVE_MAX;
    for (size_t i = 0; i < l->n_sent; i++) {
        struct sender_channel *ch = l->channels[i];
        struct sender_pace *p = &ch->pace;
        // What waits has changed since; the flag would keep the pace from wanting anything.
        p->is_asking = false;
        int wants = sender_pace_wants(p, now_us, sender_queue_waiting(ch));
        p->is_asking = true;
        int64_t step_us = sender_pace_step_us(p);
        asks[i] = (struct sender_ask){.channel = ch->id,
                                      .step_us = step_us > 0 ? step_us : 1,
                                      .burst_us = sender_pace_burst_us(p),
                                      .n = wants > 0 ? wants : 1};
        sender_channel_app_key(ch, asks[i].app_key);
    }
    l->is_under_way = true;
    count_round(e, "reserve");
    sender_store_reserve(e->store, asks, l->n_sent, on_reserved, e);
}

/* --- claims --------------------------------------------------------------------------------- */

static void count_claim(struct sender_engine *e, const char *what)
{
    metric_add(metric_cell(e->opts.metrics, SENDER_METRIC_CLAIMS, what), 1);
}

static void take_claim(struct sender_engine *e, struct sender_lane *lane, size_t i,
                       const struct sender_claim *claim)
{
    struct sender_conversation *c = lane->conversations[i];
    struct sender_channel *ch = c->channel;
    if (claim->channel)
        sender_channel_know(e, ch, claim->channel);
    if (claim->verdict == CLAIM_DONE) {
        count_claim(e, "claimed");
        struct sender_call *call =
            sender_call_new(&e->caller, c, claim, lane->began_ms, lane->slots_us[i]);
        sender_heap_put(&e->starts, lane->slots_us[i], call);
        return;
    }
    sender_channel_unused(e, ch, lane->slots_us[i]);
    sender_left(e, ch);
    int64_t now_us = clock_us();
    c->since_us = now_us;
    if (claim->verdict == CLAIM_EARLY) {
        count_claim(e, "early");
        sender_queue_put_off(e->queue, c, now_us + claim->early_us);
    } else if (claim->verdict == CLAIM_LOCKED) {
        count_claim(e, "locked");
        sender_queue_put_off(e->queue, c, now_us + LOCKED_AGAIN_US);
    } else {
        count_claim(e, "nothing");
        sender_queue_done(e->queue, c, false);
    }
}

static void put_back(struct sender_engine *e, struct sender_lane *lane)
{
    for (size_t i = lane->n; i-- > 0;) {
        struct sender_conversation *c = lane->conversations[i];
        sender_channel_unused(e, c->channel, lane->slots_us[i]);
        sender_queue_put_back(e->queue, c);
        sender_left(e, c->channel);
    }
    lane->n = 0;
}

/* The statement cannot be done for one of these rows: find it by going one by one, and leave it. */
static void isolate(struct sender_engine *e, struct sender_lane *lane, const struct err *err)
{
    if (lane->n > 1) {
        lane->n_alone = lane->n;
        put_back(e, lane);
        return;
    }
    struct sender_conversation *c = lane->conversations[0];
    char id[UUID_TEXT + 1];
    uuid_format(c->id, id);
    log_error("a conversation's messages cannot be claimed", kv_c("conversation", id),
              kv_c("why", err->msg));
    sender_channel_unused(e, c->channel, lane->slots_us[0]);
    sender_left(e, c->channel);
    sender_queue_put_off(e->queue, c, clock_us() + REFUSED_AGAIN_US);
    lane->n = 0;
}

static void on_claimed(void *ctx, const struct sender_claim *claims, size_t n,
                       const struct err *err)
{
    struct sender_lane *lane = ctx;
    struct sender_engine *e = lane->engine;
    lane->is_under_way = false;
    metric_observe_us(metric_cell(e->opts.metrics, SENDER_METRIC_CLAIM),
                      clock_us() - lane->began_us);
    if (sender_round_failed(e, "claim", err)) {
        if (err->kind == ERR_INVALID)
            isolate(e, lane, err);
        else if (err->kind == ERR_BUSY)
            lane->is_unsure = true;
        else
            put_back(e, lane);
    } else {
        for (size_t i = 0; i < n; i++)
            take_claim(e, lane, i, &claims[i]);
        lane->n = 0;
    }
    sender_engine_pump(e);
}

static void on_released(void *ctx, const struct err *err)
{
    struct sender_lane *lane = ctx;
    struct sender_engine *e = lane->engine;
    lane->is_under_way = false;
    if (!sender_round_failed(e, "release", err)) {
        lane->is_unsure = false;
        put_back(e, lane);
    }
    sender_engine_pump(e);
}

static bool may_take(void *ctx, struct sender_channel *ch, struct sender_conversation *c)
{
    struct sender_lane *lane = ctx;
    (void)c;
    return sender_channel_may(lane->engine, ch, lane->began_us, &lane->slots_us[lane->n]);
}

static void fill(struct sender_engine *e, struct sender_lane *lane, int64_t now_us)
{
    int room = (int)e->opts.conf->in_flight;
    size_t most = lane->n_alone ? 1 : (size_t)e->opts.conf->claim_batch;
    if (lane->class == CLASS_BULK)
        room -= room / BULK_SHARE;
    lane->began_us = now_us;
    struct sender_conversation *c;
    while (lane->n < most && e->n_in_flight < room &&
           (c = sender_queue_take(e->queue, lane->class, may_take, lane))) {
        lane->conversations[lane->n] = c;
        lane->wants[lane->n] =
            (struct sender_want){.conversation = c, .in_us = lane->slots_us[lane->n] - now_us};
        lane->n++;
        c->channel->n_in_flight++;
        e->n_in_flight++;
    }
}

static void claim(struct sender_engine *e, struct sender_lane *lane, int64_t now_us)
{
    if (lane->is_under_way)
        return;
    if (lane->is_unsure) {
        lane->is_under_way = true;
        count_round(e, "release");
        sender_store_release(e->store, lane->claim_id, lane->wants, lane->n, on_released, lane);
        return;
    }
    // Answers that cannot be stored are kept in memory: no more of them, then.
    if (e->is_stopping || e->n_unstored >= (size_t)e->opts.conf->in_flight)
        return;
    fill(e, lane, now_us);
    if (!lane->n)
        return;
    if (lane->n_alone)
        lane->n_alone--;
    lane->claim_id = uuid_v7(clock_at_ms());
    lane->began_ms = clock_ms();
    lane->is_under_way = true;
    count_round(e, "claim");
    sender_store_claim(e->store, lane->claim_id, lane->wants, lane->n, on_claimed, lane);
}

/* --- answers -------------------------------------------------------------------------------- */

static void tell(struct sender_engine *e, const struct sender_call *call)
{
    const struct sender_conversation *c = call->conversation;
    sender_results_tell(e->opts.results,
                        &(struct sender_result){.tenant_id = c->channel->tenant->id,
                                                .channel_id = c->channel->id,
                                                .conversation_id = c->id,
                                                .message_id = call->message_id,
                                                .provider = c->channel->provider->name,
                                                .trace = c->trace,
                                                .attempt = call->attempt,
                                                .at_ms = clock_at_ms(),
                                                .answer = &call->answer});
}

/* Its answer is safe: told, and the next one of its conversation may go. */
static void finish(struct sender_engine *e, struct sender_call *call, bool is_stored)
{
    struct sender_conversation *c = call->conversation;
    bool is_settled = call->answer.to == STATE_SENT || call->answer.to == STATE_FAILED;
    if (is_stored)
        tell(e, call);
    c->since_us = clock_us();
    sender_queue_done(e->queue, c, is_stored && is_settled && call->has_more);
    e->n_unstored--;
    sender_call_free(call);
}

static void store_again(struct sender_engine *e, const struct err *err)
{
    if (err->kind == ERR_INVALID && e->n_storing == 1) {
        log_error("an answer cannot be stored", kv_str("message_id", e->storing[0]->message_id),
                  kv_c("why", err->msg));
        finish(e, e->storing[0], false);
        e->n_storing = 0;
        return;
    }
    if (err->kind == ERR_INVALID)
        e->n_store_alone = e->n_storing;
    while (e->n_storing)
        ring_push_front(&e->answered, &e->storing[--e->n_storing]->link);
}

static void on_stored(void *ctx, const struct err *err)
{
    struct sender_engine *e = ctx;
    metric_observe_us(metric_cell(e->opts.metrics, SENDER_METRIC_STORE),
                      clock_us() - e->store_began_us);
    if (sender_round_failed(e, "store", err)) {
        store_again(e, err);
    } else {
        for (size_t i = 0; i < e->n_storing; i++)
            finish(e, e->storing[i], true);
        e->n_storing = 0;
    }
    sender_engine_pump(e);
}

static struct sender_told told_of(const struct sender_call *call)
{
    const struct sender_conversation *c = call->conversation;
    const struct sender_pace *p = &c->channel->pace;
    struct sender_told t = {.tenant_id = c->channel->tenant->id,
                            .channel_id = c->channel->id,
                            .conversation_id = c->id,
                            .message_id = call->message_id,
                            .attempt = call->attempt,
                            .status = call->status,
                            .burst_us = sender_pace_burst_us(p),
                            .pair_burst_us =
                                p->pair.burst > 1 ? (p->pair.burst - 1) * p->pair.step_us : 0,
                            .credentials_sha256 = call->credentials.sha256,
                            .answer = &call->answer};
    if (call->answer.pause_ms)
        sender_channel_app_key(c->channel, t.app_key);
    return t;
}

static void store(struct sender_engine *e)
{
    static const size_t most_of[] = {SENDER_ANSWER_MAX, 1};
    struct sender_told told[SENDER_ANSWER_MAX];
    if (e->n_storing || ring_is_empty(&e->answered))
        return;
    size_t most = most_of[e->n_store_alone > 0];
    while (e->n_storing < most && !ring_is_empty(&e->answered)) {
        struct sender_call *call = RING_OF(e->answered.next, struct sender_call, link);
        ring_remove(&call->link);
        told[e->n_storing] = told_of(call);
        e->storing[e->n_storing++] = call;
    }
    if (e->n_store_alone)
        e->n_store_alone--;
    e->store_began_us = clock_us();
    count_round(e, "store");
    sender_store_answers(e->store, told, e->n_storing, on_stored, e);
}

void sender_rounds(struct sender_engine *e, int64_t now_us)
{
    if (e->outage_until_us > now_us)
        return;
    store(e);
    sender_renew(e, now_us);
    for (int c = 0; c < SENDER_CLASSES; c++)
        claim(e, &e->lanes[c], now_us);
    if (e->is_stopping)
        return;
    load(e);
    reserve(e, now_us);
}
