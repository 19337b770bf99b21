/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One request of an operation of schemas/openapi.yaml, as a handler sees it.
 *
 * Before a handler runs, the frame has found the operation by method and path, checked the token and
 * role (x-roles), the rate, the query and path parameters and the body against the schemas (unknown
 * fields included), and the Idempotency-Key where the operation takes one. What a handler answers is
 * JSON or a problem. Handlers are found by operationId in api_handlers[]: an operation without a
 * handler, or the reverse, ends the daemon at start. Everything lives in the call's arena. Loop thread. */
#include "buf.h"
#include "json.h"
#include "pg_pool.h"

struct api; /* the daemon's parts: api/api.h */
struct call;

struct who {
    struct str tenant_id; /* absent for an operator without one */
    struct str user_id;   /* absent: no token was needed */
    struct str role;      /* owner, agent, operator */
};

struct api_handler {
    const char *operation_id;
    void (*run)(struct call *c);
};

struct api *call_api(struct call *c);
struct arena *call_arena(struct call *c);
const struct who *call_who(const struct call *c);
struct str call_path(const struct call *c, const char *name);
struct str call_query(const struct call *c, const char *name); /* absent: STR_NONE, or the default */
struct str call_header(const struct call *c, const char *name);
const struct json *call_body(const struct call *c); /* NULL: none */
void **call_state(struct call *c);                  /* the handler's own */
struct str call_peer(const struct call *c);

/* The transaction of this call, as the caller's tenant: pg_tx_send on it, then one of these. Errors of
 * the database are answered by the frame (503, 409, 500), `then` comes only when all went well; the
 * client may have gone meanwhile: then it does not come either, and the work is rolled back or stands. */
struct pg_tx *call_tx(struct call *c);
void call_run(struct call *c, void (*then)(struct call *c, struct pg_result *const *results, int n));
void call_commit(struct call *c, void (*then)(struct call *c, struct pg_result *const *results, int n));
/* Before call_run or call_commit: a violation of this constraint is the handler's to answer. */
void call_on_conflict(struct call *c, const char *constraint, void (*then)(struct call *c));
/* A row of the audit log, in the call's transaction. detail: JSON or absent. */
void call_audit(struct call *c, const char *action, const char *object_kind, struct str object_id,
                struct str detail);
/* A change that clients see: the row of the outbox, in the call's transaction. */
void call_changed(struct call *c, const char *object_kind, struct str object_id);

/* Where the answer is written; then call_answer sends it. With an Idempotency-Key the answer is kept. */
struct json_out *call_out(struct call *c);
void call_set_header(struct call *c, const char *name, struct str value);
void call_answer(struct call *c, int status); /* 204: without a body */
/* `code` is a stable word of docs ("conversation_closed"); pointer absent, or of the field at fault. */
void call_problem(struct call *c, int status, const char *code, struct str pointer, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void call_problem_err(struct call *c, const struct err *err);
void call_absent(struct call *c); /* the 404 that says nothing of whether it exists elsewhere */
