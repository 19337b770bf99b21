/* SPDX-License-Identifier: Apache-2.0 */
#include "vault.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "vault_ring.h"

#define VERSION    1
#define NONCE      crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG        crypto_aead_xchacha20poly1305_ietf_ABYTES
#define SEALED_KEY (RING_KEY_BYTES + TAG)
#define IDS_MAX    (4 * RING_KEYS_MAX)

static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == RING_KEY_BYTES, "size of a key");
static_assert(VAULT_OVERHEAD == 2 + VAULT_ID_MAX + 2 * (NONCE + TAG) + RING_KEY_BYTES, "overhead");

struct state {
    pthread_rwlock_t lock;
    struct ring *ring;
    char *ids[IDS_MAX]; /* those that were active, for who keeps them */
    size_t n_ids;
};

struct vault {
    char *path;
    struct state *state;
};

/* --- life ------------------------------------------------------------------------------------- */

struct vault *vault_open(const char *path, struct err *err)
{
    struct ring *ring = ring_read(path, err);
    if (!ring)
        return NULL;
    struct vault *v = xalloc(sizeof *v);
    v->path = xstrdup(path);
    v->state = xalloc(sizeof *v->state);
    v->state->ring = ring;
    (void)pthread_rwlock_init(&v->state->lock, NULL);
    return v;
}

void vault_close(struct vault *v)
{
    if (!v)
        return;
    ring_free(v->state->ring);
    for (size_t i = 0; i < v->state->n_ids; i++)
        free(v->state->ids[i]);
    (void)pthread_rwlock_destroy(&v->state->lock);
    free(v->state);
    free(v->path);
    free(v);
}

static bool is_fresh(const struct vault *v)
{
    (void)pthread_rwlock_rdlock(&v->state->lock);
    bool fresh = ring_is_fresh(v->state->ring, v->path);
    (void)pthread_rwlock_unlock(&v->state->lock);
    return fresh;
}

bool vault_reload(const struct vault *v, struct err *err)
{
    struct ring *ring = ring_read(v->path, err), *old;
    if (!ring)
        return false;
    (void)pthread_rwlock_wrlock(&v->state->lock);
    old = v->state->ring;
    v->state->ring = ring;
    (void)pthread_rwlock_unlock(&v->state->lock);
    ring_free(old);
    return true;
}

static const char *keep_id(struct state *s, const char *id)
{
    for (size_t i = 0; i < s->n_ids; i++)
        if (strcmp(s->ids[i], id) == 0)
            return s->ids[i];
    assert(s->n_ids < IDS_MAX); // one for each rotation while this process lives
    return s->ids[s->n_ids++] = xstrdup(id);
}

struct str vault_active_key(const struct vault *v)
{
    (void)pthread_rwlock_wrlock(&v->state->lock);
    const struct ring *r = v->state->ring;
    const char *id = keep_id(v->state, r->keys[r->active].id);
    (void)pthread_rwlock_unlock(&v->state->lock);
    return str_of(id);
}

/* A copy of the key. False: there is none of this id. */
static bool take_key(const struct vault *v, struct str id, uint8_t out[RING_KEY_BYTES])
{
    (void)pthread_rwlock_rdlock(&v->state->lock);
    const struct ring_key *k = ring_find(v->state->ring, id);
    if (k)
        memcpy(out, k->bytes, RING_KEY_BYTES);
    (void)pthread_rwlock_unlock(&v->state->lock);
    return k != NULL;
}

/* --- sealing ---------------------------------------------------------------------------------- */

/* No part has a line break in it, so no two places read alike. */
static struct str bound_to(struct arena *a, const struct vault_place *p, struct str id,
                           const char *what)
{
    return str_fmt(a, "%d\n%.*s\n%s\n%.*s\n%s", VERSION, STR_ARG(p->tenant_id), p->column,
                   STR_ARG(id), what);
}

/* Nonce and sealed text to out. */
static void seal_bytes(uint8_t *out, struct str text, struct str bound,
                       const uint8_t key[RING_KEY_BYTES])
{
    randombytes_buf(out, NONCE);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(out + NONCE, NULL, (const uint8_t *)text.ptr,
                                                     text.len, (const uint8_t *)bound.ptr,
                                                     bound.len, NULL, out, key);
}

static bool open_bytes(uint8_t *out, struct str sealed, struct str bound,
                       const uint8_t key[RING_KEY_BYTES])
{
    const uint8_t *in = (const uint8_t *)sealed.ptr;
    return crypto_aead_xchacha20poly1305_ietf_decrypt(
               out, NULL, NULL, in + NONCE, sealed.len - NONCE, (const uint8_t *)bound.ptr,
               bound.len, in, key) == 0;
}

