/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What was sent comes back: echoes, delivered and read marks as webhooks, at the time and in the
 * order that the settings say, each again until it is acknowledged. */
#include <uv.h>

#include "accounts.h"
#include "hooks.h"
#include "sends.h"
#include "serve_conf.h"

/* How webhooks behave; from the settings, and PUT /_sim/webhooks. */
struct sim_manners {
    bool echo, delivered, read;
    bool paused;        /* none leaves until this ends */
    int64_t delay_ms;   /* from the send to its echo; delivered and read follow by as much again */
    int64_t spread_ms;  /* and up to so much more, by chance: out of order */
    int64_t duplicates; /* percent that leave twice */
    int64_t batch;      /* reports in one body, where the provider batches */
};

struct sim_reports;
/* NULL: err. Returns owned. */
struct sim_reports *sim_reports_new(uv_loop_t *loop, const struct sim_serve_conf *conf,
                                    const struct sim_hooks *hooks, struct err *err);
/* Its handles close in the loop's next turns. */
void sim_reports_close(struct sim_reports *r);
void sim_reports_free(struct sim_reports *r);
/* Forget what has not left yet, and the counts. */
void sim_reports_clear(struct sim_reports *r);
/* The account's texts must stay until sim_reports_clear. */
void sim_reports_add(struct sim_reports *r, const struct sim_api *api, const struct sim_known *k,
                     const struct sim_sent *row);
const struct sim_manners *sim_reports_manners(const struct sim_reports *r);
void sim_reports_behave(struct sim_reports *r, const struct sim_manners *m);
/* {"made", "unreportable", "pending", "posts", "tries", "duplicates", "acknowledged", "refused"} */
void sim_reports_json(const struct sim_reports *r, struct buf *out);
