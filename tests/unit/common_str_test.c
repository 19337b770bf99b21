/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "arena.h"
#include "str.h"
#include "test.h"

#define assert_str(s, want) assert_true(str_eq((s), STR(want)))

static void comparison_is_by_bytes(void **state)
{
    (void)state;
    assert_true(str_eq(STR("a"), str_of("a")));
    assert_false(str_eq(STR("a"), STR("ab")));
    assert_true(str_eq(STR_NONE, STR("")));
    assert_true(str_eq_c(STR("a"), "a"));
    assert_true(str_ieq(STR("Content-TYPE"), STR("content-type")));
    assert_false(str_ieq(STR("a["), STR("A{")));
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("a"), STR("ab")) < 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
    assert_int_equal(str_cmp(STR_NONE, STR("")), 0);
    assert_null(str_of(NULL).ptr);
}

static void parts(void **state)
{
    (void)state;
    struct str head, tail;
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_false(str_starts(STR("a"), STR("ab")));
    assert_true(str_ends(STR("abc"), STR("bc")));
    assert_false(str_ends(STR("c"), STR("bc")));
    assert_str(str_skip(STR("abc"), 2), "c");
    assert_str(str_skip(STR("abc"), 9), "");
    assert_str(str_trim(STR(" \t a b\r\n")), "a b");
    assert_str(str_trim(STR("  ")), "");

    assert_true(str_cut(STR("a,b,c"), ',', &head, &tail));
    assert_str(head, "a");
    assert_str(tail, "b,c");
    assert_true(str_cut(STR("a,"), ',', &head, &tail));
    assert_str(tail, "");
    assert_non_null(tail.ptr);
    assert_false(str_cut(STR("abc"), ',', &head, &tail));
    assert_str(head, "abc");
    assert_null(tail.ptr);
    assert_false(str_cut(STR_NONE, ',', &head, &tail));
}

static void numbers_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"007", true, 7},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"-9223372036854775808", true, INT64_MIN},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
        {"1e3", false, 0},
        {"--1", false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t v = 42;
        assert_int_equal(str_i64(str_of(cases[i].text), &v), cases[i].ok);
        assert_int_equal(v, cases[i].ok ? cases[i].value : 42);
    }
}

static void copies_live_in_the_arena(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 16);
    char text[] = "abc";
    struct str copy = str_dup(a, str_of(text));
    const char *c = str_c(a, (struct str){text, 2});
    text[0] = 'x';
    assert_str(copy, "abc");
    assert_string_equal(c, "ab");
    assert_null(str_dup(a, STR_NONE).ptr);
    assert_non_null(str_dup(a, STR("")).ptr);
    assert_str(str_fmt(a, "%s-%d", "x", 7), "x-7");
    assert_str(str_fmt(a, "%s", ""), "");
}

static void hashes_are_fnv_1a(void **state)
{
    (void)state;
    assert_true(str_hash(STR("")) == 0xcbf29ce484222325u);
    assert_true(str_hash(STR("foobar")) == 0x85944171f73967e8u);
}

#define BAD "\xEF\xBF\xBD"

static void invalid_utf8_is_replaced(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 16);
    static const struct {
        struct str in, out;
    } cases[] = {
        {STR("\x80"), STR(BAD)},
        {STR("a\xffz"), STR("a" BAD "z")},
        {STR("a\0z"), STR("a" BAD "z")},
        {STR("\xC0\xAF"), STR(BAD BAD)},                 /* overlong */
        {STR("\xE0\x80\xAF"), STR(BAD BAD BAD)},         /* overlong */
        {STR("\xED\xA0\x80"), STR(BAD BAD BAD)},         /* a surrogate */
        {STR("\xF4\x90\x80\x80"), STR(BAD BAD BAD BAD)}, /* past U+10FFFF */
        {STR("\xF0\x9F\x98"), STR(BAD)},                 /* cut: one for the longest part */
        {STR("\xF0\x9F\x98x"), STR(BAD "x")},
        {STR("\xE2\x82"), STR(BAD)},
        {STR("\xC3"), STR(BAD)},
        {STR("12345678\xC3(12345678\xA9"), STR("12345678" BAD "(12345678" BAD)},
        {STR("\xC3\xA9\0"), STR("\xC3\xA9" BAD)},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_true(str_eq(str_utf8(a, cases[i].in), cases[i].out));
}

static void valid_utf8_is_not_copied(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 16);
    static const struct str cases[] = {
        STR(""),
        STR("plain"),
        STR("exactly8exactly8"),
        STR("caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 and more than sixteen bytes"),
        STR("\xEE\x80\x80\xF4\x8F\xBF\xBF\xEF\xBF\xBD\x7F\xC2\x80"),
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_ptr_equal(str_utf8(a, cases[i]).ptr, cases[i].ptr);
    assert_null(str_utf8(a, STR_NONE).ptr);
    assert_int_equal(arena_used(a), 0);
}

static void every_code_point_goes_there_and_back(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        char bytes[4];
        uint32_t back;
        bool valid;
        size_t n = utf8_put(cp, bytes);
        assert_int_equal(utf8_next((struct str){bytes, n}, &back, &valid), n);
        assert_true(valid);
        bool surrogate = cp >= 0xD800 && cp < 0xE000;
        assert_int_equal(back, surrogate ? CODEPOINT_BAD : cp);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparison_is_by_bytes),
        cmocka_unit_test(parts),
        cmocka_unit_test(numbers_are_exact),
        cmocka_unit_test(copies_live_in_the_arena),
        cmocka_unit_test(hashes_are_fnv_1a),
        cmocka_unit_test(invalid_utf8_is_replaced),
        cmocka_unit_test(valid_utf8_is_not_copied),
        cmocka_unit_test(every_code_point_goes_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
