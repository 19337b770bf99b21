/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Tenants' secrets at rest: envelope encryption with libsodium's XChaCha20-Poly1305.
 *
 * A key ring file (mode 0600) holds master keys, one of them active:
 *     # postrider key ring
 *     active k2
 *     key k1 <base64 of 32 bytes>
 *     key k2 <base64 of 32 bytes>
 * A sealed value is: version byte, nonce, data key sealed under the master key, nonce, text sealed under
 * the data key. Additional data of both: tenant, column ("channels_account.credentials") and key id, so
 * that a value copied to another row of another tenant or column does not open. Any thread once loaded.
 */
#include "arena.h"
#include "err.h"
#include "str.h"

struct vault;

struct vault_place {
    struct str tenant_id; /* as stored: lower case UUID */
    const char *column;   /* "table.column" */
};

struct vault *vault_open(const char *path, struct err *err); /* NULL: err. Returns owned; locked memory */
void vault_close(struct vault *v);                           /* wipes */
/* The file was changed (rotation): read it anew. On failure what was loaded stays. */
bool vault_reload(struct vault *v, struct err *err) NODISCARD;
struct str vault_active_key(const struct vault *v); /* its id: to be stored beside the value */
/* Lives in a. */
struct str vault_seal(const struct vault *v, struct arena *a, const struct vault_place *p, struct str secret);
/* The plain text lives in a: wipe it (crypto_wipe) after use. ERR_ABSENT: no such key in the ring;
 * ERR_DENIED: it does not open here. */
bool vault_unseal(const struct vault *v, struct arena *a, const struct vault_place *p, struct str key_id,
                  struct str sealed, struct str *secret, struct err *err) NODISCARD;
/* The key ring as a file. */
bool vault_generate(const char *path, struct str *key_id, struct arena *a, struct err *err) NODISCARD;
bool vault_add_key(const char *path, struct str *key_id, struct arena *a, struct err *err) NODISCARD;
