/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A channel's credentials, opened for a call and wiped after it. */
#include "crypto.h"
#include "outgoing.h"
#include "vault.h"

struct sender_credentials {
    struct str secret;            /* what was sealed */
    uint8_t sha256[SHA256_BYTES]; /* of the sealed value: says whether it is still the same */
};

enum sender_opening {
    OPENED,
    OPEN_NONE,   /* there are none, or none that an adapter can use: the tenant's to mend */
    OPEN_SEALED, /* err: they cannot be opened, the operator's to mend */
};

/* `sealed_hex` as the database gives it. Fills token, login, parent_id and api_version of
 * `account`; all lives in a, until sender_credentials_wipe. */
enum sender_opening sender_credentials_open(const struct vault *vault, struct arena *a,
                                            struct str tenant_id, struct str key_id,
                                            struct str sealed_hex, struct sender_credentials *out,
                                            struct send_account *account, struct err *err);
void sender_credentials_wipe(struct sender_credentials *c, struct send_account *account);
