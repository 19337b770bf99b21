/* SPDX-License-Identifier: Apache-2.0 */
#include "queue.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define SWEEP_MAX 256 /* channels freed at once: bounded work in a turn */

struct sender_queue {
    size_t max, max_per_channel;
    struct sender_map tenants, channels, conversations;
    struct ring lanes[SENDER_CLASSES]; /* tenants with something to take */
    struct sender_heap put_off;
};

struct sender_queue *sender_queue_new(size_t max, size_t max_per_channel)
{
    struct sender_queue *q = xalloc(sizeof *q);
    q->max = max;
    q->max_per_channel = max_per_channel;
    for (int c = 0; c < SENDER_CLASSES; c++)
        ring_init(&q->lanes[c]);
    return q;
}

static void free_all(struct sender_map *m)
{
    void *thing;
    for (size_t i = 0; (thing = sender_map_next(m, &i));)
        free(thing);
    sender_map_done(m);
}

void sender_queue_free(struct sender_queue *q)
{
    if (!q)
        return;
    free_all(&q->conversations);
    free_all(&q->channels);
    free_all(&q->tenants);
    sender_heap_done(&q->put_off);
    free(q);
}

/* --- whose turn it is ----------------------------------------------------------------------- */

static void join(struct sender_queue *q, struct sender_channel *ch, enum sender_class class)
{
    struct sender_tenant *t = ch->tenant;
    if (ch->is_blocked || !ch->turn[class].n)
        return;
    if (!ring_has(&ch->turn[class].link))
        ring_push(&t->turn[class].channels, &ch->turn[class].link);
    if (!ring_has(&t->turn[class].link))
        ring_push(&q->lanes[class], &t->turn[class].link);
}

static void leave(struct sender_channel *ch, enum sender_class class)
{
    struct sender_tenant *t = ch->tenant;
    ring_remove(&ch->turn[class].link);
    if (ring_is_empty(&t->turn[class].channels))
        ring_remove(&t->turn[class].link);
}

/* To the end of both lines, if there is still something to take. */
static void take_turn(struct sender_queue *q, struct sender_channel *ch, enum sender_class class)
{
    struct sender_tenant *t = ch->tenant;
    leave(ch, class);
    ring_remove(&t->turn[class].link);
    if (!ring_is_empty(&t->turn[class].channels))
        ring_push(&q->lanes[class], &t->turn[class].link);
    join(q, ch, class);
}

static void wait_in_line(struct sender_queue *q, struct sender_conversation *c, bool is_first)
{
    struct sender_channel *ch = c->channel;
    c->state = CONVERSATION_WAITS;
    if (is_first)
        ring_push_front(&ch->turn[c->class].conversations, &c->link);
    else
        ring_push(&ch->turn[c->class].conversations, &c->link);
    ch->turn[c->class].n++;
    join(q, ch, c->class);
}

static void leave_line(struct sender_conversation *c)
{
    struct sender_channel *ch = c->channel;
    ring_remove(&c->link);
    if (--ch->turn[c->class].n == 0)
        leave(ch, c->class);
}

/* --- coming --------------------------------------------------------------------------------- */

static struct sender_tenant *tenant_of(struct sender_queue *q, struct uuid id)
{
    struct sender_tenant *t = sender_map_find(&q->tenants, id);
    if (t)
        return t;
    t = xalloc(sizeof *t);
    t->id = id;
    for (int c = 0; c < SENDER_CLASSES; c++)
        ring_init(&t->turn[c].channels);
    sender_map_put(&q->tenants, t);
    return t;
}

static struct sender_channel *channel_of(struct sender_queue *q, const struct sender_command *c)
{
    struct sender_channel *ch = sender_map_find(&q->channels, c->channel_id);
    if (ch)
        return ch;
    ch = xalloc(sizeof *ch);
    ch->id = c->channel_id;
    ch->tenant = tenant_of(q, c->tenant_id);
    ch->tenant->n_channels++;
    ch->provider = c->provider;
    for (int i = 0; i < SENDER_CLASSES; i++)
        ring_init(&ch->turn[i].conversations);
    sender_map_put(&q->channels, ch);
    return ch;
}

/* Bulk leaves room for replies. */
static bool has_room(const struct sender_queue *q, const struct sender_channel *ch,
                     enum sender_class class)
{
    size_t all = q->max, one = q->max_per_channel;
    if (class == CLASS_BULK) {
        all -= all / 4;
        one -= one / 4;
    }
    return q->conversations.n < all && ch->n_conversations < one;
}

