/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "heap.h"
#include "map.h"
#include "mem.h"
#include "test.h"

#define N 5000

struct thing {
    struct uuid id;
    bool is_in;
};

static void it_holds_what_was_put_and_not_removed(void **state)
{
    (void)state;
    struct sender_map m = {0};
    struct thing *things = xalloc(N * sizeof *things);
    srandom(1);
    for (size_t i = 0; i < N; i++)
        things[i].id = uuid_v7((int64_t)i / 100);
    for (int round = 0; round < 20000; round++) {
        struct thing *t = &things[random() % N];
        assert_ptr_equal(sender_map_find(&m, t->id), t->is_in ? t : NULL);
        if (t->is_in)
            sender_map_remove(&m, t->id);
        else
            sender_map_put(&m, t);
        t->is_in = !t->is_in;
    }
    size_t n = 0, i = 0;
    while (sender_map_next(&m, &i))
        n++;
    for (size_t k = 0; k < N; k++) {
        assert_ptr_equal(sender_map_find(&m, things[k].id), things[k].is_in ? &things[k] : NULL);
        n -= things[k].is_in;
    }
    assert_int_equal(n, 0);
    sender_map_done(&m);
    free(things);
}

static void an_empty_one_has_nothing(void **state)
{
    (void)state;
    struct sender_map m = {0};
    struct uuid id = uuid_v7(1);
    assert_null(sender_map_find(&m, id));
    sender_map_remove(&m, id);
    sender_map_done(&m);
}

static void times_come_out_in_order(void **state)
{
    (void)state;
    struct sender_heap h = {0};
    static int things[1000];
    srandom(2);
    assert_int_equal(sender_heap_next_us(&h), INT64_MAX);
    for (size_t i = 0; i < ARRAY_LEN(things); i++) {
        things[i] = (int)(random() % 500);
        sender_heap_put(&h, things[i], &things[i]);
    }
    assert_null(sender_heap_due(&h, -1));
    int last = 0, *got, n = 0;
    while ((got = sender_heap_due(&h, 249))) {
        assert_true(*got >= last && *got <= 249);
        last = *got;
        n++;
    }
    while ((got = sender_heap_pop(&h))) {
        assert_true(*got >= 250 && *got >= last);
        last = *got;
        n++;
    }
    assert_int_equal(n, ARRAY_LEN(things));
    sender_heap_done(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_holds_what_was_put_and_not_removed),
        cmocka_unit_test(an_empty_one_has_nothing),
        cmocka_unit_test(times_come_out_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
