/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The calls of one thread, from their beginning to what they leave behind. Loop thread. */
#include "call.h"

struct calls;

/* Borrows `api`. Returns owned. */
struct calls *api_calls_new(struct api *api, int calls_max);
void api_calls_free(struct calls *s); /* nothing calls back for those that are under way */
struct api *api_calls_api(const struct calls *s);
int api_calls_under_way(const struct calls *s);
bool api_calls_are_too_many(const struct calls *s);
/* What ended calls held is given back, secrets overwritten: now and then, where no request comes.
 * Not from within a call. */
void api_calls_reap(struct calls *s);
/* What streamed bodies have begun is dropped: before what it lies in ends. */
void api_calls_drop_bodies(struct calls *s);

/* A call that begins. It lasts until api_call_done(), and its memory until the next reaping. */
struct call *api_calls_take(struct calls *s);
void api_call_done(struct call *c);
