/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "batch.h"
#include "mem.h"
#include "test.h"

/* New, ours again, or the provider's duplicate: what `events` has decides. */

struct setup {
    struct batch *b;
    struct channel channel;
    struct item item;
    struct record rec;
};

static int set_up(void **state)
{
    struct setup *s = xalloc(sizeof *s);
    s->b = router_batch_new();
    router_batch_reset(s->b, 5000);
    s->channel = (struct channel){.id = STR("ch"), .tenant_id = STR("t"), .status = STR("ok")};
    s->rec = (struct record){.topic = "postrider.inbound"};
    s->item = (struct item){.rec = &s->rec,
                            .channel = &s->channel,
                            .adapter = provider_find(STR("instagram")),
                            .event = {.account_type = STR("instagram"), .received_at_ms = 77}};
    s->channel.account_type = STR("instagram");
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setup *s = *state;
    router_batch_free(s->b);
    free(s);
    return 0;
}

static void admit(struct setup *s, struct event *events, size_t n)
{
    s->item.events = (struct events){.items = events, .n = n};
    s->b->items = &s->item;
    s->b->n_items = 1;
    router_batch_admit(s->b);
}

static struct event message(const char *key, const char *mid)
{
    return (struct event){.kind = EVENT_MESSAGE,
                          .direction = DIR_IN,
                          .key = str_of(key),
                          .external_id = str_of(mid),
                          .conversation = STR("c"),
                          .text = STR("hi")};
}

static void the_first_of_two_events_of_one_key_counts(void **state)
{
    struct setup *s = *state;
    struct event events[] = {message("k1", "m1"), message("k1", "m1"), message("k2", "m2")};
    admit(s, events, 3);
    router_batch_apply(s->b);
    assert_int_equal(s->b->jobs[0].outcome, OUTCOME_NEW);
    assert_int_equal(s->b->jobs[1].outcome, OUTCOME_DUPLICATE);
    assert_int_equal(s->b->jobs[2].outcome, OUTCOME_NEW);
    assert_int_equal(s->b->model.n_messages, 2);
    assert_int_equal(s->b->jobs[0].fact.message->provider_at_ms, 77); // the provider gave none
}

static void our_own_redelivery_is_published_again_and_changes_nothing(void **state)
{
    struct setup *s = *state;
    struct event events[] = {message("k1", "m1"), message("k2", "m2")};
    admit(s, events, 2);
    struct message *m1 =
        router_model_add_message(&s->b->model, &s->channel, STR("m1"), STR("id-1"));
    struct message *m2 =
        router_model_add_message(&s->b->model, &s->channel, STR("m2"), STR("id-2"));
    s->b->jobs[0].stored = (struct stored_event){.found = true,
                                                 .same_position = true,
                                                 .change = CHANGE_CREATED,
                                                 .message_id = STR("id-1"),
                                                 .also = STR("id-2")};
    s->b->jobs[1].stored =
        (struct stored_event){.found = true, .change = CHANGE_CREATED, .message_id = STR("id-2")};
    router_batch_apply(s->b);
    assert_int_equal(s->b->jobs[0].outcome, OUTCOME_REDELIVERED);
    assert_int_equal(m1->publish, CHANGE_CREATED);
    assert_int_equal(m2->publish, CHANGE_STATUS); // it was among those that the first event changed
    assert_false(m1->changed);
    assert_int_equal(s->b->jobs[1].outcome, OUTCOME_DUPLICATE);
}

static void an_unknown_event_is_parked_and_the_rest_of_its_record_goes_in(void **state)
{
    struct setup *s = *state;
    struct event events[] = {{.kind = EVENT_UNKNOWN, .key = STR("k0"), .reason = STR("story_poll")},
                             message("k1", "m1"),
                             {.kind = EVENT_TYPING, .key = STR("k2"), .conversation = STR("c")}};
    admit(s, events, 3);
    router_batch_apply(s->b);
    assert_string_equal(s->item.reason, "unknown_event");
    assert_int_equal(s->b->jobs[0].outcome, OUTCOME_QUARANTINED);
    assert_int_equal(s->b->jobs[1].outcome, OUTCOME_NEW);
    assert_int_equal(s->b->jobs[2].outcome, OUTCOME_IGNORED);
}

