/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <time.h>

#include "clock.h"
#include "mem.h"
#include "test.h"

static void times_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t at_ms;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-01-02T03:04:05.678Z", 1767323045678},
        {"2026-01-02t03:04:05z", 1767323045000},
        {"2026-01-02T05:04:05+02:00", 1767323045000},
        {"2026-01-02T05:04:05+0200", 1767323045000},
        {"2026-01-01T21:34:05-05:30", 1767323045000},
        {"2026-01-02T03:04:05+00:00", 1767323045000},
        {"2026-01-02T03:04:05.6Z", 1767323045600},
        {"2026-01-02T03:04:05.678999999Z", 1767323045678},
        {"2024-02-29T00:00:00Z", 1709164800000},
        {"2000-02-29T00:00:00Z", 951782400000},
        {"1969-12-31T23:59:59.999Z", -1},
        {"2016-12-31T23:59:60Z", 1483228800000},
        {"0000-01-01T00:00:00Z", -62167219200000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t at_ms = 7;
        assert_true(clock_parse(str_of(cases[i].text), &at_ms));
        assert_int_equal(at_ms, cases[i].at_ms);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "2026",
        "2026-01-02",
        "2026-01-02T03:04:05", /* no offset: whose time is it? */
        "2026-01-02 03:04:05Z",
        "2026-1-02T03:04:05Z",
        "2026-00-02T03:04:05Z",
        "2026-13-02T03:04:05Z",
        "2026-01-00T03:04:05Z",
        "2026-01-32T03:04:05Z",
        "2026-04-31T03:04:05Z",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-01-02T24:00:00Z",
        "2026-01-02T03:60:05Z",
        "2026-01-02T03:04:61Z",
        "2026-01-02T03:04Z",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05.1234567890Z",
        "2026-01-02T03:04:05,5Z",
        "2026-01-02T03:04:05ZZ",
        "2026-01-02T03:04:05+24:00",
        "2026-01-02T03:04:05+01:60",
        "2026-01-02T03:04:05+01",
        "2026-01-02T03:04:05+1:00",
        " 2026-01-02T03:04:05Z",
        "+026-01-02T03:04:05Z",
        "1767323045678",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t at_ms = 7;
        assert_false(clock_parse(str_of(cases[i]), &at_ms));
        assert_int_equal(at_ms, 7);
    }
    int64_t at_ms;
    assert_false(clock_parse(STR("2026-01-02\0003:04:05Z"), &at_ms));
}

static void no_cut_of_a_time_is_a_time(void **state)
{
    (void)state;
    struct str whole = STR("2026-01-02T03:04:05.678+01:30");
    int64_t at_ms;
    for (size_t n = 0; n < whole.len; n++)
        assert_false(clock_parse((struct str){whole.ptr, n}, &at_ms));
}

static void every_day_for_a_thousand_years_goes_there_and_back(void **state)
{
    (void)state;
    const int64_t day_ms = 86400000;
    for (int64_t day = -200000; day < 200000; day++) {
        char text[CLOCK_TEXT_MAX], want[CLOCK_TEXT_MAX];
        int64_t at_ms = day * day_ms + 12345678, back;
        size_t n = clock_format(at_ms, text);
        assert_int_equal(n, 24);
        assert_true(clock_parse((struct str){text, n}, &back));
        assert_int_equal(back, at_ms);
        // The C library agrees.
        time_t s = (time_t)((at_ms - 678) / 1000);
        struct tm tm;
        assert_non_null(gmtime_r(&s, &tm));
        assert_true(strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.678Z", &tm) == 24);
        assert_string_equal(text, want);
    }
}

static void times_out_of_range_are_written_as_the_nearest(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_MAX];
    clock_format(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
    clock_format(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00.000Z");
}

static void clocks_go_forward(void **state)
{
    (void)state;
    int64_t us = clock_us(), ms = clock_ms();
    assert_true(clock_us() >= us);
    assert_true(clock_ms() >= ms);
    assert_true(ms >= us / 1000);
    assert_true(clock_at_ms() > 1700000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(no_cut_of_a_time_is_a_time),
        cmocka_unit_test(every_day_for_a_thousand_years_goes_there_and_back),
        cmocka_unit_test(times_out_of_range_are_written_as_the_nearest),
        cmocka_unit_test(clocks_go_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
