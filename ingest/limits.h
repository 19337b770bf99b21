/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Rate per source address: a token bucket for each, in a table of fixed size.
 *
 * When a set of the table is full the source that was silent longest is forgotten, and starts with
 * a full bucket if it comes again: a flood of addresses costs accuracy, never memory. Pure but for
 * the clock that is handed in. */
#include "str.h"

struct ingest_sources;

/* `per_second` requests a second from one source, and a burst of one second. Returns owned. */
struct ingest_sources *ingest_sources_new(int64_t per_second);
void ingest_sources_free(struct ingest_sources *s);
/* Take one token. False: none left, *wait_ms says when there is one again. */
bool ingest_sources_take(struct ingest_sources *s, struct str source, int64_t now_ms,
                         int64_t *wait_ms);
