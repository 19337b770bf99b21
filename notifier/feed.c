/* SPDX-License-Identifier: Apache-2.0 */
#include "feed.h"

#include <assert.h>
#include <stdlib.h>

#include "backoff.h"
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "probe.h"
#include "reader.h"

#define TICK_MS          250
#define PROBE_TIMEOUT_MS 3000
#define RETRY_BASE_MS    100
#define RETRY_CAP_MS     2000

enum feed_state { FEED_LOCATING, FEED_FILLING, FEED_LIVE };

struct place {
    int64_t asked_at; /* where we were when the probe was sent */
    int64_t last_at;  /* where we were at the answer before */
    int64_t end;      /* of the log, by the last answer */
    int64_t target;   /* FILLING: read to here */
};

struct feed {
    struct feed_opts opts;
    char *topic;
    enum feed_state state;
    struct probe *probe;
    struct reader *reader; /* NULL: LOCATING */
    uv_timer_t tick;
    struct place *places;
    struct backoff backoff;
    int64_t next_probe_ms;
    int64_t healthy_ms; /* when all was last well */
    bool is_proven;     /* the log's ends were learned since the connection came back */
    bool is_behind;     /* the log went on and we did not */
    bool is_stalled;
    bool has_been_live;
    struct err why; /* of the last failure */
};

static int32_t n_partitions(const struct feed *f)
{
    return notifier_history_partitions(f->opts.history);
}

static struct ring *ring_of(const struct feed *f, int32_t partition)
{
    return notifier_history_ring(f->opts.history, partition);
}

static bool is_connected(const struct feed *f)
{
    return f->reader && notifier_reader_is_connected(f->reader);
}

/* The one place where the feed's state changes. */
static void set_state(struct feed *f, enum feed_state state)
{
    static const char *const names[] = {"locating", "filling", "live"};
    assert(state == FEED_LOCATING || state == f->state + 1);
    log_debug("feed state", kv_c("from", names[f->state]), kv_c("to", names[state]));
    f->state = state;
}

/* --- stalls ------------------------------------------------------------------------------- */

/* Anything may be wrong for a moment (a leader moves); clients hear of it when it lasts. They hear
 * that it is over when the log's end was seen again: a connection alone reads nothing. */
static void judge(struct feed *f)
{
    int64_t now_ms = clock_ms();
    if (!is_connected(f))
        f->is_proven = false;
    if (f->is_proven && !f->is_behind)
        f->healthy_ms = now_ms;
    bool stalled = now_ms - f->healthy_ms > f->opts.conf->stall_after;
    if (stalled == f->is_stalled)
        return;
    f->is_stalled = stalled;
    if (stalled)
        log_warn("feed stalled", kv_c("topic", f->topic),
                 kv_c("reason", is_connected(f) ? f->why.msg : "no broker answers"));
    else
        log_info("feed resumed", kv_c("topic", f->topic));
    f->opts.on_stall(f->opts.ctx, stalled);
}

/* --- reading ------------------------------------------------------------------------------ */

static bool is_filled(const struct feed *f)
{
    for (int32_t i = 0; i < n_partitions(f); i++) {
        if (notifier_ring_next(ring_of(f, i)) < f->places[i].target)
            return false;
    }
    return true;
}

static void check_filled(struct feed *f)
{
    if (f->state != FEED_FILLING || !is_filled(f))
        return;
    set_state(f, FEED_LIVE);
    f->has_been_live = true;
    log_info("feed live", kv_c("topic", f->topic), kv_int("partitions", n_partitions(f)),
             kv_int("updates", (int64_t)notifier_history_records(f->opts.history)));
}

/* Give up this consumer; the probe finds out where to go on. */
static void fail(struct feed *f, const struct err *err)
{
    log_warn("consumer failed, opening another", kv_c("topic", f->topic), kv_c("error", err->msg));
    f->why = *err;
    f->is_proven = false;
    notifier_reader_free(TAKE(f->reader));
    set_state(f, FEED_LOCATING);
    f->next_probe_ms = clock_ms() + backoff_next_ms(&f->backoff);
}

static size_t on_update(void *ctx, struct packet *p)
{
    struct feed *f = ctx;
    return f->opts.on_update(f->opts.ctx, p);
}

static bool may_go_on(void *ctx)
{
    struct feed *f = ctx;
    return f->opts.may_go_on(f->opts.ctx);
}

