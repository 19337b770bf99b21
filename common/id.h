/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* UUIDs (RFC 9562) and W3C trace context. Any thread. */
#include <stdint.h>

#include "str.h"

struct uuid {
    uint8_t b[16];
};
#define UUID_TEXT        36
#define TRACEPARENT_TEXT 55

struct uuid uuid_v7(int64_t at_ms);                       /* ordered by time; the rest is random */
bool uuid_parse(struct str text, struct uuid *out);       /* either case */
void uuid_format(struct uuid u, char out[UUID_TEXT + 1]); /* lower case */
bool uuid_eq(struct uuid a, struct uuid b);
bool uuid_is_nil(struct uuid u);

/* "00-<32 hex>-<16 hex>-01". `parent` is a traceparent to go on from, or absent, or not one: then
 * a new trace starts. */
void traceparent_next(struct str parent, char out[TRACEPARENT_TEXT + 1]);
/* The trace id's 32 digits; absent: not a traceparent. Borrows from text. */
struct str traceparent_trace_id(struct str text);
