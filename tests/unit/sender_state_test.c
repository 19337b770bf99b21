/* SPDX-License-Identifier: Apache-2.0 */
#include "mem.h"
#include "state.h"
#include "test.h"

/* Every move there is, as the design says them: one character a cell, from row to column, in the
 * order queued retry sending uncertain sent delivered read failed cancelled. */
static const char *const moves[SENDER_STATES] = {
    /* queued */ "..x.....x",
    /* retry */ "..x.....x",
    /* sending */ ".x.xx..x.",
    /* uncertain */ "x...xxxx.",
    /* sent */ ".........",
    /* delivered */ ".........",
    /* read */ ".........",
    /* failed */ ".........",
    /* cancelled */ ".........",
};

static void only_the_moves_of_the_design_are_allowed(void **state)
{
    (void)state;
    for (int from = 0; from < SENDER_STATES; from++)
        for (int to = 0; to < SENDER_STATES; to++) {
            bool allowed = sender_state_may_move((enum sender_state)from, (enum sender_state)to);
            if (allowed != (moves[from][to] == 'x'))
                fail_msg("%s to %s: %d", sender_state_name((enum sender_state)from),
                         sender_state_name((enum sender_state)to), allowed);
        }
}

static void statements_take_their_sources_from_the_table(void **state)
{
    (void)state;
    static const struct {
        enum sender_state to;
        const char *sources;
    } cases[] = {
        {STATE_SENDING, "{queued,retry}"}, {STATE_RETRY, "{sending}"},
        {STATE_UNCERTAIN, "{sending}"},    {STATE_FAILED, "{sending,uncertain}"},
        {STATE_QUEUED, "{uncertain}"},     {STATE_CANCELLED, "{queued,retry}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[SENDER_STATE_ARRAY_MAX];
        sender_state_sources(cases[i].to, text);
        assert_string_equal(text, cases[i].sources);
    }
}

static void names_are_read_again(void **state)
{
    (void)state;
    for (int s = 0; s < SENDER_STATES; s++) {
        enum sender_state got;
        assert_true(sender_state_parse(str_of(sender_state_name((enum sender_state)s)), &got));
        assert_int_equal(got, s);
    }
    enum sender_state got;
    assert_false(sender_state_parse(STR("received"), &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_moves_of_the_design_are_allowed),
        cmocka_unit_test(statements_take_their_sources_from_the_table),
        cmocka_unit_test(names_are_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
