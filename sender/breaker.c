/* SPDX-License-Identifier: Apache-2.0 */
#include "breaker.h"

#define TRY_AGAIN_US 100000 /* to look again while the one message is under way */

void sender_breaker_init(struct sender_breaker *b, const struct sender_breaker_opts *opts)
{
    *b = (struct sender_breaker){.opts = *opts, .pause_us = opts->pause_us};
}

bool sender_breaker_is_open(const struct sender_breaker *b)
{
    return b->open_until_us != 0;
}

bool sender_breaker_may(struct sender_breaker *b, int64_t now_us)
{
    if (!b->open_until_us)
        return true;
    if (b->is_trying || now_us < b->open_until_us)
        return false;
    b->is_trying = true;
    return true;
}

int64_t sender_breaker_next_us(const struct sender_breaker *b, int64_t now_us)
{
    return b->open_until_us > now_us ? b->open_until_us : now_us + TRY_AGAIN_US;
}

void sender_breaker_unused(struct sender_breaker *b)
{
    b->is_trying = false;
}

void sender_breaker_tell(struct sender_breaker *b, bool has_failed, int64_t now_us)
{
    bool was_trying = b->is_trying;
    b->is_trying = false;
    if (!has_failed) {
        b->n_failed = 0;
        b->open_until_us = 0;
        b->pause_us = b->opts.pause_us;
        return;
    }
    b->n_failed++;
    if (b->open_until_us && !was_trying)
        return; // of those that were under way when it opened
    if (b->n_failed < b->opts.failures)
        return;
    b->open_until_us = now_us + b->pause_us;
    b->pause_us = 2 * b->pause_us < b->opts.pause_max_us ? 2 * b->pause_us : b->opts.pause_max_us;
}
