/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Accounts that were found at their provider become channels. */
#include "probe.h"

/* What the request says of an account; what is secret in it is wiped from the request. False: a
 * problem was answered. `object` NULL: nothing is said. */
struct api_given {
    struct str token, login, parent_id;
    int64_t expires_at_ms; /* 0: nobody said */
};
bool api_given_read(struct call *c, const struct json *object, const char *pointer,
                    struct api_given *out);

struct api_connect {
    struct api_probe probe; /* asked: provider, account */
    struct str platform;    /* what it has to be; absent: any */
    struct str name;        /* absent: as the provider calls it */
    struct str business;    /* JSON object of the tenant's own about it, kept in its settings */
    int64_t expires_at_ms;
    const char *action; /* of the audit log */
    int status;         /* of the answer */
    /* Is the account that was found the one that is meant? False: it has answered. NULL: yes. */
    bool (*is_wanted)(struct call *c, const struct api_connect *x);
    /* Writes the answer's body; results are those of the channel's row. */
    void (*put)(struct call *c, const struct pg_result *channel);
};
/* Looks for the account, seals what opens it and connects it; then answers. */
void api_connect_run(struct call *c, struct api_connect *x);
/* {"channel": {...}} */
void api_put_connected(struct call *c, const struct pg_result *channel);
