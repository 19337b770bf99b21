/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What becomes of a message by the provider's judgement: the attempt's answer. Pure but for the
 * random draw of a backoff. */
#include "outgoing.h"
#include "state.h"

struct sender_retry_opts {
    int64_t first_ms, longest_ms; /* full jitter, doubling */
    int attempts;                 /* failed ones in all */
    int64_t age_ms;
};

struct sender_try {
    int64_t now_at_ms, accepted_at_ms; /* accepted_at_ms: when it was to be sent at first */
    int n_failed;                      /* earlier attempts that count as failed */
    int n_limited;                     /* earlier attempts that met a limit */
    int status;                        /* of the last answer; 0: none */
    bool was_late;                     /* given up before the call, because the claim ran out */
};

/* How the host behaved, for its breaker. */
enum sender_host { HOST_ANSWERED, HOST_FAILED, HOST_NOT_ASKED };

struct sender_answer {
    enum sender_state to; /* sent, retry, failed or uncertain */
    const char *class;    /* send_attempts.class: the judgement's name, or "late" */
    int64_t retry_at_ms;  /* retry */
    struct str external_id, conversation;
    struct str code, message;    /* not sent */
    enum send_scope pause_scope; /* who has to wait, for pause_ms */
    int64_t pause_ms;
    bool is_refused_account; /* the credentials do not work: the channel stops */
    bool is_expired;         /* their time is over; else they were withdrawn */
    enum sender_host host;
};

/* The class of an attempt that counts as failed. */
#define SENDER_CLASS_FAILED  "retry"
#define SENDER_CLASS_LIMITED "rate_limited"

/* Texts are borrowed from j. */
void sender_decide(const struct sender_retry_opts *o, const struct sender_try *t,
                   const struct judgement *j, struct sender_answer *out);
/* It never came to a request: `err` says why. ERR_INVALID, ERR_ABSENT, ERR_LIMITED: failed for
 * good. */
void sender_decide_unbuilt(const struct sender_retry_opts *o, const struct sender_try *t,
                           const struct err *err, struct sender_answer *out);