struct str vault_seal(const struct vault *v, struct arena *a, const struct vault_place *p,
                      struct str secret)
{
    uint8_t master[RING_KEY_BYTES], data[RING_KEY_BYTES];
    struct err err;
    // A key that was made active since is used at once; without the file, the one that is known.
    bool is_read = is_fresh(v) || vault_reload(v, &err);
    (void)is_read;
    struct str id = vault_active_key(v);
    while (!take_key(v, id, master)) // read anew in between, and taken out
        id = vault_active_key(v);
    size_t n = 2 + id.len + NONCE + SEALED_KEY + NONCE + secret.len + TAG;
    uint8_t *sealed = arena_alloc(a, n), *at = sealed + 2 + id.len;
    sealed[0] = VERSION;
    sealed[1] = (uint8_t)id.len;
    memcpy(sealed + 2, id.ptr, id.len);
    randombytes_buf(data, sizeof data);
    seal_bytes(at, (struct str){(const char *)data, sizeof data}, bound_to(a, p, id, "key"),
               master);
    seal_bytes(at + NONCE + SEALED_KEY, secret, bound_to(a, p, id, "text"), data);
    sodium_memzero(data, sizeof data);
    sodium_memzero(master, sizeof master);
    return (struct str){(const char *)sealed, n};
}

struct str vault_key_of(struct str sealed)
{
    if (sealed.len < 2 || sealed.ptr[0] != VERSION)
        return STR_NONE;
    size_t n = (uint8_t)sealed.ptr[1];
    if (n == 0 || n > VAULT_ID_MAX || sealed.len < 2 + n + 2 * (NONCE + TAG) + RING_KEY_BYTES)
        return STR_NONE;
    return (struct str){sealed.ptr + 2, n};
}

/* The key may be newer than what we have read. */
static bool find_key(const struct vault *v, struct str id, uint8_t out[RING_KEY_BYTES],
                     struct err *err)
{
    if (take_key(v, id, out))
        return true;
    if (!is_fresh(v) && !vault_reload(v, err))
        return err_wrap(err, "key %.*s is not known, and", STR_ARG(id));
    if (take_key(v, id, out))
        return true;
    return err_set(err, ERR_ABSENT, "the key ring %s has no key %.*s", v->path, STR_ARG(id));
}

bool vault_unseal(const struct vault *v, struct arena *a, const struct vault_place *p,
                  struct str key_id, struct str sealed, struct str *secret, struct err *err)
{
    uint8_t master[RING_KEY_BYTES], data[RING_KEY_BYTES];
    struct str id = vault_key_of(sealed);
    if (!id.ptr)
        return err_set(err, ERR_DENIED, "%s: this is no sealed value (key %.*s)", p->column,
                       STR_ARG(key_id));
    if (!find_key(v, id, master, err))
        return false;
    struct str rest = str_skip(sealed, 2 + id.len), text = str_skip(rest, NONCE + SEALED_KEY);
    size_t n = text.len - NONCE - TAG;
    uint8_t *plain = arena_alloc(a, n + 1);
    bool ok = open_bytes(data, (struct str){rest.ptr, NONCE + SEALED_KEY},
                         bound_to(a, p, id, "key"), master) &&
              open_bytes(plain, text, bound_to(a, p, id, "text"), data);
    sodium_memzero(data, sizeof data);
    sodium_memzero(master, sizeof master);
    if (!ok)
        return err_set(err, ERR_DENIED, "%s: the sealed value does not open here (key %.*s)",
                       p->column, STR_ARG(id));
    *secret = (struct str){(const char *)plain, n};
    return true;
}

/* --- the file --------------------------------------------------------------------------------- */

static struct str copy_id(struct arena *a, const struct ring *r, size_t i)
{
    return str_dup(a, str_of(r->keys[i].id));
}

/* `r`: as it was read, or without a key. */
static bool change_ring(const char *path, int fd, struct ring *r, bool is_added, bool is_activated,
                        struct err *err)
{
    bool is_new = r->n == 0;
    if (is_added && !ring_add(r, err)) {
        ring_abandon(path, fd);
        return false;
    }
    if (is_activated)
        r->active = r->n - 1;
    return ring_commit(path, fd, r, is_new, err);
}

static bool change(const char *path, bool is_new, bool is_added, bool is_activated,
                   struct str *key_id, struct arena *a, struct err *err)
{
    int fd = ring_begin(path, err);
    if (fd < 0)
        return false;
    struct ring *r = is_new ? ring_new() : ring_read(path, err);
    if (!r) {
        ring_abandon(path, fd);
        return false;
    }
    (void)sodium_mprotect_readwrite(r);
    bool ok = change_ring(path, fd, r, is_added, is_activated, err);
    if (ok)
        *key_id = copy_id(a, r, r->n - 1);
    ring_free(r);
    return ok;
}

bool vault_generate(const char *path, struct str *key_id, struct arena *a, struct err *err)
{
    return change(path, true, true, true, key_id, a, err);
}

bool vault_add_key(const char *path, bool is_active, struct str *key_id, struct arena *a,
                   struct err *err)
{
    return change(path, false, true, is_active, key_id, a, err);
}

bool vault_activate_latest(const char *path, struct str *key_id, struct arena *a, struct err *err)
{
    return change(path, false, false, true, key_id, a, err);
}

bool vault_keys(const char *path, struct arena *a, struct str **ids, size_t *n, size_t *active,
                struct err *err)
{
    struct ring *r = ring_read(path, err);
    if (!r)
        return false;
    *ids = ARENA_ARRAY(a, struct str, r->n);
    for (size_t i = 0; i < r->n; i++)
        (*ids)[i] = copy_id(a, r, i);
    *n = r->n;
    *active = r->active;
    ring_free(r);
    return true;
}
