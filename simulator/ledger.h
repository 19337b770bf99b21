/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What was sent, event by event: the oracle that a test holds against what was stored. And the
 * totals. */
#include <stdio.h>

#include "latency.h"
#include "webhooks_conf.h"

struct sim_post;

#define SIM_STATUSES 600

struct sim_totals {
    uint64_t events[SIM_PROVIDERS_MAX][SIM_KINDS]; /* distinct, sent at least once */
    uint64_t acknowledged, unacknowledged;         /* of those events */
    uint64_t posts;                  /* webhooks, repetitions by the duplicates setting included */
    uint64_t duplicates;             /* of those, the repetitions */
    uint64_t tries;                  /* HTTP requests; beyond posts: retries */
    uint64_t statuses[SIM_STATUSES]; /* 0: no answer */
    struct sim_latency latency;      /* of acknowledged tries */
    int64_t elapsed_us;
};

/* One event as a JSON line. */
void sim_ledger_line(struct buf *out, const struct sim_plan *plan, const struct sim_post *p,
                     const struct sim_event *e);
/* All events of a settled post: into the totals and, unless NULL, the file. Posts never sent count
 * for nothing. */
void sim_ledger_settle(struct sim_totals *t, FILE *file, const struct sim_cast *cast,
                       const struct sim_plan *plan, const struct sim_post *p);
void sim_totals_json(const struct sim_totals *t, const struct sim_cast *cast, struct buf *out);
void sim_totals_text(const struct sim_totals *t, const struct sim_cast *cast, struct buf *out);
