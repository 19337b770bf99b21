/* SPDX-License-Identifier: Apache-2.0 */
#include "pg.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"
#include "pg_impl.h"

/* Statements and PREPAREs that may wait in one pipeline, and names prepared on one connection. */
#define QUEUE_MAX    64
#define PREPARED_MAX 128

#define REPLAN_FIRST_MS 250
#define REPLAN_LAST_MS  60000

/* What the server will answer, in order. */
struct queued {
    const char *name; /* of the statement */
    bool is_prepare;
};

struct pg {
    char *url, *application_name;
    const char *const *session_sql;
    size_t n_session;
    int64_t timeout_ms;
    bool replans;
    int64_t replan_ms, replan_pause_ms; /* monotonic: when next; the pause that leads there */
    PGconn *conn;
    const char *prepared[PREPARED_MAX];
    size_t n_prepared;
    struct queued queue[QUEUE_MAX];
    int n_queue, n_sent; /* n_sent: those that are no PREPAREs */
    char sqlstate[PG_SQLSTATE_MAX];
};

struct pg *pg_new(const struct pg_opts *opts)
{
    struct pg *pg = xalloc(sizeof *pg);
    pg->url = xstrdup(opts->url);
    pg->application_name = xstrdup(opts->application_name ? opts->application_name : "postrider");
    pg->session_sql = opts->session_sql;
    pg->n_session = opts->n_session;
    pg->timeout_ms = opts->timeout_ms;
    pg->replans = opts->replans;
    return pg;
}

static void drop_connection(struct pg *pg)
{
    PQfinish(pg->conn);
    pg->conn = NULL;
    pg->n_prepared = 0;
    pg->n_queue = 0;
    pg->n_sent = 0;
}

void pg_free(struct pg *pg)
{
    if (!pg)
        return;
    drop_connection(pg);
    free(pg->url);
    free(pg->application_name);
    free(pg);
}

bool pg_is_connected(const struct pg *pg)
{
    return pg->conn && PQstatus(pg->conn) == CONNECTION_OK;
}

const char *pg_sqlstate(const struct pg *pg)
{
    return pg->sqlstate;
}

/* The connection is of no more use. */
static bool lost(struct pg *pg, struct err *err, const char *doing)
{
    char line[200];
    pg_first_line(pg->conn ? PQerrorMessage(pg->conn) : "", line, sizeof line);
    err_set(err, ERR_BUSY, "PostgreSQL: %s: %s", doing, *line ? line : "no answer in time");
    pg->sqlstate[0] = 0;
    drop_connection(pg);
    return false;
}

/* Wait until the socket is ready; false: the deadline has passed. */
static bool wait_socket(const PGconn *conn, short events, int64_t deadline_ms)
{
    for (;;) {
        int64_t left_ms = deadline_ms - clock_ms();
        if (left_ms <= 0)
            return false;
        struct pollfd fd = {.fd = PQsocket(conn), .events = events};
        int n = poll(&fd, 1, (int)left_ms);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
    }
}

/* Send what is buffered and read what has come, until a result can be had without blocking. Reads
 * while it writes: a server that blocks on its answers would else never take the rest. */
static bool wait_result(PGconn *conn, int64_t deadline_ms)
{
    for (;;) {
        int unsent = PQflush(conn);
        if (unsent < 0)
            return false;
        if (!unsent && !PQisBusy(conn))
            return true;
        if (!wait_socket(conn, (short)(POLLIN | (unsent ? POLLOUT : 0)), deadline_ms))
            return false;
        if (!PQconsumeInput(conn))
            return false;
    }
}

static bool await_connection(struct pg *pg, int64_t deadline_ms)
{
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;
    while (want != PGRES_POLLING_OK) {
        if (want == PGRES_POLLING_FAILED)
            return false;
        if (!wait_socket(pg->conn, want == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ms))
            return false;
        want = PQconnectPoll(pg->conn);
    }
    return true;
}

/* Which index a generic plan reads was chosen when the plan was made, and one made over tables that
 * were empty reads whichever: they all have one page. So plans are forgotten now and then, at first
 * soon, because the tables grow fastest then. Making the router's anew takes some 20 ms. */
