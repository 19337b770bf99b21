/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A bulk as the api shows it, and who takes its body. */
#include "call.h"

/* The body of createBulk is kept whole in memory until it is stored. */
#define API_BULK_BODY_MAX   ((size_t)16 << 20)
#define API_BULK_BODIES_MAX ((size_t)64 << 20) /* of all together, in one thread */

bool api_bulk_begin(struct call *c);
bool api_bulk_piece(struct call *c, struct str bytes);
void api_bulk_drop(struct call *c);

/* $1 tenant, $2 bulk: the row with its progress. */
extern const struct pg_stmt api_bulk_read;
void api_bulk_put(struct json_out *o, const struct pg_result *r, int row);
