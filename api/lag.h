/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How far the readers of our topics are behind, for the consistency check. Asking Kafka blocks, so
 * it runs on a thread of libuv's pool, one question at a time in each thread of the api; calls that
 * come meanwhile wait for its answer, and an answer serves those of the next seconds too. */
#include "call.h"
#include "finding.h"

struct api_lag;

/* Returns owned. */
struct api_lag *api_lag_new(uv_loop_t *loop, const struct api_conf *conf);
/* No `then` comes any more; memory goes when the question under way has ended. */
void api_lag_free(struct api_lag *l);
/* `then` comes once, in a later turn or before this returns. f NULL: all keep up. It is borrowed.
 */
void api_lag_ask(struct call *c, void (*then)(struct call *c, const struct finding *f));
