/* SPDX-License-Identifier: Apache-2.0 */
#include "content.h"
#include "mem.h"
#include "test.h"

static void assert_str(struct str got, const char *want)
{
    if (want ? !str_eq_c(got, want) : got.ptr != NULL)
        fail_msg("'%.*s' is not '%s'", STR_ARG(got), want ? want : "(absent)");
}

static const struct {
    const char *in, *out;
} json_cases[] = {
    {"{\"a\":1}", "{\"a\":1}"},
    {"\"\\u00e9\"", "\"\\u00e9\""},
    {"\"\\u0000\"", "\"\\ufffd\""},
    {"\"\\\\u0000\"", "\"\\\\u0000\""}, // an escaped backslash, then plain text
    {"\"\\\\\\u0000\"", "\"\\\\\\ufffd\""},
    {"\"\\ud83d\\ude00\"", "\"\\ud83d\\ude00\""},
    {"\"\\ud83d\"", "\"\\ufffd\""},
    {"\"\\ud83d\\ud83d\\ude00\"", "\"\\ufffd\\ud83d\\ude00\""},
    {"\"\\ude00x\"", "\"\\ufffdx\""},
    {"\"\\ud83", "\"\\ud83"},
};

static void json_is_made_acceptable_to_jsonb(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(json_cases); i++)
        assert_str(json_storable(a, str_of(json_cases[i].in)), json_cases[i].out);
}

static void plain_text_has_no_content_json(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct message m = {0};
    router_content_fill(a, &(struct event){.kind = EVENT_MESSAGE, .text = STR("hi")}, &m);
    assert_str(m.kind, "text");
    assert_str(m.body, "hi");
    assert_str(m.content, NULL);
    assert_int_equal(m.n_attachments, 0);
}

static void parts_become_attachments_and_name_the_kind(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct part parts[] = {{.type = STR("text"), .text = STR("caption")},
                           {.type = STR("image"), .url = STR("https://x/1.jpg"), .size_bytes = 7}};
    struct message m = {0};
    router_content_fill(a, &(struct event){.kind = EVENT_MESSAGE, .parts = parts, .n_parts = 2},
                        &m);
    assert_str(m.kind, "image");
    assert_str(m.body, "caption");
    assert_int_equal(m.n_attachments, 1);
    assert_str(m.attachments[0].url, "https://x/1.jpg");
}

static void a_postback_keeps_its_payload(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct message m = {0};
    struct event ev = {.kind = EVENT_POSTBACK, .text = STR("Yes"), .payload = STR("YES\"1")};
    assert_true(router_content_is_message(&ev));
    router_content_fill(a, &ev, &m);
    assert_str(m.kind, "postback");
    assert_str(m.content, "{\"payload\":\"YES\\\"1\"}");
    assert_false(router_content_is_message(&(struct event){.kind = EVENT_REFERRAL}));
    assert_true(
        router_content_is_message(&(struct event){.kind = EVENT_REFERRAL, .referral = STR("ad")}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_made_acceptable_to_jsonb),
        cmocka_unit_test(plain_text_has_no_content_json),
        cmocka_unit_test(parts_become_attachments_and_name_the_kind),
        cmocka_unit_test(a_postback_keeps_its_payload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
