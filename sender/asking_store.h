/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* For asking.c only: its rows. Each call is one transaction of the pool; its callback comes later,
 * once, and what it is given is borrowed for that. */
#include "buf.h"
#include "id.h"
#include "pg_pool.h"

#define SENDER_ASKS_MAX 8 /* at once, of one sender */

/* An uncertain attempt that is to be asked about. */
struct sender_ask_row {
    struct str tenant_id, message_id, channel_id, conversation_id, provider;
    int64_t attempt, began_at_ms;
    struct str external_id; /* where is_found */
    struct str kind, body, outgoing, media, reply_to, client_ref;
    struct str conversation, contact_id; /* the provider's ids */
    struct str account_type, external_account, base_url, credentials, credentials_key_id;
    bool is_group;
    bool is_found; /* it was: only its result is to be told again */
};
typedef void sender_on_asks(void *ctx, const struct sender_ask_row *rows, size_t n,
                            const struct err *err);
/* At most `most` of those that are due, two of a channel; nobody else gets them for `lease_ms`. */
void sender_asks_take(struct pg_pool *pool, size_t most, int64_t lease_ms, sender_on_asks *cb,
                      void *ctx);

enum sender_asked {
    ASKED_LISTED,   /* the list reaches back to the call; what it has is in ids */
    ASKED_IN_PART,  /* it has what is in ids; what it has not is not known */
    ASKED_IN_VAIN,  /* no answer, or a refusal: again later */
    ASKED_FOR_NONE, /* this cannot be asked for at all */
};
struct sender_ask_answer {
    struct str tenant_id, message_id, channel_id, conversation_id;
    int64_t attempt;
    enum sender_asked asked;
    struct pg_array *ids, *matches; /* candidates, oldest first; "t": it looks like ours */
    int64_t wait_ms;                /* the provider's wish; 0: none */
    int64_t hold_ms, ask_after_ms;  /* settings */
};
/* how: "found" (external_id is the message's), "absent", "later", "over" (nobody can tell) or
 * "gone" (settled meanwhile). */
typedef void sender_on_asked(void *ctx, struct str how, struct str external_id,
                             const struct err *err);
void sender_asks_settle(struct pg_pool *pool, const struct sender_ask_answer *v,
                        sender_on_asked *cb, void *ctx);
