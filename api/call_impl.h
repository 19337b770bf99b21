/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the frame's files share of a call; handlers have call.h. */
#include "call.h"
#include "crypto.h"
#include "http.h"
#include "rate.h"
#include "spec.h"
#include "standing.h"

#define CALL_QUERY_MAX 32

struct call_header_out {
    const char *name;
    struct str value;
    struct call_header_out *next;
};

struct call_value {
    const struct api_param *param;
    struct str value;
};

struct call_conflict {
    const char *constraint;
    void (*then)(struct call *c);
};

/* The Idempotency-Key of a call. */
struct call_key {
    struct str text;                   /* absent: none, or the operation takes none */
    uint8_t hash[SHA256_BYTES];        /* as it is stored */
    uint8_t fingerprint[SHA256_BYTES]; /* of what was asked */
};

enum call_round {
    CALL_NO_ROUND,
    CALL_RUN,
    CALL_COMMIT,        /* COMMIT goes with the round */
    CALL_BEFORE_COMMIT, /* there is a key: COMMIT goes with the answer */
    CALL_KEEPING,       /* the answer is being kept */
};

struct call {
    struct call *next; /* of those that are done, or idle */
    struct call *live_prev, *live_next;
    struct calls *calls;
    struct api *api;
    struct http_request *http; /* NULL: the client has gone */
    struct arena *arena;
    const struct api_operation *op; /* NULL: none was found */
    struct api_route route;
    struct who who;
    struct api_standing standing; /* of the caller's tenant */
    struct str request_id, peer, origin, path;
    struct call_value values[CALL_QUERY_MAX]; /* query and header parameters that came */
    int n_values;
    struct str kept_body; /* of a streamed one, by who takes it */
    const struct json *body;
    void *state;
    int64_t since_us, now_at_ms;
    struct call_key key;
    struct api_rate rate; /* the tightest of those that were asked */

    struct buf buf;
    struct json_out out;
    struct call_header_out *headers;
    int status; /* 0: not answered yet */
    bool ended;
    bool is_streaming;                 /* its body is still to come */
    const struct api_body *body_taker; /* NULL: its body is no streamed one; its drop is owed */

    struct pg_tx *tx;
    enum call_round round;
    int n_own; /* statements of the frame before the handler's, in this round */
    bool has_claimed, is_committed;
    call_then *then;
    void (*after_commit)(struct call *c);
    struct call_conflict conflicts[CALL_CONFLICTS_MAX];
    int n_conflicts;
};

/* Give the answer to the client and end the call: call_answer without the keeping. */
void call_deliver(struct call *c);
/* True: the answer is kept first, and delivered after it. */
bool call_keep(struct call *c);
/* A transaction that is open and not committed is given up. */
void call_drop_tx(struct call *c);
void call_run_after_commit(struct call *c);
/* In what was written so far: nothing. */
void call_clear(struct call *c);
