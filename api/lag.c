/* SPDX-License-Identifier: Apache-2.0 */
#include "lag.h"

#include <assert.h>
#include <stdlib.h>

#include "api.h"
#include "clock.h"
#include "log.h"
#include "mem.h"

#define TIMEOUT_MS INT64_C(5000)
#define KEPT_MS    INT64_C(5000)
#define ANSWER_MAX ((size_t)1 << 20)

struct waiter {
    struct waiter *next;
    struct call *call;
    void (*then)(struct call *c, const struct finding *f);
};

struct api_lag {
    struct finding_groups groups;
    uv_loop_t *loop;
    uv_work_t work;
    struct waiter *waiting; /* in their calls' arenas */
    struct arena *arena;    /* of the answer; the thread's while is_busy */
    struct finding finding;
    bool has_finding, is_busy, is_freed;
    int64_t answered_ms; /* 0: never */
};

struct api_lag *api_lag_new(uv_loop_t *loop, const struct api_conf *conf)
{
    struct api_lag *l = xalloc(sizeof *l);
    l->loop = loop;
    l->work.data = l;
    l->arena = arena_new(ANSWER_MAX);
    l->groups = (struct finding_groups){
        .kafka = {conf->kafka_brokers, conf->kafka_properties, "postrider-api-check"},
        .topic_prefix = conf->topic_prefix,
        .router_group = conf->router_group,
        .sender_group = conf->sender_group,
        .timeout_ms = TIMEOUT_MS,
    };
    return l;
}

static void destroy(struct api_lag *l)
{
    arena_free(l->arena);
    free(l);
}

void api_lag_free(struct api_lag *l)
{
    if (!l)
        return;
    l->is_freed = true;
    l->waiting = NULL;
    if (!l->is_busy)
        destroy(l);
}

static void on_thread(uv_work_t *work)
{
    struct api_lag *l = work->data;
    struct err err = {0};
    arena_reset(l->arena);
    l->has_finding = finding_of_kafka(l->arena, &l->groups, &l->finding, &err);
    // The reason names brokers: it is the operator's.
    if (err.kind != ERR_NONE)
        log_warn("Kafka does not tell how far its readers are", kv_c("why", err.msg));
}

static void tell(const struct api_lag *l, struct call *c,
                 void (*then)(struct call *c, const struct finding *f))
{
    then(c, l->has_finding ? &l->finding : NULL);
}

static void on_done(uv_work_t *work, int status)
{
    (void)status; // nobody cancels it
    struct api_lag *l = work->data;
    l->is_busy = false;
    if (l->is_freed) {
        destroy(l);
        return;
    }
    l->answered_ms = clock_ms();
    struct waiter *w = l->waiting;
    l->waiting = NULL;
    while (w) {
        struct waiter *next = w->next; // its memory may go with its call
        tell(l, w->call, w->then);
        w = next;
    }
}

void api_lag_ask(struct call *c, void (*then)(struct call *c, const struct finding *f))
{
    struct api_lag *l = call_api(c)->lag;
    if (!l->is_busy && l->answered_ms && clock_ms() - l->answered_ms < KEPT_MS) {
        tell(l, c, then);
        return;
    }
    struct waiter *w = ARENA_NEW(call_arena(c), struct waiter);
    *w = (struct waiter){.next = l->waiting, .call = c, .then = then};
    l->waiting = w;
    if (l->is_busy)
        return;
    l->is_busy = true;
    int rc = uv_queue_work(l->loop, &l->work, on_thread, on_done);
    assert(rc == 0); // only a missing function is refused
    (void)rc;
}
