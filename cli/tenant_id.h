/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Tenants as verbs take them. */
#include "arena.h"
#include "id.h"
#include "verb.h"

/* A tenant's id in lower case; ERR_INVALID says what one looks like. */
bool tenant_id_parse(const char *text, char out[UUID_TEXT + 1], struct err *err) NODISCARD;
/* A token for the tenant, signed with the jwt_secret; lives in a. */
bool tenant_token(struct arena *a, const char *tenant, const struct cli_conf *conf, int64_t ttl_ms,
                  struct str *out, struct err *err) NODISCARD;
