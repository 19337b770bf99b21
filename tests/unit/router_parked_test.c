/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "parked.h"
#include "test.h"
#include "updates.h"

/* Which way a record goes that cannot be handled, and what is told of an object that no record
 * holds. */

static const struct topics topics = {
    .inbound = "inbound", .results = "results", .quarantine = "quarantine", .updates = "updates"};

struct setup {
    struct batch *b;
    struct codec *codec;
    struct channel channel;
    struct record rec;
    struct item item;
};

static int set_up(void **state)
{
    struct setup *s = xalloc(sizeof *s);
    struct err err = {0};
    s->b = router_batch_new();
    router_batch_reset(s->b, 5000);
    s->codec = codec_new("", "", &err);
    assert_non_null(s->codec);
    s->channel = (struct channel){.id = STR("ch"), .tenant_id = STR("t"), .provider = STR("x")};
    s->rec = (struct record){.topic = "inbound", .partition = 3, .offset = 7};
    s->item = (struct item){.rec = &s->rec, .reason = "poison", .detail = STR("why")};
    s->b->items = &s->item;
    s->b->n_items = 1;
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setup *s = *state;
    codec_free(s->codec);
    router_batch_free(s->b);
    free(s);
    return 0;
}

static struct str of_size(struct setup *s, size_t len)
{
    char *text = arena_alloc(s->b->arena, len);
    memset(text, 'x', len);
    return (struct str){text, len};
}

static struct quarantined sent_to_quarantine(struct setup *s)
{
    struct quarantined q = {0};
    struct err err = {0};
    assert_int_equal(router_updates_build(s->b, s->codec, &topics), 0);
    const struct publication *o = s->b->first;
    assert_non_null(o);
    assert_string_equal(o->topic, "quarantine");
    assert_true(o->value_len + o->key.len <= KAFKA_RECORD_MAX);
    struct str value = {s->b->values.ptr + o->value_at, o->value_len};
    if (!decode_quarantined(s->codec, s->b->arena, value, &q, &err))
        fail_msg("%s", err.msg);
    return q;
}

static void a_parked_record_travels_whole(void **state)
{
    struct setup *s = *state;
    s->rec.key = STR("x:a:c");
    s->rec.value = of_size(s, 1600 * 1024);
    router_parked_route(s->b);
    assert_false(s->item.kept_here);
    struct quarantined q = sent_to_quarantine(s);
    assert_int_equal(q.body.len, s->rec.value.len);
    assert_true(str_eq_c(q.key, "x:a:c"));
    assert_true(str_eq_c(q.reason, "poison"));
    assert_int_equal(q.offset, 7);
}

/* A webhook may name an account of half a megabyte: it stands in the body, the key and the detail.
 */
static void what_an_account_adds_is_bounded(void **state)
{
    struct setup *s = *state;
    struct str account = of_size(s, 500 * 1024);
    s->rec.key = account;
    s->rec.value = of_size(s, 900 * 1024);
    s->item.event = (struct webhook_event){
        .provider = STR("x"), .account = account, .body = of_size(s, 400 * 1024)};
    s->item.detail = str_fmt(s->b->arena, "account %.*s is not connected", STR_ARG(account));
    router_parked_route(s->b);
    assert_false(s->item.kept_here);
    struct quarantined q = sent_to_quarantine(s);
    assert_null(q.account.ptr);
    assert_true(q.detail.len < 2000);
    assert_int_equal(q.body.len, 400 * 1024);
}

static void what_its_wrapping_makes_too_large_is_kept_here(void **state)
{
    struct setup *s = *state;
    s->rec.key = of_size(s, 100 * 1024);
    s->rec.value = of_size(s, 1900 * 1024);
    router_parked_route(s->b);
    assert_true(s->item.kept_here);
    assert_int_equal(s->item.quarantined.body.len, s->rec.value.len);
    assert_true(str_eq_c(s->item.quarantined.topic, "inbound"));
    assert_int_equal(router_updates_build(s->b, s->codec, &topics), 0);
    assert_null(s->b->first);
}

static void a_record_of_the_quarantine_that_is_refused_is_kept_as_it_is(void **state)
{
    struct setup *s = *state;
    s->rec.topic = "quarantine";
    s->rec.value = STR("no record at all");
    s->item.source = SOURCE_QUARANTINE;
    router_parked_route(s->b);
    assert_true(s->item.kept_here);
    assert_true(str_eq_c(s->item.quarantined.body, "no record at all"));
    assert_true(str_eq_c(s->item.quarantined.topic, "quarantine"));
    assert_int_equal(s->item.quarantined.offset, 7);
}

static void of_a_message_that_no_record_holds_the_outline_is_told(void **state)
{
    struct setup *s = *state;
    struct err err = {0};
    struct update u;
    s->b->n_items = 0;
    struct message *large =
        router_model_add_message(&s->b->model, &s->channel, STR("m1"), STR("1"));
    struct message *small =
        router_model_add_message(&s->b->model, &s->channel, STR("m2"), STR("2"));
    large->publish = small->publish = CHANGE_CREATED;
    large->body = of_size(s, 3u << 20);
    small->body = STR("hi");
    assert_int_equal(router_updates_build(s->b, s->codec, &topics), 0);
    assert_int_equal(s->b->n_outgoing, 2);
    const struct publication *o = s->b->first;
    struct str value = {s->b->values.ptr + o->value_at, o->value_len};
    assert_true(decode_update(s->codec, s->b->arena, value, &u, &err));
    const struct json *data = json_parse(s->b->arena, u.data, &err);
    assert_true(str_eq_c(json_text(s->b->arena, json_get(data, "external_message_id")), "m1"));
    assert_null(json_get(data, "body"));
    assert_non_null(json_get(data, "truncated"));
    value = (struct str){s->b->values.ptr + o->next->value_at, o->next->value_len};
    assert_true(decode_update(s->codec, s->b->arena, value, &u, &err));
    data = json_parse(s->b->arena, u.data, &err);
    assert_true(str_eq_c(json_text(s->b->arena, json_get(data, "body")), "hi"));
    assert_null(json_get(data, "truncated"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_parked_record_travels_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_an_account_adds_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_its_wrapping_makes_too_large_is_kept_here, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_record_of_the_quarantine_that_is_refused_is_kept_as_it_is,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_a_message_that_no_record_holds_the_outline_is_told,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
