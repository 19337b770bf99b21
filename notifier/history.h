/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The rings of all partitions: the feed fills them, clients resume from them. Pure.
 *
 * With it goes the answer to "where is this tenant, and can this cursor be resumed?". */
#include "cursor.h"
#include "ring.h"

struct history;

/* Returns owned. The bounds are for all partitions together; each gets its share. */
struct history *notifier_history_new(size_t max_bytes, size_t max_records);
void notifier_history_free(struct history *h);

/* The topic has `n` partitions, as many as before or more: new ones start empty at offset 0, the
 * others keep what they hold (and the share they had). */
void notifier_history_grow(struct history *h, int32_t n);
/* Empty partition's ring: it goes on at `start`. */
void notifier_history_restart(struct history *h, int32_t partition, int64_t start);

int32_t notifier_history_partitions(const struct history *h); /* 0: not known yet */
struct ring *notifier_history_ring(const struct history *h, int32_t partition);
/* How many records back a partition can be read into its ring at most. */
size_t notifier_history_share(const struct history *h);
size_t notifier_history_bytes(const struct history *h);
size_t notifier_history_records(const struct history *h);

/* The partition of a tenant's updates: that of its id in lower case. Partitions must be known. */
int32_t notifier_history_partition_of(const struct history *h, const struct uuid *tenant);

enum resume {
    RESUME_OK,    /* all that the client missed is in the ring */
    RESUME_AHEAD, /* it has seen more than we have read so far */
    RESUME_GONE,  /* not held any more, or not a place in this tenant's partition */
};
enum resume notifier_history_check(const struct history *h, int32_t partition, struct cursor from);
