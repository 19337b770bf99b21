/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Rates of callers: a token bucket for each key, in a table of fixed size that all threads share.
 *
 * When a set of the table is full the key that was silent longest is forgotten, and starts with a
 * full bucket if it comes again: a flood of keys costs accuracy, never memory. Limits hold for this
 * process; several instances of the api each have their own. Any thread. */
#include <stdint.h>

#include "str.h"

struct api_rates;

struct api_rate {
    int64_t limit, left; /* of the bucket */
    int64_t reset_s;     /* until it is full again */
    int64_t wait_ms;     /* refused: until the cost is there */
};

struct api_rates *api_rates_new(void); /* returns owned */
void api_rates_free(struct api_rates *r);
/* Take `cost` from the bucket of `key`, which fills with `per_second` and holds `burst`. False: not
 * enough is there, and nothing was taken. */
bool api_rates_take(struct api_rates *r, struct str key, int64_t per_second, int64_t burst,
                    int cost, int64_t now_ms, struct api_rate *out);
