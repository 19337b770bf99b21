/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What waits to be claimed, in memory: conversations, not messages. A command only wakes the
 * conversation of its message; which message is next is read from the rows when it is claimed. So a
 * command that comes twice is one entry, a long conversation is one entry, and order within it
 * needs no thought here.
 *
 * Fair: tenants in turn, within a tenant its channels in turn, within a channel the conversations
 * in the order in which they came; replies (a class of their own) are taken before bulk. Bounded:
 * what is too much is dropped, its rows are commanded again by the scheduler. Pure. */
#include "breaker.h"
#include "heap.h"
#include "id.h"
#include "map.h"
#include "pace.h"
#include "ring.h"

enum sender_class { CLASS_REPLY, CLASS_BULK, SENDER_CLASSES };

struct sender_tenant {
    struct uuid id; /* first: see map.h */
    size_t n_channels;
    int64_t paused_until_us; /* the owner's: an app of the tenant's own has to wait */
    struct {
        struct ring link;     /* among the tenants with something to take */
        struct ring channels; /* those with something to take */
    } turn[SENDER_CLASSES];
};

struct sender_channel {
    struct uuid id;
    struct sender_tenant *tenant;
    const struct provider *provider;
    struct {
        struct ring link;
        struct ring conversations; /* that wait */
        size_t n;
    } turn[SENDER_CLASSES];
    size_t n_conversations; /* that wait, are put off or are taken */
    bool is_blocked;        /* not to be taken from, until unblocked */
    /* The owner's of the queue. */
    int n_in_flight;
    bool is_known, is_loading, is_timed; /* is_timed: in a heap, which keeps it alive */
    struct sender_pace pace;
    struct sender_breaker *breaker;
};

enum conversation_state { CONVERSATION_WAITS, CONVERSATION_IS_PUT_OFF, CONVERSATION_IS_TAKEN };

struct sender_conversation {
    struct uuid id;
    struct sender_channel *channel;
    enum conversation_state state;
    enum sender_class class;
    bool is_woken;    /* taken: a command came meanwhile */
    int64_t since_us; /* it waits */
    struct ring link;
    char trace[TRACEPARENT_TEXT + 1]; /* of the latest command; "": none */
};

struct sender_command {
    struct uuid tenant_id, channel_id, conversation_id;
    const struct provider *provider;
    enum sender_class class;
    int64_t at_us; /* it came */
    char trace[TRACEPARENT_TEXT + 1];
};

struct sender_queue;

struct sender_queue *sender_queue_new(size_t max, size_t max_per_channel); /* returns owned */
void sender_queue_free(struct sender_queue *q); /* with all that is in it */

enum sender_waked { WAKED_NEW, WAKED_KNOWN, WAKED_DROPPED };
enum sender_waked sender_queue_wake(struct sender_queue *q, const struct sender_command *by);

/* May one be taken from this channel? False: the channel is blocked by that. */
typedef bool sender_may_take(void *ctx, struct sender_channel *ch, struct sender_conversation *c);
/* NULL: nothing to take. */
struct sender_conversation *sender_queue_take(struct sender_queue *q, enum sender_class class,
                                              sender_may_take *may, void *ctx);
void sender_queue_unblock(struct sender_queue *q, struct sender_channel *ch);
/* What was taken: again to the front; not before at_us; or done, which frees it, unless there is
 * more of it or a command came meanwhile. */
void sender_queue_put_back(struct sender_queue *q, struct sender_conversation *c);
void sender_queue_put_off(struct sender_queue *q, struct sender_conversation *c, int64_t at_us);
void sender_queue_done(struct sender_queue *q, struct sender_conversation *c, bool has_more);
/* Let those wait again that were put off until now; when that is next (INT64_MAX: never). */
void sender_queue_turn(struct sender_queue *q, int64_t now_us);
int64_t sender_queue_next_us(const struct sender_queue *q);

size_t sender_queue_size(const struct sender_queue *q); /* conversations of all states */
size_t sender_queue_waiting(const struct sender_channel *ch);
/* Free the channels that have nothing to do and nothing to remember. */
void sender_queue_sweep(struct sender_queue *q, int64_t now_us);
