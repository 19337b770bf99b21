/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One request of an operation of schemas/openapi.yaml, as a handler sees it.
 *
 * Before a handler runs, the frame has found the operation by method and path, checked the token
 * and role (x-roles), the rate, the query and path parameters and the body against the schemas
 * (unknown fields included). What a handler answers is JSON or a problem. Handlers are found by
 * operationId in the tables of handlers.h: an operation without a handler, or the reverse, ends the
 * daemon at start. Everything lives in the call's arena. Loop thread.
 *
 * A call runs to its end even when its client has gone: the answer is then dropped (or kept for the
 * Idempotency-Key). So a handler needs no clean-up for that; each wait of it is bounded by a
 * timeout, and each path through it ends in exactly one call_answer or call_problem*. It may wait
 * as it likes: keep the struct call, answer later. */
#include "api.h"
#include "buf.h"
#include "json.h"
#include "pg_pool.h"

struct call;
struct api_operation;
struct api_violations;
struct http_request;

struct who {
    struct str tenant_id; /* absent for a call without a token, and for an operator without one */
    struct str
        user_id; /* a UUID; absent: no token was needed. Of another issuer's token: derived */
    struct str subject; /* as in the token: for the audit log */
    struct str role;    /* owner, agent, operator */
};

/* Who takes the body of an operation with x-stream-body, as it comes. */
struct api_body {
    const char *operation_id; /* NULL ends the table */
    /* The headers are there, and token, rate and parameters are good. False: it was answered. */
    bool (*begin)(struct call *c);
    /* False: no more of it is wanted. `run` comes when it has ended. */
    bool (*piece)(struct call *c, struct str bytes);
    /* The call has ended, by its answer or because its client went away in the middle: drop what is
     * left of what began. Once. */
    void (*drop)(struct call *c);
};

struct api_handler {
    const char *operation_id; /* NULL ends a table */
    void (*run)(struct call *c);
};

struct api *call_api(struct call *c);
struct arena *call_arena(struct call *c);
const struct who *call_who(const struct call *c);
const struct api_operation *call_operation(const struct call *c);
struct str call_path(const struct call *c, const char *name);
struct str call_query(const struct call *c,
                      const char *name); /* absent: STR_NONE, or the default */
bool call_query_i64(const struct call *c, const char *name, int64_t *out); /* false: absent */
struct str call_header(const struct call *c, const char *name); /* before the first wait only */
const struct json *call_body(const struct call *c);             /* NULL: none */
struct str call_raw_body(const struct call *c); /* x-raw-body; before the first wait only */
/* Who takes a streamed body and keeps all of it says so with each piece: an Idempotency-Key stands
 * for what was asked, body included. Absent when it goes. */
void call_set_raw_body(struct call *c, struct str body);
void **call_state(struct call *c);          /* the handler's own */
struct str call_peer(const struct call *c); /* the caller's address, see trusted_proxies */
struct str call_request_id(const struct call *c);
int64_t call_now_at_ms(const struct call *c); /* when it came */

/* From here on the call is this user's: for those that begin without a token (a login). The tenant
 * before call_tx. */
void call_become(struct call *c, struct str tenant_id, struct str user_id, const char *role);

/* --- the database ----------------------------------------------------------------------------- */

typedef void call_then(struct call *c, struct pg_result *const *results, int n);

/* The transaction of this call, as the caller's tenant (in the operator's own role where x-roles
 * names the operator alone), begun by the first use: pg_tx_send on it, then one of the two below.
 * results[i] is of the i-th statement sent since the last round. Errors of the database are
 * answered by the frame (503, 409, 500) and `then` does not come.
 *
 * In the `then` of call_run: send more and call_run or call_commit, or leave it, which rolls back;
 * a later call_tx begins a new one. So hold none while you wait for anything but the database.
 *
 * With an Idempotency-Key the first call_commit of a call is the one that counts: the key goes into
 * the same transaction, and COMMIT comes only with the answer, which is kept in it too. So do in
 * `then` of call_commit nothing that must not happen when the commit fails: that is
 * call_after_commit's. A key that is known ends the call with the kept answer when the first round
 * comes back. */
struct pg_tx *call_tx(struct call *c);
void call_send(struct call *c, const struct pg_stmt *stmt, const struct str *params, int n);
void call_run(struct call *c, call_then *then);
void call_commit(struct call *c, call_then *then);
/* Once COMMIT has succeeded, before the answer goes out: records to Kafka. Set it before
 * call_commit or in its `then`. */
void call_after_commit(struct call *c, void (*then)(struct call *c));
/* Before call_run or call_commit: a violation of this constraint is the handler's to answer,
 * instead of the frame's 409. Of a partitioned table the name is that without the partition:
 * users_p03_tenant_id_lower_idx is "users_tenant_id_lower_idx". Any number up to
 * CALL_CONFLICTS_MAX; they hold until the next round has ended. */
#define CALL_CONFLICTS_MAX 4
void call_on_conflict(struct call *c, const char *constraint, void (*then)(struct call *c));
/* A row of the audit log, in the call's transaction: its result is one of the round's, after those
 * of the statements before it. detail: JSON or absent. Never a secret. */
void call_audit(struct call *c, const char *action, const char *object_kind, struct str object_id,
                struct str detail);
/* The same in the log of another tenant than the caller's: an operator's doing. */
void call_audit_of(struct call *c, struct str tenant_id, const char *action,
                   const char *object_kind, struct str object_id, struct str detail);
/* A change that clients see: the row of the outbox, in the call's transaction; a result like
 * others. */
void call_changed(struct call *c, const char *object_kind, struct str object_id);

/* --- revisions and pages ---------------------------------------------------------------------- */

/* ETag from a row's rev; If-Match of the request. False: it is there, but no rev of ours, and 412
 * was answered. *rev -1: none, or "*": any will do. */
void call_set_rev(struct call *c, int64_t rev);
bool call_if_match(struct call *c, int64_t *rev);
/* The cursor of a page: any texts of ours, put together, opaque to clients. Read gives exactly n
 * parts; false: there is one and it is none of ours: 422 was answered. No cursor: parts are absent,
 * and true. */
struct str call_cursor_make(struct call *c, const struct str *parts, int n);
bool call_cursor_read(struct call *c, struct str *parts, int n);
/* The same 422, where the parts are none that the list has given. */
void call_cursor_refuse(struct call *c);

/* --- the answer ------------------------------------------------------------------------------- */

/* Where the answer is written; then call_answer sends it. 204: without a body. */
struct json_out *call_out(struct call *c);
void call_set_header(struct call *c, const char *name, struct str value); /* name: constant */
void call_answer(struct call *c, int status);
/* `code` is a stable word of docs ("conversation_closed"); pointer absent, or of the field at fault
 * ("#/text"). A transaction that was not committed is rolled back. */
void call_problem(struct call *c, int status, const char *code, struct str pointer, const char *fmt,
                  ...) __attribute__((format(printf, 5, 6)));
void call_problem_err(struct call *c, const struct err *err);
/* All that its schema finds wrong with a request. */
void call_violations(struct call *c, int status, const struct api_violations *v);
void call_absent(struct call *c); /* the 404 that says nothing of whether it exists elsewhere */
/* The request itself, for answers that are no JSON (media): take it, answer with http_*; the call
 * is then only a place in memory, ended by call_end. NULL: the client has gone. */
struct http_request *call_http(struct call *c);
/* Those that every answer has, and call_set_header's, onto the request that call_http gave. */
void call_common_headers(struct call *c);
void call_end(struct call *c, int status); /* status: for the metrics */
