/* SPDX-License-Identifier: Apache-2.0 */
#include "calls.h"

#include <stdio.h>
#include <stdlib.h>

#include "api_conf.h"
#include "call_impl.h"
#include "clock.h"
#include "mem.h"
#include "stats.h"

#define ANSWER_MAX   ((size_t)16 << 20)
#define ARENA_FACTOR 64 /* of the largest body: json.h says why */
#define ARENA_MORE   ((size_t)8 << 20)
#define KEPT_CALLS   64

struct calls {
    struct api *api;
    struct call *idle, *done; /* done: its memory may still be looked at until this turn ends */
    struct call *live;
    int n_idle, n_under_way, max;
    struct metric_cell *duration, *under_way;
};

struct calls *api_calls_new(struct api *api, int calls_max)
{
    struct calls *s = xalloc(sizeof *s);
    s->api = api;
    s->max = calls_max;
    s->duration = metric_cell(api->metrics, API_METRIC_DURATION);
    s->under_way = metric_cell(api->metrics, API_METRIC_CALLS);
    return s;
}

struct api *api_calls_api(const struct calls *s)
{
    return s->api;
}

int api_calls_under_way(const struct calls *s)
{
    return s->n_under_way;
}

bool api_calls_are_too_many(const struct calls *s)
{
    return s->n_under_way > s->max;
}

static void call_free(struct call *c)
{
    if (c->op && c->op->is_secret) {
        arena_free_wiped(c->arena);
        if (c->buf.cap)
            crypto_wipe(c->buf.ptr, c->buf.cap);
    } else {
        arena_free(c->arena);
    }
    buf_done(&c->buf);
    free(c);
}

void api_calls_reap(struct calls *s)
{
    while (s->done) {
        struct call *c = s->done;
        s->done = c->next;
        if (s->n_idle >= KEPT_CALLS || (c->op && c->op->is_secret)) {
            call_free(c);
            continue;
        }
        arena_reset(c->arena);
        if (c->buf.cap > HTTP_BODY_SMALL) {
            buf_done(&c->buf);
            buf_init(&c->buf, ANSWER_MAX);
        }
        c->next = s->idle;
        s->idle = c;
        s->n_idle++;
    }
}

void api_calls_free(struct calls *s)
{
    if (!s)
        return;
    api_calls_reap(s);
    while (s->live) { // their work was cut off by the end
        struct call *c = s->live;
        s->live = c->live_next;
        call_free(c);
    }
    while (s->idle) {
        struct call *c = s->idle;
        s->idle = c->next;
        call_free(c);
    }
    free(s);
}

struct call *api_calls_take(struct calls *s)
{
    struct call *c = s->idle;
    if (c) {
        s->idle = c->next;
        s->n_idle--;
    } else {
        c = xalloc(sizeof *c);
        c->arena = arena_new((size_t)s->api->conf->body_max * ARENA_FACTOR + ARENA_MORE);
        buf_init(&c->buf, ANSWER_MAX);
    }
    *c = (struct call){.calls = s, .api = s->api, .arena = c->arena, .buf = c->buf};
    call_clear(c);
    c->live_next = s->live;
    if (s->live)
        s->live->live_prev = c;
    s->live = c;
    s->n_under_way++;
    metric_add(s->under_way, 1);
    return c;
}

static void drop_body(struct call *c)
{
    const struct api_body *taker = c->body_taker;
    c->body_taker = NULL;
    if (taker)
        taker->drop(c);
}

void api_calls_drop_bodies(struct calls *s)
{
    for (struct call *c = s->live; c; c = c->live_next)
        drop_body(c);
}

void api_call_done(struct call *c)
{
    struct calls *s = c->calls;
    drop_body(c);
    char code[8];
    (void)snprintf(code, sizeof code, "%d", c->status);
    metric_add(metric_cell(s->api->metrics, API_METRIC_REQUESTS, c->op ? c->op->id : "none", code),
               1);
    metric_observe_us(s->duration, clock_us() - c->since_us);
    metric_add(s->under_way, -1);
    s->n_under_way--;
    if (c->http) {
        *http_user(c->http) = NULL;
        http_wipe_header(c->http, "Authorization"); // where no operation has wanted it, too
        if (c->op && c->op->is_secret)
            http_wipe_body(c->http);
    }
    c->http = NULL;
    c->ended = true;
    *(c->live_prev ? &c->live_prev->live_next : &s->live) = c->live_next;
    if (c->live_next)
        c->live_next->live_prev = c->live_prev;
    c->next = s->done;
    s->done = c;
}
