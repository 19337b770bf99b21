/* SPDX-License-Identifier: Apache-2.0 */
#include "mem.h"
#include "pace.h"
#include "test.h"

#define S  INT64_C(1000000)
#define MS INT64_C(1000)

static const struct send_limits by_ten_ms = {.account = {10 * MS, 1}, .slow_from_percent = 80};
static const struct send_pace untold = {.used_percent = -1};

static struct sender_pace pace_of(const struct send_limits *limits)
{
    struct sender_pace p;
    sender_pace_init(&p, limits, -1, -1);
    return p;
}

static void without_a_limit_all_may_go_at_once(void **state)
{
    (void)state;
    struct sender_pace p;
    int64_t slot;
    sender_pace_init(&p, &by_ten_ms, 0, -1);
    for (int i = 0; i < 1000; i++) {
        assert_true(sender_pace_take(&p, 5 * S, 0, &slot));
        assert_int_equal(slot, 5 * S);
    }
    assert_int_equal(sender_pace_wants(&p, 5 * S, 1000), 0);
}

static void settings_go_before_what_is_published(void **state)
{
    (void)state;
    struct sender_pace p;
    sender_pace_init(&p, &by_ten_ms, 60, 30);
    assert_in_range(sender_pace_step_us(&p), S, S + S / 50);
    assert_in_range(p.pair.step_us, 2 * S, 2 * S + S / 25);
    sender_pace_change(&p, &by_ten_ms, -1, -1);
    assert_in_range(sender_pace_step_us(&p), 10 * MS, 10 * MS + 200);
}

static void no_slot_is_used_that_was_not_reserved(void **state)
{
    (void)state;
    struct sender_pace p = pace_of(&by_ten_ms);
    int64_t slot;
    assert_false(sender_pace_take(&p, S, S, &slot));
    assert_int_equal(sender_pace_wants(&p, S, 3), 3);
    p.is_asking = true;
    assert_int_equal(sender_pace_wants(&p, S, 3), 0);
    sender_pace_grant(&p, S, 2);
    assert_true(sender_pace_take(&p, S, 100 * MS, &slot));
    assert_int_equal(slot, S);
    assert_true(sender_pace_take(&p, S, 100 * MS, &slot));
    assert_int_equal(slot, S + sender_pace_step_us(&p));
    assert_false(sender_pace_take(&p, S, 100 * MS, &slot));
}

static void a_slot_too_far_ahead_is_left(void **state)
{
    (void)state;
    struct sender_pace p = pace_of(&by_ten_ms);
    int64_t slot;
    sender_pace_grant(&p, S + 200 * MS, 1);
    assert_false(sender_pace_take(&p, S, 100 * MS, &slot));
    assert_int_equal(sender_pace_next_us(&p, S), S + 200 * MS);
    assert_true(sender_pace_take(&p, S + 150 * MS, 100 * MS, &slot));
    assert_int_equal(slot, S + 200 * MS);
}

static void late_slots_are_never_used_all_at_once(void **state)
{
    (void)state;
    struct sender_pace p = pace_of(&by_ten_ms);
    int64_t slot, last = 0, step = sender_pace_step_us(&p);
    sender_pace_grant(&p, S, 25);
    // Nobody came for 90 ms: then nine are late.
    int64_t now = S + 90 * MS;
    int n = 0;
    while (sender_pace_take(&p, now, 0, &slot) || now < S + 500 * MS) {
        if (slot != last && last)
            assert_true(slot - last >= step - step / 8);
        if (slot != last)
            n++;
        last = slot;
        now += MS;
    }
    assert_true(n >= 24);
}

static void slots_that_nobody_used_are_forfeited(void **state)
{
    (void)state;
    struct sender_pace p = pace_of(&by_ten_ms);
    int64_t slot;
    sender_pace_grant(&p, S, 10);
    assert_false(sender_pace_take(&p, 3 * S, S, &slot));
    assert_int_equal(p.n_forfeited, 10);
}

