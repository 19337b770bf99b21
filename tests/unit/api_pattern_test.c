/* SPDX-License-Identifier: Apache-2.0 */
#include "pattern.h"
#include "test.h"

static void texts_match_as_the_pattern_says(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {"^[A-Za-z0-9_-]{1,4}$", "a-_9", true},
        {"^[A-Za-z0-9_-]{1,4}$", "", false},
        {"^[A-Za-z0-9_-]{1,4}$", "abcde", false},
        {"^[A-Za-z0-9_-]{1,4}$", "a b", false},
        {"^\\+?[0-9]{2,3}$", "+12", true},
        {"^\\+?[0-9]{2,3}$", "12", true},
        {"^\\+?[0-9]{2,3}$", "+1", false},
        {"^\\+?[0-9]{2,3}$", "++12", false},
        {"^[^/]+$", "caf\xC3\xA9", true},
        {"^[^/]+$", "a/b", false},
        {"^.*$", "", true},
        {"^.*$", "a\nb", false},
        {"^\\d+\\.\\d{2}$", "10.25", true},
        {"^\\d+\\.\\d{2}$", "10x25", false},
        {"^a?b*c$", "c", true},
        {"^a?b*c$", "abbbc", true},
        {"^[!-~]{1,3}$", "!~a", true},
        {"^[!-~]{1,3}$", " ", false},
        {"^[^\\x00]*$", "caf\xC3\xA9\n", true},
        {"^[\\x41-\\x43]\\x7e$", "B~", true},
        {"^[\\x41-\\x43]\\x7e$", "D~", false},
    };
    auto_arena a = arena_new(1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        const struct api_pattern *p = api_pattern_new(a, str_of(cases[i].pattern), &err);
        if (!p)
            fail_msg("%s: %s", cases[i].pattern, err.msg);
        if (api_pattern_matches(p, str_of(cases[i].text)) != cases[i].matches)
            fail_msg("%s with '%s'", cases[i].pattern, cases[i].text);
    }
}

static void what_is_not_of_the_simple_kind_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",         "abc",    "^abc",   "abc$",        "^(a|b)$", "^a|b$",       "^[a-z$",
        "^a{2,1}$", "^a{x}$", "^\\w$",  "^[a-z]*abc$", "^a+a$",   "^[0-9]?\\d$", "^a^$",
        "^ab\\$",   "^\\",    "^\\x4$", "^\\x80$",     "^\\xg0$",
    };
    auto_arena a = arena_new(1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {0};
        if (api_pattern_new(a, str_of(bad[i]), &err))
            fail_msg("%s", bad[i]);
        assert_int_equal(err.kind, ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_match_as_the_pattern_says),
        cmocka_unit_test(what_is_not_of_the_simple_kind_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
