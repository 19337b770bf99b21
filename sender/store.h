/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The sender's database: slots, claims, answers. All SQL of the sending side is here (the scheduler
 * has its own). Each call is one transaction of one round; its callback comes later, once. After an
 * error nothing was done, except that of an ERR_BUSY claim nobody knows: sender_store_release takes
 * it back. What is given is copied; what comes is borrowed for the callback. */
#include "decide.h"
#include "id.h"
#include "pg_pool.h"
#include "queue.h"

struct sender_store;

#define SENDER_CLAIM_MAX  512 /* as in sender_conf.def */
#define SENDER_ANSWER_MAX 512

/* Borrows the pool. ask_after_ms: settings. Returns owned. */
struct sender_store *sender_store_new(struct pg_pool *pool, int64_t lease_ms, int64_t ask_after_ms);
void sender_store_free(struct sender_store *s); /* after the pool's callbacks have come */

/* --- channels --------------------------------------------------------------------------------- */
struct sender_channel_row {
    struct uuid id;
    struct str account_type, external_id, base_url;
    struct str credentials, credentials_key_id; /* sealed, as hex digits; absent: none */
    int64_t per_minute, pair_per_minute;        /* settings; -1: not set */
};
typedef void sender_on_channels(void *ctx, const struct sender_channel_row *rows, size_t n,
                                const struct err *err);
void sender_store_load(struct sender_store *s, const struct uuid *channels, size_t n,
                       sender_on_channels *cb, void *ctx);

/* --- slots ------------------------------------------------------------------------------------ */
#define SENDER_APP_KEY_MAX 80
struct sender_ask {
    struct uuid channel;
    char app_key[SENDER_APP_KEY_MAX];
    int64_t step_us, burst_us;
    int n;
};
struct sender_slots {    /* for the ask of the same index */
    int64_t first_in_us; /* from now */
    int n;               /* 0: none before then */
};
typedef void sender_on_slots(void *ctx, const struct sender_slots *slots, size_t n,
                             const struct err *err);
void sender_store_reserve(struct sender_store *s, const struct sender_ask *asks, size_t n,
                          sender_on_slots *cb, void *ctx);

/* --- claims ----------------------------------------------------------------------------------- */
struct sender_want {
    const struct sender_conversation *conversation; /* not touched */
    int64_t in_us;                                  /* when its slot is, from now */
};
enum sender_claim_verdict {
    CLAIM_NOTHING, /* nothing to send there now */
    CLAIM_LOCKED,  /* somebody has the row: again in a moment */
    CLAIM_EARLY,   /* its pair's limit: not before early_us */
    CLAIM_DONE,
};
struct sender_claim { /* of the want of the same index */
    enum sender_claim_verdict verdict;
    int64_t early_us; /* from now */
    const struct sender_channel_row *channel;
    struct str message_id, kind, body, outgoing, media, reply_to, client_ref;
    struct str conversation, contact_id; /* the provider's ids */
    bool is_group, has_more;             /* has_more: further messages wait behind it */
    int64_t attempt, n_failed, n_limited;
    int64_t accepted_at_ms; /* when it was to be sent at first */
};
typedef void sender_on_claims(void *ctx, const struct sender_claim *claims, size_t n,
                              const struct err *err);
void sender_store_claim(struct sender_store *s, struct uuid claim_id,
                        const struct sender_want *wants, size_t n, sender_on_claims *cb, void *ctx);
/* Take back what the claim got, if it got any: nobody calls for it. */
void sender_store_release(struct sender_store *s, struct uuid claim_id,
                          const struct sender_want *wants, size_t n,
                          void (*cb)(void *ctx, const struct err *err), void *ctx);

/* --- leases ----------------------------------------------------------------------------------- */
struct sender_lease {
    struct uuid tenant_id;
    struct str message_id;
    int64_t attempt;
};
/* Which of them are still ours, for one more lease from now. */
typedef void sender_on_leases(void *ctx, const bool *is_ours, size_t n, const struct err *err);
void sender_store_renew(struct sender_store *s, const struct sender_lease *leases, size_t n,
                        sender_on_leases *cb, void *ctx);

/* --- answers ---------------------------------------------------------------------------------- */
struct sender_told {
    struct uuid tenant_id, channel_id, conversation_id;
    struct str message_id;
    int64_t attempt;
    int status;
    char app_key[SENDER_APP_KEY_MAX];
    int64_t burst_us, pair_burst_us;   /* for a pause of the account, of the pair */
    const uint8_t *credentials_sha256; /* what was refused */
    const struct sender_answer *answer;
};
void sender_store_answers(struct sender_store *s, const struct sender_told *told, size_t n,
                          void (*cb)(void *ctx, const struct err *err), void *ctx);

/* Forget the paces that nobody waits for. */
void sender_store_tidy(struct sender_store *s);
