/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One claimed message on its way: copied from its row, opened, sent through its adapter, judged.
 * Loop thread. */
#include "compose.h"
#include "credentials.h"
#include "exchange.h"
#include "ring.h"
#include "store.h"

/* A call is given up before its last request when less than call_timeout and this is left of the
 * claim. */
#define SENDER_CALL_MARGIN_MS 2000

struct sender_call;

struct sender_caller { /* constant after start */
    struct exchange_opts exchange;
    const struct vault *vault;
    struct sender_retry_opts retry;
    int64_t lease_ms;
    void (*on_answer)(void *ctx,
                      struct sender_call *call); /* may come from within sender_call_start */
    void *ctx;
};

struct sender_call {
    const struct sender_caller *by;
    struct sender_conversation *conversation;
    struct arena *arena;
    struct str message_id;
    int64_t attempt;
    int n_failed, n_limited;
    int64_t accepted_at_ms;
    bool has_more;
    int64_t slot_us, started_us;      /* started_us 0: not yet */
    int64_t leased_ms, last_start_ms; /* since when; no request is begun later than that: the claim
                                         would not outlive it */
    struct ring link;                 /* the owner's */
    struct sender_answer answer;
    int status;
    struct sender_credentials credentials;
    /* private */
    struct send_row row;
    struct str sealed_hex, key_id;
    struct send_account account;
    struct send_message message;
    bool was_late;
};

/* What was claimed at claimed_ms (monotonic, before the database did it), to be called at slot_us.
 */
struct sender_call *sender_call_new(const struct sender_caller *by,
                                    struct sender_conversation *conversation,
                                    const struct sender_claim *claim, int64_t claimed_ms,
                                    int64_t slot_us);
void sender_call_start(struct sender_call *c);
/* Its claim holds for a lease from at_ms; or is lost, and no final request is begun any more. */
void sender_call_renewed(struct sender_call *c, int64_t at_ms);
void sender_call_lost(struct sender_call *c);
/* It will not be called: its message waits again. Instead of a start. */
void sender_call_give_up(struct sender_call *c);
void sender_call_free(struct sender_call *c); /* after its answer, or without a start */
