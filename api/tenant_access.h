/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The tenant's own access, and the form in which people give phone numbers. */
#include "call.h"
#include "outgoing.h"

/* A row of what api_send_tenant_access asks for: {base_url, credentials, key id}. */
void api_send_tenant_access(struct call *c);
bool api_has_tenant_access(const struct pg_result *r);
/* Opens it. False: a problem was answered (409 when there is none). */
bool api_open_tenant_access(struct call *c, const struct pg_result *r,
                            struct send_account *account);

/* "+" and 8 to 15 digits. */
bool api_is_e164(struct str s);
