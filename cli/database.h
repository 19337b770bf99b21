/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The verbs' way to PostgreSQL: the owner's role, one connection, text parameters. */
#include "pg.h"
#include "verb.h"

/* Connected; NULL: err. Returns owned. */
struct pg *database_open(const char *url, int64_t timeout_ms, struct err *err);
/* One statement with C strings as parameters, NULL is SQL NULL. Returns owned; NULL: err. */
struct pg_result *database_query(struct pg *pg, const char *sql, const char *const *values, int n,
                                 struct err *err);
/* The same for a statement whose rows do not matter. */
bool database_do(struct pg *pg, const char *sql, const char *const *values, int n,
                 struct err *err) NODISCARD;
/* Rows as people read them, or as a JSON array of objects. Column i is titled titles[i]. */
void database_print(const struct pg_result *r, const char *const *titles, int n, bool json,
                    struct buf *out);
/* The same on stdout: a verb's exit status. */
int database_show(const struct pg_result *r, const char *const *titles, int n, bool json);

DEFINE_AUTO(pg, pg_free)
#define auto_pg AUTO(pg_free) struct pg *
DEFINE_AUTO(pg_result, pg_result_free)
#define auto_result AUTO(pg_result_free) struct pg_result *
