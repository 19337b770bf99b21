/* SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"

#include <stdlib.h>

#include "clock.h"
#include "engine_impl.h"
#include "log.h"
#include "mem.h"

#define SWEEP_US INT64_C(10000000)
#define TIDY_US  INT64_C(3600000000)

/* --- calls ---------------------------------------------------------------------------------- */

static void on_answer(void *ctx, struct sender_call *call)
{
    struct sender_engine *e = ctx;
    struct sender_channel *ch = call->conversation->channel;
    const struct sender_answer *a = &call->answer;
    sender_channel_answered(e, ch, a);
    metric_add(metric_cell(e->opts.metrics, SENDER_METRIC_ANSWERS, ch->provider->name, a->class),
               1);
    if (a->is_refused_account)
        metric_add(metric_cell(e->opts.metrics, SENDER_METRIC_REFUSED, ch->provider->name), 1);
    if (call->started_us) {
        metric_observe_us(metric_cell(e->opts.metrics, SENDER_METRIC_CALL, ch->provider->name),
                          clock_us() - call->started_us);
        e->n_calls--;
    }
    sender_renew_not(e, call);
    ring_remove(&call->link);
    ring_push(&e->answered, &call->link);
    e->n_unstored++;
    sender_left(e, ch);
    sender_engine_pump(e);
}

static void start_call(struct sender_engine *e, struct sender_call *call, int64_t now_us)
{
    struct sender_conversation *c = call->conversation;
    metric_observe_us(e->waited[c->class], now_us - c->since_us);
    e->n_calls++;
    ring_push(&e->begun, &call->link);
    sender_call_start(call);
}

/* Those that take long: clients are told that they are being sent. */
static void announce(struct sender_engine *e, int64_t now_us)
{
    while (!ring_is_empty(&e->begun)) {
        struct sender_call *call = RING_OF(e->begun.next, struct sender_call, link);
        const struct sender_conversation *c = call->conversation;
        if (call->started_us + e->opts.conf->announce_after * 1000 > now_us)
            return;
        ring_remove(&call->link);
        ring_push(&e->announced, &call->link);
        sender_results_tell(e->opts.results,
                            &(struct sender_result){.tenant_id = c->channel->tenant->id,
                                                    .channel_id = c->channel->id,
                                                    .conversation_id = c->id,
                                                    .message_id = call->message_id,
                                                    .provider = c->channel->provider->name,
                                                    .trace = c->trace,
                                                    .at_ms = clock_at_ms()});
    }
}

static void give_up_waiting(struct sender_engine *e)
{
    struct sender_call *call;
    while ((call = sender_heap_pop(&e->starts)))
        sender_call_give_up(call);
}

/* --- the turn ------------------------------------------------------------------------------- */

