/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The orders that make the order of events not matter: each join takes the greater of two values.
 * Pure. */
#include "str.h"

/* Of an outgoing message's status; -1: none. */
int router_out_rank(struct str status);
#define ROUTER_RANK_SENT   5
#define ROUTER_RANK_FAILED 6
/* Of a receipt: sent, failed, delivered, read, played; -1: none. */
int router_receipt_rank(struct str status);

/* Later, or at the same time with the greater key. */
bool router_is_later(int64_t at_ms, struct str key, int64_t than_at_ms, struct str than_key);
/* Up to `to`, if that is up. The reason of a failure goes with it. True: changed. */
bool router_raise_out(struct str *status, struct str *code, struct str *text, struct str to);
/* Failed, unless a later proof is there; of several reasons the greatest. True: changed. */
bool router_fail_out(struct str *status, struct str *code, struct str *text, struct str with_code,
                     struct str with_text);
/* The latest name; of two at one time the greater. True: another name than before. */
bool router_rename(struct str *name, int64_t *at_ms, struct str to, int64_t to_at_ms);
/* For what never changes in truth: any of two, but always the same. True: changed. */
bool router_take_greater(struct str *value, struct str other);
