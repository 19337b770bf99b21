/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Asks providers about the accounts that we send for: is it there, of what type, do its credentials
 * work? Each account once in `account_check`, of all senders one asks; one at a time and at most
 * one a second. What was said is kept in the channel's row, where the api and the consistency check
 * read it. Loop thread. */
#include "beside.h"

struct sender_look;

struct sender_look *sender_look_new(const struct sender_beside *given);
void sender_look_stop(struct sender_look *l); /* ask no more */
/* After the pool and fetch are gone, so that no callback comes any more. */
void sender_look_free(struct sender_look *l);