static void on_turn(void *ctx, const struct err *err)
{
    struct feed *f = ctx;
    if (err && err->kind == ERR_BUSY)
        f->why = *err; // told when it lasts
    else if (err)
        fail(f, err);
    else
        check_filled(f);
}

static bool open_reader(struct feed *f, struct err *err)
{
    f->reader = notifier_reader_new(&(struct reader_opts){.loop = f->opts.loop,
                                                          .conf = f->opts.conf,
                                                          .client_id = f->opts.client_id,
                                                          .topic = f->topic,
                                                          .history = f->opts.history,
                                                          .codec = f->opts.codec,
                                                          .stats = f->opts.stats,
                                                          .on_update = on_update,
                                                          .may_go_on = may_go_on,
                                                          .on_turn = on_turn,
                                                          .ctx = f},
                                    err);
    return f->reader && notifier_reader_assign(f->reader, err);
}

/* --- where the log is --------------------------------------------------------------------- */

/* Partitions that are new to us are read from their beginning, as all in them came after us; at
 * start from as far back as the rings hold. */
static void add_partitions(struct feed *f, const struct probe_answer *answer)
{
    int32_t old = n_partitions(f);
    notifier_history_grow(f->opts.history, answer->n);
    f->places = xrealloc(f->places, (size_t)answer->n * sizeof *f->places);
    int64_t share = (int64_t)notifier_history_share(f->opts.history);
    for (int32_t i = old; i < answer->n; i++) {
        int64_t start = answer->high[i] - share;
        if (old > 0 || start < answer->low[i])
            start = answer->low[i];
        notifier_history_restart(f->opts.history, i, start);
        f->places[i] = (struct place){.asked_at = start, .last_at = start, .end = answer->high[i]};
    }
    if (old == 0)
        return;
    log_info("topic has more partitions", kv_c("topic", f->topic), kv_int("before", old),
             kv_int("now", answer->n));
    f->opts.on_grow(f->opts.ctx);
}

/* A log that does not go on where we are: retention went past us, or it was cut or made anew. */
static bool restart_lost(struct feed *f, const struct probe_answer *answer)
{
    bool any = false;
    for (int32_t i = 0; i < n_partitions(f); i++) {
        const struct place *at = &f->places[i];
        bool is_cut = at->asked_at > answer->high[i];
        if (!is_cut && notifier_ring_next(ring_of(f, i)) >= answer->low[i])
            continue;
        log_error("log does not go on where it was read to, clients are told to resync",
                  kv_c("topic", f->topic), kv_int("partition", i), kv_int("at", at->asked_at),
                  kv_int("low", answer->low[i]), kv_int("high", answer->high[i]));
        notifier_history_restart(f->opts.history, i, is_cut ? answer->high[i] : answer->low[i]);
        f->opts.on_restart(f->opts.ctx, i, is_cut ? "log_cut" : "retention");
        any = true;
    }
    return any;
}

/* Did we stand still while there was something to read since the answer before? */
static void note_progress(struct feed *f, const struct probe_answer *answer)
{
    int64_t lag = 0;
    f->is_behind = false;
    for (int32_t i = 0; i < n_partitions(f); i++) {
        struct place *at = &f->places[i];
        int64_t here = notifier_ring_next(ring_of(f, i));
        if (here < at->end && here == at->last_at)
            f->is_behind = true;
        lag += answer->high[i] > here ? answer->high[i] - here : 0;
        at->last_at = here;
        at->end = answer->high[i];
    }
    metric_set(f->opts.stats->lag, lag);
    if (f->is_behind)
        err_set(&f->why, ERR_BUSY, "the topic goes on and nothing is read");
}

static bool follow(struct feed *f, const struct probe_answer *answer, struct err *err)
{
    bool is_new = answer->n > n_partitions(f);
    bool is_lost = restart_lost(f, answer);
    if (is_new)
        add_partitions(f, answer);
    if (f->state != FEED_LOCATING)
        return (!is_new && !is_lost) || notifier_reader_assign(f->reader, err);
    if (!open_reader(f, err))
        return false;
    for (int32_t i = 0; i < n_partitions(f); i++)
        f->places[i].target = answer->high[i];
    set_state(f, FEED_FILLING);
    check_filled(f);
    return true;
}

