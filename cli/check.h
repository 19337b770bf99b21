/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The doctor's findings: one line a check, with what to mend. */
#include "err.h"
#include "verb.h"

enum check_level { CHECK_OK, CHECK_WARN, CHECK_FAIL };

struct checks {
    struct buf out;
    bool json;
    int n[3]; /* by level */
};

void checks_init(struct checks *c, bool json);
/* `mend` is what to do; NULL with CHECK_OK. */
void check_add(struct checks *c, enum check_level level, const char *what, const char *mend,
               const char *fmt, ...) PRINTF_LIKE(5, 6);
/* Closes and prints; returns the exit status. */
int checks_done(struct checks *c);

/* A secret's strength by what is set. Pure. */
enum check_level check_secret(struct str value, size_t least, bool required, const char **said);

/* Groups of checks. */
void doctor_kafka(struct checks *c, const struct cli_conf *conf);
void doctor_database(struct checks *c, const struct cli_conf *conf);
void doctor_daemons(struct checks *c);
void doctor_registry(struct checks *c, const struct cli_conf *conf);
