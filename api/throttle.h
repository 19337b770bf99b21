/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How often logins may be tried. Three things are counted: an account from one address of the
 * network (growing delays from the third failure on), an address (from the twentieth), an account
 * from everywhere (from the thirtieth, at most half a minute). Where an account has logged in well
 * before, only its own failures there count, so that nobody can lock its owner out. Nothing is ever
 * locked for good.
 *
 * Kept in memory, in a table of fixed size that all threads share: each instance of the api counts
 * for itself. An attempt counts as failed until it is told to have succeeded, so that many at once
 * gain nothing. Any thread. */
#include <stdint.h>

#include "str.h"

struct api_throttle;

struct api_throttle *api_throttle_new(void); /* returns owned */
void api_throttle_free(struct api_throttle *t);
/* False: not yet, *wait_ms says when. */
bool api_throttle_try(struct api_throttle *t, struct str account, struct str address,
                      int64_t now_ms, int64_t *wait_ms);
void api_throttle_succeeded(struct api_throttle *t, struct str account, struct str address,
                            int64_t now_ms);
