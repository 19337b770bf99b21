/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How fast one channel may send, in this process. Slots, points in time for one call each, are
 * reserved in the database for all senders together (GCRA: store.h), a few at a time and at most
 * SENDER_PACE_AHEAD_US ahead, and used here, spaced. What the answers teach makes the steps longer.
 * Pure; all times are clock_us(). */
#include "outgoing.h"
#include "provider.h"

#define SENDER_PACE_AHEAD_US 250000
/* A slot may be used so late, and is forfeited then. Providers count by the second or by more: a
 * call that is late by x takes room for x of the rate from what may come at once, and what is
 * forfeited is lost. Who is refused is late by less for a while: that provider has less room. */
#define SENDER_PACE_LATE_US       500000
#define SENDER_PACE_LATE_LEAST_US 20000

#define SENDER_PACE_SPARE_MAX 64

struct sender_pace {
    struct send_rate rate; /* step_us 0: nothing to reserve */
    struct send_rate pair, group;
    int slow_from_percent;
    double slowed;   /* by refusals: steps are so many times as long; 1: as published */
    int64_t late_us; /* how late a slot may be used */
    double careful;  /* by how much of a limit is used */
    int64_t paused_until_us, last_us, ask_at_us, started_us;
    bool is_asking;
    struct sender_grant {
        int64_t next_us, step_us;
        int left;
    } grants[4]; /* in the order in which they came */
    int n_grants;
    int64_t spare_us[SENDER_PACE_SPARE_MAX]; /* given back, in order */
    int n_spare;
    int64_t n_forfeited; /* the owner takes it */
};

/* Per minute, from the channel's settings; -1: as published, 0: no limit. */
void sender_pace_init(struct sender_pace *p, const struct send_limits *limits, int64_t per_minute,
                      int64_t pair_per_minute);
/* A new rate, what was learnt stays. */
void sender_pace_change(struct sender_pace *p, const struct send_limits *limits, int64_t per_minute,
                        int64_t pair_per_minute);
/* Messages a second; 0: as many as one likes. */
double sender_pace_rate(const struct sender_pace *p);

/* The next slot, if it is no later than `ahead_us` from now. */
bool sender_pace_take(struct sender_pace *p, int64_t now_us, int64_t ahead_us, int64_t *slot_us);
void sender_pace_give_back(struct sender_pace *p, int64_t slot_us);
/* A call whose slot has come: now, or when it may start, because calls before it were late: those
 * of a busy moment do not go out at once either. */
int64_t sender_pace_start_us(struct sender_pace *p, int64_t now_us);
/* How many slots to reserve now for `waiting` messages; 0: none. */
int sender_pace_wants(const struct sender_pace *p, int64_t now_us, size_t waiting);
int64_t sender_pace_step_us(const struct sender_pace *p); /* as learnt: what is reserved with */
int64_t
sender_pace_burst_us(const struct sender_pace *p); /* how far ahead of the steps one may be */
/* n slots came, the first at first_us. n 0: there is none before first_us. */
void sender_pace_grant(struct sender_pace *p, int64_t first_us, int n);
/* When there may be something to take or to ask for again. */
int64_t sender_pace_next_us(const struct sender_pace *p, int64_t now_us);

/* No call before then; what was reserved is forfeited. */
void sender_pace_pause(struct sender_pace *p, int64_t until_us);
/* An answer came. */
void sender_pace_learn(struct sender_pace *p, enum outcome outcome, enum send_scope scope,
                       const struct send_pace *told);
bool sender_pace_is_at_rest(const struct sender_pace *p, int64_t now_us);