static void wake_known(struct sender_queue *q, struct sender_conversation *c,
                       const struct sender_command *by)
{
    memcpy(c->trace, by->trace, sizeof c->trace);
    bool is_promoted = by->class == CLASS_REPLY && c->class == CLASS_BULK;
    if (c->state == CONVERSATION_IS_TAKEN)
        c->is_woken = true;
    if (is_promoted && c->state == CONVERSATION_WAITS) {
        leave_line(c);
        c->class = CLASS_REPLY;
        wait_in_line(q, c, false);
    } else if (is_promoted) {
        c->class = CLASS_REPLY;
    }
}

enum sender_waked sender_queue_wake(struct sender_queue *q, const struct sender_command *by)
{
    struct sender_conversation *c = sender_map_find(&q->conversations, by->conversation_id);
    if (c) {
        wake_known(q, c, by);
        return WAKED_KNOWN;
    }
    struct sender_channel *ch = channel_of(q, by);
    if (!has_room(q, ch, by->class))
        return WAKED_DROPPED;
    c = xalloc(sizeof *c);
    c->id = by->conversation_id;
    c->channel = ch;
    c->class = by->class;
    c->since_us = by->at_us;
    memcpy(c->trace, by->trace, sizeof c->trace);
    ch->n_conversations++;
    sender_map_put(&q->conversations, c);
    wait_in_line(q, c, false);
    return WAKED_NEW;
}

/* --- going ---------------------------------------------------------------------------------- */

struct sender_conversation *sender_queue_take(struct sender_queue *q, enum sender_class class,
                                              sender_may_take *may, void *ctx)
{
    struct ring *lane = &q->lanes[class];
    while (!ring_is_empty(lane)) {
        struct sender_tenant *t = RING_OF(lane->next, struct sender_tenant, turn[class].link);
        struct sender_channel *ch =
            RING_OF(t->turn[class].channels.next, struct sender_channel, turn[class].link);
        struct sender_conversation *c =
            RING_OF(ch->turn[class].conversations.next, struct sender_conversation, link);
        if (!may(ctx, ch, c)) {
            ch->is_blocked = true;
            for (int i = 0; i < SENDER_CLASSES; i++)
                if (ring_has(&ch->turn[i].link))
                    leave(ch, (enum sender_class)i);
            continue;
        }
        ring_remove(&c->link);
        ch->turn[class].n--;
        take_turn(q, ch, class);
        c->state = CONVERSATION_IS_TAKEN;
        c->is_woken = false;
        return c;
    }
    return NULL;
}

void sender_queue_unblock(struct sender_queue *q, struct sender_channel *ch)
{
    ch->is_blocked = false;
    for (int c = 0; c < SENDER_CLASSES; c++)
        join(q, ch, (enum sender_class)c);
}

void sender_queue_put_back(struct sender_queue *q, struct sender_conversation *c)
{
    wait_in_line(q, c, true);
}

void sender_queue_put_off(struct sender_queue *q, struct sender_conversation *c, int64_t at_us)
{
    c->state = CONVERSATION_IS_PUT_OFF;
    sender_heap_put(&q->put_off, at_us, c);
}

void sender_queue_done(struct sender_queue *q, struct sender_conversation *c, bool has_more)
{
    if (has_more || c->is_woken) {
        wait_in_line(q, c, false);
        return;
    }
    c->channel->n_conversations--;
    sender_map_remove(&q->conversations, c->id);
    free(c);
}

void sender_queue_turn(struct sender_queue *q, int64_t now_us)
{
    struct sender_conversation *c;
    while ((c = sender_heap_due(&q->put_off, now_us)))
        wait_in_line(q, c, false);
}

int64_t sender_queue_next_us(const struct sender_queue *q)
{
    return sender_heap_next_us(&q->put_off);
}

size_t sender_queue_size(const struct sender_queue *q)
{
    return q->conversations.n;
}

size_t sender_queue_waiting(const struct sender_channel *ch)
{
    size_t n = 0;
    for (int c = 0; c < SENDER_CLASSES; c++)
        n += ch->turn[c].n;
    return n;
}

static bool is_of_no_use(const struct sender_channel *ch, int64_t now_us)
{
    return !ch->n_conversations && !ch->n_in_flight && !ch->is_loading && !ch->is_timed &&
           (!ch->is_known || sender_pace_is_at_rest(&ch->pace, now_us));
}

void sender_queue_sweep(struct sender_queue *q, int64_t now_us)
{
    struct sender_channel *useless[SWEEP_MAX], *ch;
    size_t n = 0;
    for (size_t i = 0; n < SWEEP_MAX && (ch = sender_map_next(&q->channels, &i));)
        if (is_of_no_use(ch, now_us))
            useless[n++] = ch;
    for (size_t i = 0; i < n; i++) {
        struct sender_tenant *t = useless[i]->tenant;
        sender_map_remove(&q->channels, useless[i]->id);
        free(useless[i]);
        if (--t->n_channels)
            continue;
        sender_map_remove(&q->tenants, t->id);
        free(t);
    }
}