static void on_answer(void *ctx, const struct probe_answer *answer, const struct err *failure)
{
    struct feed *f = ctx;
    struct err err = {0};
    int64_t now_ms = clock_ms();
    if (failure) {
        if (f->is_proven || f->state == FEED_LOCATING)
            log_debug("the topic's ends are not known", kv_c("error", failure->msg));
        f->why = *failure;
        f->is_proven = false;
        f->next_probe_ms = now_ms + backoff_next_ms(&f->backoff);
        return;
    }
    if (answer->n < n_partitions(f)) {
        log_error("the topic has fewer partitions than before, ending to start anew",
                  kv_c("topic", f->topic));
        f->opts.on_fatal(f->opts.ctx);
        return;
    }
    if (!follow(f, answer, &err)) {
        fail(f, &err);
        return;
    }
    note_progress(f, answer);
    f->is_proven = is_connected(f);
    backoff_reset(&f->backoff);
    bool is_well = f->is_proven && !f->is_behind;
    f->next_probe_ms = now_ms + (is_well ? f->opts.conf->probe : TICK_MS);
    judge(f);
}

static void on_tick(uv_timer_t *tick)
{
    struct feed *f = tick->data;
    bool was_proven = f->is_proven;
    judge(f);
    if (was_proven && !f->is_proven)
        f->next_probe_ms = clock_ms() + TICK_MS;
    if (f->reader)
        notifier_reader_nudge(f->reader);
    if (clock_ms() >= f->next_probe_ms) {
        f->next_probe_ms = INT64_MAX; // until the answer
        for (int32_t i = 0; i < n_partitions(f); i++)
            f->places[i].asked_at = notifier_ring_next(ring_of(f, i));
        notifier_probe_ask(f->probe);
    }
    metric_set(f->opts.stats->ring_bytes, (int64_t)notifier_history_bytes(f->opts.history));
    metric_set(f->opts.stats->ring_records, (int64_t)notifier_history_records(f->opts.history));
}

/* --- life --------------------------------------------------------------------------------- */

static char *topic_of(const struct notifier_conf *conf)
{
    struct buf b;
    buf_init(&b, 1024);
    buf_put_c(&b, conf->topic_prefix);
    buf_put_c(&b, topic_name(TOPIC_UPDATES));
    char *topic = xstrndup(b.ptr, b.len);
    buf_done(&b);
    return topic;
}

struct feed *notifier_feed_new(const struct feed_opts *opts)
{
    struct feed *f = xalloc(sizeof *f);
    f->opts = *opts;
    f->topic = topic_of(opts->conf);
    f->backoff = (struct backoff){.base_ms = RETRY_BASE_MS, .cap_ms = RETRY_CAP_MS};
    f->healthy_ms = clock_ms();
    metric_set(opts->stats->lag, -1);
    err_set(&f->why, ERR_BUSY, "no broker has answered yet");
    f->probe = notifier_probe_new(&(struct probe_opts){
        .loop = opts->loop,
        .kafka = {.brokers = opts->conf->kafka_brokers,
                  .properties = opts->conf->kafka_properties,
                  .client_id = opts->client_id},
        .topic = f->topic,
        .timeout_ms = PROBE_TIMEOUT_MS,
        .on_answer = on_answer,
        .ctx = f,
    });
    (void)uv_timer_init(opts->loop, &f->tick);
    f->tick.data = f;
    (void)uv_timer_start(&f->tick, on_tick, 0, TICK_MS);
    return f;
}

static void on_tick_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void notifier_feed_free(struct feed *f)
{
    if (!f)
        return;
    notifier_probe_free(f->probe);
    notifier_reader_free(f->reader);
    free(f->places);
    free(f->topic);
    uv_close((uv_handle_t *)&f->tick, on_tick_closed);
}

bool notifier_feed_is_filled(const struct feed *f)
{
    return f->has_been_live;
}

void notifier_feed_not_ready(const struct feed *f, struct buf *why)
{
    if (f->state == FEED_LOCATING)
        buf_putf(why, "kafka: looking for the ends of %s: %s\n", f->topic, f->why.msg);
    else if (f->state == FEED_FILLING)
        buf_putf(why, "reading back the latest updates of %s\n", f->topic);
    if (f->reader && !is_connected(f))
        buf_put_c(why, "kafka: no broker answers\n");
    else if (f->is_stalled)
        buf_putf(why, "kafka: %s is stalled: %s\n", f->topic, f->why.msg);
}
