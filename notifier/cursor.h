/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A place in the topic `updates`, as clients keep it.
 *
 * The text is "<partition>-<offset>": everything at this offset and after it is still to come.
 * Offsets have gaps (transaction markers, aborted records), so cursors are compared, never counted.
 */
#include <stdbool.h>
#include <stdint.h>

#include "str.h"

struct cursor {
    int32_t partition;
    int64_t offset;
};

#define CURSOR_TEXT 32

/* False: not a text that notifier_cursor_format has written. */
bool notifier_cursor_parse(struct str text, struct cursor *out);
/* NUL-terminated; returns the length. */
size_t notifier_cursor_format(struct cursor c, char out[CURSOR_TEXT]);

/* The partition in which a producer puts records of this key: Java's murmur2, as our producer and
 * Kafka's own clients do. `n_partitions` > 0. */
int32_t notifier_cursor_partition(struct str key, int32_t n_partitions);