static bool forget_old_plans(struct pg *pg, struct err *err)
{
    if (!pg->replans || clock_ms() < pg->replan_ms)
        return true;
    struct pg_result *r = pg_exec(pg, "DISCARD PLANS", NULL, 0, err);
    if (!r)
        return false;
    pg_result_free(r);
    pg->replan_pause_ms = pg->replan_pause_ms ? 2 * pg->replan_pause_ms : REPLAN_FIRST_MS;
    if (pg->replan_pause_ms > REPLAN_LAST_MS)
        pg->replan_pause_ms = REPLAN_LAST_MS;
    pg->replan_ms = clock_ms() + pg->replan_pause_ms;
    return true;
}

bool pg_connect(struct pg *pg, struct err *err)
{
    if (pg_is_connected(pg))
        return forget_old_plans(pg, err);
    drop_connection(pg);
    const char *keys[] = {"dbname", "fallback_application_name", "client_encoding",
                          "keepalives_idle", NULL};
    const char *values[] = {pg->url, pg->application_name, "UTF8", "10", NULL};
    pg->conn = PQconnectStartParams(keys, values, 1);
    if (!pg->conn || PQstatus(pg->conn) == CONNECTION_BAD)
        return lost(pg, err, "connecting");
    if (!await_connection(pg, clock_ms() + pg->timeout_ms))
        return lost(pg, err, "connecting");
    if (PQsetnonblocking(pg->conn, 1))
        return lost(pg, err, "connecting");
    PQsetNoticeProcessor(pg->conn, pg_on_notice, NULL);
    for (size_t i = 0; i < pg->n_session; i++) {
        struct pg_result *r = pg_exec(pg, pg->session_sql[i], NULL, 0, err);
        if (!r) {
            drop_connection(pg);
            return err_wrap(err, "setting up the session");
        }
        pg_result_free(r);
    }
    return true;
}

static bool is_prepared(const struct pg *pg, const char *name)
{
    for (size_t i = 0; i < pg->n_prepared; i++)
        if (!strcmp(pg->prepared[i], name))
            return true;
    return false;
}

static void forget_prepared(struct pg *pg, const char *name)
{
    for (size_t i = 0; i < pg->n_prepared; i++)
        if (!strcmp(pg->prepared[i], name))
            pg->prepared[i] = pg->prepared[--pg->n_prepared];
}

static void enqueue(struct pg *pg, const char *name, bool is_prepare)
{
    pg->queue[pg->n_queue++] = (struct queued){.name = name, .is_prepare = is_prepare};
    pg->n_sent += !is_prepare;
}

static bool send_prepare(struct pg *pg, const struct pg_stmt *stmt)
{
    if (!stmt->name || is_prepared(pg, stmt->name))
        return true;
    if (pg->n_prepared == PREPARED_MAX || !PQsendPrepare(pg->conn, stmt->name, stmt->sql, 0, NULL))
        return false;
    pg->prepared[pg->n_prepared++] = stmt->name;
    enqueue(pg, stmt->name, true);
    return true;
}

bool pg_send(struct pg *pg, const struct pg_stmt *stmt, const struct pg_param *params, int n_params,
             struct err *err)
{
    struct pg_wire w;
    if (!pg_is_connected(pg))
        return err_set(err, ERR_BUSY, "PostgreSQL: not connected");
    if (n_params > PG_PARAMS_MAX || pg->n_queue + 2 > QUEUE_MAX)
        return err_set(err, ERR_FAULT,
                       "PostgreSQL: too many parameters or statements in one pipeline");
    if (PQpipelineStatus(pg->conn) == PQ_PIPELINE_OFF && !PQenterPipelineMode(pg->conn))
        return lost(pg, err, "starting a pipeline");
    pg_to_wire(params, n_params, &w);
    if (!send_prepare(pg, stmt))
        return lost(pg, err, "preparing");
    int ok = stmt->name ? PQsendQueryPrepared(pg->conn, stmt->name, n_params, w.values, w.lens,
                                              w.formats, 0)
                        : PQsendQueryParams(pg->conn, stmt->sql, n_params, NULL, w.values, w.lens,
                                            w.formats, 0);
    if (!ok)
        return lost(pg, err, "sending");
    enqueue(pg, stmt->name, false);
    return true;
}

/* The one result of a queued item, its closing NULL read too. NULL: the connection is lost. */
static PGresult *next_result(PGconn *conn, int64_t deadline_ms)
{
    PGresult *res = wait_result(conn, deadline_ms) ? PQgetResult(conn) : NULL;
    if (!res || PQresultStatus(res) == PGRES_PIPELINE_SYNC)
        return res;
    if (!wait_result(conn, deadline_ms)) {
        PQclear(res);
        return NULL;
    }
    PGresult *end = PQgetResult(conn);
    PQclear(end); // NULL, by the protocol of libpq
    return res;
}

