/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What pg.c and pg_pool.c share; nobody else includes this. */
#include <libpq-fe.h>

#include "pg.h"

#define PG_PARAMS_MAX   48
#define PG_SQLSTATE_MAX 6

/* libpq ends its messages with a newline and puts several lines into one. Returns out. */
const char *pg_first_line(const char *text, char *out, size_t size);
/* err from a failed result, named by its statement (NULL: none); the state's text into sqlstate.
 * False. */
bool pg_result_err(const PGresult *res, const char *name, char sqlstate[PG_SQLSTATE_MAX],
                   struct err *err);
/* libpq would print notices on stderr, where only log lines belong. */
void pg_on_notice(void *ctx, const char *message);
bool pg_is_good(const PGresult *res);

/* Parameters as libpq wants them, at most PG_PARAMS_MAX; they borrow. */
struct pg_wire {
    const char *values[PG_PARAMS_MAX];
    int lens[PG_PARAMS_MAX], formats[PG_PARAMS_MAX];
};
void pg_to_wire(const struct pg_param *params, int n, struct pg_wire *out);
