/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* From a request to its handler: route, token, rate, schemas. Loop thread. */
#include "http.h"

/* For struct http_server_opts; ctx: struct calls. */
void api_calls_on_request(void *ctx, struct http_request *r);
void api_calls_on_done(void *ctx, struct http_request *r);
bool api_calls_on_head(void *ctx, struct http_request *r);
bool api_calls_on_body(void *ctx, struct http_request *r, struct str piece);
