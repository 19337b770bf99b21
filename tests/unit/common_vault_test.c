/* SPDX-License-Identifier: Apache-2.0 */
/* ctest: threads */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto.h"
#include "test.h"
#include "vault.h"

#define PATH 256

static const struct vault_place place = {STR("0190c3a8-0000-7000-8000-000000000001"),
                                         "channels_account.credentials"};

static char folder[PATH];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/vault-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static const char *path_of(char out[PATH], const char *name)
{
    (void)snprintf(out, PATH, "%.200s/%.40s", folder, name);
    return out;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"ring", "ring.new", "bad", "other"};
    char path[PATH];
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        (void)unlink(path_of(path, names[i]));
    return rmdir(folder);
}

static const char *write_file(char path[PATH], const char *name, const char *text, mode_t mode)
{
    (void)unlink(path_of(path, name));
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static struct vault *new_ring(char path[PATH], struct arena *a, struct str *id)
{
    struct err err = {0};
    (void)unlink(path_of(path, "ring"));
    if (!vault_generate(path, id, a, &err))
        fail_msg("%s", err.msg);
    struct vault *v = vault_open(path, &err);
    if (!v)
        fail_msg("%s", err.msg);
    return v;
}

static bool opens(const struct vault *v, struct arena *a, const struct vault_place *p,
                  struct str sealed, struct str *out, struct err *err)
{
    return vault_unseal(v, a, p, STR("k"), sealed, out, err);
}

static void what_is_sealed_opens_in_its_place_only(void **state)
{
    (void)state;
    char path[PATH];
    auto_arena a = arena_new(1 << 20);
    struct str id, out;
    struct err err = {0};
    struct vault *v = new_ring(path, a, &id);
    assert_true(str_eq(vault_active_key(v), id));
    static const struct str texts[] = {STR(""), STR("x"), STR("{\"token\":\"s\0cret\"}")};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct str sealed = vault_seal(v, a, &place, texts[i]);
        assert_true(sealed.len <= texts[i].len + VAULT_OVERHEAD);
        assert_true(str_eq(vault_key_of(sealed), id));
        assert_true(opens(v, a, &place, sealed, &out, &err));
        assert_true(str_eq(out, texts[i]));
        struct str again = vault_seal(v, a, &place, texts[i]);
        assert_false(str_eq(sealed, again)); // never the same twice
        const struct vault_place others[] = {
            {STR("0190c3a8-0000-7000-8000-000000000002"), place.column},
            {place.tenant_id, "tenant_credentials.credentials"},
            {STR(""), place.column},
            {STR_NONE, ""},
        };
        for (size_t k = 0; k < ARRAY_LEN(others); k++) {
            err = (struct err){0};
            assert_false(opens(v, a, &others[k], sealed, &out, &err));
            assert_int_equal(err.kind, ERR_DENIED);
        }
    }
    vault_close(v);
    vault_close(NULL);
}

