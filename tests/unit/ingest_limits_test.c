/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "limits.h"
#include "test.h"

static void a_source_has_a_burst_and_then_its_rate(void **state)
{
    (void)state;
    struct ingest_sources *s = ingest_sources_new(10);
    int64_t wait_ms = 0;
    for (int i = 0; i < 10; i++)
        assert_true(ingest_sources_take(s, STR("10.0.0.1"), 1000, &wait_ms));
    assert_false(ingest_sources_take(s, STR("10.0.0.1"), 1000, &wait_ms));
    assert_int_equal(wait_ms, 100);
    assert_false(ingest_sources_take(s, STR("10.0.0.1"), 1099, &wait_ms));
    assert_int_equal(wait_ms, 1);
    assert_true(ingest_sources_take(s, STR("10.0.0.1"), 1100, &wait_ms));
    assert_false(ingest_sources_take(s, STR("10.0.0.1"), 1100, &wait_ms));
    ingest_sources_free(s);
}

static void refused_requests_cost_no_token(void **state)
{
    (void)state;
    struct ingest_sources *s = ingest_sources_new(1);
    int64_t wait_ms = 0;
    assert_true(ingest_sources_take(s, STR("a"), 0, &wait_ms));
    for (int now_ms = 1; now_ms < 1000; now_ms++)
        assert_false(ingest_sources_take(s, STR("a"), now_ms, &wait_ms));
    assert_true(ingest_sources_take(s, STR("a"), 1000, &wait_ms));
    ingest_sources_free(s);
}

static void sources_do_not_share_a_bucket(void **state)
{
    (void)state;
    struct ingest_sources *s = ingest_sources_new(1);
    int64_t wait_ms = 0;
    for (int i = 0; i < 50; i++) {
        char address[32];
        (void)snprintf(address, sizeof address, "10.0.0.%d", i);
        assert_true(ingest_sources_take(s, str_of(address), 5, &wait_ms));
    }
    assert_false(ingest_sources_take(s, STR("10.0.0.49"), 5, &wait_ms));
    ingest_sources_free(s);
}

static void a_long_silence_does_not_save_up_more_than_a_burst(void **state)
{
    (void)state;
    struct ingest_sources *s = ingest_sources_new(3);
    int64_t wait_ms = 0;
    assert_true(ingest_sources_take(s, STR("a"), 0, &wait_ms));
    int64_t later_ms = INT64_C(10) * 365 * 86400 * 1000;
    for (int i = 0; i < 3; i++)
        assert_true(ingest_sources_take(s, STR("a"), later_ms, &wait_ms));
    assert_false(ingest_sources_take(s, STR("a"), later_ms, &wait_ms));
    ingest_sources_free(s);
}

static void a_flood_of_sources_forgets_the_silent_and_keeps_the_limited(void **state)
{
    (void)state;
    struct ingest_sources *s = ingest_sources_new(1);
    int64_t wait_ms = 0;
    // The flooder keeps coming, so it is never the one that was silent longest.
    int passed = 0;
    for (int i = 0; i < 20000; i++) {
        char address[32];
        (void)snprintf(address, sizeof address, "2001:db8::%x", i);
        (void)ingest_sources_take(s, str_of(address), i / 100, &wait_ms);
        passed += ingest_sources_take(s, STR("flooder"), i / 100, &wait_ms);
    }
    assert_int_equal(passed, 1);
    ingest_sources_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_has_a_burst_and_then_its_rate),
        cmocka_unit_test(refused_requests_cost_no_token),
        cmocka_unit_test(sources_do_not_share_a_bucket),
        cmocka_unit_test(a_long_silence_does_not_save_up_more_than_a_burst),
        cmocka_unit_test(a_flood_of_sources_forgets_the_silent_and_keeps_the_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
