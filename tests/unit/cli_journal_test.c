/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "journal.h"
#include "mem.h"
#include "test.h"
#include "watch_line.h"

struct seen {
    struct journal_entry entries[8];
    int n;
};

static void keep(void *ctx, const struct journal_entry *e)
{
    struct seen *s = ctx;
    if (s->n < 8)
        s->entries[s->n] = *e;
    s->n++;
}

static const struct journal_inbound inbound = {.trace = {"0af7651916cd43dd8448eb211c80319c", 32},
                                               .provider = {"unipile", 7},
                                               .kind = {"message", 7},
                                               .conversation = {"chat", 4},
                                               .text = {"hello", 5},
                                               .external_id = {"m1", 2},
                                               .received_at_ms = 1000,
                                               .published_at_ms = 1002};
static const struct journal_update update = {.trace = {"0af7651916cd43dd8448eb211c80319c", 32},
                                             .id = {"u1", 2},
                                             .kind = {"message.created", 15},
                                             .object_id = {"o1", 2},
                                             .external_id = {"m1", 2},
                                             .stored_at_ms = 1007};

/* The three parts in any order, given as letters: i, u, f. */
static void feed(struct journal *j, const char *order)
{
    for (; *order; order++) {
        if (*order == 'i')
            journal_inbound(j, &inbound, 1);
        else if (*order == 'u')
            journal_update(j, &update, 1);
        else
            journal_frame(j, &update, 1009, 1);
    }
}

static void parts_come_together_in_any_order(void **state)
{
    (void)state;
    static const char *const orders[] = {"iuf", "ifu", "uif", "ufi", "fiu", "fui"};
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        struct seen seen = {0};
        struct journal j;
        journal_init(&j, 3000, true, keep, &seen);
        feed(&j, orders[i]);
        // The frame says all that the update says, so nothing is waited for after it.
        assert_int_equal(seen.n, 1);
        const struct journal_entry *e = &seen.entries[0];
        assert_true(e->has_inbound && e->has_update && e->has_frame);
        assert_string_equal(e->kind.s, "message");
        assert_string_equal(e->object_id.s, "o1");
        assert_int_equal(e->pushed_at_ms, 1009);
        journal_done(&j);
        assert_int_equal(seen.n, 1);
    }
}

static void what_we_send_is_an_event_of_its_own(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct journal j;
    struct journal_update own = update;
    own.status = STR("queued");
    own.provider = STR("telegram");
    own.conversation = STR("chat");
    own.text = STR("Yes, we do!");
    journal_init(&j, 3000, true, keep, &seen);
    journal_update(&j, &own, 1);
    assert_int_equal(seen.n, 0);
    journal_frame(&j, &own, 1009, 1);
    assert_int_equal(seen.n, 1);
    assert_true(seen.entries[0].is_own);
    assert_string_equal(seen.entries[0].kind.s, "queued");
    assert_string_equal(seen.entries[0].text.s, "Yes, we do!");
    // By the other way it comes late, and is no news.
    journal_update(&j, &own, 1);
    journal_expire(&j, 4000);
    assert_int_equal(seen.n, 1);
    // The provider's word about it is the provider's event, however many messages it changes.
    own.id = STR("u2");
    journal_inbound(&j, &inbound, 4001);
    journal_frame(&j, &own, 1009, 4001);
    own.id = STR("u3");
    journal_frame(&j, &own, 1009, 4001);
    journal_done(&j);
    assert_int_equal(seen.n, 2);
    assert_false(seen.entries[1].is_own);
    assert_string_equal(seen.entries[1].kind.s, "message");

    struct watch_style style = {.has_stream = true};
    struct buf out;
    buf_init(&out, 4096);
    watch_line(&style, &seen.entries[0], &out);
    buf_putc(&out, '\0');
    assert_non_null(strstr(buf_str(&out).ptr, "queued"));
    assert_non_null(strstr(buf_str(&out).ptr, "message.created +2 ms"));
    buf_done(&out);
}

