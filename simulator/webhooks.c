/* SPDX-License-Identifier: Apache-2.0 */
#include "webhooks.h"

#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "client.h"
#include "clock.h"
#include "mem.h"
#include "post.h"
#include "queue.h"

#define HEAD_MAX  4096
#define BODY_MAX  (4 << 20)
#define BATCH_MAX 1000
/* How long deliveries under way may take after Ctrl-C. */
#define GRACE_MS 5000

struct batch {
    struct sim_event events[BATCH_MAX];
    size_t n;
};

struct sim_run {
    const struct sim_conf *conf;
    const struct sim_cast *cast;
    struct sim_plan *plan;
    FILE *ledger;
    struct sim_client *client;
    struct sim_queue queue;
    struct sim_post_list posts;
    struct sim_totals totals;
    struct batch *batches; /* one per provider: events that wait for company */
    struct buf head, body;
    struct str host;
    uint64_t planned;
    int64_t started_us;
    bool stopping;
};

void sim_request(struct buf *head, struct buf *body, const struct sim_plan *plan,
                 const struct sim_provider *provider, const struct sim_secrets *secrets,
                 struct str host, const struct sim_event *events, size_t n)
{
    size_t before = body->len;
    provider->body(body, plan, events, n);
    struct str made = str_skip(buf_str(body), before);
    buf_put(head, "POST ", 5);
    provider->path(head, secrets, sim_plan_account(plan, events[0].account));
    buf_put(head, " HTTP/1.1\r\nHost: ", 17);
    buf_put_str(head, host);
    buf_put(head, "\r\n", 2);
    provider->proof(head, secrets, made);
    buf_put(head, "Content-Length: ", 16);
    sim_put_number(head, made.len);
    buf_put(head, "\r\n\r\n", 4);
}

static void post_batch(struct sim_run *r, size_t provider)
{
    struct batch *b = &r->batches[provider];
    buf_clear(&r->head);
    buf_clear(&r->body);
    sim_request(&r->head, &r->body, r->plan, r->cast->providers[provider],
                &r->cast->secrets[provider], r->host, b->events, b->n);
    sim_queue_put(&r->queue,
                  sim_post_new(&r->posts, b->events, b->n, buf_str(&r->head), buf_str(&r->body)));
    b->n = 0;
}

static bool plan_is_done(const struct sim_run *r)
{
    return r->conf->count > 0 && r->planned == (uint64_t)r->conf->count;
}

/* Plan until one more post is in the queue. False: there is nothing left to plan. */
static bool plan_post(struct sim_run *r)
{
    while (!plan_is_done(r)) {
        struct sim_event e;
        sim_plan_next(r->plan, &e);
        r->planned++;
        const struct sim_provider *p = sim_plan_account(r->plan, e.account)->provider;
        size_t provider = sim_cast_find(r->cast, p);
        struct batch *b = &r->batches[provider];
        size_t wanted =
            (size_t)r->conf->batch < p->batch_max ? (size_t)r->conf->batch : p->batch_max;
        b->events[b->n++] = e;
        if (b->n < wanted)
            continue;
        post_batch(r, provider);
        return true;
    }
    for (size_t i = 0; i < r->cast->n_providers; i++) {
        if (r->batches[i].n == 0)
            continue;
        post_batch(r, i);
        return true;
    }
    return false;
}

static bool is_due(const struct sim_run *r)
{
    if (r->conf->rate == 0)
        return true;
    int64_t elapsed_us = clock_us() - r->started_us;
    return (double)r->totals.posts <= (double)elapsed_us * (double)r->conf->rate / 1e6;
}

static struct sim_post *next(void *ctx)
{
    struct sim_run *r = ctx;
    if (r->stopping || !is_due(r))
        return NULL;
    while (sim_queue_room(&r->queue) && plan_post(r))
        ;
    struct sim_post *p = sim_queue_take(&r->queue);
    if (p)
        r->totals.posts++;
    return p;
}

static void on_try(void *ctx, struct sim_post *p, int status, int64_t latency_us)
{
    struct sim_run *r = ctx;
    (void)p;
    r->totals.tries++;
    r->totals.statuses[status]++;
    if (status >= 200 && status < 300)
        sim_latency_add(&r->totals.latency, latency_us);
}

static void settle(struct sim_run *r, struct sim_post *p)
{
    sim_ledger_settle(&r->totals, r->ledger, r->cast, r->plan, p);
    sim_post_free(&r->posts, p);
}

static void on_done(void *ctx, struct sim_post *p, bool acknowledged)
{
    struct sim_run *r = ctx;
    p->acknowledged += acknowledged;
    if (--p->copies == 0)
        settle(r, p);
}

struct sim_run *sim_run_new(const struct sim_conf *conf, const struct sim_cast *cast,
                            struct sim_plan *plan, FILE *ledger, struct err *err)
{
    struct sim_run *r = xalloc(sizeof *r);
    r->conf = conf;
    r->cast = cast;
    r->plan = plan;
    r->ledger = ledger;
    buf_init(&r->head, HEAD_MAX);
    buf_init(&r->body, BODY_MAX);
    r->host = str_skip(str_of(conf->ingest_url), strlen("http://"));
    if (str_ends(r->host, STR("/")))
        r->host.len--;
    r->batches = xalloc(sizeof *r->batches * cast->n_providers);
    sim_queue_init(&r->queue, (uint64_t)conf->seed, (uint32_t)conf->duplicates, conf->shuffle);
    r->client = sim_client_new(&(struct sim_client_opts){.url = str_of(conf->ingest_url),
                                                         .connections = (int)conf->connections,
                                                         .timeout_ms = conf->request_timeout,
                                                         .retry_base_ms = conf->retry_base,
                                                         .retry_cap_ms = conf->retry_cap,
                                                         .next = next,
                                                         .on_try = on_try,
                                                         .on_done = on_done,
                                                         .ctx = r},
                               err);
    if (!r->client) {
        sim_run_free(r);
        return NULL;
    }
    return r;
}

static bool is_finished(const struct sim_run *r)
{
    return plan_is_done(r) && !r->posts.first;
}

static bool has_signal(int fd)
{
    struct signalfd_siginfo info;
    return fd >= 0 && read(fd, &info, sizeof info) == (ssize_t)sizeof info;
}

/* While posts wait for their moment the loop turns once a millisecond. */
static int turn_ms(const struct sim_run *r)
{
    if (r->conf->rate == 0)
        return 10;
    return r->conf->rate >= 100 ? 1 : 10;
}

void sim_run_loop(struct sim_run *r, int signal_fd)
{
    int64_t give_up_at_ms = INT64_MAX;
    r->started_us = clock_us();
    do {
        sim_client_turn(r->client, turn_ms(r));
        if (!has_signal(signal_fd))
            continue;
        // The second signal ends the wait.
        give_up_at_ms = r->stopping ? 0 : clock_ms() + GRACE_MS;
        r->stopping = true;
    } while (!is_finished(r) && !(r->stopping && sim_client_busy(r->client) == 0) &&
             clock_ms() < give_up_at_ms);
    r->totals.elapsed_us = clock_us() - r->started_us;
    r->totals.duplicates = r->queue.repeats;
    while (r->posts.first)
        settle(r, r->posts.first);
}

const struct sim_totals *sim_run_totals(const struct sim_run *r)
{
    return &r->totals;
}

void sim_run_free(struct sim_run *r)
{
    if (!r)
        return;
    sim_client_free(r->client);
    while (r->posts.first)
        sim_post_free(&r->posts, r->posts.first);
    buf_done(&r->head);
    buf_done(&r->body);
    free(r->batches);
    free(r);
}
