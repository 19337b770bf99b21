/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* From a request to its handler: route, token, rate, schemas. One for each thread; loop thread. */
#include "call.h"
#include "check.h"

struct calls;

/* Borrows `api`. Returns owned. */
struct calls *api_calls_new(struct api *api, int calls_max);
void api_calls_free(struct calls *s); /* nothing calls back for those that are under way */
int api_calls_under_way(const struct calls *s);
/* What ended calls held is given back, secrets overwritten: now and then, where no request comes.
 * Not from within a call. */
void api_calls_reap(struct calls *s);
/* For struct http_server_opts; ctx: struct calls. */
void api_calls_on_request(void *ctx, struct http_request *r);
void api_calls_on_done(void *ctx, struct http_request *r);
bool api_calls_on_head(void *ctx, struct http_request *r);
bool api_calls_on_body(void *ctx, struct http_request *r, struct str piece);
/* What streamed bodies have begun is dropped: before what it lies in ends. */
void api_calls_drop_bodies(struct calls *s);

/* For call*.c. */
void api_call_done(struct call *c);
void api_call_violations(struct call *c, int status, const struct api_violations *v);
void api_call_retry_after(struct call *c, int64_t wait_ms);
void api_call_rate_headers(struct call *c);
