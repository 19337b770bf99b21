/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* JSON Web Tokens of the stream and the api (RFC 7519): our own under HS256, by libjwt; those of an
 * operator's issuer under the keys of jwt_keys.h. */
#include "arena.h"
#include "err.h"
#include "str.h"

/* Longest token that is looked at: more than any sane one, less than a request's headers. */
#define TOKEN_MAX 4096

struct token_keys;

struct token {
    struct str issuer, subject, tenant_id, role, id, key_id;
    int64_t issued_at_ms, expires_at_ms; /* whole seconds; issued 0: the token does not say */
};

/* Sign; lives in a. `secret` is the HS256 key, key_id its name in the header. Absent texts and
 * issued_at_ms 0 are left out. ERR_INVALID: no subject, no tenant, no expiry or an empty key. */
bool token_sign(struct arena *a, const struct token *t, struct str secret, struct str *out,
                struct err *err) NODISCARD;
/* Verify signature, algorithm (HS256 only, never "none"), times against now, and that tenant_id is
 * a UUID (out->tenant_id is its lower-case form). `exp` is required and exact; `iat` may lie up to
 * a minute ahead, for clocks that differ. Texts live in a. ERR_UNPROVEN: absent; ERR_DENIED: not
 * good, and why. The reason never contains the token. */
bool token_verify(struct arena *a, struct str jwt, struct str secret, int64_t now_at_ms,
                  struct token *out, struct err *err) NODISCARD;
/* The same for tokens under any of `keys`: HS256 under the secret, RS256, ES256 or EdDSA under a
 * public key, whose tokens name the keys' issuer if there is one. */
bool token_check(struct arena *a, struct str jwt, const struct token_keys *keys, int64_t now_at_ms,
                 struct token *out, struct err *err) NODISCARD;
