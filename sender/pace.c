/* SPDX-License-Identifier: Apache-2.0 */
#include "pace.h"

#include <string.h>

#include "mem.h"

#define US_PER_MINUTE INT64_C(60000000)
/* Half a percent slower than published: our milliseconds and the provider's are not the same. */
#define MARGIN_PERMILLE 5
/* A refusal lengthens the steps; each message that is taken shortens them again by a little. */
#define SLOWER      1.25
#define SLOWEST     16.0
#define FASTER      0.998
#define LATER       1024
#define CAREFUL_MAX 5.0
/* By this part of a step calls that are late come closer, until they are late no more. */
#define CATCH_UP 8
/* Timers are not better than this. */
#define PUNCTUAL_US 3000

static struct send_rate rate_of(struct send_rate published, int64_t per_minute)
{
    struct send_rate r = published;
    if (per_minute == 0)
        r = (struct send_rate){0};
    else if (per_minute > 0)
        r = (struct send_rate){US_PER_MINUTE / per_minute, published.burst ? published.burst : 1};
    if (r.step_us)
        r.step_us += (r.step_us * MARGIN_PERMILLE + 999) / 1000;
    return r;
}

void sender_pace_change(struct sender_pace *p, const struct send_limits *limits, int64_t per_minute,
                        int64_t pair_per_minute)
{
    p->rate = rate_of(limits->account, per_minute);
    p->pair = rate_of(limits->pair, pair_per_minute);
    p->group = limits->group.step_us ? rate_of(limits->group, pair_per_minute) : p->pair;
    p->slow_from_percent = limits->slow_from_percent;
}

void sender_pace_init(struct sender_pace *p, const struct send_limits *limits, int64_t per_minute,
                      int64_t pair_per_minute)
{
    *p = (struct sender_pace){.slowed = 1, .careful = 1, .late_us = SENDER_PACE_LATE_US};
    sender_pace_change(p, limits, per_minute, pair_per_minute);
}

double sender_pace_rate(const struct sender_pace *p)
{
    int64_t step_us = sender_pace_step_us(p);
    return step_us ? 1e6 / (double)step_us : 0;
}

int64_t sender_pace_step_us(const struct sender_pace *p)
{
    double factor = p->slowed > p->careful ? p->slowed : p->careful;
    return (int64_t)((double)p->rate.step_us * factor);
}

int64_t sender_pace_burst_us(const struct sender_pace *p)
{
    return p->rate.burst > 1 ? (p->rate.burst - 1) * p->rate.step_us : 0;
}

static void drop_first_grant(struct sender_pace *p)
{
    p->n_grants--;
    memmove(p->grants, p->grants + 1, sizeof *p->grants * (size_t)p->n_grants);
}

static void drop_first_spare(struct sender_pace *p)
{
    p->n_spare--;
    memmove(p->spare_us, p->spare_us + 1, sizeof *p->spare_us * (size_t)p->n_spare);
}

/* What could not be used in time goes. A burst may be late: that is what it is for. */
static void forfeit(struct sender_pace *p, int64_t now_us)
{
    int64_t oldest_us = p->rate.burst <= 1 ? now_us - p->late_us : INT64_MIN;
    while (p->n_spare && p->spare_us[0] < oldest_us) {
        drop_first_spare(p);
        p->n_forfeited++;
    }
    while (p->n_grants) {
        struct sender_grant *g = &p->grants[0];
        while (g->left && g->next_us < oldest_us) {
            g->next_us += g->step_us;
            g->left--;
            p->n_forfeited++;
        }
        if (g->left)
            return;
        drop_first_grant(p);
    }
}

/* The earliest slot; INT64_MAX: none. */
static int64_t first_slot_us(const struct sender_pace *p)
{
    int64_t granted_us = p->n_grants ? p->grants[0].next_us : INT64_MAX;
    return p->n_spare && p->spare_us[0] < granted_us ? p->spare_us[0] : granted_us;
}

/* Late ones catch up gently, not at once. */
static int64_t spaced_us(const struct sender_pace *p)
{
    int64_t step_us = sender_pace_step_us(p);
    return p->rate.burst <= 1 ? p->last_us + step_us - step_us / CATCH_UP : 0;
}

bool sender_pace_take(struct sender_pace *p, int64_t now_us, int64_t ahead_us, int64_t *slot_us)
{
    if (p->paused_until_us > now_us)
        return false;
    if (!p->rate.step_us) {
        *slot_us = now_us;
        return true;
    }
    forfeit(p, now_us);
    int64_t at_us = first_slot_us(p);
    if (at_us == INT64_MAX)
        return false;
    bool is_spare = p->n_spare && p->spare_us[0] == at_us;
    at_us = at_us > now_us ? at_us : now_us;
    // One given back lies among those that were taken.
    if (!is_spare && at_us < spaced_us(p))
        at_us = spaced_us(p);
    if (at_us > now_us + ahead_us)
        return false;
    if (is_spare) {
        drop_first_spare(p);
    } else {
        p->grants[0].next_us += p->grants[0].step_us;
        p->grants[0].left--;
        p->last_us = at_us;
    }
    *slot_us = at_us;
    return true;
}

