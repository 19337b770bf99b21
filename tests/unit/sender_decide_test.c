/* SPDX-License-Identifier: Apache-2.0 */
#include "decide.h"
#include "mem.h"
#include "test.h"

#define NOW INT64_C(1000000000)
#define DAY (INT64_C(24) * 3600 * 1000)

static const struct sender_retry_opts opts = {
    .first_ms = 2000, .longest_ms = 900000, .attempts = 3, .age_ms = DAY};

static struct sender_answer decide(struct judgement j, struct sender_try t)
{
    struct sender_answer a;
    t.now_at_ms = NOW;
    t.accepted_at_ms = t.accepted_at_ms ? t.accepted_at_ms : NOW - 1000;
    if (!j.pace.used_percent)
        j.pace.used_percent = -1;
    sender_decide(&opts, &t, &j, &a);
    return a;
}

static void each_judgement_has_its_state(void **state)
{
    (void)state;
    static const struct {
        enum outcome outcome;
        enum sender_state to;
        int status;
        enum sender_host host;
    } cases[] = {
        {OUTCOME_SENT, STATE_SENT, 200, HOST_ANSWERED},
        {OUTCOME_RATE_LIMITED, STATE_RETRY, 429, HOST_ANSWERED},
        {OUTCOME_RETRY, STATE_RETRY, 503, HOST_FAILED},
        {OUTCOME_RETRY, STATE_RETRY, 0, HOST_FAILED}, // nothing of it left us
        {OUTCOME_AUTH, STATE_RETRY, 401, HOST_ANSWERED},
        {OUTCOME_AUTH, STATE_RETRY, 0, HOST_NOT_ASKED},
        {OUTCOME_WINDOW, STATE_FAILED, 400, HOST_ANSWERED},
        {OUTCOME_PERMANENT, STATE_FAILED, 400, HOST_ANSWERED},
        {OUTCOME_AMBIGUOUS, STATE_UNCERTAIN, 0, HOST_FAILED},
        {OUTCOME_AMBIGUOUS, STATE_UNCERTAIN, 500, HOST_FAILED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sender_answer a = decide((struct judgement){.outcome = cases[i].outcome},
                                        (struct sender_try){.status = cases[i].status});
        assert_int_equal(a.to, cases[i].to);
        assert_int_equal(a.host, cases[i].host);
        assert_true(sender_state_may_move(STATE_SENDING, a.to));
        assert_string_equal(a.class, outcome_name(cases[i].outcome));
        assert_int_equal(a.is_refused_account, cases[i].outcome == OUTCOME_AUTH);
        // Whoever wrote it is told why.
        assert_int_equal(a.message.len > 0, cases[i].outcome != OUTCOME_SENT);
        assert_int_equal(a.code.len > 0, cases[i].outcome != OUTCOME_SENT);
    }
}

static void credentials_whose_time_is_over_are_told_from_withdrawn_ones(void **state)
{
    (void)state;
    struct sender_try t = {.status = 401};
    assert_true(
        decide((struct judgement){.outcome = OUTCOME_AUTH, .is_expired = true}, t).is_expired);
    assert_false(decide((struct judgement){.outcome = OUTCOME_AUTH}, t).is_expired);
}

static void failures_are_done_again_with_jitter_until_they_are_too_many(void **state)
{
    (void)state;
    struct judgement j = {.outcome = OUTCOME_RETRY};
    for (int n = 0; n < 2; n++) {
        struct sender_answer a = decide(j, (struct sender_try){.n_failed = n});
        assert_int_equal(a.to, STATE_RETRY);
        assert_in_range(a.retry_at_ms, NOW + 1, NOW + (2000 << n));
    }
    assert_int_equal(decide(j, (struct sender_try){.n_failed = 2}).to, STATE_FAILED);
    j.attempts_max = 1; // the provider's word goes before ours
    assert_int_equal(decide(j, (struct sender_try){0}).to, STATE_FAILED);
}

static void what_is_too_old_is_not_done_again(void **state)
{
    (void)state;
    struct sender_try old = {.accepted_at_ms = NOW - DAY};
    assert_int_equal(decide((struct judgement){.outcome = OUTCOME_RETRY}, old).to, STATE_FAILED);
    assert_int_equal(decide((struct judgement){.outcome = OUTCOME_RATE_LIMITED}, old).to,
                     STATE_FAILED);
    // But it may wait for its account to be mended, however long that takes.
    assert_int_equal(decide((struct judgement){.outcome = OUTCOME_AUTH}, old).to, STATE_RETRY);
}

static void a_limit_is_waited_for_as_told_and_is_no_failure(void **state)
{
    (void)state;
    struct judgement j = {
        .outcome = OUTCOME_RATE_LIMITED, .wait_ms = 7000, .scope = SEND_SCOPE_ACCOUNT};
    struct sender_answer a = decide(j, (struct sender_try){.n_failed = 99, .n_limited = 99});
    assert_int_equal(a.to, STATE_RETRY);
    assert_int_equal(a.retry_at_ms, NOW + 7000);
    assert_int_equal(a.pause_scope, SEND_SCOPE_ACCOUNT);
    assert_int_equal(a.pause_ms, 7000);
    j.wait_ms = 0; // untold: longer each time
    a = decide(j, (struct sender_try){.n_limited = 20});
    assert_in_range(a.retry_at_ms, NOW + 1000, NOW + 61000);
}

static void the_provider_s_wait_is_the_least(void **state)
{
    (void)state;
    struct judgement j = {.outcome = OUTCOME_RETRY, .wait_ms = 500000};
    assert_true(decide(j, (struct sender_try){0}).retry_at_ms >= NOW + 500000);
}

static void a_limit_that_is_used_up_pauses_although_the_message_was_taken(void **state)
{
    (void)state;
    struct judgement j = {.outcome = OUTCOME_SENT,
                          .external_id = STR("e"),
                          .conversation = STR("c"),
                          .pace = {.used_percent = 100, .wait_ms = 9000, .scope = SEND_SCOPE_APP}};
    struct sender_answer a = decide(j, (struct sender_try){.status = 200});
    assert_int_equal(a.to, STATE_SENT);
    assert_int_equal(a.pause_ms, 9000);
    assert_int_equal(a.pause_scope, SEND_SCOPE_APP);
    assert_true(str_eq_c(a.external_id, "e") && str_eq_c(a.conversation, "c"));
}

static void what_was_given_up_before_the_call_is_no_failure(void **state)
{
    (void)state;
    struct judgement j = {.outcome = OUTCOME_RETRY};
    struct sender_answer a = decide(j, (struct sender_try){.n_failed = 99, .was_late = true});
    assert_int_equal(a.to, STATE_RETRY);
    assert_int_equal(a.retry_at_ms, NOW);
    assert_int_equal(a.host, HOST_NOT_ASKED);
    assert_string_equal(a.class, "late");
}

static void a_conversation_that_moved_is_told(void **state)
{
    (void)state;
    struct judgement j = {.outcome = OUTCOME_RETRY, .moved_to = STR("-100")};
    assert_true(str_eq_c(decide(j, (struct sender_try){0}).conversation, "-100"));
}

static void what_cannot_be_built_fails_with_its_sentence(void **state)
{
    (void)state;
    struct err err = {.kind = ERR_INVALID, .msg = "No such thing on Telegram."};
    struct sender_try t = {.now_at_ms = NOW, .accepted_at_ms = NOW};
    struct sender_answer a;
    sender_decide_unbuilt(&opts, &t, &err, &a);
    assert_int_equal(a.to, STATE_FAILED);
    assert_true(str_eq_c(a.message, err.msg));
    err.kind = ERR_BUSY;
    sender_decide_unbuilt(&opts, &t, &err, &a);
    assert_int_equal(a.to, STATE_RETRY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_judgement_has_its_state),
        cmocka_unit_test(credentials_whose_time_is_over_are_told_from_withdrawn_ones),
        cmocka_unit_test(failures_are_done_again_with_jitter_until_they_are_too_many),
        cmocka_unit_test(what_is_too_old_is_not_done_again),
        cmocka_unit_test(a_limit_is_waited_for_as_told_and_is_no_failure),
        cmocka_unit_test(the_provider_s_wait_is_the_least),
        cmocka_unit_test(a_limit_that_is_used_up_pauses_although_the_message_was_taken),
        cmocka_unit_test(what_was_given_up_before_the_call_is_no_failure),
        cmocka_unit_test(a_conversation_that_moved_is_told),
        cmocka_unit_test(what_cannot_be_built_fails_with_its_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
