/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A finding of the consistency check. Most come from the database's consistency_findings(); what
 * only Kafka knows is found here: partitions whose records wait for a consumer group. */
#include "json.h"
#include "kafka.h"
#include "pg.h"

struct finding {
    struct str check, severity; /* severity: critical, error, warning, info */
    int64_t count;
    struct str examples; /* JSON array of texts */
    struct str detail, command;
};

#define FINDINGS_SQL \
    "SELECT \"check\", severity, count, examples, detail, command FROM consistency_findings()"
/* The same of all tenants, for a role that reads none of them. */
#define FINDINGS_OF_ALL_SQL                                         \
    "SELECT \"check\", severity, count, examples, detail, command " \
    "FROM consistency_findings_of_all()"

/* The rows of FINDINGS_SQL, worst first, with `more` in its place. NULL: no more. Lives in `a` and
 * points into `r`. */
struct finding *findings_read(struct arena *a, const struct pg_result *r,
                              const struct finding *more, size_t *n);
bool finding_is_bad(const struct finding *f); /* critical or error */
void finding_put(struct json_out *o, const struct finding *f);

struct finding_groups {
    struct kafka_opts kafka;
    const char *topic_prefix;
    const char *router_group, *sender_group; /* "": as the daemons call them by themselves */
    int64_t timeout_ms;
};

/* True: *f is a finding (partitions behind, or a Kafka that does not tell: then err says why). It
 * lives in `a`. Any thread; blocks up to `timeout_ms`. */
bool finding_of_kafka(struct arena *a, const struct finding_groups *groups, struct finding *f,
                      struct err *err);
