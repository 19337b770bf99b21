/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Tenants' secrets at rest: envelope encryption with libsodium's XChaCha20-Poly1305.
 *
 * A key ring file (mode 0600) holds master keys, one of them active:
 *     # postrider key ring
 *     active k-20261122-9f3a
 *     key k-20260101-77aa <base64 of 32 bytes>
 *     key k-20261122-9f3a <base64 of 32 bytes>
 * A sealed value is: version byte, length and text of the key's id, nonce, data key sealed under
 * the master key, nonce, text sealed under the data key. Additional data of both: version, tenant,
 * column
 * ("channels_account.credentials"), key id and which of the two it is, so that a value copied to
 * another row of another tenant or column does not open. The master keys lie in locked memory that
 * is in no core dump. Any thread.
 *
 * Rotation: a daemon needs no signal. Whoever meets a value of a key that it does not know reads
 * the file anew, once, and opens the value: so a value may be sealed under a new key as soon as the
 * file that holds it is in place. */
#include "arena.h"
#include "err.h"
#include "str.h"

struct vault;

struct vault_place {
    struct str tenant_id; /* as stored: lower case UUID */
    const char *column;   /* "table.column" */
};

#define VAULT_ID_MAX 32
/* What sealing adds to a secret, at most. */
#define VAULT_OVERHEAD (2 + VAULT_ID_MAX + 24 + 32 + 16 + 24 + 16)

struct vault *vault_open(const char *path, struct err *err); /* NULL: err. Returns owned */
void vault_close(struct vault *v);                           /* wipes */
/* The file was changed: read it anew. On failure what was loaded stays. */
bool vault_reload(const struct vault *v, struct err *err) NODISCARD;
/* The active key's id; good until vault_close. */
struct str vault_active_key(const struct vault *v);
/* Lives in a. Beside it store vault_key_of() it. */
struct str vault_seal(const struct vault *v, struct arena *a, const struct vault_place *p,
                      struct str secret);
/* The id of the key that a sealed value needs; absent: it is none. Points into it. */
struct str vault_key_of(struct str sealed);
/* The plain text lives in a: wipe it (crypto_wipe) after use. `key_id` is what is stored beside the
 * value, for the message; absent: not known. ERR_ABSENT: the ring, read anew, has no such key;
 * ERR_DENIED: it does not open here. */
bool vault_unseal(const struct vault *v, struct arena *a, const struct vault_place *p,
                  struct str key_id, struct str sealed, struct str *secret,
                  struct err *err) NODISCARD;

/* The key ring as a file. All write a new file and put it in place at once; a file beside it with
 * ".new" at its end says that this is going on. */

/* A ring with one key. ERR_CONFLICT: the file is there. */
bool vault_generate(const char *path, struct str *key_id, struct arena *a,
                    struct err *err) NODISCARD;
/* One more key, the active one if so wished. */
bool vault_add_key(const char *path, bool is_active, struct str *key_id, struct arena *a,
                   struct err *err) NODISCARD;
/* Make the latest key (the last line) the active one. */
bool vault_activate_latest(const char *path, struct str *key_id, struct arena *a,
                           struct err *err) NODISCARD;
/* The ring's ids in their order, `*active` the index of the active one. Live in a. */
bool vault_keys(const char *path, struct arena *a, struct str **ids, size_t *n, size_t *active,
                struct err *err) NODISCARD;
