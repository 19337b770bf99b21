/* SPDX-License-Identifier: Apache-2.0 */
#include "cursor.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

bool notifier_cursor_parse(struct str text, struct cursor *out)
{
    struct str head = STR_NONE;
    struct str tail = STR_NONE;
    int64_t partition = 0;
    int64_t offset = 0;
    if (text.len >= CURSOR_TEXT || !str_cut(text, '-', &head, &tail))
        return false;
    if (!str_i64(head, &partition) || !str_i64(tail, &offset))
        return false;
    if (partition < 0 || partition > INT32_MAX || offset < 0)
        return false;

    // One position has one text: clients may compare cursors as strings, so "01-5" is none of ours.
    struct cursor c = {.partition = (int32_t)partition, .offset = offset};
    char again[CURSOR_TEXT];
    size_t n = notifier_cursor_format(c, again);
    if (!str_eq(text, (struct str){again, n}))
        return false;
    *out = c;
    return true;
}

size_t notifier_cursor_format(struct cursor c, char out[CURSOR_TEXT])
{
    int n = snprintf(out, CURSOR_TEXT, "%" PRId32 "-%" PRId64, c.partition, c.offset);
    assert(n > 0 && n < CURSOR_TEXT);
    return (size_t)n;
}

/* As in org.apache.kafka.common.utils.Utils, bytes read as unsigned. */
static uint32_t murmur2(const uint8_t *p, size_t len)
{
    const uint32_t m = 0x5bd1e995;
    uint32_t h = 0x9747b28cU ^ (uint32_t)len;
    size_t left = len;
    for (; left >= 4; p += 4, left -= 4) {
        uint32_t k =
            (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        k *= m;
        k ^= k >> 24;
        k *= m;
        h = (h * m) ^ k;
    }
    if (left >= 3)
        h ^= (uint32_t)p[2] << 16;
    if (left >= 2)
        h ^= (uint32_t)p[1] << 8;
    if (left >= 1)
        h = (h ^ p[0]) * m;
    h ^= h >> 13;
    h *= m;
    h ^= h >> 15;
    return h;
}

int32_t notifier_cursor_partition(struct str key, int32_t n_partitions)
{
    assert(n_partitions > 0);
    uint32_t h = murmur2((const uint8_t *)key.ptr, key.len);
    return (int32_t)((h & 0x7fffffffU) % (uint32_t)n_partitions);
}