static void what_brings_nothing_new_is_shown_in_time(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct journal j;
    journal_init(&j, 3000, true, keep, &seen);
    feed(&j, "i");
    journal_expire(&j, 3000);
    assert_int_equal(seen.n, 0);
    journal_expire(&j, 3002);
    assert_int_equal(seen.n, 1);
    assert_false(seen.entries[0].has_update);
    journal_done(&j);
}

static void events_of_one_trace_find_their_own_updates(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct journal j;
    struct journal_inbound second = inbound;
    struct journal_update late = update;
    second.external_id = STR("m2");
    late.external_id = STR("m2");
    late.id = STR("u2");
    journal_init(&j, 3000, false, keep, &seen);
    journal_inbound(&j, &inbound, 1);
    journal_inbound(&j, &second, 1);
    journal_update(&j, &late, 1);
    assert_int_equal(seen.n, 1);
    assert_string_equal(seen.entries[0].external_id.s, "m2");
    journal_update(&j, &update, 1);
    assert_int_equal(seen.n, 2);
    assert_string_equal(seen.entries[1].update_id.s, "u1");
    journal_done(&j);
}

static void conversations_are_left_aside_and_strangers_unseen(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct journal j;
    struct journal_update aside = update;
    aside.kind = STR("conversation.updated");
    aside.id = STR("u9");
    journal_init(&j, 3000, false, keep, &seen);
    journal_update(&j, &aside, 1);
    assert_int_equal(j.n, 0);
    feed(&j, "u");
    journal_expire(&j, 100000);
    assert_int_equal(seen.n, 0);
    journal_done(&j);
}

static void the_oldest_gives_way(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct journal j;
    journal_init(&j, 3000, true, keep, &seen);
    for (int i = 0; i < JOURNAL_MAX + 3; i++) {
        char trace[33];
        struct journal_inbound in = inbound;
        (void)snprintf(trace, sizeof trace, "%032x", (unsigned)i);
        in.trace = str_of(trace);
        journal_inbound(&j, &in, 1);
    }
    assert_int_equal(seen.n, 3);
    journal_done(&j);
    assert_int_equal(seen.n, JOURNAL_MAX + 3);
}

static void what_drives_a_terminal_is_a_space(void **state)
{
    (void)state;
    struct journal_text t;
    journal_set(&t, STR("a\033]0;x\007b\x7f\xc2\x9b"
                        "c\xc3\x9f"));
    assert_string_equal(t.s, "a ]0;x b   c\xc3\x9f");
}

static void a_line_is_aligned_or_json(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct journal j;
    struct buf out;
    journal_init(&j, 3000, true, keep, &seen);
    feed(&j, "iuf");
    journal_done(&j);
    buf_init(&out, 4096);
    struct watch_style style = {.has_stream = true};
    watch_line(&style, &seen.entries[0], &out);
    assert_true(
        str_eq(buf_str(&out), STR("00:00:01.000  unipile    message    chat          +2 ms       "
                                  "o1 +7 ms              message.created +9 ms         hello\n")));
    buf_clear(&out);
    style.json = true;
    watch_line(&style, &seen.entries[0], &out);
    buf_putc(&out, '\0');
    assert_non_null(strstr(out.ptr, "\"pushed_ms\":9"));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_come_together_in_any_order),
        cmocka_unit_test(what_we_send_is_an_event_of_its_own),
        cmocka_unit_test(what_brings_nothing_new_is_shown_in_time),
        cmocka_unit_test(events_of_one_trace_find_their_own_updates),
        cmocka_unit_test(conversations_are_left_aside_and_strangers_unseen),
        cmocka_unit_test(the_oldest_gives_way),
        cmocka_unit_test(what_drives_a_terminal_is_a_space),
        cmocka_unit_test(a_line_is_aligned_or_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
