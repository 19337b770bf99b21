/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What goes wrong at the simulated providers, on demand: rules that strike the next requests, or
 * each with a probability. Each counts how often it struck, so that a test can assert that it did.
 * The same seed and the same requests give the same strikes. Pure. */
#include "arena.h"
#include "buf.h"
#include "err.h"
#include "random.h"
#include "str.h"

enum sim_fault {
    SIM_FAULT_RATE_LIMIT,
    SIM_FAULT_ERROR,       /* 5xx */
    SIM_FAULT_SLOW,        /* the answer comes after ms */
    SIM_FAULT_DROP_BEFORE, /* hangs up, nothing was accepted */
    SIM_FAULT_DROP_AFTER,  /* accepts, then hangs up without an answer */
    SIM_FAULT_EXPIRED,
    SIM_FAULT_REVOKED,
    SIM_FAULT_WINDOW,
    SIM_FAULT_REFUSED,
    SIM_FAULT_MOVED,     /* the conversation `to` has the id moved_to (Telegram) */
    SIM_FAULT_MALFORMED, /* accepts, and answers what cannot be understood */
    SIM_FAULTS
};
const char *sim_fault_name(enum sim_fault f); /* "rate_limit", "error", ... */

#define SIM_RULES_MAX 64

struct sim_rule {
    enum sim_fault fault;
    bool all; /* strikes every request, not only sends */
    /* Only for these; absent: any. Live in the rules' arena. */
    struct str provider, account, to, path, moved_to;
    int64_t skip;     /* so many that fit go unharmed first */
    int64_t count;    /* then the next so many; -1: all */
    int64_t permille; /* of those, with this probability; 1000: each */
    int64_t ms;       /* slow: before the answer */
    int64_t status;   /* error: 500 and the like */
    int64_t retry_after_s;
    int64_t struck;
};

struct sim_faults {
    struct arena *arena; /* owned */
    struct sim_rule rules[SIM_RULES_MAX];
    size_t n;
    struct sim_random random;
    int64_t struck[SIM_FAULTS]; /* since the last reset, of rules that are gone too */
};

void sim_faults_init(struct sim_faults *f, uint64_t seed);
void sim_faults_done(struct sim_faults *f);
void sim_faults_clear(struct sim_faults *f); /* rules and counts */
/* {"faults": [{"fault": "drop_after", "provider": "unipile", "account": "A", "to": "C", "count": 2,
 * "skip": 0, "probability": 0.5, "ms": 100, "status": 503, "retry_after": 3, "on": "sends"}]} takes
 * the place of all rules ("on": "sends", or "all" requests). ERR_INVALID says what is wrong, and
 * changes nothing. */
bool sim_faults_set(struct sim_faults *f, struct str json, struct err *err) NODISCARD;
void sim_faults_json(const struct sim_faults *f, struct buf *out);

/* A request, as far as it is known. */
struct sim_target {
    struct str provider, account, to, path; /* absent: not known */
    bool is_send;    /* a send that is about to be accepted; else a call that has just come */
    bool was_nobody; /* is_send: whose it is was not known when it came */
};
/* Does a rule of this fault strike? It then counts. NULL: none. */
const struct sim_rule *sim_faults_strike(struct sim_faults *f, enum sim_fault fault,
                                         const struct sim_target *t);
