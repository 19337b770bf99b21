/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "mem.h"
#include "ring.h"
#include "test.h"

static struct uuid tenant_id(unsigned n)
{
    struct uuid u = {{0}};
    memcpy(u.b + 12, &n, sizeof n);
    u.b[0] = 1;
    return u;
}

static void push(struct ring *r, unsigned tenant, int64_t offset, size_t len)
{
    char text[512];
    memset(text, 'x', sizeof text);
    struct packet *p = notifier_packet_new(WEBSOCKET_TEXT, (struct str){text, len});
    p->partition = 0;
    p->offset = offset;
    p->subject.tenant = tenant_id(tenant);
    notifier_ring_push(r, p);
    notifier_packet_unref(p);
}

/* The tenant's offsets from `from` on, as a client that resumes reads them: "3 5 9". */
static void collect(const struct ring *r, unsigned tenant, int64_t from, char *out, size_t size)
{
    struct uuid id = tenant_id(tenant);
    size_t n = 0;
    out[0] = '\0';
    for (uint64_t seq = notifier_ring_find(r, &id, from); seq != RING_END;
         seq = notifier_ring_after(r, seq))
        n += (size_t)snprintf(out + n, size - n, n ? " %lld" : "%lld",
                              (long long)notifier_ring_at(r, seq)->offset);
}

static void expect(const struct ring *r, unsigned tenant, int64_t from, const char *wanted)
{
    char out[256];
    collect(r, tenant, from, out, sizeof out);
    assert_string_equal(out, wanted);
}

static void a_tenant_finds_its_own_records_from_any_place(void **state)
{
    (void)state;
    struct ring *r = notifier_ring_new(100, 1 << 20, 64);
    expect(r, 1, 0, "");
    push(r, 1, 100, 1);
    push(r, 2, 103, 1); // 101 and 102 were markers
    push(r, 1, 104, 1);
    push(r, 1, 110, 1);
    expect(r, 1, 100, "100 104 110");
    expect(r, 1, 101, "104 110");
    expect(r, 1, 104, "104 110");
    expect(r, 1, 105, "110");
    expect(r, 1, 110, "110");
    expect(r, 1, 111, "");
    expect(r, 2, 0, "103");
    expect(r, 2, 104, "");
    expect(r, 3, 0, "");
    assert_int_equal(notifier_ring_floor(r), 100);
    assert_int_equal(notifier_ring_next(r), 111);
    notifier_ring_advance(r, 120);
    notifier_ring_advance(r, 115);
    assert_int_equal(notifier_ring_next(r), 120);
    notifier_ring_free(r);
}

static void the_oldest_go_when_records_or_bytes_are_too_many(void **state)
{
    (void)state;
    struct ring *r = notifier_ring_new(0, 1 << 20, 3);
    for (int64_t i = 0; i < 5; i++)
        push(r, (unsigned)(i % 2), i * 10, 1);
    assert_int_equal(notifier_ring_records(r), 3);
    assert_int_equal(notifier_ring_floor(r), 11);
    expect(r, 0, 0, "20 40");
    expect(r, 1, 0, "30");
    notifier_ring_free(r);

    size_t each = sizeof(struct packet) + 2 + 100;
    r = notifier_ring_new(0, 4 * each, 1000);
    for (int64_t i = 0; i < 10; i++)
        push(r, 0, i, 100);
    assert_int_equal(notifier_ring_records(r), 4);
    assert_int_equal(notifier_ring_bytes(r), 4 * each);
    push(r, 0, 10, 300); // takes the place of several
    assert_true(notifier_ring_bytes(r) <= 4 * each);
    assert_int_equal(notifier_ring_next(r), 11);
    notifier_ring_free(r);

    r = notifier_ring_new(0, 10, 1000); // less than one packet
    push(r, 0, 0, 100);
    push(r, 0, 1, 100);
    expect(r, 0, 0, "1");
    notifier_ring_free(r);
}

static void a_place_that_was_evicted_is_told_from_one_that_is_held(void **state)
{
    (void)state;
    struct ring *r = notifier_ring_new(0, 1 << 20, 2);
    struct uuid id = tenant_id(1);
    push(r, 1, 5, 1);
    uint64_t seq = notifier_ring_find(r, &id, 0);
    assert_non_null(notifier_ring_at(r, seq));
    push(r, 2, 6, 1);
    push(r, 2, 7, 1);
    assert_null(notifier_ring_at(r, seq));
    expect(r, 1, 0, "");
    notifier_ring_free(r);
}

static void the_middle_is_the_floor_until_half_is_used(void **state)
{
    (void)state;
    struct ring *r = notifier_ring_new(7, 1 << 20, 8);
    assert_int_equal(notifier_ring_middle(r), 7);
    for (int64_t i = 0; i < 3; i++)
        push(r, 1, 10 + i, 1);
    assert_int_equal(notifier_ring_middle(r), 7);
    for (int64_t i = 3; i < 8; i++)
        push(r, 1, 10 + i, 1);
    assert_int_equal(notifier_ring_middle(r), 14);
    notifier_ring_free(r);
}

