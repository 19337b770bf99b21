/* SPDX-License-Identifier: Apache-2.0 */
/* ctest: threads */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "id.h"
#include "mem.h"
#include "test.h"

static void uuids_carry_time_version_and_variant(void **state)
{
    (void)state;
    char text[UUID_TEXT + 1];
    uuid_format(uuid_v7(0x017F22E279B0), text);
    assert_memory_equal(text, "017f22e2-79b0-7", 15);
    assert_non_null(strchr("89ab", text[19]));
    assert_int_equal(strlen(text), UUID_TEXT);
}

static void uuids_are_ordered_by_time_and_differ_within_it(void **state)
{
    (void)state;
    struct uuid last = uuid_v7(1);
    for (int64_t t = 2; t < 5000; t++) {
        struct uuid a = uuid_v7(t), b = uuid_v7(t);
        assert_true(memcmp(last.b, a.b, sizeof(a.b)) < 0);
        assert_false(uuid_eq(a, b));
        last = memcmp(a.b, b.b, sizeof(a.b)) > 0 ? a : b;
    }
}

static void text_goes_there_and_back(void **state)
{
    (void)state;
    char text[UUID_TEXT + 1];
    struct uuid u, v;
    assert_true(uuid_parse(STR("017F22E2-79b0-7cc3-98c4-dc0c0c07398F"), &u));
    uuid_format(u, text);
    assert_string_equal(text, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    assert_true(uuid_parse(str_of(text), &v));
    assert_true(uuid_eq(u, v));
    assert_false(uuid_is_nil(u));
    assert_true(uuid_parse(STR("00000000-0000-0000-0000-000000000000"), &u));
    assert_true(uuid_is_nil(u));
}

static void what_is_no_uuid_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398ff",
        "017f22e279b0-7cc3-98c4-dc0c0c07398ff0",
        "017f22e2079b007cc3098c40dc0c0c07398ff",
        "017f22e2-79b0-7cc3-98c4+dc0c0c07398f",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
        "{017f22e2-79b0-7cc3-98c4-dc0c0c07398",
        "-----7f22e2-79b0-7cc3-98c4-dc0c0c073",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct uuid u = {{1}};
        assert_false(uuid_parse(str_of(cases[i]), &u));
        assert_int_equal(u.b[0], 1);
    }
}

static void a_fork_draws_other_ids(void **state)
{
    (void)state;
    struct uuid mine, theirs;
    (void)uuid_v7(1); // the thread now holds random bytes in store
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        struct uuid u = uuid_v7(2);
        _exit(write(fds[1], &u, sizeof(u)) == (ssize_t)sizeof(u) ? 0 : 1);
    }
    mine = uuid_v7(2);
    assert_int_equal(read(fds[0], &theirs, sizeof(theirs)), sizeof(theirs));
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_false(uuid_eq(mine, theirs));
    close(fds[0]);
    close(fds[1]);
}

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define GOOD  "00-" TRACE "-00f067aa0ba902b7-01"

static void traceparents_are_checked_as_w3c_says(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {
        {GOOD, true},
        {"00-" TRACE "-00f067aa0ba902b7-00", true},
        {"cc-" TRACE "-00f067aa0ba902b7-01", true},
        {"cc-" TRACE "-00f067aa0ba902b7-01-what-comes", true},
        {"cc-" TRACE "-00f067aa0ba902b7-01x", false},
        {GOOD "-more", false},
        {GOOD " ", false},
        {"ff-" TRACE "-00f067aa0ba902b7-01", false},
        {"0-" TRACE "-00f067aa0ba902b7-01", false},
        {"00-00000000000000000000000000000000-00f067aa0ba902b7-01", false},
        {"00-" TRACE "-0000000000000000-01", false},
        {"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false},
        {"00-" TRACE "-00f067aa0ba902b7-1", false},
        {"00-" TRACE "-00f067aa0ba902bg-01", false},
        {"00_" TRACE "_00f067aa0ba902b7_01", false},
        {"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str id = traceparent_trace_id(str_of(cases[i].text));
        assert_int_equal(id.ptr != NULL, cases[i].ok);
        if (cases[i].ok)
            assert_true(str_eq(id, STR(TRACE)));
    }
    assert_null(traceparent_trace_id(STR_NONE).ptr);
}

static void a_trace_goes_on_with_a_new_span(void **state)
{
    (void)state;
    char next[TRACEPARENT_TEXT + 1];
    traceparent_next(STR(GOOD), next);
    assert_int_equal(strlen(next), TRACEPARENT_TEXT);
    assert_true(str_eq(traceparent_trace_id(str_of(next)), STR(TRACE)));
    assert_string_not_equal(next, GOOD);
    // In place.
    traceparent_next(str_of(next), next);
    assert_true(str_eq(traceparent_trace_id(str_of(next)), STR(TRACE)));
}

static void what_is_no_parent_starts_a_new_trace(void **state)
{
    (void)state;
    char a[TRACEPARENT_TEXT + 1], b[TRACEPARENT_TEXT + 1];
    traceparent_next(STR_NONE, a);
    traceparent_next(STR("nonsense"), b);
    assert_int_equal(traceparent_trace_id(str_of(a)).len, 32);
    assert_int_equal(traceparent_trace_id(str_of(b)).len, 32);
    assert_string_not_equal(a, b);
    assert_memory_equal(a, "00-", 3);
    assert_string_equal(a + 52, "-01");
}

#define THREADS    4
#define PER_THREAD 2000

static void *draw_many(void *arg)
{
    struct uuid *ids = arg;
    for (size_t i = 0; i < PER_THREAD; i++)
        ids[i] = uuid_v7(1);
    return NULL;
}

static int cmp_uuid(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid));
}

static void threads_draw_other_ids(void **state)
{
    (void)state;
    static struct uuid ids[THREADS * PER_THREAD];
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, draw_many, ids + i * PER_THREAD), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    qsort(ids, ARRAY_LEN(ids), sizeof(ids[0]), cmp_uuid);
    for (size_t i = 1; i < ARRAY_LEN(ids); i++)
        assert_false(uuid_eq(ids[i - 1], ids[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uuids_carry_time_version_and_variant),
        cmocka_unit_test(uuids_are_ordered_by_time_and_differ_within_it),
        cmocka_unit_test(text_goes_there_and_back),
        cmocka_unit_test(what_is_no_uuid_is_refused),
        cmocka_unit_test(a_fork_draws_other_ids),
        cmocka_unit_test(threads_draw_other_ids),
        cmocka_unit_test(traceparents_are_checked_as_w3c_says),
        cmocka_unit_test(a_trace_goes_on_with_a_new_span),
        cmocka_unit_test(what_is_no_parent_starts_a_new_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
