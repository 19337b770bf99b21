/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Webhooks that were registered through a provider's API. Deliveries go to the path and with the
 * headers that were registered, but always to the ingest of the settings. */
#include "arena.h"
#include "str.h"

struct sim_hook {
    struct str provider, id;
    struct str account; /* only its events; absent: all */
    struct str source;  /* UniPile: "messaging"; absent: there is one only */
    struct str url;
    struct str
        headers; /* lines that each delivery has, each ended by CRLF; absent: the provider's */
    struct str detail; /* JSON of what else was said */
    int64_t at_ms;
    bool is_valid; /* X: the last question was answered rightly */
    bool is_gone;
};

struct sim_hooks;
struct sim_hooks *sim_hooks_new(void); /* returns owned */
void sim_hooks_free(struct sim_hooks *h);
void sim_hooks_clear(struct sim_hooks *h);
/* Adds or replaces the one of this provider and id; texts are copied. NULL: too many. */
struct sim_hook *sim_hooks_put(struct sim_hooks *h, const struct sim_hook *hook);
struct sim_hook *sim_hooks_get(struct sim_hooks *h, struct str provider, struct str id);
size_t sim_hooks_n(const struct sim_hooks *h);
struct sim_hook *sim_hooks_at(const struct sim_hooks *h, size_t i); /* those that are gone, too */
/* Where the messages of an account are reported; NULL: none registered. */
const struct sim_hook *sim_hooks_of(const struct sim_hooks *h, struct str provider,
                                    struct str account);
