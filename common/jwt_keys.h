/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Whose tokens are good: our own (HS256 under one secret), and those of an operator's issuer, whose
 * public keys stand in a file, as PEM (any number, one after the other) or as a JWK set (RFC 7517).
 *
 * A key fixes its algorithm: an RSA key verifies RS256 alone, one on P-256 ES256, Ed25519 EdDSA,
 * and the secret HS256; so a token's header cannot have a public key taken for a secret. `kid`
 * selects among a set's keys; a PEM key has none, and is tried for any. Constant after start; any
 * thread. */
#include "err.h"
#include "str.h"

struct token_keys;

/* `path` "" or NULL: our own tokens alone. `issuer` "" or NULL: any `iss` under the file's keys.
 * Borrows `secret` and `issuer`. NULL: err (ERR_INVALID says which key is no good). Returns owned.
 */
struct token_keys *token_keys_new(struct str secret, const char *path, const char *issuer,
                                  struct err *err);
void token_keys_free(struct token_keys *k); /* NULL is fine */
struct str token_keys_secret(const struct token_keys *k);
struct str token_keys_issuer(const struct token_keys *k); /* absent: any */
/* How many of the issuer's keys there are. */
int token_keys_count(const struct token_keys *k);
/* Is `signature` that of `text` under a key of this algorithm ("RS256", "ES256", "EdDSA") and of
 * this id (absent: the token names none)? */
bool token_keys_verify(const struct token_keys *k, struct str algorithm, struct str key_id,
                       struct str text, struct str signature);
