/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "queue.h"
#include "test.h"

#define ROOM 1000

static struct uuid id_of(char kind, int n)
{
    struct uuid id = {.b = {[0] = (uint8_t)kind,
                            [12] = (uint8_t)(n >> 24),
                            [13] = (uint8_t)(n >> 16),
                            [14] = (uint8_t)(n >> 8),
                            [15] = (uint8_t)n}};
    return id;
}

static int number_of(struct uuid id)
{
    return id.b[12] << 24 | id.b[13] << 16 | id.b[14] << 8 | id.b[15];
}

static enum sender_waked wake(struct sender_queue *q, int tenant, int channel, int conversation,
                              enum sender_class class)
{
    return sender_queue_wake(q,
                             &(struct sender_command){.tenant_id = id_of('t', tenant),
                                                      .channel_id = id_of('c', channel),
                                                      .conversation_id = id_of('v', conversation),
                                                      .provider = provider_at(0),
                                                      .class = class});
}

/* The ctx is a channel's number that may not be taken from; 0: none. */
static bool may(void *ctx, struct sender_channel *ch, struct sender_conversation *c)
{
    const int *closed = ctx;
    (void)c;
    return number_of(ch->id) != *closed;
}

static int closed_channel;

static struct sender_conversation *take(struct sender_queue *q, enum sender_class class)
{
    return sender_queue_take(q, class, may, &closed_channel);
}

/* Takes all of a class, as their numbers. */
static void expect(struct sender_queue *q, enum sender_class class, const char *wanted)
{
    char got[256] = "";
    struct sender_conversation *c;
    while ((c = take(q, class))) {
        (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s%d", *got ? " " : "",
                       number_of(c->id));
        sender_queue_done(q, c, false);
    }
    assert_string_equal(got, wanted);
}

static int setup(void **state)
{
    closed_channel = 0;
    *state = sender_queue_new(ROOM, ROOM);
    return 0;
}

static int teardown(void **state)
{
    sender_queue_free(*state);
    return 0;
}

static void tenants_and_their_channels_are_served_in_turn(void **state)
{
    struct sender_queue *q = *state;
    for (int i = 1; i <= 4; i++)
        wake(q, 1, 1, 10 + i, CLASS_REPLY);
    wake(q, 1, 2, 21, CLASS_REPLY);
    wake(q, 2, 3, 31, CLASS_REPLY);
    wake(q, 2, 3, 32, CLASS_REPLY);
    expect(q, CLASS_REPLY, "11 31 21 32 12 13 14");
}

static void a_conversation_waits_once_however_often_it_is_commanded(void **state)
{
    struct sender_queue *q = *state;
    assert_int_equal(wake(q, 1, 1, 11, CLASS_REPLY), WAKED_NEW);
    assert_int_equal(wake(q, 1, 1, 11, CLASS_REPLY), WAKED_KNOWN);
    expect(q, CLASS_REPLY, "11");
    assert_int_equal(sender_queue_size(q), 0);
}

static void a_command_that_comes_meanwhile_is_not_lost(void **state)
{
    struct sender_queue *q = *state;
    wake(q, 1, 1, 11, CLASS_REPLY);
    struct sender_conversation *c = take(q, CLASS_REPLY);
    assert_null(take(q, CLASS_REPLY));
    wake(q, 1, 1, 11, CLASS_REPLY);
    assert_null(take(q, CLASS_REPLY)); // it is taken: one at a time
    sender_queue_done(q, c, false);
    expect(q, CLASS_REPLY, "11");
}

static void what_has_more_waits_at_the_end(void **state)
{
    struct sender_queue *q = *state;
    wake(q, 1, 1, 11, CLASS_REPLY);
    wake(q, 1, 1, 12, CLASS_REPLY);
    sender_queue_done(q, take(q, CLASS_REPLY), true);
    expect(q, CLASS_REPLY, "12 11");
}

static void a_reply_takes_its_conversation_out_of_the_bulk(void **state)
{
    struct sender_queue *q = *state;
    wake(q, 1, 1, 11, CLASS_BULK);
    wake(q, 1, 1, 12, CLASS_BULK);
    wake(q, 1, 1, 12, CLASS_REPLY);
    expect(q, CLASS_REPLY, "12");
    expect(q, CLASS_BULK, "11");
}

