/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What opens an account, as the JSON that is sealed in channels_account.credentials: {token, login,
 * parent_id, api_version}, of send_account; absent members are left out. Pure. */
#include "outgoing.h"

/* Lives in a. It holds the token: wipe it once it is sealed. */
struct str access_write(struct arena *a, const struct send_account *account);
/* Sets those four members of *account, and no others; they live in `a` or point into `text`.
 * ERR_INVALID: it is no such document. */
bool access_read(struct arena *a, struct str text, struct send_account *account,
                 struct err *err) NODISCARD;
