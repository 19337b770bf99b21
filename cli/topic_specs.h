/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The five topics as they ought to be. */
#include "kafka.h"
#include "records.h"
#include "verb.h"

/* Names live in a. */
void topic_specs(struct arena *a, const char *prefix, int partitions, int replication,
                 struct topic_spec out[TOPICS]);
const char *topic_state_text(enum topic_state s); /* "ok", "created", ... */
/* Must somebody mend it before the daemons can work? */
bool topic_state_is_bad(enum topic_state s);
struct kafka_opts kafka_opts_of(const struct cli_conf *conf);
