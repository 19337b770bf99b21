/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What handlers need of the world outside: the vault for tenants' secrets, the guard for their
 * URLs, the way to providers' APIs, and what tenants configure there. One for each thread. */
#include <uv.h>

#include "api_conf.h"
#include "arena.h"
#include "exchange.h"
#include "guard.h"
#include "json.h"
#include "vault.h"

struct call;

struct api_outside {
    struct exchange_opts exchange;
    struct guard *guard;
    struct vault *vault;         /* NULL: no key ring is set */
    struct hmac *webhook_master; /* NULL: no key is set */
    const struct api_conf *conf;
};

struct api_outside *api_outside_new(uv_loop_t *loop, const struct api_conf *conf,
                                    struct err *err); /* returns owned */
/* Ends what is under way at providers; its handles close in the loop's next turns. */
void api_outside_free(struct api_outside *o);

/* The places of what is sealed. */
#define API_PLACE_TENANT  "tenant_credentials.credentials"
#define API_PLACE_CHANNEL "channels_account.credentials"

/* The document that opens an account (access.h), sealed for the call's tenant, in PostgreSQL's text
 * form of bytea; the plain text is wiped. False: 503 was answered. */
bool api_seal(struct call *c, const char *place, const struct send_account *account,
              struct str *sealed, struct str *key_id);
/* What is stored, in hex; sets token, login, parent_id and api_version. False: 503 was answered. */
bool api_unseal(struct call *c, const char *place, struct str hex, struct str key_id,
                struct send_account *account);
/* Is it an address that a tenant may give? False: 422 was answered, which names the field. */
bool api_url_ok(struct call *c, struct str url, const char *pointer);
/* Where the operator says that a provider's API is; absent: where the adapter knows it. Never a
 * tenant's to say: whoever answers for an account there gets what is delivered for it. */
struct str api_provider_url(struct call *c, const struct provider *p);
/* Text of a member of the body that is a secret; absent: no such member. What stands in the request
 * is wiped with it by api_secret_wipe. */
struct str api_secret_take(struct call *c, const struct json *object, const char *name);
void api_secret_wipe(struct str secret);
/* {url, header, secret} of the tenant's webhook; secret only with `is_shown`. */
void api_put_webhook(struct call *c, const struct provider *p, struct str account, bool is_shown);
