/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Rate limits: a token bucket for each account and for each pair of account and recipient, and the
 * count of who sent how much in which second. Pure: time is given. */
#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "str.h"

/* `burst` sends at once, refilled at per_minute; or with a window: all again when it ends. burst 0:
 * no limit. */
struct sim_bucket_size {
    int64_t burst, per_minute, window_ms;
};
struct sim_limit {
    struct sim_bucket_size account, pair;
};

struct sim_quota {
    bool is_limited;          /* there is a limit at all */
    bool is_refused, is_pair; /* pair: its limit is the one that refused */
    int64_t limit, remaining; /* of the account */
    int64_t wait_ms;          /* refused: until the next one is taken */
    int64_t reset_ms;         /* until the account's bucket is full again */
};

struct sim_quotas;
struct sim_quotas *sim_quotas_new(void); /* returns owned */
void sim_quotas_free(struct sim_quotas *q);
void sim_quotas_clear(struct sim_quotas *q); /* counts and buckets; limits stay */
/* Of a provider, or of one account of it (absent: all its others). */
void sim_quotas_limit(struct sim_quotas *q, struct str provider, struct str account,
                      const struct sim_limit *limit);
void sim_quotas_unlimit(struct sim_quotas *q);
/* Take one from the buckets of account and pair, or refuse. */
struct sim_quota sim_quotas_take(struct sim_quotas *q, struct str provider, struct str account,
                                 struct str to, int64_t now_ms);
/* A refusal named a wait, by a fault. */
void sim_quotas_told_to_wait(struct sim_quotas *q, struct str provider, struct str account,
                             int64_t until);
/* A send was accepted. */
void sim_quotas_count(struct sim_quotas *q, struct str provider, struct str account,
                      int64_t now_ms);
/* Array of accounts: accepted, refused, too_early (sends while the provider had said wait),
 * busiest_second. */
void sim_quotas_json(const struct sim_quotas *q, struct buf *out);