static void who_is_refused_is_late_by_less(void **state)
{
    (void)state;
    struct sender_pace p = pace_of(&by_ten_ms);
    int64_t slot;
    sender_pace_grant(&p, S, 1);
    sender_pace_learn(&p, OUTCOME_RATE_LIMITED, SEND_SCOPE_ACCOUNT, &untold);
    assert_false(sender_pace_take(&p, S + 300 * MS, 0, &slot));
    for (int i = 0; i < 1000; i++)
        sender_pace_learn(&p, OUTCOME_SENT, SEND_SCOPE_NONE, &untold);
    sender_pace_grant(&p, 2 * S, 1);
    assert_true(sender_pace_take(&p, 2 * S + 300 * MS, 0, &slot));
}

/* The timers' milliseconds add up to nothing, where a step is few of them. */
static void calls_that_start_on_full_milliseconds_keep_the_rate(void **state)
{
    (void)state;
    static const struct send_limits quick = {.account = {3333, 1}};
    struct sender_pace p = pace_of(&quick);
    int n = 0;
    for (int64_t now = S; now < 2 * S; now += MS)
        n += sender_pace_start_us(&p, now) == now;
    assert_in_range(n, 300, 345);
}

static void under_a_backlog_the_rate_is_used_up_and_not_passed(void **state)
{
    (void)state;
    struct sender_pace p = pace_of(&by_ten_ms);
    int64_t tat = 0, sent = 0, busiest = 0, in_second = 0, second = 0;
    // What the database does, with an answer after 3 ms; a turn each millisecond for 20 s.
    int64_t answer_at = 0, first = 0;
    int asked = 0;
    for (int64_t now = S; now < 21 * S; now += MS) {
        if (asked && now >= answer_at) {
            sender_pace_grant(&p, first, asked);
            asked = 0;
        }
        if (!asked && (asked = sender_pace_wants(&p, now, 100000)) > 0) {
            p.is_asking = true;
            first = tat > now ? tat : now;
            int64_t fits = (now + SENDER_PACE_AHEAD_US - first) / sender_pace_step_us(&p) + 1;
            asked = asked < fits ? asked : (int)fits;
            tat = first + asked * sender_pace_step_us(&p);
            answer_at = now + 3 * MS;
        }
        int64_t slot;
        while (sender_pace_take(&p, now, 0, &slot)) {
            sent++;
            in_second = slot / S == second ? in_second + 1 : 1;
            second = slot / S;
            busiest = in_second > busiest ? in_second : busiest;
        }
    }
    assert_in_range(sent, 20 * 100 * 98 / 100, 20 * 100);
    assert_true(busiest <= 100);
}

static void a_pause_forfeits_what_was_reserved(void **state)
{
    (void)state;
    struct sender_pace p = pace_of(&by_ten_ms);
    int64_t slot;
    sender_pace_grant(&p, S, 10);
    sender_pace_pause(&p, 3 * S);
    assert_false(sender_pace_take(&p, S, S, &slot));
    assert_int_equal(sender_pace_wants(&p, S, 5), 0);
    assert_int_equal(sender_pace_next_us(&p, S), 3 * S);
    assert_int_equal(sender_pace_wants(&p, 3 * S, 5), 5);
    assert_false(sender_pace_is_at_rest(&p, S));
}

static void refusals_slow_down_and_success_speeds_up_again(void **state)
{
    (void)state;
    struct sender_pace p = pace_of(&by_ten_ms);
    int64_t step = sender_pace_step_us(&p);
    sender_pace_learn(&p, OUTCOME_RATE_LIMITED, SEND_SCOPE_ACCOUNT, &untold);
    assert_true(sender_pace_step_us(&p) > step * 12 / 10);
    for (int i = 0; i < 1000; i++)
        sender_pace_learn(&p, OUTCOME_RATE_LIMITED, SEND_SCOPE_ACCOUNT, &untold);
    assert_true(sender_pace_step_us(&p) <= 16 * step);
    for (int i = 0; i < 2000; i++)
        sender_pace_learn(&p, OUTCOME_SENT, SEND_SCOPE_NONE, &untold);
    assert_int_equal(sender_pace_step_us(&p), step);
    // One recipient's limit says nothing of the account's.
    sender_pace_learn(&p, OUTCOME_RATE_LIMITED, SEND_SCOPE_PAIR, &untold);
    assert_int_equal(sender_pace_step_us(&p), step);
}

