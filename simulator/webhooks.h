/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* `postrider simulate webhooks`: plan events, make posts of them, deliver them, keep the ledger. */
#include "ledger.h"

struct sim_run;

/* NULL: err. Borrows conf, cast, plan. Returns owned. */
struct sim_run *sim_run_new(const struct sim_conf *conf, const struct sim_cast *cast,
                            struct sim_plan *plan, FILE *ledger, struct err *err);
/* Until all is delivered, or a descriptor of signalfd has a signal: then what is under way gets
 * five seconds. blocks. */
void sim_run_loop(struct sim_run *r, int signal_fd);
const struct sim_totals *sim_run_totals(const struct sim_run *r);
void sim_run_free(struct sim_run *r);

/* The request's head and body for these events, appended; `secrets` are those of their provider. */
void sim_request(struct buf *head, struct buf *body, const struct sim_plan *plan,
                 const struct sim_provider *provider, const struct sim_secrets *secrets,
                 struct str host, const struct sim_event *events, size_t n);
