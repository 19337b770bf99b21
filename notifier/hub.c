/* SPDX-License-Identifier: Apache-2.0 */
#include "hub.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "protocol.h"

/* One message's JSON tree, of at most client_frame_max bytes: a node for every two of them. */
#define SCRATCH_BYTES_PER_BYTE 64
#define SCRATCH_MIN            (256 * 1024)
#define BUSY_RETRY_MS          5000

/* --- tenants ------------------------------------------------------------------------------ */

static struct tenant **tenant_bucket(struct hub *h, const struct uuid *id)
{
    uint32_t x = 0;
    memcpy(&x, id->b + 12, sizeof x); // the end of a UUIDv7 is random
    return &h->tenants[(x * 0x9e3779b1U >> 16) % TENANT_BUCKETS];
}

static struct tenant *find_tenant(const struct hub *h, const struct uuid *id)
{
    struct tenant *t = *tenant_bucket((struct hub *)h, id);
    while (t && !uuid_eq(t->id, *id))
        t = t->next;
    return t;
}

void notifier_hub_join(struct hub *h, struct client *c, const struct uuid *tenant)
{
    struct tenant *t = find_tenant(h, tenant);
    if (!t) {
        struct tenant **bucket = tenant_bucket(h, tenant);
        t = xalloc(sizeof *t);
        t->id = *tenant;
        t->next = *bucket;
        *bucket = t;
    }
    c->tenant = t;
    c->tenant_prev = NULL;
    c->tenant_next = t->clients;
    if (t->clients)
        t->clients->tenant_prev = c;
    t->clients = c;
    t->n++;
}

static void free_tenant(struct hub *h, struct tenant *t)
{
    struct tenant **at = tenant_bucket(h, &t->id);
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    free(t);
}

void notifier_hub_leave(struct hub *h, struct client *c)
{
    struct tenant *t = c->tenant;
    if (!t)
        return;
    if (c->tenant_prev)
        c->tenant_prev->tenant_next = c->tenant_next;
    else
        t->clients = c->tenant_next;
    if (c->tenant_next)
        c->tenant_next->tenant_prev = c->tenant_prev;
    c->tenant_prev = c->tenant_next = NULL;
    c->tenant = NULL;
    if (--t->n == 0)
        free_tenant(h, t);
}

/* --- all clients -------------------------------------------------------------------------- */

void notifier_hub_add(struct hub *h, struct client *c)
{
    c->next = h->all;
    if (h->all)
        h->all->prev = c;
    h->all = c;
    metric_set(h->opts.stats->clients, (int64_t)++h->n);
}

void notifier_hub_remove(struct hub *h, struct client *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        h->all = c->next;
    if (c->next)
        c->next->prev = c->prev;
    metric_set(h->opts.stats->clients, (int64_t)--h->n);
    if (h->is_stopping && h->n == 0 && h->opts.on_empty)
        h->opts.on_empty(h->opts.ctx);
}

static bool refuse(struct err *err, enum err_kind kind, const char *why)
{
    err_set(err, kind, "%s", why);
    err->retry_after_ms = BUSY_RETRY_MS;
    return false;
}

bool notifier_hub_tenant_has_room(const struct hub *h, const struct uuid *tenant, struct err *err)
{
    const struct tenant *t = find_tenant(h, tenant);
    if (t && t->n >= (size_t)h->opts.conf->tenant_max_clients)
        return refuse(err, ERR_LIMITED, "the tenant has all the connections it may have");
    return true;
}

bool notifier_hub_has_room(const struct hub *h, const struct uuid *tenant, struct err *err)
{
    if (h->is_stopping)
        return refuse(err, ERR_BUSY, "this instance is stopping");
    if (h->n >= (size_t)h->opts.conf->max_clients)
        return refuse(err, ERR_BUSY, "this instance has all the clients it takes");
    return !tenant || notifier_hub_tenant_has_room(h, tenant, err);
}

size_t notifier_hub_clients(const struct hub *h)
{
    return h->n;
}

/* --- updates ------------------------------------------------------------------------------ */

size_t notifier_hub_deliver(struct hub *h, struct packet *p)
{
    struct tenant *t = find_tenant(h, &p->subject.tenant);
    size_t n = 0;
    // An offer can close its client, the last one of the tenant takes the tenant with it.
    for (struct client *c = t ? t->clients : NULL, *next = NULL; c; c = next) {
        next = c->tenant_next;
        n += notifier_client_offer(c, p);
    }
    return n;
}

bool notifier_hub_is_flushed(const struct hub *h)
{
    return notifier_conns_are_flushed(h->conns);
}

void notifier_hub_set_stalled(struct hub *h, bool stalled)
{
    if (h->is_stalled == stalled)
        return;
    h->is_stalled = stalled;
    metric_set(h->opts.stats->stalled, stalled);
    if (stalled)
        metric_add(h->opts.stats->stalls, 1);
    for (struct client *c = h->all, *next = NULL; c; c = next) {
        next = c->next;
        notifier_client_feed_changed(c, stalled);
    }
}

void notifier_hub_resync(struct hub *h, int32_t partition, const char *reason)
{
    for (struct client *c = h->all, *next = NULL; c; c = next) {
        next = c->next;
        if (c->tenant && (partition < 0 || c->partition == partition))
            notifier_client_resync(c, reason);
    }
}

void notifier_hub_rehome(struct hub *h)
{
    for (struct client *c = h->all, *next = NULL; c; c = next) {
        next = c->next;
        if (c->tenant)
            notifier_client_rehome(c);
    }
}

/* --- life --------------------------------------------------------------------------------- */

struct hub *notifier_hub_new(const struct hub_opts *opts)
{
    struct hub *h = xalloc(sizeof *h);
    h->opts = *opts;
    size_t scratch = SCRATCH_MIN + (size_t)opts->conf->client_frame_max * SCRATCH_BYTES_PER_BYTE;
    h->scratch = arena_new(scratch);
    h->conns = notifier_conns_new(&(struct conns_opts){
        .loop = opts->loop,
        .events = &notifier_client_events,
        .queue_max_bytes = (size_t)opts->conf->client_queue_bytes,
        .message_max_bytes = (size_t)opts->conf->client_frame_max,
        .deliveries = opts->stats->deliveries,
        .bytes = opts->stats->sent_bytes,
        .latency = opts->stats->delivery,
    });
    h->stalled = notifier_protocol_error(
        "feed_stalled",
        STR("updates cannot be read at the moment; feed_resumed tells when they can"));
    h->pong = notifier_protocol_pong();
    return h;
}

void notifier_hub_stop(struct hub *h)
{
    h->is_stopping = true;
    for (struct client *c = h->all, *next = NULL; c; c = next) {
        next = c->next;
        notifier_conn_close(&c->conn, WEBSOCKET_GOING_AWAY, STR("the service restarts"));
    }
    if (h->n == 0 && h->opts.on_empty)
        h->opts.on_empty(h->opts.ctx);
}

void notifier_hub_free(struct hub *h)
{
    if (!h)
        return;
    h->opts.on_empty = NULL;
    for (struct client *c = h->all, *next = NULL; c; c = next) {
        next = c->next;
        notifier_conn_drop(&c->conn);
    }
    // on_gone comes from the loop, and refers to us until then.
    while (h->n > 0)
        (void)uv_run(h->opts.loop, UV_RUN_NOWAIT);
    notifier_conns_free(h->conns);
    notifier_packet_unref(h->stalled);
    notifier_packet_unref(h->pong);
    arena_free(h->scratch);
    free(h);
}
