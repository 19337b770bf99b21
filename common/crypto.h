/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* HMAC, hashes, encodings, randomness. Any thread, unless said. */
#include <stdint.h>

#include "arena.h"
#include "str.h"

#define SHA256_BYTES 32

/* A keyed HMAC-SHA256 that is re-initialised for each message: three times as fast as HMAC().
 * One thread. */
struct hmac;
struct hmac *hmac_new(struct str key); /* returns owned */
void hmac_free(struct hmac *h);        /* wipes the key */
void hmac_sha256(struct hmac *h, struct str data, uint8_t out[SHA256_BYTES]);

void sha256(struct str data, uint8_t out[SHA256_BYTES]);
/* The same of bytes that come in pieces. */
struct sha256_sum;
struct sha256_sum *sha256_new(void); /* returns owned */
void sha256_free(struct sha256_sum *s);
void sha256_add(struct sha256_sum *s, struct str data);
/* Of what was added since sha256_new, or since the last of these. */
void sha256_end(struct sha256_sum *s, uint8_t out[SHA256_BYTES]);
/* Equal, in time that depends on the lengths only. */
bool crypto_eq(struct str a, struct str b);
void crypto_random(void *out, size_t n);
void crypto_wipe(void *p, size_t n);

struct str hex_encode(struct arena *a, struct str bytes);       /* lower case */
bool hex_decode(struct str hex, uint8_t *out, size_t n);        /* exactly n bytes */
struct str base64_encode(struct arena *a, struct str bytes);    /* standard, padded */
struct str base64url_encode(struct arena *a, struct str bytes); /* without padding */
bool base64_decode(struct arena *a, struct str text,
                   struct str *out); /* either alphabet, padding optional */

/* The secret that a tenant configures at its provider: base64url(HMAC-SHA256(webhook master key,
 * "provider:tenant:version")), tenant as a UUID in lower case. ingest derives it alone, so it needs
 * no database. Lives in a. */
struct str webhook_secret(struct arena *a, struct hmac *master, struct str provider,
                          struct str tenant, struct str version);
