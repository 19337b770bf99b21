/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* PostgreSQL through libpq: one connection, pipelined statements, reconnect. One thread.
 *
 * For threads that may wait (the router's workers, the cli): calls block up to `timeout_ms`, never
 * longer. Statements are prepared once per connection by name, parameters travel apart from the
 * SQL. Error kinds: SQLSTATE classes 21, 22, 23 and 54 (a limit of the server: a key that no index
 * takes) are ERR_INVALID (the data's fault), except 23505 unique_violation, 40001 and 40P01, which
 * are ERR_CONFLICT (read again); all else, a lost connection among them, is ERR_BUSY; 42 (our SQL
 * is wrong) is ERR_FAULT, 28 ERR_DENIED. */
#include "arena.h"
#include "buf.h"
#include "err.h"

struct pg;
struct pg_result; /* rows of one statement */

struct pg_opts {
    const char *url;
    const char *application_name;
    const char *const *session_sql; /* run after each connect; n_session */
    size_t n_session;
    int64_t timeout_ms; /* for connect and for each pg_run */
    bool replans;       /* plans are forgotten now and then: for sessions with generic plans */
};

/* Does not connect yet. */
struct pg *pg_new(const struct pg_opts *opts);
void pg_free(struct pg *pg);
/* Connect if not connected. Not within a transaction. ERR_BUSY: not now. */
bool pg_connect(struct pg *pg, struct err *err) NODISCARD;
bool pg_is_connected(const struct pg *pg);
/* SQLSTATE of the last failure, "" for none of the server's. */
const char *pg_sqlstate(const struct pg *pg);

struct pg_stmt {
    const char *name; /* unique per connection; NULL: not prepared */
    const char *sql;
};

/* Queue a statement of the pipeline. Text-format parameters; NULL value: SQL NULL. The values are
 * copied at once. */
struct pg_param {
    const char *value; /* text format: NUL-terminated; binary: bytes */
    int len;
    bool binary;
};
bool pg_send(struct pg *pg, const struct pg_stmt *stmt, const struct pg_param *params, int n_params,
             struct err *err) NODISCARD;
/* Sync the pipeline and read all results in order: results[i] belongs to the i-th pg_send since the
 * last pg_run; n_results must equal their number. On the first error the rest of the pipeline is
 * skipped by the server, all results are freed, `err` says which statement. After an error inside a
 * transaction call pg_rollback. */
bool pg_run(struct pg *pg, struct pg_result **results, int n_results, struct err *err) NODISCARD;
bool pg_rollback(struct pg *pg, struct err *err);
/* One statement outside a pipeline, several commands allowed when there are no params (migrations).
 */
struct pg_result *pg_exec(struct pg *pg, const char *sql, const struct pg_param *params,
                          int n_params, struct err *err);

void pg_result_free(struct pg_result *r);
int pg_rows(const struct pg_result *r);
bool pg_null(const struct pg_result *r, int row, int col);
struct str pg_text(const struct pg_result *r, int row,
                   int col);                                 /* borrowed from r; absent for NULL */
int64_t pg_i64(const struct pg_result *r, int row, int col); /* 0 for NULL */
/* A text as a parameter, its bytes in `a`; absent: NULL. */
struct pg_param pg_param_str(struct arena *a, struct str s);
/* Text form of an array parameter, '{...}', built value by value; NULL-able; quotes as needed. */
struct pg_array {
    struct buf buf;
    int n;
};
void pg_array_init(struct pg_array *x, size_t max);
void pg_array_done(struct pg_array *x);
void pg_array_clear(struct pg_array *x);
void pg_array_str(struct pg_array *x, struct str v); /* absent: NULL */
void pg_array_i64(struct pg_array *x, int64_t v);
void pg_array_null(struct pg_array *x);
struct pg_param pg_array_param(struct pg_array *x); /* closes the brace; borrowed */
