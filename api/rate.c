/* SPDX-License-Identifier: Apache-2.0 */
#include "rate.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

#include "crypto.h"
#include "mem.h"

#define SETS 8192 /* a power of two */
#define WAYS 8

/* Levels are in thousandths of a call, so that a millisecond's share of any rate is a whole number.
 */
struct bucket {
    uint64_t key; /* 0: free */
    int64_t at_ms;
    int64_t level;
};

struct api_rates {
    pthread_mutex_t lock;
    unsigned char seed[crypto_shorthash_KEYBYTES]; /* keys hold addresses, which callers choose */
    struct bucket buckets[SETS][WAYS];
};

struct api_rates *api_rates_new(void)
{
    struct api_rates *r = xalloc(sizeof *r);
    (void)pthread_mutex_init(&r->lock, NULL);
    crypto_random(r->seed, sizeof r->seed);
    return r;
}

void api_rates_free(struct api_rates *r)
{
    if (!r)
        return;
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

static uint64_t hash(const struct api_rates *r, struct str key)
{
    uint64_t h;
    (void)crypto_shorthash((unsigned char *)&h, (const unsigned char *)key.ptr, key.len, r->seed);
    return h ? h : 1;
}

/* The key's bucket, or the one that is given up for it. */
static struct bucket *find(struct bucket set[WAYS], uint64_t key, int64_t now_ms, int64_t full)
{
    struct bucket *oldest = &set[0];
    for (int i = 0; i < WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (!set[i].key || (oldest->key && set[i].at_ms < oldest->at_ms))
            oldest = &set[i];
    }
    *oldest = (struct bucket){.key = key, .at_ms = now_ms, .level = full};
    return oldest;
}

bool api_rates_take(struct api_rates *r, struct str key, int64_t per_second, int64_t burst,
                    int cost, int64_t now_ms, struct api_rate *out)
{
    uint64_t h = hash(r, key);
    int64_t full = burst * 1000, want = (int64_t)cost * 1000;
    (void)pthread_mutex_lock(&r->lock);
    struct bucket *b = find(r->buckets[h & (SETS - 1)], h, now_ms, full);
    int64_t past_ms = now_ms > b->at_ms ? now_ms - b->at_ms : 0;
    int64_t filled = past_ms > full / per_second ? full : b->level + past_ms * per_second;
    b->level = filled < full ? filled : full;
    b->at_ms = now_ms;
    bool ok = b->level >= want;
    if (ok)
        b->level -= want;
    int64_t level = b->level;
    (void)pthread_mutex_unlock(&r->lock);
    *out = (struct api_rate){
        .limit = burst,
        .left = level / 1000,
        .reset_s = (full - level + per_second * 1000 - 1) / (per_second * 1000),
        .wait_ms = ok ? 0 : (want - level + per_second - 1) / per_second,
    };
    return ok;
}