static void on_time(uv_timer_t *timer)
{
    sender_engine_pump(timer->data);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void arm(struct sender_engine *e)
{
    int64_t at_us = earlier(sender_queue_next_us(e->queue), sender_heap_next_us(&e->wakes));
    at_us = earlier(at_us, sender_heap_next_us(&e->starts));
    at_us = earlier(at_us, e->sweep_at_us);
    if (e->n_calls && !e->n_renewing)
        at_us = earlier(at_us, e->renew_at_us);
    if (e->outage_until_us > clock_us())
        at_us = earlier(at_us, e->outage_until_us);
    if (!ring_is_empty(&e->begun))
        at_us = earlier(at_us, RING_OF(e->begun.next, struct sender_call, link)->started_us +
                                   e->opts.conf->announce_after * 1000);
    int64_t in_us = at_us - clock_us();
    uv_update_time(e->opts.loop);
    (void)uv_timer_start(e->timer, on_time, in_us > 0 ? (uint64_t)(in_us + 999) / 1000 : 0, 0);
}

static void tidy(struct sender_engine *e, int64_t now_us)
{
    if (e->sweep_at_us > now_us)
        return;
    e->sweep_at_us = now_us + SWEEP_US;
    sender_queue_sweep(e->queue, now_us);
    if (e->tidy_at_us > now_us || e->outage_until_us > now_us || e->is_stopping)
        return;
    e->tidy_at_us = now_us + TIDY_US;
    sender_store_tidy(e->store);
}

static void show(struct sender_engine *e)
{
    int64_t n_open = 0;
    for (const struct sender_peer *h = e->hosts; h; h = h->next)
        n_open += sender_breaker_is_open(&h->breaker);
    metric_set(metric_cell(e->opts.metrics, SENDER_METRIC_BREAKERS), n_open);
    metric_set(metric_cell(e->opts.metrics, SENDER_METRIC_IN_FLIGHT), e->n_in_flight);
    metric_set(metric_cell(e->opts.metrics, SENDER_METRIC_UNSTORED), (int64_t)e->n_unstored);
    metric_set(metric_cell(e->opts.metrics, SENDER_METRIC_WAITING),
               (int64_t)sender_queue_size(e->queue));
}

static bool is_done(const struct sender_engine *e)
{
    for (int c = 0; c < SENDER_CLASSES; c++)
        if (e->lanes[c].is_under_way || e->lanes[c].is_unsure)
            return false;
    return !e->n_calls && !e->n_unstored && !e->n_renewing && !e->starts.n &&
           !e->loads.is_under_way && !e->asks.is_under_way;
}

static void turn(struct sender_engine *e)
{
    int64_t now_us = clock_us();
    struct sender_channel *ch;
    struct sender_call *call;
    sender_queue_turn(e->queue, now_us);
    while ((ch = sender_heap_due(&e->wakes, now_us))) {
        ch->is_timed = false;
        if (!ch->is_loading && !ch->pace.is_asking)
            sender_queue_unblock(e->queue, ch);
    }
    if (e->is_stopping)
        give_up_waiting(e);
    while ((call = sender_heap_due(&e->starts, now_us))) {
        int64_t at_us = sender_pace_start_us(&call->conversation->channel->pace, now_us);
        if (at_us > now_us)
            sender_heap_put(&e->starts, at_us, call);
        else
            start_call(e, call, now_us);
    }
    announce(e, now_us);
    sender_rounds(e, now_us);
    tidy(e, now_us);
}

void sender_engine_pump(struct sender_engine *e)
{
    e->is_wanted = true;
    if (e->is_pumping || e->is_empty)
        return;
    e->is_pumping = true;
    while (e->is_wanted) {
        e->is_wanted = false;
        turn(e);
    }
    e->is_pumping = false;
    show(e);
    arm(e);
    if (e->is_stopping && !e->is_empty && is_done(e)) {
        e->is_empty = true;
        (void)uv_timer_stop(e->timer);
        e->opts.on_empty(e->opts.ctx);
    }
}

void sender_engine_commands(struct sender_engine *e, const struct sender_command *commands,
                            size_t n)
{
    static const char *const names[] = {
        [WAKED_NEW] = "new", [WAKED_KNOWN] = "known", [WAKED_DROPPED] = "dropped"};
    int64_t counts[ARRAY_LEN(names)] = {0};
    for (size_t i = 0; i < n; i++)
        counts[sender_queue_wake(e->queue, &commands[i])]++;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (counts[i])
            metric_add(metric_cell(e->opts.metrics, SENDER_METRIC_RECEIVED, names[i]), counts[i]);
    sender_engine_pump(e);
}

/* --- life ----------------------------------------------------------------------------------- */

struct sender_engine *sender_engine_new(const struct sender_engine_opts *opts)
{
    const struct sender_conf *conf = opts->conf;
    struct sender_engine *e = xalloc(sizeof *e);
    e->opts = *opts;
    e->caller = (struct sender_caller){
        .exchange = {.fetch = opts->fetch,
                     .files = opts->files,
                     .timeout_ms = conf->call_timeout,
                     .answer_max_bytes = (size_t)conf->answer_max},
        .vault = opts->vault,
        .retry = {.first_ms = conf->retry_first,
                  .longest_ms = conf->retry_longest,
                  .attempts = (int)conf->retry_attempts,
                  .age_ms = conf->retry_age},
        .lease_ms = conf->lease,
        .on_answer = on_answer,
        .ctx = e,
    };
    e->queue = sender_queue_new((size_t)conf->waiting, (size_t)conf->waiting_per_channel);
    e->store = sender_store_new(opts->pool, conf->lease, conf->ask_after);
    ring_init(&e->begun);
    ring_init(&e->announced);
    ring_init(&e->answered);
    e->outage = (struct backoff){.base_ms = 50, .cap_ms = 2000};
    for (int c = 0; c < SENDER_CLASSES; c++) {
        static const char *const names[] = {[CLASS_REPLY] = "reply", [CLASS_BULK] = "bulk"};
        e->lanes[c].engine = e;
        e->lanes[c].class = (enum sender_class)c;
        e->waited[c] = metric_cell(opts->metrics, SENDER_METRIC_WAITED, names[c]);
    }
    e->timer = xalloc(sizeof *e->timer);
    (void)uv_timer_init(opts->loop, e->timer);
    e->timer->data = e;
    sender_engine_pump(e);
    return e;
}

void sender_engine_stop(struct sender_engine *e)
{
    if (e->is_stopping)
        return;
    e->is_stopping = true;
    log_info("finishing calls", kv_int("calls", e->n_calls),
             kv_int("unstored", (int64_t)e->n_unstored));
    sender_engine_pump(e);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void free_calls(struct ring *list)
{
    while (!ring_is_empty(list)) {
        struct sender_call *call = RING_OF(list->next, struct sender_call, link);
        ring_remove(&call->link);
        sender_call_free(call);
    }
}

void sender_engine_free(struct sender_engine *e)
{
    if (!e)
        return;
    struct sender_call *call;
    uv_close((uv_handle_t *)e->timer, on_closed);
    while ((call = sender_heap_pop(&e->starts)))
        sender_call_free(call);
    free_calls(&e->begun);
    free_calls(&e->announced);
    free_calls(&e->answered);
    for (size_t i = 0; i < e->n_storing; i++)
        sender_call_free(e->storing[i]);
    sender_heap_done(&e->starts);
    sender_heap_done(&e->wakes);
    free(e->loads.channels);
    free(e->asks.channels);
    sender_hosts_free(e);
    sender_queue_free(e->queue);
    sender_store_free(e->store);
    free(e);
}
