/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* All clients, found by tenant: updates go in, and go out to those who are to have them. */
#include "arena.h"
#include "client.h"
#include "history.h"
#include "jwt_keys.h"
#include "jwt_token.h"
#include "notifier_conf.h"
#include "stats.h"

struct hub_opts {
    uv_loop_t *loop;
    const struct notifier_conf *conf;
    const struct token_keys *keys; /* whose tokens are good */
    const struct history *history;
    struct stats *stats;
    /* The last client has gone, after notifier_hub_stop. */
    void (*on_empty)(void *ctx);
    void *ctx;
};

/* Returns owned. */
struct hub *notifier_hub_new(const struct hub_opts *opts);
/* After its clients are gone, or to drop those that are left; the loop must run its closes. */
void notifier_hub_free(struct hub *h);
/* Close every client with 1001. */
void notifier_hub_stop(struct hub *h);

/* To all of the tenant's clients that want it; returns to how many. */
size_t notifier_hub_deliver(struct hub *h, struct packet *p);
/* Everything that was delivered has been handed to the sockets that take it. */
bool notifier_hub_is_flushed(const struct hub *h);
void notifier_hub_set_stalled(struct hub *h, bool stalled);
/* The ring of a partition (-1: of all) does not go on where it was. */
void notifier_hub_resync(struct hub *h, int32_t partition, const char *reason);

/* The topic has more partitions, and some tenants' updates now come in another one. */
void notifier_hub_rehome(struct hub *h);

/* May a client of this tenant (NULL: not known yet) come in? ERR_BUSY, ERR_LIMITED: no. */
bool notifier_hub_has_room(const struct hub *h, const struct uuid *tenant,
                           struct err *err) NODISCARD;
/* The same for a client that is in and counted, and now tells whose it is. */
bool notifier_hub_tenant_has_room(const struct hub *h, const struct uuid *tenant,
                                  struct err *err) NODISCARD;
size_t notifier_hub_clients(const struct hub *h);

/* --- for client.c ------------------------------------------------------------------------- */
struct tenant {
    struct uuid id;
    struct client *clients;
    size_t n;
    struct tenant *next; /* in its bucket */
};

#define TENANT_BUCKETS 4096

struct hub {
    struct hub_opts opts;
    struct conns *conns;
    struct arena *scratch; /* of one message or token */
    struct client *all;
    size_t n;
    struct tenant *tenants[TENANT_BUCKETS];
    struct packet *stalled, *pong; /* frames that are the same for all */
    bool is_stalled, is_stopping;
};

void notifier_hub_add(struct hub *h, struct client *c);
void notifier_hub_remove(struct hub *h, struct client *c);
/* Join and leave the tenant's list. */
void notifier_hub_join(struct hub *h, struct client *c, const struct uuid *tenant);
void notifier_hub_leave(struct hub *h, struct client *c);
