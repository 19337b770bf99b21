/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "err.h"
#include "test.h"

static void kinds_map_to_http_and_to_the_record_s_fate(void **state)
{
    (void)state;
    static const struct {
        enum err_kind kind;
        int64_t retry_after_ms;
        int http;
        bool parked;
        const char *name;
    } cases[] = {
        {ERR_NONE, 0, 200, false, "none"},         {ERR_INVALID, 0, 400, true, "invalid"},
        {ERR_DENIED, 0, 403, true, "denied"},      {ERR_UNPROVEN, 0, 401, true, "unproven"},
        {ERR_ABSENT, 0, 404, true, "absent"},      {ERR_LIMITED, 0, 413, true, "limited"},
        {ERR_LIMITED, 1000, 429, true, "limited"}, {ERR_CONFLICT, 0, 409, false, "conflict"},
        {ERR_BUSY, 1000, 503, false, "busy"},      {ERR_FAULT, 0, 500, true, "fault"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err;
        assert_false(err_set(&err, cases[i].kind, "x"));
        assert_int_equal(err.retry_after_ms, 0);
        err.retry_after_ms = cases[i].retry_after_ms;
        assert_int_equal(err_http_status(&err), cases[i].http);
        assert_int_equal(err_is_parked(cases[i].kind), cases[i].parked);
        assert_string_equal(err_kind_name(cases[i].kind), cases[i].name);
    }
}

static void wrapping_puts_the_context_first_and_keeps_the_kind(void **state)
{
    (void)state;
    struct err err;
    assert_false(err_set(&err, ERR_BUSY, "no answer from %s", "db"));
    assert_false(err_wrap(&err, "batch %d", 7));
    assert_string_equal(err.msg, "batch 7: no answer from db");
    assert_int_equal(err.kind, ERR_BUSY);
}

static void a_message_may_be_made_from_itself(void **state)
{
    (void)state;
    struct err err;
    err_set(&err, ERR_BUSY, "inner");
    err_set(&err, ERR_FAULT, "outer (%s)", err.msg);
    assert_string_equal(err.msg, "outer (inner)");
    err_wrap(&err, "again %s", err.msg);
    assert_string_equal(err.msg, "again outer (inner): outer (inner)");
}

static void long_messages_are_cut_at_the_end(void **state)
{
    (void)state;
    char text[1000];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct err err;
    err_set(&err, ERR_FAULT, "%s", text);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    err_wrap(&err, "context");
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    assert_memory_equal(err.msg, "context: aaa", 12);
    err_wrap(&err, "%s", text);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_map_to_http_and_to_the_record_s_fate),
        cmocka_unit_test(wrapping_puts_the_context_first_and_keeps_the_kind),
        cmocka_unit_test(a_message_may_be_made_from_itself),
        cmocka_unit_test(long_messages_are_cut_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
