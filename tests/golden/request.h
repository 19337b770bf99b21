/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A webhook request made of names and values, for tests of verify and handshake. */
#include "provider.h"

struct request {
    struct {
        const char *name;
        struct str value;
    } headers[4], query[4];
};

static inline struct str request_header(const void *http, const char *name)
{
    const struct request *r = http;
    for (size_t i = 0; i < ARRAY_LEN(r->headers); i++) {
        if (str_ieq(str_of(r->headers[i].name), str_of(name)) && r->headers[i].name)
            return r->headers[i].value;
    }
    return STR_NONE;
}

static inline struct str request_query(const void *http, const char *name)
{
    const struct request *r = http;
    for (size_t i = 0; i < ARRAY_LEN(r->query); i++) {
        if (r->query[i].name && str_eq_c(str_of(name), r->query[i].name))
            return r->query[i].value;
    }
    return STR_NONE;
}

static inline struct webhook request_webhook(const struct request *r, struct str body)
{
    return (struct webhook){
        .body = body, .header = request_header, .query = request_query, .http = r};
}
