/* SPDX-License-Identifier: Apache-2.0 */
/* The vault. The first byte chooses:
 *
 *   0  a sealed value, as the database may hold it: it opens only if it is the one of seed
 *      "sealed", and gives no more than was sealed
 *   1  two bytes that say where a value is damaged, a byte that says how, the secret: sealed and
 *      opened again it is the same; damaged it does not open
 *
 * Anything else is a key ring's file: what is wrong with it is told without what stands there. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/memory_file.h"
#include "vault.h"
#include "vault_ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Keys of 32 bytes that are all 0, and all 0xff. */
#define RING_TEXT                                            \
    "active k-1\n"                                           \
    "key k-0 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" \
    "key k-1 //////////////////////////////////////////8=\n"

static const struct vault_place place = {STR("0190c3a8-0000-7000-8000-000000000001"),
                                         "channels_account.credentials"};

static struct vault *the_vault(void)
{
    static struct vault *v; // reachable to the end: not a leak
    static struct memory_file file;
    struct err err = {0};
    if (!v) {
        memory_file_open(&file, STR(RING_TEXT));
        v = vault_open(file.path, &err);
    }
    assert(v);
    return v;
}

static void check_sealed(struct str sealed)
{
    auto_arena a = arena_new((size_t)8 << 20);
    struct err err = {0};
    struct str secret = STR_NONE, id = vault_key_of(sealed);
    assert(!id.ptr || (id.len <= VAULT_ID_MAX && id.ptr > sealed.ptr &&
                       id.ptr + id.len < sealed.ptr + sealed.len));
    if (vault_unseal(the_vault(), a, &place, id, sealed, &secret, &err))
        assert(str_eq(secret, STR("the secret of the seed")));
    else
        assert(err.kind == ERR_DENIED || (err.kind == ERR_ABSENT && id.ptr));
}

static void check_damage(struct str in)
{
    if (in.len < 3)
        return;
    auto_arena a = arena_new((size_t)8 << 20);
    const unsigned char *how = (const unsigned char *)in.ptr;
    struct str secret = str_skip(in, 3), out = STR_NONE;
    struct err err = {0};
    struct str sealed = vault_seal(the_vault(), a, &place, secret);
    assert(sealed.len <= secret.len + VAULT_OVERHEAD);
    assert(vault_unseal(the_vault(), a, &place, STR_NONE, sealed, &out, &err));
    assert(str_eq(out, secret));
    if (!how[2])
        return;
    char *bytes = (char *)(uintptr_t)str_dup(a, sealed).ptr;
    bytes[(how[0] * 256U + how[1]) % sealed.len] ^= (char)how[2];
    assert(!vault_unseal(the_vault(), a, &place, STR_NONE, (struct str){bytes, sealed.len}, &out,
                         &err));
}

/* Of a word that long in the file nothing may stand in a message. */
static void check_message(struct str text, const struct err *err)
{
    struct str line, word, rest = text, tail;
    while (rest.ptr && rest.len) {
        (void)str_cut(rest, '\n', &line, &rest);
        while (line.ptr && line.len) {
            (void)str_cut(line, ' ', &word, &tail);
            line = tail;
            assert(word.len < 40 || !memmem(err->msg, strlen(err->msg), word.ptr, word.len));
        }
    }
}

static void check_ring(struct str text)
{
    struct memory_file file;
    struct err err = {0};
    memory_file_open(&file, text);
    struct ring *r = ring_read(file.path, &err);
    if (r) {
        assert(r->n > 0 && r->n <= RING_KEYS_MAX && r->active < r->n);
        for (size_t i = 0; i < r->n; i++)
            assert(ring_find(r, str_of(r->keys[i].id)) == &r->keys[i]);
    } else {
        assert(err.kind == ERR_INVALID || err.kind == ERR_LIMITED);
        check_message(text, &err);
    }
    ring_free(r);
    memory_file_close(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size};
    if (size > 1 << 16)
        return 0;
    ring_start();
    if (size && data[0] == 0)
        check_sealed(str_skip(in, 1));
    else if (size && data[0] == 1)
        check_damage(str_skip(in, 1));
    else
        check_ring(in);
    return 0;
}