static void no_byte_can_be_changed_cut_or_added(void **state)
{
    (void)state;
    char path[PATH];
    auto_arena a = arena_new(1 << 22);
    struct str id, out = STR_NONE;
    struct vault *v = new_ring(path, a, &id);
    struct str sealed = vault_seal(v, a, &place, STR("secret"));
    for (size_t i = 0; i <= sealed.len; i++) {
        for (int bit = 0; bit < 8 && i < sealed.len; bit++) {
            struct err err = {0};
            char *bytes = arena_alloc(a, sealed.len);
            memcpy(bytes, sealed.ptr, sealed.len);
            bytes[i] ^= (char)(1 << bit);
            assert_false(opens(v, a, &place, (struct str){bytes, sealed.len}, &out, &err));
            assert_true(err.kind == ERR_DENIED || err.kind == ERR_ABSENT);
        }
        struct err err = {0};
        char *bytes = arena_alloc(a, sealed.len + 1);
        memcpy(bytes, sealed.ptr, sealed.len);
        size_t n = i < sealed.len ? i : sealed.len + 1;
        assert_false(opens(v, a, &place, (struct str){bytes, n}, &out, &err));
    }
    assert_null(out.ptr);
    struct err err = {0};
    assert_false(opens(v, a, &place, STR_NONE, &out, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    // Parts of two values do not make a third.
    struct str other = vault_seal(v, a, &place, STR("sEcret"));
    char *mixed = arena_alloc(a, sealed.len);
    memcpy(mixed, sealed.ptr, sealed.len);
    memcpy(mixed + sealed.len / 2, other.ptr + sealed.len / 2, sealed.len - sealed.len / 2);
    assert_false(opens(v, a, &place, (struct str){mixed, sealed.len}, &out, &err));
    vault_close(v);
}

static void another_ring_s_key_does_not_open(void **state)
{
    (void)state;
    char path[PATH], text[PATH];
    auto_arena a = arena_new(1 << 20);
    struct str id, out;
    struct err err = {0};
    struct vault *v = new_ring(path, a, &id);
    struct str sealed = vault_seal(v, a, &place, STR("secret"));
    (void)snprintf(text, sizeof text, "active %.*s\nkey %.*s %043d=\n", STR_ARG(id), STR_ARG(id),
                   0);
    struct vault *same_id = vault_open(write_file(path, "other", text, 0600), &err);
    assert_non_null(same_id);
    assert_false(opens(same_id, a, &place, sealed, &out, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    static const char other[] = "active k1\nkey k1 "
                                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    struct vault *other_id = vault_open(write_file(path, "other", other, 0600), &err);
    assert_non_null(other_id);
    assert_false(opens(other_id, a, &place, sealed, &out, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    vault_close(v);
    vault_close(same_id);
    vault_close(other_id);
}

static void a_new_key_is_known_to_who_meets_it(void **state)
{
    (void)state;
    char path[PATH];
    auto_arena a = arena_new(1 << 20);
    struct str first, second, third, out;
    struct err err = {0};
    struct vault *old = new_ring(path, a, &first);
    struct str kept = vault_active_key(old);
    struct str sealed1 = vault_seal(old, a, &place, STR("one"));
    assert_true(vault_add_key(path, true, &second, a, &err));
    assert_false(str_eq(first, second));
    struct vault *fresh = vault_open(path, &err);
    struct str sealed2 = vault_seal(fresh, a, &place, STR("two"));
    assert_true(str_eq(vault_key_of(sealed2), second));
    assert_true(opens(fresh, a, &place, sealed1, &out, &err));
    assert_true(str_eq_c(out, "one"));
    // The old one has not read it yet.
    assert_true(str_eq(vault_active_key(old), first));
    assert_true(opens(old, a, &place, sealed2, &out, &err));
    assert_true(str_eq_c(out, "two"));
    assert_true(str_eq(vault_active_key(old), second));
    assert_true(str_eq(kept, first)); // still good
    // Nor this one; to seal it uses the new key at once.
    assert_true(vault_add_key(path, true, &third, a, &err));
    assert_true(str_eq(vault_active_key(fresh), second));
    assert_true(str_eq(vault_key_of(vault_seal(fresh, a, &place, STR("x"))), third));
    second = third;
    assert_true(vault_reload(old, &err));
    // Added and not active: known, not used, until it is made so.
    assert_true(vault_add_key(path, false, &third, a, &err));
    assert_true(vault_reload(old, &err));
    assert_true(str_eq(vault_active_key(old), second));
    assert_true(vault_activate_latest(path, &out, a, &err));
    assert_true(str_eq(out, third));
    assert_true(vault_reload(old, &err));
    assert_true(str_eq(vault_active_key(old), third));
    struct str *ids;
    size_t n, active;
    assert_true(vault_keys(path, a, &ids, &n, &active, &err));
    assert_int_equal(n, 4);
    assert_int_equal(active, 3);
    assert_true(str_eq(ids[0], first) && str_eq(ids[2], second) && str_eq(ids[3], third));
    vault_close(old);
    vault_close(fresh);
}

static void a_ring_that_went_bad_leaves_what_was_loaded(void **state)
{
    (void)state;
    char path[PATH];
    auto_arena a = arena_new(1 << 20);
    struct str id, out;
    struct err err = {0};
    struct vault *v = new_ring(path, a, &id);
    struct str sealed = vault_seal(v, a, &place, STR("one"));
    (void)write_file(path, "ring", "nonsense\n", 0600);
    assert_false(vault_reload(v, &err));
    assert_int_equal(err.kind, ERR_INVALID);
    assert_true(opens(v, a, &place, sealed, &out, &err));
    assert_true(str_eq(vault_key_of(vault_seal(v, a, &place, STR("x"))), id));
    assert_false(vault_add_key(path, true, &out, a, &err)); // nor is it written over
    assert_int_equal(unlink(path), 0);
    assert_false(vault_reload(v, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    assert_true(opens(v, a, &place, sealed, &out, &err));
    vault_close(v);
}

#define KEY1 "key k1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
#define KEY2 "key k2 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n"

static void bad_rings_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        mode_t mode;
        enum err_kind kind;
        const char *why; /* NULL: it is a good one */
    } cases[] = {
        {"active k1\n" KEY1, 0600, 0, NULL},
        {"# c\n\n  active k2 \r\n" KEY1 "# d\n" KEY2, 0600, 0, NULL},
        {"active k1\n" KEY1, 0400, 0, NULL},
        {"active k1\n" KEY1, 0640, ERR_DENIED, "others may read"},
        {"active k1\n" KEY1, 0604, ERR_DENIED, "others may read"},
        {"active k1\n" KEY1, 0602, ERR_DENIED, "others may read"},
        {"", 0600, ERR_INVALID, "which key is active"},
        {KEY1, 0600, ERR_INVALID, "which key is active"},
        {"active k2\n" KEY1, 0600, ERR_INVALID, "not there"},
        {"active k1\nactive k1\n" KEY1, 0600, ERR_INVALID, "line 2: want one"},
        {"active\n" KEY1, 0600, ERR_INVALID, "line 1: want one"},
        {"active k1\n" KEY1 KEY1, 0600, ERR_INVALID, "line 3: there is another"},
        {"active k1\nkey k1\n", 0600, ERR_INVALID, "line 2: want `key"},
        {"active k1\nkey k/1 AAAA\n", 0600, ERR_INVALID, "line 2: want `key"},
        {"active k1\nkey k1 AAAA\n", 0600, ERR_INVALID, "line 2: the key is not"},
        {"active k1\nkey k1 !!!\n", 0600, ERR_INVALID, "line 2: the key is not"},
        {"active k1\nkey k1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", 0600, ERR_INVALID,
         "line 2: the key is not"},
        {"active k1\nkeys k1 AAAA\n", 0600, ERR_INVALID, "line 2: want `active"},
    };
    char path[PATH];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        (void)write_file(path, "bad", cases[i].text, cases[i].mode);
        struct vault *v = vault_open(path, &err);
        if (!cases[i].why) {
            if (!v)
                fail_msg("%zu: %s", i, err.msg);
            vault_close(v);
            continue;
        }
        assert_null(v);
        if (err.kind != cases[i].kind || !strstr(err.msg, cases[i].why))
            fail_msg("%zu: %s", i, err.msg);
        assert_null(strstr(err.msg, "AAAA")); // never the key itself
    }
    struct err err = {0};
    assert_null(vault_open(path_of(path, "absent"), &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    assert_null(vault_open(folder, &err));
    assert_int_equal(err.kind, ERR_INVALID);
}

static void rings_are_made_once_and_for_their_owner_only(void **state)
{
    (void)state;
    char path[PATH], next[PATH];
    auto_arena a = arena_new(1 << 20);
    struct str id;
    struct err err = {0};
    struct stat st;
    vault_close(new_ring(path, a, &id));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_false(vault_generate(path, &id, a, &err));
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_int_not_equal(stat(path_of(next, "ring.new"), &st), 0);
    // While another changes it: not now, and nothing is lost.
    (void)write_file(next, "ring.new", "", 0600);
    assert_false(vault_add_key(path, true, &id, a, &err));
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_int_equal(unlink(next), 0);
    for (int i = 1; i < 32; i++)
        assert_true(vault_add_key(path, true, &id, a, &err));
    assert_false(vault_add_key(path, true, &id, a, &err));
    assert_int_equal(err.kind, ERR_LIMITED);
    assert_int_not_equal(stat(path_of(next, "ring.new"), &st), 0);
    struct vault *v = vault_open(path, &err);
    assert_non_null(v);
    vault_close(v);
}

struct worker {
    const struct vault *vault;
    int n;
};

static void *seal_and_open(void *ctx)
{
    struct worker *w = ctx;
    for (; w->n < 200; w->n++) {
        auto_arena a = arena_new(1 << 16);
        struct err err = {0};
        struct str sealed = vault_seal(w->vault, a, &place, STR("secret")), out;
        if (!opens(w->vault, a, &place, sealed, &out, &err) || !str_eq_c(out, "secret"))
            break;
    }
    return NULL;
}

static void threads_share_a_vault_while_it_is_rotated(void **state)
{
    (void)state;
    char path[PATH];
    auto_arena a = arena_new(1 << 20);
    struct str id;
    struct err err = {0};
    struct vault *v = new_ring(path, a, &id);
    struct worker workers[3];
    pthread_t threads[3];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        workers[i] = (struct worker){.vault = v};
        assert_int_equal(pthread_create(&threads[i], NULL, seal_and_open, &workers[i]), 0);
    }
    for (int i = 0; i < 10; i++) {
        assert_true(vault_add_key(path, true, &id, a, &err));
        assert_true(vault_reload(v, &err));
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].n, 200);
    }
    assert_true(str_eq(vault_active_key(v), id));
    vault_close(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sealed_opens_in_its_place_only),
        cmocka_unit_test(no_byte_can_be_changed_cut_or_added),
        cmocka_unit_test(another_ring_s_key_does_not_open),
        cmocka_unit_test(a_new_key_is_known_to_who_meets_it),
        cmocka_unit_test(a_ring_that_went_bad_leaves_what_was_loaded),
        cmocka_unit_test(bad_rings_are_refused_with_a_reason),
        cmocka_unit_test(rings_are_made_once_and_for_their_owner_only),
        cmocka_unit_test(threads_share_a_vault_while_it_is_rotated),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
