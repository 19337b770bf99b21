/* SPDX-License-Identifier: Apache-2.0 */
#include "ring.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define FIRST_CAPACITY 64

/* Distances to the same tenant's neighbours; 0: none. They fit 32 bits because the capacity does.
 */
struct entry {
    struct packet *packet;
    uint32_t back, ahead;
};

/* Where a tenant's chain ends. Only tenants with a record in the ring have one. */
struct chain {
    struct uuid tenant;
    uint64_t last; /* seq + 1; 0: the slot is empty */
};

struct ring {
    struct entry *entries; /* seq & (capacity - 1) */
    size_t capacity, max_records;
    uint64_t head, tail; /* seqs: next to push, oldest held */
    size_t bytes, max_bytes;
    int64_t floor, next;
    struct chain *chains; /* open addressing, linear probing, at most half full */
    size_t n_slots, n_chains;
};

static size_t power_of_two(size_t n)
{
    size_t p = 1;
    while (p < n)
        p *= 2;
    return p;
}

struct ring *notifier_ring_new(int64_t start, size_t max_bytes, size_t max_records)
{
    assert(max_records > 0 && max_records <= UINT32_MAX / 2);
    struct ring *r = xalloc(sizeof *r);
    r->max_bytes = max_bytes;
    r->max_records = max_records;
    r->floor = r->next = start;
    r->capacity = FIRST_CAPACITY;
    r->entries = xalloc(r->capacity * sizeof *r->entries);
    r->n_slots = FIRST_CAPACITY;
    r->chains = xalloc(r->n_slots * sizeof *r->chains);
    return r;
}

void notifier_ring_free(struct ring *r)
{
    if (!r)
        return;
    for (uint64_t seq = r->tail; seq < r->head; seq++)
        notifier_packet_unref(r->entries[seq & (r->capacity - 1)].packet);
    free(r->entries);
    free(r->chains);
    free(r);
}

static struct entry *entry_at(const struct ring *r, uint64_t seq)
{
    return &r->entries[seq & (r->capacity - 1)];
}

/* --- chains: tenant -> its newest record -------------------------------------------------- */

static size_t chain_home(const struct ring *r, const struct uuid *tenant)
{
    // The end of a UUIDv7 is random; the multiplication spreads those that people make by hand.
    uint64_t x = 0;
    memcpy(&x, tenant->b + 8, sizeof x);
    return (size_t)((x * 0x9e3779b97f4a7c15ULL) >> 32) & (r->n_slots - 1);
}

/* The tenant's slot, or the empty one where it would stand. */
static size_t chain_slot(const struct ring *r, const struct uuid *tenant)
{
    size_t i = chain_home(r, tenant);
    while (r->chains[i].last != 0 && !uuid_eq(r->chains[i].tenant, *tenant))
        i = (i + 1) & (r->n_slots - 1);
    return i;
}

static void grow_chains(struct ring *r)
{
    struct chain *old = r->chains;
    size_t n_old = r->n_slots;
    r->n_slots *= 2;
    r->chains = xalloc(r->n_slots * sizeof *r->chains);
    for (size_t i = 0; i < n_old; i++) {
        if (old[i].last != 0)
            r->chains[chain_slot(r, &old[i].tenant)] = old[i];
    }
    free(old);
}

/* Empty slot i and move up those behind it that would not be found any more. */
static void remove_chain(struct ring *r, size_t i)
{
    size_t mask = r->n_slots - 1;
    for (size_t j = (i + 1) & mask; r->chains[j].last != 0; j = (j + 1) & mask) {
        size_t home = chain_home(r, &r->chains[j].tenant);
        if (((j - home) & mask) >= ((j - i) & mask)) {
            r->chains[i] = r->chains[j];
            i = j;
        }
    }
    r->chains[i].last = 0;
    r->n_chains--;
}

/* --- push and evict ----------------------------------------------------------------------- */