/* Against a plain list: any tenants, gaps, sizes and bounds, asked at any time from any offset. */
static void any_cursor_yields_exactly_the_missing_suffix(void **state)
{
    (void)state;
    enum { STEPS = 4000, TENANTS = 37 };
    static struct {
        unsigned tenant;
        int64_t offset;
    } log[STEPS];
    for (unsigned seed = 1; seed <= 6; seed++) {
        srandom(seed);
        struct ring *r = notifier_ring_new(0, 8000 + seed * 5000, 20 + seed * 30);
        int64_t offset = 0;
        for (size_t n = 0; n < STEPS; n++) {
            offset += random() % 4; // gaps
            log[n].tenant = (unsigned)(random() % TENANTS);
            log[n].offset = offset;
            push(r, log[n].tenant, offset++, (size_t)(random() % 400));
            int64_t floor = notifier_ring_floor(r);
            unsigned tenant = (unsigned)(random() % TENANTS);
            int64_t from = floor + random() % (offset - floor + 2);
            struct uuid id = tenant_id(tenant);
            uint64_t seq = notifier_ring_find(r, &id, from);
            for (size_t k = 0; k <= n; k++) {
                if (log[k].offset < from || log[k].tenant != tenant)
                    continue;
                assert_true(seq != RING_END);
                assert_true(notifier_ring_at(r, seq)->offset == log[k].offset);
                seq = notifier_ring_after(r, seq);
            }
            assert_true(seq == RING_END);
        }
        notifier_ring_free(r);
    }
}

/* A slow reader walks while others push: it sees every record of its tenant once, or is told. */
static void a_reader_that_walks_behind_the_writer_misses_nothing(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        srandom(seed);
        struct ring *r = notifier_ring_new(0, 1 << 20, 16 + seed * 8);
        struct uuid id = tenant_id(1);
        uint64_t seq = RING_END;
        int64_t written = 0;
        int64_t read = 0; // next offset that the reader expects; tenant 1 has the even ones
        bool lost = false;
        for (int step = 0; step < 3000 && !lost; step++) {
            if (random() % 5 < 3) {
                push(r, written % 2 == 0 ? 1 : 2 + (unsigned)(random() % 9), written, 1);
                written++;
                continue;
            }
            if (seq == RING_END)
                seq = notifier_ring_find(r, &id, read);
            if (seq == RING_END)
                continue;
            struct packet *p = notifier_ring_at(r, seq);
            lost = !p;
            if (lost)
                break;
            assert_true(p->offset == read);
            read += 2;
            seq = notifier_ring_after(r, seq);
        }
        if (lost)
            assert_true(notifier_ring_floor(r) > read);
        notifier_ring_free(r);
    }
}

static void a_cursor_is_checked_against_partition_floor_and_end(void **state)
{
    (void)state;
    struct history *h = notifier_history_new(1 << 20, 256);
    notifier_history_grow(h, 2);
    assert_int_equal(notifier_history_partitions(h), 2);
    notifier_history_restart(h, 0, 50);
    notifier_history_restart(h, 1, 70);
    push(notifier_history_ring(h, 1), 1, 75, 1);
    static const struct {
        struct cursor from;
        enum resume wanted;
    } cases[] = {
        {{1, 69}, RESUME_GONE}, {{1, 70}, RESUME_OK},    {{1, 75}, RESUME_OK},
        {{1, 76}, RESUME_OK},   {{1, 77}, RESUME_AHEAD}, {{0, 75}, RESUME_GONE},
        {{9, 75}, RESUME_GONE}, {{1, 0}, RESUME_GONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(notifier_history_check(h, 1, cases[i].from), cases[i].wanted);
    notifier_history_grow(h, 5);
    assert_int_equal(notifier_history_records(h), 1);
    assert_int_equal(notifier_ring_next(notifier_history_ring(h, 1)), 76);
    assert_int_equal(notifier_ring_next(notifier_history_ring(h, 4)), 0);
    notifier_history_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tenant_finds_its_own_records_from_any_place),
        cmocka_unit_test(the_oldest_go_when_records_or_bytes_are_too_many),
        cmocka_unit_test(a_place_that_was_evicted_is_told_from_one_that_is_held),
        cmocka_unit_test(the_middle_is_the_floor_until_half_is_used),
        cmocka_unit_test(any_cursor_yields_exactly_the_missing_suffix),
        cmocka_unit_test(a_reader_that_walks_behind_the_writer_misses_nothing),
        cmocka_unit_test(a_cursor_is_checked_against_partition_floor_and_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
