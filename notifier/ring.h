/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The latest updates of one partition, in memory, bounded in bytes and records. Pure.
 *
 *   floor                         next
 *     | oldest ... newest           |        offsets, with gaps
 *
 * Every committed record at floor <= offset < next is here; what lies below the floor is not held
 * any more, what lies at next or above has not been read yet. A tenant's records are chained, so
 * that a client's missed updates are found without looking at other tenants'. A place in the ring
 * is a `seq`: the count of records pushed before it. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet.h"

struct ring;

#define RING_END UINT64_MAX

/* Empty, with floor and next at `start`. Returns owned. */
struct ring *notifier_ring_new(int64_t start, size_t max_bytes, size_t max_records);
void notifier_ring_free(struct ring *r);

/* Append, with a reference of its own; p->subject.tenant says whose it is. p->offset must be next
 * or above. Evicts the oldest while a bound is passed, but never `p` itself. */
void notifier_ring_push(struct ring *r, struct packet *p);
/* All below `next` has been read; lower than known: no effect. */
void notifier_ring_advance(struct ring *r, int64_t next);

int64_t notifier_ring_floor(const struct ring *r);
int64_t notifier_ring_next(const struct ring *r);
/* Where the newer half begins of what a full ring holds; before it is half full: its floor. A
 * reader whose place lies below should be given a newer one soon. */
int64_t notifier_ring_middle(const struct ring *r);
size_t notifier_ring_bytes(const struct ring *r);
size_t notifier_ring_records(const struct ring *r);

/* The tenant's first record at `offset` or above; RING_END: there is none. Asked for less than the
 * floor, it answers from the floor. */
uint64_t notifier_ring_find(const struct ring *r, const struct uuid *tenant, int64_t offset);
/* NULL: evicted meanwhile. Borrowed until the next push. */
struct packet *notifier_ring_at(const struct ring *r, uint64_t seq);
/* The same tenant's record after `seq` (which is still held); RING_END: it was the newest. */
uint64_t notifier_ring_after(const struct ring *r, uint64_t seq);
