/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A circuit breaker for one host: after many failures in a row nothing is sent there for a while,
 * then one message tries. What waits meanwhile is not claimed, so that no attempt is burnt. Pure;
 * times are clock_us(). */
#include <stdbool.h>
#include <stdint.h>

struct sender_breaker_opts {
    int failures;
    int64_t pause_us, pause_max_us;
};

struct sender_breaker {
    struct sender_breaker_opts opts;
    int n_failed;
    int64_t pause_us, open_until_us; /* 0: closed */
    bool is_trying;                  /* the one message is under way */
};

void sender_breaker_init(struct sender_breaker *b, const struct sender_breaker_opts *opts);
bool sender_breaker_is_open(const struct sender_breaker *b); /* half-open too */
/* May one more be claimed? True while it is half-open only once, until it is told how that ended.
 */
bool sender_breaker_may(struct sender_breaker *b, int64_t now_us);
int64_t sender_breaker_next_us(const struct sender_breaker *b, int64_t now_us);
/* What was allowed did not come to a call. */
void sender_breaker_unused(struct sender_breaker *b);
void sender_breaker_tell(struct sender_breaker *b, bool has_failed, int64_t now_us);
