/* SPDX-License-Identifier: Apache-2.0 */
#include "backoff.h"

#include "crypto.h"

int64_t backoff_next_ms(struct backoff *b)
{
    int64_t top = b->base_ms > 0 ? b->base_ms : 1;
    for (int i = 0; i < b->attempt && top < b->cap_ms; i++) {
        if (__builtin_mul_overflow(top, 2, &top))
            top = INT64_MAX;
    }
    if (top > b->cap_ms)
        top = b->cap_ms > 0 ? b->cap_ms : 1;
    // Past this the cap has long been reached; it keeps the count from running over.
    if (b->attempt < 64)
        b->attempt++;

    uint64_t draw;
    crypto_random(&draw, sizeof(draw));
    return (int64_t)(draw % (uint64_t)top) + 1;
}

void backoff_reset(struct backoff *b)
{
    b->attempt = 0;
}