void sender_pace_give_back(struct sender_pace *p, int64_t slot_us)
{
    if (!p->rate.step_us)
        return;
    if (p->n_spare == SENDER_PACE_SPARE_MAX) {
        p->n_forfeited++;
        return;
    }
    int i = p->n_spare++;
    for (; i && p->spare_us[i - 1] > slot_us; i--)
        p->spare_us[i] = p->spare_us[i - 1];
    p->spare_us[i] = slot_us;
}

static int slots_left(const struct sender_pace *p)
{
    int n = p->n_spare;
    for (int i = 0; i < p->n_grants; i++)
        n += p->grants[i].left;
    return n;
}

int sender_pace_wants(const struct sender_pace *p, int64_t now_us, size_t waiting)
{
    int left = slots_left(p);
    if (!p->rate.step_us || p->is_asking || p->paused_until_us > now_us || p->ask_at_us > now_us ||
        p->n_grants >= (int)ARRAY_LEN(p->grants) - 1 || waiting <= (size_t)left)
        return 0;
    int64_t ahead = SENDER_PACE_AHEAD_US / sender_pace_step_us(p) + p->rate.burst;
    if (left > ahead / 2)
        return 0;
    int64_t wanted = (int64_t)waiting < ahead ? (int64_t)waiting : ahead;
    return wanted > left ? (int)(wanted - left) : 0;
}

void sender_pace_grant(struct sender_pace *p, int64_t first_us, int n)
{
    p->is_asking = false;
    p->ask_at_us = 0;
    if (n > 0 && p->n_grants == (int)ARRAY_LEN(p->grants)) {
        p->n_forfeited += p->grants[0].left;
        drop_first_grant(p);
    }
    if (n > 0)
        p->grants[p->n_grants++] = (struct sender_grant){first_us, sender_pace_step_us(p), n};
    else
        p->ask_at_us = first_us - SENDER_PACE_AHEAD_US;
}

int64_t sender_pace_next_us(const struct sender_pace *p, int64_t now_us)
{
    if (p->paused_until_us > now_us)
        return p->paused_until_us;
    int64_t at_us = first_slot_us(p);
    if (at_us == INT64_MAX)
        return p->ask_at_us;
    return p->n_spare || at_us > spaced_us(p) ? at_us : spaced_us(p);
}

int64_t sender_pace_start_us(struct sender_pace *p, int64_t now_us)
{
    if (!p->rate.step_us || p->rate.burst > 1)
        return now_us;
    int64_t step_us = sender_pace_step_us(p);
    int64_t at_us = p->started_us + step_us - step_us / CATCH_UP;
    if (at_us > now_us && at_us - now_us <= step_us)
        return at_us;
    // As planned, not as it came to be: else each would add to the next one's lateness.
    p->started_us = at_us > now_us - PUNCTUAL_US && at_us <= now_us ? at_us : now_us;
    return now_us;
}

void sender_pace_pause(struct sender_pace *p, int64_t until_us)
{
    p->n_forfeited += slots_left(p);
    p->n_grants = p->n_spare = 0;
    if (until_us > p->paused_until_us)
        p->paused_until_us = until_us;
}

void sender_pace_learn(struct sender_pace *p, enum outcome outcome, enum send_scope scope,
                       const struct send_pace *told)
{
    if (outcome == OUTCOME_RATE_LIMITED && scope == SEND_SCOPE_ACCOUNT) {
        p->slowed = p->slowed * SLOWER < SLOWEST ? p->slowed * SLOWER : SLOWEST;
        p->late_us /= 2;
        if (p->late_us < SENDER_PACE_LATE_LEAST_US)
            p->late_us = SENDER_PACE_LATE_LEAST_US;
    } else if (outcome == OUTCOME_SENT) {
        p->slowed = p->slowed * FASTER > 1 ? p->slowed * FASTER : 1;
        p->late_us += p->late_us / LATER;
        if (p->late_us > SENDER_PACE_LATE_US)
            p->late_us = SENDER_PACE_LATE_US;
    }
    if (told->used_percent < 0 || !p->slow_from_percent)
        return;
    int over = told->used_percent - p->slow_from_percent;
    p->careful =
        over <= 0 ? 1 : 1 + (CAREFUL_MAX - 1) * (double)over / (100 - p->slow_from_percent);
    if (p->careful > CAREFUL_MAX)
        p->careful = CAREFUL_MAX;
}

bool sender_pace_is_at_rest(const struct sender_pace *p, int64_t now_us)
{
    return p->paused_until_us <= now_us && !p->is_asking && p->slowed < 1.01 && p->careful < 1.01;
}
