/* SPDX-License-Identifier: Apache-2.0 */
/* Messenger: items that become several events, and what is about the page itself. */
#include "golden/properties.h"
#include "test.h"

#define HEAD "{\"object\":\"page\",\"entry\":[{\"id\":\"1\",\"messaging\":["
#define TAIL "]}]}"
#define FROM "{\"sender\":{\"id\":\"2\"},\"recipient\":{\"id\":\"1\"},\"timestamp\":1767225601000,"

static const struct provider *messenger;

static struct events parse(struct arena *a, const char *body)
{
    struct unit unit = {.body = str_of(body)};
    struct events ev = {0};
    struct err err = {0};
    assert_true(messenger->parse(a, &unit, &ev, &err));
    assert_true(check_body(messenger, unit.body));
    return ev;
}

static void each_message_that_was_delivered_is_an_event(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct events ev = parse(
        a, HEAD FROM "\"delivery\":{\"mids\":[\"a\",\"b\",\"c\"],\"watermark\":"
                     "1767225600500}}," FROM "\"message\":{\"mid\":\"d\",\"text\":\"x\"}}" TAIL);
    assert_int_equal(ev.n, 4);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(ev.items[i].kind, EVENT_DELIVERED);
        assert_int_equal(ev.items[i].target_id.ptr[0], (int)('a' + i));
        assert_true(ev.items[i].at_ms == 1767225600500);
        assert_true(ev.items[i].watermark_at_ms == 0);
    }
    assert_int_equal(ev.items[3].kind, EVENT_MESSAGE);
}

static void a_watermark_alone_reaches_all_before_it(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct events ev = parse(a, HEAD "{\"sender\":{\"id\":\"2\"},\"recipient\":{\"id\":\"1\"},"
                                     "\"delivery\":{\"watermark\":1767225600500}}" TAIL);
    assert_int_equal(ev.n, 1);
    assert_null(ev.items->target_id.ptr);
    assert_true(ev.items->watermark_at_ms == 1767225600500);
    assert_true(str_eq_c(ev.items->key, "delivered:2:1767225600500"));
}

static void the_page_is_not_a_conversation(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct events ev = parse(a, HEAD FROM "\"policy_enforcement\":{\"action\":\"block\"}}," FROM
                                          "\"message\":{\"mid\":\"d\"}}" TAIL);
    assert_int_equal(ev.n, 2);
    assert_int_equal(ev.items[0].kind, EVENT_ACCOUNT_STATUS);
    assert_null(ev.items[0].conversation.ptr);
    assert_true(str_eq_c(ev.items[0].status, "error"));
    assert_true(str_eq_c(ev.items[1].conversation, "2"));
}

static void what_happens_on_the_page_is_no_event(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct events ev =
        parse(a, "{\"object\":\"page\",\"entry\":[{\"id\":\"1\",\"changes\":[{\"field\":"
                 "\"feed\",\"value\":{\"sender\":{\"id\":\"2\"}}}]}]}");
    assert_int_equal(ev.n, 0);
}

static void more_receipts_than_a_webhook_holds_are_refused(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_put_c(&b, HEAD FROM "\"delivery\":{\"mids\":[");
    for (int i = 0; i < 10001; i++)
        buf_putf(&b, "%s%d", i ? "," : "", i);
    buf_put_c(&b, "]}}" TAIL);
    auto_arena a = arena_new(PROVIDER_ARENA_MAX(b.len));
    struct unit unit = {.body = buf_str(&b)};
    struct events ev = {0};
    struct err err = {0};
    assert_false(messenger->parse(a, &unit, &ev, &err));
    assert_int_equal(err.kind, ERR_LIMITED);
    buf_done(&b);
}

static void the_account_has_one_type_and_platform(void **state)
{
    (void)state;
    assert_true(str_eq_c(messenger->normal_type(STR("PAGE")), "page"));
    assert_true(str_eq_c(messenger->normal_type(STR("instagram")), "instagram"));
    assert_string_equal(messenger->platform(STR("page")), "messenger");
    assert_string_equal(messenger->app, "meta");
}

static int setup(void **state)
{
    (void)state;
    messenger = provider_find(STR("messenger"));
    return messenger ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_message_that_was_delivered_is_an_event),
        cmocka_unit_test(a_watermark_alone_reaches_all_before_it),
        cmocka_unit_test(the_page_is_not_a_conversation),
        cmocka_unit_test(what_happens_on_the_page_is_no_event),
        cmocka_unit_test(more_receipts_than_a_webhook_holds_are_refused),
        cmocka_unit_test(the_account_has_one_type_and_platform),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
