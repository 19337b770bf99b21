/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "ledger.h"
#include "mem.h"
#include "plan.h"
#include "post.h"
#include "queue.h"
#include "test.h"

#define EVENTS 20000

static const struct sim_account accounts[] = {
    {&sim_unipile, {"acc-1", 5}, {"WHATSAPP", 8}},
    {&sim_instagram, {"17841400000000001", 17}, {"instagram", 9}},
};

static struct sim_plan *new_plan(uint64_t seed)
{
    struct sim_plan_opts opts = {.seed = seed,
                                 .accounts = accounts,
                                 .n_accounts = ARRAY_LEN(accounts),
                                 .conversations = 20,
                                 .mix = {50, 14, 12, 10, 7, 4, 3},
                                 .start_at_ms = 1767225600000,
                                 .step_us = 100};
    return sim_plan_new(&opts);
}

/* Digest of the ledger of so many events. */
static uint64_t ledger_digest(uint64_t seed, int n)
{
    struct sim_plan *plan = new_plan(seed);
    struct sim_post post = {.sent = 1, .acknowledged = 1};
    struct buf line;
    uint64_t digest = 0;
    buf_init(&line, 8192);
    for (int i = 0; i < n; i++) {
        struct sim_event e;
        sim_plan_next(plan, &e);
        buf_clear(&line);
        sim_ledger_line(&line, plan, &post, &e);
        assert_false(line.overflow);
        digest = digest * 31 + str_hash(buf_str(&line));
    }
    buf_done(&line);
    sim_plan_free(plan);
    return digest;
}

static void the_same_seed_gives_the_same_ledger(void **state)
{
    (void)state;
    assert_true(ledger_digest(1, 2000) == ledger_digest(1, 2000));
    assert_true(ledger_digest(1, 2000) != ledger_digest(2, 2000));
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void every_event_is_distinct(void **state)
{
    (void)state;
    // What providers' event keys are made of: kind, message, time, number.
    enum { KEY = 96 };
    char(*keys)[KEY] = xalloc((size_t)EVENTS * KEY);
    struct sim_plan *plan = new_plan(5);
    for (int i = 0; i < EVENTS; i++) {
        struct sim_event e;
        char id[SIM_ID];
        sim_plan_next(plan, &e);
        sim_message_id(plan, e.target, id);
        bool once = e.kind == SIM_DELIVERED || e.kind == SIM_READ || e.kind == SIM_DELETED;
        bool is_message = e.kind == SIM_MESSAGE || e.kind == SIM_ECHO;
        (void)snprintf(keys[i], KEY, "%s:%.*s:%lld", sim_kind_name(e.kind), SIM_ID, id,
                       once || is_message ? 0LL : (long long)e.at_ms);
    }
    qsort(keys, EVENTS, KEY, by_text);
    for (int i = 1; i < EVENTS; i++)
        assert_string_not_equal(keys[i - 1], keys[i]);
    sim_plan_free(plan);
    free(keys);
}

static void events_are_about_earlier_messages_of_the_run(void **state)
{
    (void)state;
    struct sim_event *all = xalloc(sizeof *all * EVENTS);
    struct sim_plan *plan = new_plan(9);
    for (uint64_t i = 0; i < EVENTS; i++) {
        struct sim_event *e = &all[i];
        sim_plan_next(plan, e);
        assert_true(e->index == i);
        const struct sim_event *about = &all[e->target];
        assert_true(e->target <= i);
        assert_true(about->kind == SIM_MESSAGE || about->kind == SIM_ECHO);
        assert_int_equal(about->account, e->account);
        assert_int_equal(about->conversation, e->conversation);
        assert_int_equal(e->target_is_out, about->kind == SIM_ECHO);
        if (e->kind == SIM_DELIVERED || e->kind == SIM_READ)
            assert_true(e->target_is_out);
        if (e->target != i)
            assert_true(e->at_ms > about->at_ms);
    }
    sim_plan_free(plan);
    free(all);
}

static void the_mix_is_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {{"message=1", true},       {"message=70,delivered=10,echo=5", true},
                 {"message=0", false},      {"", false},
                 {"message", false},        {"message=x", false},
                 {"message=-1", false},     {"messages=1", false},
                 {"message=1,read=1", true}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint32_t mix[SIM_KINDS];
        struct err err = {0};
        assert_int_equal(sim_mix_parse(str_of(cases[i].text), mix, &err), cases[i].ok);
    }
}

#define POSTS 5000

struct order {
    int left[POSTS];   /* departures of each post */
    int at[2 * POSTS]; /* which left when */
    int n;
};

static void run_queue(struct order *o, uint64_t seed, uint32_t duplicates, bool shuffle)
{
    static struct sim_post posts[POSTS];
    struct sim_queue q;
    int put = 0;
    memset(o, 0, sizeof *o);
    memset(posts, 0, sizeof posts);
    sim_queue_init(&q, seed, duplicates, shuffle);
    for (;;) {
        while (put < POSTS && sim_queue_room(&q))
            sim_queue_put(&q, &posts[put++]);
        struct sim_post *p = sim_queue_take(&q);
        if (!p)
            break;
        o->left[p - posts]++;
        o->at[o->n++] = (int)(p - posts);
    }
}

static void each_post_leaves_once_or_twice(void **state)
{
    (void)state;
    static struct order o;
    run_queue(&o, 1, 20, true);
    int twice = 0;
    for (int i = 0; i < POSTS; i++) {
        assert_in_range(o.left[i], 1, 2);
        twice += o.left[i] == 2;
    }
    assert_in_range(twice, POSTS * 17 / 100, POSTS * 23 / 100);
    assert_int_equal(o.n, POSTS + twice);
}

static void order_is_kept_or_shuffled_within_a_window(void **state)
{
    (void)state;
    static struct order o, again;
    run_queue(&o, 1, 0, false);
    for (int i = 0; i < POSTS; i++)
        assert_int_equal(o.at[i], i);
    run_queue(&o, 1, 0, true);
    int moved = 0;
    for (int i = 0; i < POSTS; i++) {
        // Not before it was in the window; how long it may stay there is chance.
        assert_true(o.at[i] < i + QUEUE_WINDOW);
        moved += o.at[i] != i;
    }
    assert_true(moved > POSTS * 9 / 10);
    run_queue(&again, 1, 0, true);
    assert_memory_equal(o.at, again.at, sizeof o.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_ledger),
        cmocka_unit_test(every_event_is_distinct),
        cmocka_unit_test(events_are_about_earlier_messages_of_the_run),
        cmocka_unit_test(the_mix_is_read_strictly),
        cmocka_unit_test(each_post_leaves_once_or_twice),
        cmocka_unit_test(order_is_kept_or_shuffled_within_a_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
