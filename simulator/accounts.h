/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The accounts that the simulated providers know: told by the control plane, or met in a call.
 * Whose webhooks report what they send follows from the tenant. */
#include "arena.h"
#include "buf.h"
#include "err.h"
#include "str.h"

struct sim_known {
    struct str provider, id;
    struct str type;                          /* UniPile's "WHATSAPP"; absent: not told */
    struct str tenant;                        /* UUID; absent: that of the settings */
    struct str name, username, token, parent; /* absent: made up */
    struct str status;                        /* UniPile's word for its source; absent: OK */
    bool is_told;                             /* and not only met */
};

struct sim_accounts;
struct sim_accounts *sim_accounts_new(void); /* returns owned */
void sim_accounts_free(struct sim_accounts *s);
void sim_accounts_clear(struct sim_accounts *s);
/* NULL: not known; or with `meet`, there are too many. */
struct sim_known *sim_accounts_find(struct sim_accounts *s, struct str provider, struct str id,
                                    bool meet);
size_t sim_accounts_n(const struct sim_accounts *s);
const struct sim_known *sim_accounts_at(const struct sim_accounts *s, size_t i);
/* {"accounts": [{"provider": "unipile", "account": "A", "type": "WHATSAPP", "tenant": "...",
 * "name", "username", "token", "parent", "status"}]}: adds, or changes those that are known. */
bool sim_accounts_set(struct sim_accounts *s, struct str json, struct err *err) NODISCARD;
void sim_accounts_json(const struct sim_accounts *s, struct buf *out); /* without tokens */
