/* SPDX-License-Identifier: Apache-2.0 */
#include "history.h"

#include <assert.h>
#include <stdlib.h>

#include "mem.h"

#define SHARE_MIN_RECORDS 64
#define SHARE_MIN_BYTES   (64 * 1024)

struct history {
    struct ring **rings;
    int32_t n;
    size_t max_bytes, max_records;
};

struct history *notifier_history_new(size_t max_bytes, size_t max_records)
{
    struct history *h = xalloc(sizeof *h);
    h->max_bytes = max_bytes;
    h->max_records = max_records;
    return h;
}

void notifier_history_free(struct history *h)
{
    if (!h)
        return;
    for (int32_t i = 0; i < h->n; i++)
        notifier_ring_free(h->rings[i]);
    free(h->rings);
    free(h);
}

static size_t share_of(size_t total, int32_t n, size_t least)
{
    size_t share = total / (size_t)n;
    return share < least ? least : share;
}

static struct ring *new_ring(const struct history *h, int64_t start)
{
    return notifier_ring_new(start, share_of(h->max_bytes, h->n, SHARE_MIN_BYTES),
                             share_of(h->max_records, h->n, SHARE_MIN_RECORDS));
}

void notifier_history_grow(struct history *h, int32_t n)
{
    assert(n >= h->n);
    int32_t old = h->n;
    h->rings = xrealloc(h->rings, (size_t)n * sizeof(struct ring *));
    h->n = n;
    for (int32_t i = old; i < n; i++)
        h->rings[i] = new_ring(h, 0);
}

void notifier_history_restart(struct history *h, int32_t partition, int64_t start)
{
    assert(partition >= 0 && partition < h->n);
    notifier_ring_free(h->rings[partition]);
    h->rings[partition] = new_ring(h, start);
}

int32_t notifier_history_partitions(const struct history *h)
{
    return h->n;
}

struct ring *notifier_history_ring(const struct history *h, int32_t partition)
{
    assert(partition >= 0 && partition < h->n);
    return h->rings[partition];
}

size_t notifier_history_share(const struct history *h)
{
    return h->n == 0 ? 0 : share_of(h->max_records, h->n, SHARE_MIN_RECORDS);
}

size_t notifier_history_bytes(const struct history *h)
{
    size_t sum = 0;
    for (int32_t i = 0; i < h->n; i++)
        sum += notifier_ring_bytes(h->rings[i]);
    return sum;
}

size_t notifier_history_records(const struct history *h)
{
    size_t sum = 0;
    for (int32_t i = 0; i < h->n; i++)
        sum += notifier_ring_records(h->rings[i]);
    return sum;
}

int32_t notifier_history_partition_of(const struct history *h, const struct uuid *tenant)
{
    char text[UUID_TEXT + 1];
    uuid_format(*tenant, text);
    return notifier_cursor_partition((struct str){text, UUID_TEXT}, h->n);
}

enum resume notifier_history_check(const struct history *h, int32_t partition, struct cursor from)
{
    if (from.partition != partition)
        return RESUME_GONE;
    const struct ring *r = notifier_history_ring(h, partition);
    if (from.offset < notifier_ring_floor(r))
        return RESUME_GONE;
    return from.offset > notifier_ring_next(r) ? RESUME_AHEAD : RESUME_OK;
}
