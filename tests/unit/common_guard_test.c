/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "crypto.h"
#include "guard.h"
#include "test.h"

/* One row of tests/corpus/<name>.txt. */
struct row {
    bool pass;
    struct str what, why;
};

static struct str unescape(struct arena *a, struct str s)
{
    char *out = arena_alloc(a, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t byte = (uint8_t)s.ptr[i];
        if (s.ptr[i] == '\\') {
            assert_true(i + 3 < s.len && s.ptr[i + 1] == 'x');
            assert_true(hex_decode((struct str){s.ptr + i + 2, 2}, &byte, 1));
            i += 3;
        }
        out[n++] = (char)byte;
    }
    return (struct str){out, n};
}

static int each_row(const char *name, void (*check)(const struct row *row))
{
    auto_arena a = arena_new(1 << 20);
    char path[512], line[1024];
    (void)snprintf(path, sizeof path, "%s/corpus/%s.txt", TESTS_DIR, name);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    int n = 0;
    while (fgets(line, sizeof line, f)) {
        struct str rest = str_of(line), verdict, what;
        rest.len -= rest.len && rest.ptr[rest.len - 1] == '\n';
        if (str_starts(rest, STR("#")))
            continue;
        assert_true(str_cut(rest, '\t', &verdict, &rest));
        assert_true(str_cut(rest, '\t', &what, &rest));
        assert_true(str_eq_c(verdict, "pass") || str_eq_c(verdict, "refuse"));
        check(&(struct row){str_eq_c(verdict, "pass"), unescape(a, what), rest});
        n++;
    }
    assert_int_equal(fclose(f), 0);
    return n;
}

static void check_url(const struct row *row)
{
    struct err err = {0};
    bool ok = guard_url(NULL, row->what, &err);
    if (ok != row->pass)
        fail_msg("'%.*s' (%.*s): %s", STR_ARG(row->what), STR_ARG(row->why),
                 ok ? "passed" : err.msg);
    if (!ok)
        assert_int_equal(err.kind, ERR_INVALID);
}

static void urls_pass_and_are_refused_as_the_corpus_says(void **state)
{
    (void)state;
    assert_true(each_row("urls", check_url) > 150);
}

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage s = {0};
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        memcpy(&s, &in, sizeof in);
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
        memcpy(&s, &in6, sizeof in6);
    }
    return s;
}

static void check_address(const struct row *row)
{
    auto_arena a = arena_new(4096);
    struct sockaddr_storage s = address_of(str_c(a, row->what));
    bool ok = guard_address(NULL, STR("a.example.com"), 443, (const struct sockaddr *)&s);
    if (ok != row->pass)
        fail_msg("%.*s (%.*s): %s", STR_ARG(row->what), STR_ARG(row->why),
                 ok ? "passed" : "refused");
}

static void addresses_pass_and_are_refused_as_the_corpus_says(void **state)
{
    (void)state;
    assert_true(each_row("addresses", check_address) > 60);
}

static void other_families_and_scopes_are_refused(void **state)
{
    (void)state;
    struct sockaddr_storage s = address_of("2606:4700::1111");
    struct sockaddr_in6 in6;
    memcpy(&in6, &s, sizeof in6);
    in6.sin6_scope_id = 2;
    assert_false(guard_address(NULL, STR("x.example.com"), 443, (const struct sockaddr *)&in6));
    s = (struct sockaddr_storage){.ss_family = AF_UNIX};
    assert_false(guard_address(NULL, STR("x.example.com"), 443, (const struct sockaddr *)&s));
}

static void allowed_hosts_pass_with_their_ports(void **state)
{
    (void)state;
    struct err err = {0};
    struct guard *g = guard_new(" 127.0.0.1:8090, uniPile.internal ,[::1]:9,localhost", &err);
    assert_non_null(g);
    struct sockaddr_storage loop = address_of("127.0.0.1"), loop6 = address_of("::1");
    static const struct {
        const char *url;
        bool ok;
    } urls[] = {
        {"http://127.0.0.1:8090/unipile", true},
        {"https://127.0.0.1:8090/unipile", true},
        {"http://127.0.0.1:8091/", false},
        {"http://127.0.0.1/", false},
        {"http://x@127.0.0.1:8090/", false},
        {"https://unipile.INTERNAL/", true},
        {"http://unipile.internal:7777/", true},
        {"http://a.unipile.internal/", false},
        {"http://unipile.internal.example.com/", false},
        {"http://[::1]:9/", true},
        {"http://[::1]:10/", false},
        {"http://localhost:1234/", true},
        {"ftp://localhost:1234/", false},
        {"http://a.example.com/", false},
        {"https://a.example.com/", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        if (guard_url(g, str_of(urls[i].url), &err) != urls[i].ok)
            fail_msg("%s", urls[i].url);
    const struct sockaddr *a4 = (const struct sockaddr *)&loop;
    const struct sockaddr *a6 = (const struct sockaddr *)&loop6;
    assert_true(guard_address(g, STR("127.0.0.1"), 8090, a4));
    assert_false(guard_address(g, STR("127.0.0.1"), 8091, a4));
    assert_true(guard_address(g, STR("unipile.internal"), 5, a4));
    assert_true(guard_address(g, STR("[::1]"), 9, a6));
    assert_true(guard_address(g, STR("::1"), 9, a6));
    assert_false(guard_address(g, STR("a.example.com"), 8090, a4));
    guard_free(g);
}

static void a_list_of_hosts_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const lists[] = {"a:b", "a:0", "a:70000", "[::1", ":80", "a:1:2"};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        struct err err = {0};
        assert_null(guard_new(lists[i], &err));
        assert_int_equal(err.kind, ERR_INVALID);
    }
    struct err err = {0};
    char many[256] = "";
    memset(many, ',', sizeof many - 1);
    struct guard *g = guard_new(many, &err); // empty items are none
    assert_non_null(g);
    guard_free(g);
    for (size_t i = 0; i + 1 < sizeof many; i += 2)
        many[i] = 'a';
    assert_null(guard_new(many, &err));
    guard_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_pass_and_are_refused_as_the_corpus_says),
        cmocka_unit_test(addresses_pass_and_are_refused_as_the_corpus_says),
        cmocka_unit_test(other_families_and_scopes_are_refused),
        cmocka_unit_test(allowed_hosts_pass_with_their_ports),
        cmocka_unit_test(a_list_of_hosts_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