static void all_events_of_a_parked_record_stay_out(void **state)
{
    struct setup *s = *state;
    struct event events[] = {message("k1", "m1"), message("k2", "m2")};
    s->item.channel = NULL;
    admit(s, events, 2);
    router_batch_apply(s->b);
    assert_string_equal(s->item.reason, "unknown_account");
    assert_int_equal(s->b->n_jobs, 2);
    assert_int_equal(s->b->jobs[1].outcome, OUTCOME_QUARANTINED);
    assert_int_equal(s->b->model.n_messages, 0);
    assert_null(s->b->model.first_conversation);
}

/* What channels belong to is none itself; one of three is disconnected. */
static void what_is_about_a_parent_is_about_each_channel_of_it_once(void **state)
{
    struct setup *s = *state;
    struct channel channels[3];
    for (size_t i = 0; i < ARRAY_LEN(channels); i++) {
        channels[i] = (struct channel){.id = STR("ch"),
                                       .tenant_id = STR("t"),
                                       .provider = STR("whatsapp"),
                                       .account_type = STR("whatsapp_business_account"),
                                       .status = i ? STR("ok") : STR("disconnected")};
        router_batch_add_child(s->b, STR("77"), &channels[i]);
    }
    struct event events[] = {{.kind = EVENT_ACCOUNT_STATUS,
                              .key = STR("k1"),
                              .account = STR("77"),
                              .status = STR("error"),
                              .at_ms = 7},
                             {.kind = EVENT_UNKNOWN, .key = STR("k2"), .reason = STR("field x")}};
    s->item.adapter = provider_find(STR("whatsapp"));
    s->item.event = (struct webhook_event){.provider = STR("whatsapp"), .account = STR("77")};
    s->item.events = (struct events){.items = events, .n = 2};
    router_batch_resolve(s->b, &s->item);
    assert_ptr_equal(s->item.channel, &channels[1]);
    admit(s, events, 2);
    router_batch_apply(s->b);
    assert_int_equal(s->b->n_jobs, 3);
    assert_ptr_equal(s->b->jobs[1].fact.channel, &channels[2]);
    assert_int_equal(s->b->jobs[1].outcome, OUTCOME_NEW);
    for (size_t i = 1; i < ARRAY_LEN(channels); i++) {
        assert_true(str_eq_c(channels[i].status, "error"));
        assert_true(channels[i].changed && channels[i].publish);
    }
    assert_false(channels[0].changed);
    assert_string_equal(s->item.reason, "unknown_event");
}

static void a_message_is_never_given_to_the_channels_of_a_parent(void **state)
{
    struct setup *s = *state;
    struct event events[] = {message("k1", "m1")};
    s->channel.provider = STR("instagram");
    router_batch_add_child(s->b, STR("77"), &s->channel);
    s->item.event = (struct webhook_event){.provider = STR("instagram"), .account = STR("77")};
    s->item.events = (struct events){.items = events, .n = 1};
    router_batch_resolve(s->b, &s->item);
    assert_null(s->item.channel);
    admit(s, events, 1);
    assert_string_equal(s->item.reason, "unknown_account");
}

static void a_channel_learns_what_it_belongs_to_from_its_own_webhooks(void **state)
{
    struct setup *s = *state;
    struct event events[] = {message("k1", "m1")};
    events[0].parent = STR("77");
    admit(s, events, 1);
    assert_true(s->channel.parent_changed && str_eq_c(s->channel.parent, "77"));
    s->channel.parent_changed = false;
    s->b->n_jobs = 0;
    admit(s, events, 1);
    assert_false(s->channel.parent_changed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_of_two_events_of_one_key_counts, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(our_own_redelivery_is_published_again_and_changes_nothing,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            an_unknown_event_is_parked_and_the_rest_of_its_record_goes_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_events_of_a_parked_record_stay_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_about_a_parent_is_about_each_channel_of_it_once,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_message_is_never_given_to_the_channels_of_a_parent,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_channel_learns_what_it_belongs_to_from_its_own_webhooks,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