static void the_nearer_the_limit_the_slower(void **state)
{
    (void)state;
    struct sender_pace p = pace_of(&by_ten_ms);
    int64_t last = sender_pace_step_us(&p);
    static const int used[] = {80, 85, 90, 99};
    for (size_t i = 0; i < ARRAY_LEN(used); i++) {
        struct send_pace told = {.used_percent = used[i]};
        sender_pace_learn(&p, OUTCOME_SENT, SEND_SCOPE_NONE, &told);
        assert_true(sender_pace_step_us(&p) >= last);
        last = sender_pace_step_us(&p);
    }
    struct send_pace told = {.used_percent = 10};
    sender_pace_learn(&p, OUTCOME_SENT, SEND_SCOPE_NONE, &told);
    assert_in_range(sender_pace_step_us(&p), 10 * MS, 10 * MS + 200);
}

static void a_slot_given_back_is_there_again(void **state)
{
    (void)state;
    struct sender_pace p = pace_of(&by_ten_ms);
    int64_t slot, again;
    sender_pace_grant(&p, S, 1);
    assert_true(sender_pace_take(&p, S, S, &slot));
    sender_pace_give_back(&p, slot);
    assert_true(sender_pace_take(&p, S, S, &again));
    assert_int_equal(slot, again);
}

static void any_number_given_back_leaves_room_for_what_was_asked(void **state)
{
    (void)state;
    struct sender_pace p = pace_of(&by_ten_ms);
    int64_t slots[10];
    sender_pace_grant(&p, S, 10);
    for (size_t i = 0; i < ARRAY_LEN(slots); i++)
        assert_true(sender_pace_take(&p, S, S, &slots[i]));
    for (size_t i = ARRAY_LEN(slots); i-- > 0;)
        sender_pace_give_back(&p, slots[i]);
    for (int i = 0; i < 10; i++)
        sender_pace_grant(&p, S + 200 * MS + i * S, 1);
    assert_in_range(p.n_grants, 1, ARRAY_LEN(p.grants));
}

static void calls_that_are_late_start_one_by_one(void **state)
{
    (void)state;
    struct sender_pace p = pace_of(&by_ten_ms);
    int64_t step = sender_pace_step_us(&p), now = S;
    assert_int_equal(sender_pace_start_us(&p, now), now);
    assert_int_equal(sender_pace_start_us(&p, now), now + step - step / 8);
    now += step;
    assert_int_equal(sender_pace_start_us(&p, now), now);
}

static void every_provider_has_limits_that_make_sense(void **state)
{
    (void)state;
    for (size_t i = 0; provider_at(i); i++) {
        const struct provider *p = provider_at(i);
        assert_non_null(p->limits);
        const struct send_limits *l = p->limits(STR("WHATSAPP"));
        assert_true(l->account.step_us > 0 && l->account.burst >= 1);
        assert_true(!l->pair.step_us ||
                    (l->pair.step_us > l->account.step_us && l->pair.burst >= 1));
        assert_in_range(l->slow_from_percent, 0, 99);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_limit_all_may_go_at_once),
        cmocka_unit_test(settings_go_before_what_is_published),
        cmocka_unit_test(no_slot_is_used_that_was_not_reserved),
        cmocka_unit_test(a_slot_too_far_ahead_is_left),
        cmocka_unit_test(late_slots_are_never_used_all_at_once),
        cmocka_unit_test(slots_that_nobody_used_are_forfeited),
        cmocka_unit_test(who_is_refused_is_late_by_less),
        cmocka_unit_test(calls_that_start_on_full_milliseconds_keep_the_rate),
        cmocka_unit_test(under_a_backlog_the_rate_is_used_up_and_not_passed),
        cmocka_unit_test(a_pause_forfeits_what_was_reserved),
        cmocka_unit_test(refusals_slow_down_and_success_speeds_up_again),
        cmocka_unit_test(the_nearer_the_limit_the_slower),
        cmocka_unit_test(a_slot_given_back_is_there_again),
        cmocka_unit_test(any_number_given_back_leaves_room_for_what_was_asked),
        cmocka_unit_test(calls_that_are_late_start_one_by_one),
        cmocka_unit_test(every_provider_has_limits_that_make_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
