/* SPDX-License-Identifier: Apache-2.0 */
#include "breaker.h"
#include "test.h"

#define S INT64_C(1000000)

static struct sender_breaker breaker_of(int failures)
{
    struct sender_breaker b;
    sender_breaker_init(&b, &(struct sender_breaker_opts){failures, 5 * S, 60 * S});
    return b;
}

static void fail_times(struct sender_breaker *b, int n, int64_t now)
{
    for (int i = 0; i < n; i++)
        sender_breaker_tell(b, true, now);
}

static void it_opens_after_failures_in_a_row_only(void **state)
{
    (void)state;
    struct sender_breaker b = breaker_of(3);
    fail_times(&b, 2, S);
    sender_breaker_tell(&b, false, S);
    fail_times(&b, 2, S);
    assert_true(sender_breaker_may(&b, S));
    fail_times(&b, 1, S);
    assert_false(sender_breaker_may(&b, S));
    assert_int_equal(sender_breaker_next_us(&b, S), 6 * S);
}

static void one_tries_and_decides(void **state)
{
    (void)state;
    struct sender_breaker b = breaker_of(1);
    fail_times(&b, 1, S);
    assert_true(sender_breaker_may(&b, 6 * S));
    assert_false(sender_breaker_may(&b, 6 * S));
    fail_times(&b, 1, 7 * S);
    assert_false(sender_breaker_may(&b, 7 * S + 9 * S)); // twice as long now
    assert_true(sender_breaker_may(&b, 7 * S + 10 * S));
    sender_breaker_tell(&b, false, 20 * S);
    assert_false(sender_breaker_is_open(&b));
    assert_true(sender_breaker_may(&b, 20 * S));
    assert_true(sender_breaker_may(&b, 20 * S));
}

static void a_try_that_came_to_nothing_is_free_again(void **state)
{
    (void)state;
    struct sender_breaker b = breaker_of(1);
    fail_times(&b, 1, S);
    assert_true(sender_breaker_may(&b, 6 * S));
    sender_breaker_unused(&b);
    assert_true(sender_breaker_may(&b, 6 * S));
}

static void the_pause_has_an_end(void **state)
{
    (void)state;
    struct sender_breaker b = breaker_of(1);
    int64_t now = S;
    for (int i = 0; i < 50; i++) {
        fail_times(&b, 1, now);
        int64_t next = sender_breaker_next_us(&b, now);
        assert_in_range(next - now, 5 * S, 60 * S);
        now = next;
        assert_true(sender_breaker_may(&b, now));
    }
}

static void failures_of_those_under_way_do_not_lengthen_it(void **state)
{
    (void)state;
    struct sender_breaker b = breaker_of(1);
    fail_times(&b, 100, S);
    assert_int_equal(sender_breaker_next_us(&b, S), 6 * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_opens_after_failures_in_a_row_only),
        cmocka_unit_test(one_tries_and_decides),
        cmocka_unit_test(a_try_that_came_to_nothing_is_free_again),
        cmocka_unit_test(the_pause_has_an_end),
        cmocka_unit_test(failures_of_those_under_way_do_not_lengthen_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
