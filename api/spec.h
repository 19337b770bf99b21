/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The description (schemas/openapi.yaml) as a table of operations, read and checked at start.
 * Constant after that; any thread. */
#include "check.h"
#include "http.h"

struct api_handler;

enum api_role { API_OWNER = 1, API_AGENT = 2, API_OPERATOR = 4 };

enum api_in { API_IN_PATH, API_IN_QUERY, API_IN_HEADER };

struct api_param {
    struct str name;
    const char *name_c; /* the same, NUL-terminated */
    enum api_in in;
    bool is_required;
    const struct api_schema *schema;
    struct str preset; /* default; absent: none */
};

struct api_operation {
    const char *id;
    enum http_method method;
    struct str path;
    unsigned roles; /* bits of enum api_role; 0: no token is wanted */
    int cost;       /* x-rate */
    bool is_idempotent, has_raw_body;
    bool is_secret; /* x-secret: what came and went is wiped from memory */
    const struct api_param *params;
    int n_params;
    const struct api_schema
        *body; /* NULL: takes none that is JSON; of a raw one the handler checks it */
    const struct json *media; /* requestBody.content: its keys are the content types; NULL: none */
    bool needs_body;
    const struct api_handler *handler;
    bool is_streamed; /* x-stream-body: the body is taken as it comes */
};

#define API_SEGMENTS_MAX 12

/* What a path and method lead to. */
struct api_route {
    const struct api_operation *operation; /* NULL: no such method here */
    unsigned methods; /* bits of enum http_method that the path takes; 0: no such path */
    struct str values[API_SEGMENTS_MAX]; /* by the place of the segment in the template */
};

struct api_spec;

/* `text`: the description as JSON, borrowed. Each operation finds its handler in `tables` (ended by
 * NULL), each handler its operation. NULL: err says what is wrong. Returns owned. */
struct api_spec *api_spec_new(struct str text, const struct api_handler *const *tables,
                              struct err *err);
void api_spec_free(struct api_spec *s);
struct str api_spec_text(const struct api_spec *s);
void api_spec_route(const struct api_spec *s, enum http_method method, struct str path,
                    struct api_route *out);
/* The value of a path parameter; absent: no such parameter. */
struct str api_route_value(const struct api_route *r, struct str name);
bool api_role_find(struct str name, enum api_role *out);
/* "GET, HEAD, POST" for Allow. */
struct str api_methods_text(struct arena *a, unsigned bits);
int api_spec_operations(const struct api_spec *s);
const struct api_operation *api_spec_operation(const struct api_spec *s, int i);
