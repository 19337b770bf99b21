/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The states of an outgoing message and the moves between them: the one table that every statement
 * of the sender takes its "from" states from.
 *
 *   from               to
 *   queued, retry      sending      a sender has claimed it
 *   queued, retry      cancelled    somebody took it back
 *   sending            retry        again later, the provider has certainly not taken it
 *   sending            sent         the provider took it
 *   sending            failed       it can never be sent so
 *   sending            uncertain    nobody knows whether the provider took it
 *   uncertain          sent, delivered, read    proof has come
 *   uncertain          failed       proof of the contrary, or a person's word
 *   uncertain          queued       by the tenant's policy: send again
 *   any                sent, delivered, read    proof of a later state always wins: the router's */
#include <stdbool.h>

#include "str.h"

enum sender_state {
    STATE_QUEUED,
    STATE_RETRY,
    STATE_SENDING,
    STATE_UNCERTAIN,
    STATE_SENT,
    STATE_DELIVERED,
    STATE_READ,
    STATE_FAILED,
    STATE_CANCELLED,
    SENDER_STATES
};

const char *sender_state_name(enum sender_state s);               /* as in messages.status */
bool sender_state_parse(struct str name, enum sender_state *out); /* false: no state of ours */
bool sender_state_may_move(enum sender_state from, enum sender_state to);
/* The states from which `to` is reached, as PostgreSQL's text form of an array: "{queued,retry}".
 */
#define SENDER_STATE_ARRAY_MAX 96
void sender_state_sources(enum sender_state to, char out[SENDER_STATE_ARRAY_MAX]);
