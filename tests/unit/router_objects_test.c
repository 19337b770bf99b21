/* SPDX-License-Identifier: Apache-2.0 */
#include "mem.h"
#include "objects.h"
#include "test.h"

static const struct channel channel = {.id = {"ch", 2},
                                       .tenant_id = {"t", 1},
                                       .provider = {"unipile", 7},
                                       .platform = {"whatsapp", 8},
                                       .account = {"acc", 3},
                                       .status = {"ok", 2},
                                       .rev = 3};

static const struct json *parsed(struct arena *a, struct buf *b)
{
    struct err err = {0};
    const struct json *v = json_parse(a, str_dup(a, buf_str(b)), &err);
    if (!v)
        fail_msg("%s", err.msg);
    buf_done(b);
    return v;
}

static void assert_member(struct arena *a, const struct json *v, const char *key, const char *want)
{
    struct str got = json_text(a, json_get(v, key));
    if (!str_eq_c(got, want))
        fail_msg("%s is '%.*s', not '%s'", key, STR_ARG(got), want);
}

static void a_message_is_told_whole(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct object_attachment image = {
        .type = STR("image"), .url = STR("https://x"), .extra = STR("{\"w\":1}")};
    struct message m = {.channel = (struct channel *)&channel,
                        .id = STR("m"),
                        .conversation_id = STR("c"),
                        .external_id = STR("x"),
                        .direction = STR("in"),
                        .status = STR("received"),
                        .kind = STR("image"),
                        .body = STR("a \"quote\"\n"),
                        .content = STR("{\"payload\":\"p\"}"),
                        .sender_id = STR("s"),
                        .attachments = &image,
                        .n_attachments = 1,
                        .provider_at_ms = 1767323045678,
                        .rev = 9};
    struct buf b;
    buf_init(&b, 1 << 16);
    router_object_message(&b, &m);
    const struct json *v = parsed(a, &b);
    assert_member(a, v, "id", "m");
    assert_member(a, v, "channel_id", "ch");
    assert_member(a, v, "platform", "whatsapp");
    assert_member(a, v, "body", "a \"quote\"\n");
    assert_member(a, v, "provider_at", "2026-01-02T03:04:05.678Z");
    assert_member(a, v, "rev", "9");
    assert_member(a, json_get(v, "sender"), "id", "s");
    assert_member(a, json_get(v, "content"), "payload", "p");
    assert_member(a, json_first(json_get(v, "attachments")), "url", "https://x");
    assert_null(json_get(v, "deleted_at"));
    m.attachments_json = STR("[{\"type\":\"stored\"}]");
    buf_init(&b, 1 << 16);
    router_object_message(&b, &m);
    assert_member(a, json_first(json_get(parsed(a, &b), "attachments")), "type", "stored");
}

static void conversation_reaction_and_channel_are_json(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct conversation c = {.channel = (struct channel *)&channel,
                             .id = STR("c"),
                             .external_id = STR("e"),
                             .unread = 4,
                             .rev = 2};
    struct reaction r = {
        .channel = (struct channel *)&channel, .id = STR("r"), .external_id = STR("x"), .rev = 5};
    struct buf b;
    buf_init(&b, 1 << 16);
    router_object_conversation(&b, &c);
    const struct json *v = parsed(a, &b);
    assert_member(a, v, "unread_count", "4");
    assert_true(json_is(json_get(v, "is_group"), JSON_FALSE));
    buf_init(&b, 1 << 16);
    router_object_reaction(&b, &r);
    v = parsed(a, &b);
    assert_member(a, v, "external_message_id", "x");
    assert_null(json_get(v, "emoji")); // taken away
    buf_init(&b, 1 << 16);
    router_object_channel(&b, &channel);
    assert_member(a, parsed(a, &b), "external_account_id", "acc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_told_whole),
        cmocka_unit_test(conversation_reaction_and_channel_are_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
