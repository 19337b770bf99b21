/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A Confluent-compatible schema registry over HTTP. Blocks up to 10 s a call; one thread.
 *
 * Only at start and on a schema id not seen before: never on the way of each record. */
#include "err.h"

struct registry;

/* `url` up to and without "/subjects". Returns owned; NULL: err. Does not connect. */
struct registry *registry_new(const char *url, struct err *err);
void registry_free(struct registry *r);
/* Register a schema, or find it registered. ERR_BUSY: no answer; ERR_DENIED; ERR_CONFLICT: not
 * compatible with the subject's earlier versions; ERR_INVALID: refused otherwise. */
bool registry_register(struct registry *r, const char *subject, const char *schema, int32_t *id,
                       struct err *err) NODISCARD;
/* The text of schema `id`. Returns owned; NULL: ERR_ABSENT: no such id; ERR_BUSY: no answer. A
 * failure is remembered for a second (an absent id for a minute), so that a topic full of unknown
 * records does not become a stream of requests. */
char *registry_fetch(struct registry *r, int32_t id, struct err *err);
