/* SPDX-License-Identifier: Apache-2.0 */
#include "throttle.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "mem.h"

#define SETS      4096 /* a power of two */
#define WAYS      8
#define KEY_MAX   600
#define MINUTE_MS 60000
#define FORGET_MS (60 * (int64_t)MINUTE_MS) /* failures, after so long without one */

struct entry {
    uint64_t key; /* 0: free */
    int64_t last_ms, until_ms;
    int32_t failures;
    bool is_good; /* has logged in here */
};

struct api_throttle {
    pthread_mutex_t lock;
    unsigned char seed[crypto_shorthash_KEYBYTES];
    struct entry entries[SETS][WAYS];
};

/* From so many failures on, each `step` more double the delay, which begins with a second. */
struct rule {
    const char *name;
    int from, step;
    int64_t most_ms;
};
static const struct rule of_pair = {"pair", 3, 1, 15 * (int64_t)MINUTE_MS};
static const struct rule of_address = {"address", 20, 5, 15 * (int64_t)MINUTE_MS};
static const struct rule of_account = {"account", 30, 10, MINUTE_MS / 2};

struct api_throttle *api_throttle_new(void)
{
    struct api_throttle *t = xalloc(sizeof *t);
    (void)pthread_mutex_init(&t->lock, NULL);
    crypto_random(t->seed, sizeof t->seed);
    return t;
}

void api_throttle_free(struct api_throttle *t)
{
    if (!t)
        return;
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

static bool is_worth_less(const struct entry *a, const struct entry *b)
{
    return a->is_good != b->is_good ? !a->is_good : a->last_ms < b->last_ms;
}

static struct entry *find(struct api_throttle *t, const struct rule *rule, struct str account,
                          struct str address, int64_t now_ms)
{
    char text[KEY_MAX];
    uint64_t key;
    int n = snprintf(text, sizeof text, "%s\n%.*s\n%.*s", rule->name, STR_ARG(account),
                     STR_ARG(address));
    size_t len = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    (void)crypto_shorthash((unsigned char *)&key, (const unsigned char *)text, len, t->seed);
    key = key ? key : 1;
    struct entry *set = t->entries[key & (SETS - 1)], *least = &set[0];
    for (int i = 0; i < WAYS; i++) {
        struct entry *e = &set[i];
        if (e->key == key) {
            if (now_ms - e->last_ms > FORGET_MS)
                e->failures = 0;
            return e;
        }
        if (least->key && (!e->key || is_worth_less(e, least)))
            least = e;
    }
    *least = (struct entry){.key = key, .last_ms = now_ms};
    return least;
}

static void count(struct entry *e, const struct rule *rule, int64_t now_ms)
{
    e->failures++;
    e->last_ms = now_ms;
    if (e->failures < rule->from)
        return;
    int doublings = (e->failures - rule->from) / rule->step;
    int64_t delay_ms = doublings < 20 ? (int64_t)1000 << doublings : rule->most_ms;
    e->until_ms = now_ms + (delay_ms < rule->most_ms ? delay_ms : rule->most_ms);
}

static bool may(const struct entry *e, int64_t now_ms, int64_t *wait_ms)
{
    if (e->until_ms <= now_ms)
        return true;
    *wait_ms = e->until_ms - now_ms;
    return false;
}

bool api_throttle_try(struct api_throttle *t, struct str account, struct str address,
                      int64_t now_ms, int64_t *wait_ms)
{
    (void)pthread_mutex_lock(&t->lock);
    struct entry *pair = find(t, &of_pair, account, address, now_ms);
    bool is_good = pair->is_good;
    bool ok = may(pair, now_ms, wait_ms);
    if (ok && !is_good) {
        // Looked for one after the other: a set may give up one for the other.
        ok = may(find(t, &of_address, STR("-"), address, now_ms), now_ms, wait_ms) &&
             may(find(t, &of_account, account, STR("-"), now_ms), now_ms, wait_ms);
    }
    if (ok)
        count(find(t, &of_pair, account, address, now_ms), &of_pair, now_ms);
    if (ok && !is_good) {
        count(find(t, &of_address, STR("-"), address, now_ms), &of_address, now_ms);
        count(find(t, &of_account, account, STR("-"), now_ms), &of_account, now_ms);
    }
    (void)pthread_mutex_unlock(&t->lock);
    return ok;
}

static void forgive(struct entry *e)
{
    e->failures -= e->failures > 0;
}

void api_throttle_succeeded(struct api_throttle *t, struct str account, struct str address,
                            int64_t now_ms)
{
    (void)pthread_mutex_lock(&t->lock);
    struct entry *pair = find(t, &of_pair, account, address, now_ms);
    bool was_good = pair->is_good;
    pair->failures = 0;
    pair->until_ms = 0;
    pair->is_good = true;
    if (!was_good) { // what the attempt was counted as
        forgive(find(t, &of_address, STR("-"), address, now_ms));
        forgive(find(t, &of_account, account, STR("-"), now_ms));
    }
    (void)pthread_mutex_unlock(&t->lock);
}
