/* SPDX-License-Identifier: Apache-2.0 */
#include "backoff.h"
#include "test.h"

static void waits_stay_under_a_bound_that_doubles_up_to_the_cap(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        struct backoff b = {.base_ms = 100, .cap_ms = 5000};
        int64_t bound = 100;
        for (int attempt = 0; attempt < 100; attempt++) {
            int64_t wait = backoff_next_ms(&b);
            assert_in_range(wait, 1, (uintmax_t)bound);
            bound = bound * 2 < 5000 ? bound * 2 : 5000;
        }
        backoff_reset(&b);
        assert_in_range(backoff_next_ms(&b), 1, 100);
    }
}

static void waits_are_spread_over_the_whole_range(void **state)
{
    (void)state;
    int low = 0, high = 0;
    for (int i = 0; i < 1000; i++) {
        struct backoff b = {.base_ms = 1000, .cap_ms = 1000};
        int64_t wait = backoff_next_ms(&b);
        low += wait <= 250;
        high += wait > 750;
    }
    // A quarter of the draws each, give or take ten standard deviations.
    assert_in_range(low, 110, 390);
    assert_in_range(high, 110, 390);
}

static void extreme_settings_stay_in_range(void **state)
{
    (void)state;
    struct backoff zero = {0}, huge = {.base_ms = INT64_MAX / 2, .cap_ms = INT64_MAX};
    struct backoff above = {.base_ms = 1000, .cap_ms = 10};
    for (int i = 0; i < 100; i++) {
        assert_int_equal(backoff_next_ms(&zero), 1);
        assert_true(backoff_next_ms(&huge) >= 1);
        assert_in_range(backoff_next_ms(&above), 1, 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_stay_under_a_bound_that_doubles_up_to_the_cap),
        cmocka_unit_test(waits_are_spread_over_the_whole_range),
        cmocka_unit_test(extreme_settings_stay_in_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
