/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "buf.h"
#include "test.h"

static void it_grows_and_keeps_what_was_written(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100000);
    for (int i = 0; i < 5000; i++) {
        buf_put_c(&b, "ab");
        buf_putc(&b, 'c');
        buf_putf(&b, "%d", i % 10);
        buf_put_str(&b, STR("!"));
    }
    assert_false(b.overflow);
    assert_int_equal(b.len, 25000);
    assert_memory_equal(b.ptr + 24995, "abc9!", 5);
    buf_clear(&b);
    assert_int_equal(buf_str(&b).len, 0);
    buf_done(&b);
}

static void past_the_maximum_it_stops_and_says_so(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4);
    buf_put_c(&b, "abcd");
    assert_false(b.overflow);
    buf_put_c(&b, "");
    assert_false(b.overflow);
    buf_putc(&b, 'e');
    assert_true(b.overflow);
    // Nothing is written after a gap.
    b.len = 2;
    buf_putc(&b, 'x');
    assert_int_equal(b.len, 2);
    buf_clear(&b);
    assert_false(b.overflow);
    buf_put_c(&b, "wxyz");
    assert_true(str_eq(buf_str(&b), STR("wxyz")));
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_done(&b);
}

static void long_formats_are_written_whole_or_not_at_all(void **state)
{
    (void)state;
    char text[600];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct buf b;
    buf_init(&b, 1000);
    buf_putf(&b, "<%s>", text);
    assert_int_equal(b.len, 601);
    assert_int_equal(b.ptr[600], '>');
    buf_putf(&b, "<%s>", text);
    assert_true(b.overflow);
    assert_int_equal(b.len, 601);
    buf_done(&b);
}

static void reserved_room_can_be_filled_in_place(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    buf_put_c(&b, "ab");
    char *p = buf_reserve(&b, 600);
    memset(p, 'z', 600);
    b.len += 600;
    assert_int_equal(buf_str(&b).len, 602);
    assert_memory_equal(b.ptr, "abzz", 4);
    buf_done(&b);
}

static void an_empty_one_is_empty_and_not_absent(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_non_null(buf_str(&b).ptr);
    assert_int_equal(buf_str(&b).len, 0);
    buf_put(&b, NULL, 0);
    buf_put_str(&b, STR_NONE);
    assert_int_equal(b.len, 0);
    buf_done(&b);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_grows_and_keeps_what_was_written),
        cmocka_unit_test(past_the_maximum_it_stops_and_says_so),
        cmocka_unit_test(long_formats_are_written_whole_or_not_at_all),
        cmocka_unit_test(reserved_room_can_be_filled_in_place),
        cmocka_unit_test(an_empty_one_is_empty_and_not_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
