/* SPDX-License-Identifier: Apache-2.0 */
#include "limits.h"

#include <stdlib.h>

#include "crypto.h"
#include "mem.h"

#define SETS  1024
#define WAYS  4
#define TOKEN 1000 /* a bucket counts thousandths, so that a millisecond at 1/s is one */

struct bucket {
    uint64_t source; /* hash of the address; 0: free */
    int64_t level;
    int64_t at_ms;
};

struct ingest_sources {
    int64_t per_second;
    uint64_t salt; /* so that nobody can choose addresses that meet in one set */
    struct bucket buckets[SETS][WAYS];
};

struct ingest_sources *ingest_sources_new(int64_t per_second)
{
    struct ingest_sources *s = xalloc(sizeof *s);
    s->per_second = per_second;
    crypto_random(&s->salt, sizeof s->salt);
    return s;
}

void ingest_sources_free(struct ingest_sources *s)
{
    free(s);
}

/* Spread the bits of FNV-1a and the salt over the word (the finisher of MurmurHash3). */
static uint64_t mix(uint64_t h)
{
    h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    h ^= h >> 33;
    return h ? h : 1;
}

static struct bucket *find_bucket(struct ingest_sources *s, uint64_t source, int64_t now_ms)
{
    struct bucket *set = s->buckets[source % SETS];
    struct bucket *oldest = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].source == source)
            return &set[i];
        if (!set[i].source || (oldest->source && set[i].at_ms < oldest->at_ms))
            oldest = &set[i];
    }
    *oldest = (struct bucket){source, s->per_second * TOKEN, now_ms};
    return oldest;
}

bool ingest_sources_take(struct ingest_sources *s, struct str source, int64_t now_ms,
                         int64_t *wait_ms)
{
    struct bucket *b = find_bucket(s, mix(str_hash(source) ^ s->salt), now_ms);
    int64_t full = s->per_second * TOKEN;
    int64_t elapsed_ms = now_ms - b->at_ms;
    if (elapsed_ms >= 1000) // also keeps the product below small
        b->level = full;
    else
        b->level += elapsed_ms * s->per_second;
    if (b->level > full)
        b->level = full;
    b->at_ms = now_ms;
    if (b->level >= TOKEN) {
        b->level -= TOKEN;
        return true;
    }
    *wait_ms = (TOKEN - b->level + s->per_second - 1) / s->per_second;
    return false;
}
