/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the parts of the engine share; nobody else includes this.
 *   engine.c   the turn, the timer, coming and going
 *   rounds.c   the database's rounds
 *   renewals.c claims of calls that take long
 *   channels.c what is known of channels: limits, hosts, pauses */
#include "backoff.h"
#include "engine.h"
#include "stats.h"

#define SENDER_LOAD_MAX    128
#define SENDER_RESERVE_MAX 128
#define SENDER_RENEW_MAX   128
/* A claim is made this long before its slot, so that the call can be on time. */
#define SENDER_CLAIM_AHEAD_US 100000

struct sender_peer { /* of a provider's API */
    struct sender_peer *next;
    struct sender_breaker breaker;
    char name[];
};

/* A list of channels that a round is to be made for, and those of the round. */
struct sender_line {
    struct sender_channel **channels;
    size_t n, cap, n_sent;
    bool is_under_way;
};

struct sender_lane { /* of claims */
    struct sender_engine *engine;
    enum sender_class class;
    struct sender_want wants[SENDER_CLAIM_MAX];
    struct sender_conversation *conversations[SENDER_CLAIM_MAX];
    int64_t slots_us[SENDER_CLAIM_MAX];
    size_t n;
    struct uuid claim_id;
    int64_t began_us, began_ms;
    bool is_under_way;
    bool is_unsure; /* whether its claim took effect nobody knows: to be released */
    size_t n_alone; /* so many rounds of one: among those was one that the database refuses */
};

struct sender_engine {
    struct sender_engine_opts opts;
    struct sender_caller caller;
    struct sender_queue *queue;
    struct sender_store *store;
    struct sender_peer *hosts;
    size_t n_hosts;
    int64_t app_paused_until_us[16]; /* by provider: apps of ours */
    struct sender_heap wakes;        /* blocked channels */
    struct sender_heap starts;       /* calls before their slot */
    struct ring begun,
        announced;        /* calls, in the order of their start; those that clients know of */
    struct ring answered; /* calls whose answer is to be stored */
    struct sender_call *storing[SENDER_ANSWER_MAX];
    size_t n_storing, n_unstored, n_store_alone;
    int64_t store_began_us;
    struct sender_call *renewing[SENDER_RENEW_MAX]; /* NULL: it was answered meanwhile */
    size_t n_renewing;
    int64_t renew_at_us, renew_began_ms;
    struct sender_line loads, asks;
    struct sender_lane lanes[SENDER_CLASSES];
    int n_in_flight; /* taken from the queue, not answered */
    int n_calls;     /* begun, not answered */
    struct backoff outage;
    int64_t outage_until_us; /* the database failed: no round before then */
    int64_t sweep_at_us, tidy_at_us;
    uv_timer_t *timer;
    bool is_pumping, is_wanted, is_stopping, is_empty;
    struct metric_cell *waited[SENDER_CLASSES];
};

/* --- engine.c */
void sender_engine_pump(struct sender_engine *e);

/* --- channels.c */
/* May one more be taken of it now? Sets *slot_us. False: it wakes by a round or by its time. */
bool sender_channel_may(struct sender_engine *e, struct sender_channel *ch, int64_t now_us,
                        int64_t *slot_us);
/* What was taken came to no call. */
void sender_channel_unused(struct sender_engine *e, struct sender_channel *ch, int64_t slot_us);
/* It is as this row says. */
void sender_channel_know(struct sender_engine *e, struct sender_channel *ch,
                         const struct sender_channel_row *row);
void sender_channel_answered(struct sender_engine *e, struct sender_channel *ch,
                             const struct sender_answer *a);
void sender_channel_app_key(const struct sender_channel *ch, char out[SENDER_APP_KEY_MAX]);
void sender_channel_wake_at(struct sender_engine *e, struct sender_channel *ch, int64_t at_us);
void sender_hosts_free(struct sender_engine *e);
void sender_line_add(struct sender_line *l, struct sender_channel *ch);

/* --- renewals.c */
void sender_renew(struct sender_engine *e, int64_t now_us);
void sender_renew_not(struct sender_engine *e, const struct sender_call *call); /* answered */

/* --- rounds.c */
/* The database failed, or (err NULL) went on. True: it failed. */
bool sender_round_failed(struct sender_engine *e, const char *what, const struct err *err);
void sender_rounds(struct sender_engine *e, int64_t now_us);
/* One more conversation is not in flight. */
void sender_left(struct sender_engine *e, struct sender_channel *ch);
