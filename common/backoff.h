/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How long to wait before the next try: exponential with full jitter, capped. Pure but for the
 * random draw. */
#include <stdint.h>

struct backoff {
    int64_t base_ms, cap_ms;
    int attempt;
};
int64_t backoff_next_ms(struct backoff *b); /* in [1, min(cap, base * 2^attempt)] */
void backoff_reset(struct backoff *b);