/* Read the answers of the queue. 1: all good, 0: `err` holds the first failure, -1: lost. */
static int read_queue(struct pg *pg, struct pg_result **results, int64_t deadline_ms,
                      struct err *err)
{
    int at = 0, state = 1;
    for (int i = 0; i < pg->n_queue; i++) {
        const struct queued *q = &pg->queue[i];
        PGresult *res = next_result(pg->conn, deadline_ms);
        if (!res)
            return -1;
        bool good = pg_is_good(res);
        if (!good && state == 1) {
            pg_result_err(res, q->name, pg->sqlstate, err);
            state = 0;
        }
        if (!good && q->is_prepare)
            forget_prepared(pg, q->name);
        if (q->is_prepare)
            PQclear(res);
        else
            results[at++] = (struct pg_result *)res;
    }
    PGresult *sync = next_result(pg->conn, deadline_ms);
    if (!sync)
        return -1;
    PQclear(sync);
    return state;
}

static void free_results(struct pg_result **results, int n)
{
    for (int i = 0; i < n; i++) {
        pg_result_free(results[i]);
        results[i] = NULL;
    }
}

bool pg_run(struct pg *pg, struct pg_result **results, int n_results, struct err *err)
{
    for (int i = 0; i < n_results; i++)
        results[i] = NULL;
    if (!pg_is_connected(pg))
        return err_set(err, ERR_BUSY, "PostgreSQL: not connected");
    if (n_results != pg->n_sent)
        return err_set(err, ERR_FAULT, "PostgreSQL: %d results wanted of %d statements", n_results,
                       pg->n_sent);
    if (!PQpipelineSync(pg->conn))
        return lost(pg, err, "sending");

    pg->sqlstate[0] = 0;
    int state = read_queue(pg, results, clock_ms() + pg->timeout_ms, err);
    if (state < 1)
        free_results(results, n_results);
    if (state < 0)
        return lost(pg, err, "waiting for results");
    pg->n_queue = 0;
    pg->n_sent = 0;
    return state;
}

bool pg_rollback(struct pg *pg, struct err *err)
{
    struct pg_result *r = pg_exec(pg, "ROLLBACK", NULL, 0, err);
    pg_result_free(r);
    return r != NULL;
}

/* The last result of a command string, or its first error. NULL without err set: lost. */
static PGresult *read_last(struct pg *pg, int64_t deadline_ms)
{
    PGresult *kept = NULL;
    for (;;) {
        if (!wait_result(pg->conn, deadline_ms)) {
            PQclear(kept);
            return NULL;
        }
        PGresult *res = PQgetResult(pg->conn);
        if (!res)
            return kept;
        if (kept && !pg_is_good(kept)) {
            PQclear(res);
            continue;
        }
        PQclear(kept);
        kept = res;
    }
}

struct pg_result *pg_exec(struct pg *pg, const char *sql, const struct pg_param *params,
                          int n_params, struct err *err)
{
    struct pg_wire w;
    if (!pg_is_connected(pg)) {
        err_set(err, ERR_BUSY, "PostgreSQL: not connected");
        return NULL;
    }
    if (n_params > PG_PARAMS_MAX) {
        err_set(err, ERR_FAULT, "PostgreSQL: too many parameters");
        return NULL;
    }
    if (PQpipelineStatus(pg->conn) != PQ_PIPELINE_OFF && !PQexitPipelineMode(pg->conn)) {
        lost(pg, err, "ending a pipeline whose results were not read");
        return NULL;
    }
    pg_to_wire(params, n_params, &w);
    int ok = n_params
                 ? PQsendQueryParams(pg->conn, sql, n_params, NULL, w.values, w.lens, w.formats, 0)
                 : PQsendQuery(pg->conn, sql);
    PGresult *res = ok ? read_last(pg, clock_ms() + pg->timeout_ms) : NULL;
    if (!res) {
        lost(pg, err, "running a command");
        return NULL;
    }
    pg->sqlstate[0] = 0;
    if (pg_is_good(res))
        return (struct pg_result *)res;
    pg_result_err(res, NULL, pg->sqlstate, err);
    PQclear(res);
    return NULL;
}