static void evict(struct ring *r)
{
    struct entry *e = entry_at(r, r->tail);
    if (e->ahead == 0) {
        size_t i = chain_slot(r, &e->packet->subject.tenant);
        assert(r->chains[i].last == r->tail + 1);
        remove_chain(r, i);
    }
    r->floor = e->packet->offset + 1;
    r->bytes -= notifier_packet_bytes(e->packet);
    notifier_packet_unref(e->packet);
    *e = (struct entry){0};
    r->tail++;
}

static void grow_entries(struct ring *r)
{
    size_t old_capacity = r->capacity;
    struct entry *old = r->entries;
    r->capacity = power_of_two(old_capacity + 1);
    r->entries = xalloc(r->capacity * sizeof *r->entries);
    for (uint64_t seq = r->tail; seq < r->head; seq++)
        *entry_at(r, seq) = old[seq & (old_capacity - 1)];
    free(old);
}

static void link_to_chain(struct ring *r, struct entry *e)
{
    const struct uuid *tenant = &e->packet->subject.tenant;
    size_t i = chain_slot(r, tenant);
    if (r->chains[i].last == 0) {
        r->chains[i].tenant = *tenant;
        r->n_chains++;
    } else {
        uint64_t last = r->chains[i].last - 1;
        e->back = (uint32_t)(r->head - last);
        entry_at(r, last)->ahead = e->back;
    }
    r->chains[i].last = r->head + 1;
    if (r->n_chains * 2 > r->n_slots)
        grow_chains(r);
}

void notifier_ring_push(struct ring *r, struct packet *p)
{
    assert(p->offset >= r->next);
    while (r->tail < r->head && (r->head - r->tail >= r->max_records ||
                                 r->bytes + notifier_packet_bytes(p) > r->max_bytes))
        evict(r);
    if (r->head - r->tail == r->capacity)
        grow_entries(r);
    struct entry *e = entry_at(r, r->head);
    *e = (struct entry){.packet = notifier_packet_ref(p)};
    link_to_chain(r, e);
    r->bytes += notifier_packet_bytes(p);
    r->head++;
    r->next = p->offset + 1;
}

void notifier_ring_advance(struct ring *r, int64_t next)
{
    if (next > r->next)
        r->next = next;
}

int64_t notifier_ring_floor(const struct ring *r)
{
    return r->floor;
}

int64_t notifier_ring_next(const struct ring *r)
{
    return r->next;
}

int64_t notifier_ring_middle(const struct ring *r)
{
    size_t n = notifier_ring_records(r);
    if (n == 0 || (n < r->max_records / 2 && r->bytes < r->max_bytes / 2))
        return r->floor;
    return entry_at(r, r->tail + n / 2)->packet->offset;
}

size_t notifier_ring_bytes(const struct ring *r)
{
    return r->bytes;
}

size_t notifier_ring_records(const struct ring *r)
{
    return (size_t)(r->head - r->tail);
}

/* --- reading ------------------------------------------------------------------------------ */

uint64_t notifier_ring_find(const struct ring *r, const struct uuid *tenant, int64_t offset)
{
    uint64_t last = r->chains[chain_slot(r, tenant)].last;
    if (last == 0 || entry_at(r, last - 1)->packet->offset < offset)
        return RING_END;
    uint64_t seq = last - 1;
    for (;;) {
        uint32_t back = entry_at(r, seq)->back;
        if (back == 0 || back > seq - r->tail)
            return seq; // the chain's start, or its earlier part has been evicted
        if (entry_at(r, seq - back)->packet->offset < offset)
            return seq;
        seq -= back;
    }
}

struct packet *notifier_ring_at(const struct ring *r, uint64_t seq)
{
    assert(seq < r->head);
    return seq < r->tail ? NULL : entry_at(r, seq)->packet;
}

uint64_t notifier_ring_after(const struct ring *r, uint64_t seq)
{
    assert(seq >= r->tail && seq < r->head);
    uint32_t ahead = entry_at(r, seq)->ahead;
    return ahead == 0 ? RING_END : seq + ahead;
}
