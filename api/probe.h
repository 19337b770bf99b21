/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A look at an account at its provider, without a thread: is it there, does what opens it work,
 * what is it called? Lives in the call's arena. */
#include "call.h"
#include "outgoing.h"
#include "provider.h"

struct api_probe {
    /* asked */
    const struct provider *provider;
    struct send_account account; /* external_id absent: the only one that the token opens */
    /* answered */
    bool is_ok;
    struct found_account
        found; /* is_ok: account.external_id, type, parent_id and token follow it */
    struct found_accounts list; /* of api_probe_list, and where more than one would do */
    struct judgement why;       /* not is_ok */
    int status;                 /* of the last answer; 0: none came */
    /* its own */
    void (*then)(struct call *c, struct api_probe *p);
    struct call *call;
    enum discover_what what;
    bool is_list_wanted, has_validated;
};

/* `then` comes once, in a later turn or before this returns. */
void api_probe_account(struct call *c, struct api_probe *p,
                       void (*then)(struct call *c, struct api_probe *p));
/* A page of what the access opens. */
void api_probe_list(struct call *c, struct api_probe *p, struct str cursor,
                    void (*then)(struct call *c, struct api_probe *p));
/* Answers 422 with the provider's reason. */
void api_probe_problem(struct call *c, const struct api_probe *p);
/* What it says of the credentials: valid, expired, revoked; absent: nothing (no answer). */
struct str api_probe_health(const struct api_probe *p);
/* {external_account_id, account_type, platform, name, username, status, parent_id, channel_id} */
void api_put_found(struct call *c, const struct provider *p, const struct found_account *f,
                   struct str channel_id);
/* The account type as stored. */
struct str api_found_type(const struct provider *p, const struct found_account *f);
