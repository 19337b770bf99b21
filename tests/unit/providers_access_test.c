/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "access.h"
#include "test.h"

static void what_was_written_is_read_again(void **state)
{
    (void)state;
    auto_arena a = arena_new((size_t)1 << 16);
    struct err err = {0};
    struct send_account in = {.external_id = STR("300"),
                              .token = STR("to\"ken\\\n\xe2\x82\xac"),
                              .login = STR("page"),
                              .parent_id = STR("77")};
    struct send_account out = {.external_id = STR("400"), .api_version = STR("old")};
    struct str text = access_write(a, &in);
    assert_true(access_read(a, text, &out, &err));
    assert_true(str_eq(out.token, in.token));
    assert_true(str_eq(out.login, in.login));
    assert_true(str_eq(out.parent_id, in.parent_id));
    assert_null(out.api_version.ptr);
    // What is no secret is the row's.
    assert_true(str_eq_c(out.external_id, "400"));
}

static void what_is_no_document_is_refused_and_never_quoted(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "{", "[]", "{}", "{\"token\":\"\"}", "{\"token\":[1]}", "hidden-token"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        auto_arena a = arena_new((size_t)1 << 16);
        struct err err = {0};
        struct send_account out = {.token = STR("before")};
        assert_false(access_read(a, str_of(texts[i]), &out, &err));
        assert_int_equal(err.kind, ERR_INVALID);
        assert_null(strstr(err.msg, "hidden"));
        assert_true(str_eq_c(out.token, "before"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read_again),
        cmocka_unit_test(what_is_no_document_is_refused_and_never_quoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
