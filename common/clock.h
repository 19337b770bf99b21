/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Time. `_ms` is a duration or a monotonic point, `_at_ms` is wall time (UTC, since 1970). */
#include <stdint.h>

#include "str.h"

int64_t clock_ms(void);    /* monotonic */
int64_t clock_us(void);    /* monotonic */
int64_t clock_at_ms(void); /* wall */

#define CLOCK_TEXT_MAX 32
/* "2026-01-02T03:04:05.678Z" into out; returns its length. */
size_t clock_format(int64_t at_ms, char out[CLOCK_TEXT_MAX]);
/* RFC 3339 / ISO 8601 with Z or an offset, 0 to 9 fraction digits. False: not such a time. */
bool clock_parse(struct str text, int64_t *at_ms);
