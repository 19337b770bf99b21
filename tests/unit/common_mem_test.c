/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdlib.h>

#include "mem.h"
#include "test.h"

struct thing {
    int *freed;
};

static void thing_free(struct thing *t)
{
    if (!t)
        return;
    ++*t->freed;
    free(t);
}

DEFINE_AUTO(thing, thing_free)

static struct thing *thing_new(int *freed)
{
    struct thing *t = xalloc(sizeof(*t));
    t->freed = freed;
    return t;
}

static void memory_is_zeroed_and_never_null(void **state)
{
    (void)state;
    unsigned char *p = xalloc(64);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(p[i], 0);
    p = xrealloc(p, 128);
    assert_non_null(p);
    free(p);
    p = xalloc(0);
    assert_non_null(p);
    free(p);
}

static void copies_end_with_nul(void **state)
{
    (void)state;
    char *whole = xstrdup("hello"), *part = xstrndup("hello", 2), *none = xstrndup("", 0);
    assert_string_equal(whole, "hello");
    assert_string_equal(part, "he");
    assert_string_equal(none, "");
    free(whole);
    free(part);
    free(none);
}

static struct thing *leave_scope(int *freed, bool take)
{
    AUTO(thing_free) struct thing *t = thing_new(freed);
    return take ? TAKE(t) : NULL;
}

static void auto_frees_at_the_end_of_the_scope_unless_taken(void **state)
{
    (void)state;
    int freed = 0;
    assert_null(leave_scope(&freed, false));
    assert_int_equal(freed, 1);
    struct thing *t = leave_scope(&freed, true);
    assert_int_equal(freed, 1);
    thing_free(t);
    assert_int_equal(freed, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_never_null),
        cmocka_unit_test(copies_end_with_nul),
        cmocka_unit_test(auto_frees_at_the_end_of_the_scope_unless_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
