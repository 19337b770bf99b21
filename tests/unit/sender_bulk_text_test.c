/* SPDX-License-Identifier: Apache-2.0 */
#include "bulk_text.h"
#include "test.h"

static void a_variable_takes_the_place_of_its_name(void **state)
{
    static const struct {
        const char *text, *variables, *plain, *json;
    } cases[] = {
        {"hello", "{\"name\":\"Ann\"}", "hello", "hello"},
        {"hello {{name}}!", "{\"name\":\"Ann\"}", "hello Ann!", "hello Ann!"},
        {"{{ name }}{{name}}", "{\"name\":\"A\"}", "AA", "AA"},
        {"{{n}} items", "{\"n\":3}", "3 items", "3 items"},
        {"hello {{name}}!", "{}", "hello !", "hello !"},
        {"hello {{name}}!", NULL, "hello !", "hello !"},
        {"{{a b}} {{}} {{", "{\"a b\":\"x\"}", "{{a b}} {{}} {{", "{{a b}} {{}} {{"},
        {"{{{a}}}", "{\"a\":\"x\"}", "{x}", "{x}"},
        {"{{a}}", "{\"a\":\"{{b}}\",\"b\":\"no\"}", "{{b}}", "{{b}}"},
        {"{{a}}", "{\"a\":\"say \\\"hi\\\"\\n\"}", "say \"hi\"\n", "say \\\"hi\\\"\\n"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = arena_new(1 << 20);
        struct err err = {0};
        const struct json *v =
            cases[i].variables ? json_parse(a, str_of(cases[i].variables), &err) : NULL;
        struct str plain = sender_bulk_fill(a, str_of(cases[i].text), v, false);
        struct str json = sender_bulk_fill(a, str_of(cases[i].text), v, true);
        if (!str_eq_c(plain, cases[i].plain) || !str_eq_c(json, cases[i].json))
            fail_msg("%zu: '%.*s' and '%.*s'", i, STR_ARG(plain), STR_ARG(json));
    }
}

static void nothing_stays_nothing(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 16);
    assert_null(sender_bulk_fill(a, STR_NONE, NULL, false).ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_variable_takes_the_place_of_its_name),
        cmocka_unit_test(nothing_stays_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
