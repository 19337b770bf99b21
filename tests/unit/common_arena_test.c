/* SPDX-License-Identifier: Apache-2.0 */
#include <stdalign.h>
#include <string.h>

#include "arena.h"
#include "test.h"

static void allocations_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    unsigned char *last = NULL;
    for (size_t round = 0; round < 2; round++) {
        for (size_t size = 0; size < 300; size++) {
            unsigned char *p = arena_alloc(a, size);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
            assert_ptr_not_equal(p, last);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(p[i], 0);
            memset(p, 0xAA, size);
            last = p;
        }
        arena_reset(a);
        assert_int_equal(arena_used(a), 0);
    }
}

static void the_maximum_holds_to_the_byte(void **state)
{
    (void)state;
    auto_arena a = arena_new(10000);
    assert_null(arena_try(a, 10001));
    assert_null(arena_try(a, SIZE_MAX));
    assert_null(arena_try(a, SIZE_MAX - 7));
    assert_int_equal(arena_room(a), 10000);
    assert_non_null(arena_try(a, 10000));
    assert_int_equal(arena_room(a), 0);
    assert_null(arena_try(a, 1));
    arena_reset(a);
    assert_non_null(arena_try(a, 10000));
}

static void all_of_the_maximum_can_be_used_in_small_pieces(void **state)
{
    (void)state;
    auto_arena a = arena_new(100000);
    size_t n = 0;
    while (arena_try(a, 16))
        n += 16;
    assert_true(n >= 100000 - 16);
    assert_true(n <= 100000);
    assert_int_equal(arena_used(a), n);
}

static void room_is_what_one_allocation_can_get(void **state)
{
    (void)state;
    auto_arena a = arena_new(50000);
    for (size_t i = 0; i < 20; i++) {
        size_t room = arena_room(a);
        assert_null(arena_try(a, room + 16));
        assert_non_null(arena_try(a, room / 4 + 1));
    }
    assert_non_null(arena_try(a, arena_room(a)));
}

static void a_steady_load_keeps_one_chunk(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    // The first use grows through several chunks, the second makes the one that fits, from then on
    // each use begins at the same address.
    char *first = NULL;
    for (int use = 0; use < 10; use++) {
        char *begin = arena_alloc(a, 100);
        for (int i = 0; i < 300; i++)
            arena_alloc(a, 100);
        if (use == 1)
            first = begin;
        if (use > 1)
            assert_ptr_equal(begin, first);
        arena_reset(a);
    }
}

static void one_huge_use_is_forgotten_in_time(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 24);
    arena_alloc(a, 1 << 23);
    arena_reset(a);
    arena_alloc(a, 100);
    assert_true(arena_room(a) >= (1 << 23) - 200);
    for (int use = 0; use < 200; use++) {
        arena_reset(a);
        arena_alloc(a, 100);
    }
    // Room is the largest single allocation: all but a small chunk is free again.
    assert_true(arena_room(a) > (1 << 24) - 100000);
}

static void resize_grows_in_place_or_moves_and_keeps_the_bytes(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    static const char digits[] = "0123456789";
    char *p = arena_alloc(a, sizeof(digits));
    memcpy(p, digits, sizeof(digits));
    assert_ptr_equal(arena_resize(a, p, sizeof(digits), 1000), p);
    char *q = arena_alloc(a, 8);
    char *moved = arena_resize(a, p, 1000, 2000);
    assert_ptr_not_equal(moved, p);
    assert_string_equal(moved, digits);
    assert_ptr_not_equal(q, moved);
    // Past the chunk it moves too.
    char *far = arena_resize(a, moved, 2000, 100000);
    assert_string_equal(far, digits);
}

static void resize_gives_the_tail_back(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    char *p = arena_alloc(a, 1024);
    assert_ptr_equal(arena_resize(a, p, 1024, 100), p);
    assert_int_equal(arena_used(a), 112);
    assert_ptr_equal(arena_alloc(a, 16), p + 112);
    // Not the latest: it stays where it is, and nothing comes back.
    assert_ptr_equal(arena_resize(a, p, 100, 10), p);
    assert_int_equal(arena_used(a), 128);
}

static void resize_past_the_maximum_leaves_the_old_one(void **state)
{
    (void)state;
    auto_arena a = arena_new(8192);
    char *p = arena_alloc(a, 5000);
    memset(p, 'x', 5000);
    assert_null(arena_resize(a, p, 5000, 8193));
    assert_null(arena_resize(a, p, 5000, SIZE_MAX));
    assert_int_equal(p[4999], 'x');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_zeroed_aligned_and_apart),
        cmocka_unit_test(the_maximum_holds_to_the_byte),
        cmocka_unit_test(all_of_the_maximum_can_be_used_in_small_pieces),
        cmocka_unit_test(room_is_what_one_allocation_can_get),
        cmocka_unit_test(a_steady_load_keeps_one_chunk),
        cmocka_unit_test(one_huge_use_is_forgotten_in_time),
        cmocka_unit_test(resize_grows_in_place_or_moves_and_keeps_the_bytes),
        cmocka_unit_test(resize_gives_the_tail_back),
        cmocka_unit_test(resize_past_the_maximum_leaves_the_old_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