static void a_channel_that_may_not_is_passed_over_until_it_is_unblocked(void **state)
{
    struct sender_queue *q = *state;
    wake(q, 1, 1, 11, CLASS_REPLY);
    wake(q, 1, 2, 21, CLASS_REPLY);
    wake(q, 1, 1, 12, CLASS_BULK);
    closed_channel = 1;
    struct sender_conversation *c = take(q, CLASS_REPLY);
    assert_int_equal(number_of(c->id), 21);
    struct sender_tenant *t = c->channel->tenant;
    sender_queue_done(q, c, false);
    assert_null(take(q, CLASS_BULK)); // of both classes
    assert_false(ring_has(&t->turn[CLASS_REPLY].link));
    closed_channel = 0;
    assert_null(take(q, CLASS_REPLY));
    wake(q, 1, 1, 13, CLASS_REPLY); // a command does not unblock
    assert_null(take(q, CLASS_REPLY));
    // The channel is found by one of its conversations.
    closed_channel = 1;
    wake(q, 1, 2, 22, CLASS_REPLY);
    sender_queue_done(q, take(q, CLASS_REPLY), false);
    closed_channel = 0;
    struct sender_channel *ch = NULL;
    for (struct ring *l = t->turn[CLASS_REPLY].channels.next; l != &t->turn[CLASS_REPLY].channels;
         l = l->next)
        ch = RING_OF(l, struct sender_channel, turn[CLASS_REPLY].link);
    assert_null(ch);
}

static struct sender_channel *seen_channel;
static bool see(void *ctx, struct sender_channel *ch, struct sender_conversation *c)
{
    (void)ctx, (void)c;
    seen_channel = ch;
    return false;
}

static void an_unblocked_channel_goes_on_where_it_stopped(void **state)
{
    struct sender_queue *q = *state;
    wake(q, 1, 1, 11, CLASS_REPLY);
    wake(q, 1, 1, 12, CLASS_REPLY);
    assert_null(sender_queue_take(q, CLASS_REPLY, see, NULL));
    assert_true(seen_channel->is_blocked);
    sender_queue_unblock(q, seen_channel);
    expect(q, CLASS_REPLY, "11 12");
}

static void what_is_put_off_waits_again_at_its_time(void **state)
{
    struct sender_queue *q = *state;
    wake(q, 1, 1, 11, CLASS_REPLY);
    sender_queue_put_off(q, take(q, CLASS_REPLY), 5000);
    wake(q, 1, 1, 11, CLASS_REPLY);
    sender_queue_turn(q, 4999);
    assert_null(take(q, CLASS_REPLY));
    assert_int_equal(sender_queue_next_us(q), 5000);
    sender_queue_turn(q, 5000);
    expect(q, CLASS_REPLY, "11");
}

static void what_is_put_back_is_first_again(void **state)
{
    struct sender_queue *q = *state;
    wake(q, 1, 1, 11, CLASS_REPLY);
    wake(q, 1, 1, 12, CLASS_REPLY);
    sender_queue_put_back(q, take(q, CLASS_REPLY));
    expect(q, CLASS_REPLY, "11 12");
}

static void it_is_bounded_and_bulk_leaves_room_for_replies(void **state)
{
    (void)state;
    struct sender_queue *q = sender_queue_new(8, 8);
    int n = 0;
    while (wake(q, 1, 1, 100 + n, CLASS_BULK) == WAKED_NEW)
        n++;
    assert_int_equal(n, 6);
    assert_int_equal(wake(q, 1, 1, 201, CLASS_REPLY), WAKED_NEW);
    assert_int_equal(wake(q, 1, 1, 202, CLASS_REPLY), WAKED_NEW);
    assert_int_equal(wake(q, 1, 1, 203, CLASS_REPLY), WAKED_DROPPED);
    assert_int_equal(wake(q, 1, 1, 201, CLASS_REPLY), WAKED_KNOWN);
    sender_queue_free(q);
}

static void idle_channels_are_forgotten(void **state)
{
    struct sender_queue *q = *state;
    for (int i = 1; i < 500; i++)
        wake(q, i % 7, i, i, CLASS_REPLY);
    struct sender_conversation *kept = take(q, CLASS_REPLY), *c;
    while ((c = take(q, CLASS_REPLY)))
        sender_queue_done(q, c, false);
    for (int i = 0; i < 4; i++)
        sender_queue_sweep(q, 1);
    assert_int_equal(sender_queue_size(q), 1);
    wake(q, 1, 1, 9999, CLASS_REPLY); // the map still finds and makes what it should
    sender_queue_done(q, kept, true);
    assert_non_null(take(q, CLASS_REPLY));
    assert_non_null(take(q, CLASS_REPLY));
}

int main(void)
{
#define WITH_QUEUE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_QUEUE(tenants_and_their_channels_are_served_in_turn),
        WITH_QUEUE(a_conversation_waits_once_however_often_it_is_commanded),
        WITH_QUEUE(a_command_that_comes_meanwhile_is_not_lost),
        WITH_QUEUE(what_has_more_waits_at_the_end),
        WITH_QUEUE(a_reply_takes_its_conversation_out_of_the_bulk),
        WITH_QUEUE(a_channel_that_may_not_is_passed_over_until_it_is_unblocked),
        WITH_QUEUE(an_unblocked_channel_goes_on_where_it_stopped),
        WITH_QUEUE(what_is_put_off_waits_again_at_its_time),
        WITH_QUEUE(what_is_put_back_is_first_again),
        cmocka_unit_test(it_is_bounded_and_bulk_leaves_room_for_replies),
        WITH_QUEUE(idle_channels_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
