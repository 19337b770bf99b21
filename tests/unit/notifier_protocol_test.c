/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "protocol.h"
#include "stream.h"
#include "test.h"

#define CHANNEL      "0190a000-0000-7000-8000-00000000c001"
#define CHANNEL_2    "0190A000-0000-7000-8000-00000000C002"
#define CONVERSATION "0190a000-0000-7000-8000-0000000c0f01"
#define TENANT       "0190a000-0000-7000-8000-0000000000ab"

static struct str text_of(const struct packet *p)
{
    size_t header = p->bytes[1] < 126 ? 2 : p->bytes[1] == 126 ? 4 : 10;
    return (struct str){(const char *)p->bytes + header, p->len - header};
}

/* Takes p. */
static void expect(struct packet *p, const char *wanted)
{
    struct str text = text_of(p);
    char copy[2048] = "";
    assert_true(text.len < sizeof copy);
    memcpy(copy, text.ptr, text.len);
    assert_string_equal(copy, wanted);
    notifier_packet_unref(p);
}

static void small_frames_are_as_documented(void **state)
{
    (void)state;
    struct cursor at = {3, 42};
    expect(notifier_protocol_hello(at, 25000),
           "{\"type\":\"hello\",\"cursor\":\"3-42\",\"heartbeat_s\":25}");
    expect(notifier_protocol_resync(at), "{\"type\":\"resync\",\"cursor\":\"3-42\"}");
    expect(notifier_protocol_cursor(at), "{\"type\":\"cursor\",\"cursor\":\"3-42\"}");
    expect(notifier_protocol_feed_resumed(at), "{\"type\":\"feed_resumed\",\"cursor\":\"3-42\"}");
    expect(notifier_protocol_pong(), "{\"type\":\"pong\"}");
    expect(notifier_protocol_authenticated(1767323045678),
           "{\"type\":\"authenticated\",\"expires_at\":\"2026-01-02T03:04:05.678Z\"}");
    expect(notifier_protocol_error("bad_message", STR("say \"what\"")),
           "{\"type\":\"error\",\"code\":\"bad_message\",\"message\":\"say \\\"what\\\"\"}");
}

static struct update sample(void)
{
    return (struct update){
        .id = STR("0190a000-0000-7000-8000-000000000001"),
        .tenant_id = STR(TENANT),
        .kind = STR("message.created"),
        .channel_id = STR(CHANNEL),
        .conversation_id = STR(CONVERSATION),
        .object_id = STR("o"),
        .provider = STR("unipile"),
        .rev = 7,
        .at_ms = 1767323045678,
        .data = STR("{\"id\":\"o\",\"rev\":7}"),
    };
}

static void an_update_frame_carries_the_cursor_behind_it(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct err err = {0};
    struct update u = sample();
    struct packet *p = notifier_protocol_update(a, &u, (struct cursor){3, 41}, 1767323045700,
                                                STR("4bf92f3577b34da6a3ce929d0e0e4736"), &err);
    assert_non_null(p);
    assert_int_equal(p->partition, 3);
    assert_int_equal(p->offset, 41);
    assert_int_equal(p->at_ms, 1767323045700);
    assert_string_equal(p->subject.provider, "unipile");
    expect(
        p,
        "{\"type\":\"update\",\"id\":\"0190a000-0000-7000-8000-000000000001\",\"cursor\":\"3-42\","
        "\"kind\":\"message.created\",\"provider\":\"unipile\",\"channel_id\":\"" CHANNEL "\","
        "\"conversation_id\":\"" CONVERSATION "\",\"at\":\"2026-01-02T03:04:05.678Z\",\"rev\":7,"
        "\"trace\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"data\":{\"id\":\"o\",\"rev\":7}}");
}

static void what_an_update_lacks_is_null_or_left_out(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct err err = {0};
    struct update u = sample();
    u.channel_id = u.conversation_id = u.provider = u.data = STR_NONE;
    struct packet *p = notifier_protocol_update(a, &u, (struct cursor){0, 0}, 1, STR_NONE, &err);
    assert_non_null(p);
    expect(
        p,
        "{\"type\":\"update\",\"id\":\"0190a000-0000-7000-8000-000000000001\",\"cursor\":\"0-1\","
        "\"kind\":\"message.created\",\"channel_id\":null,\"conversation_id\":null,"
        "\"at\":\"2026-01-02T03:04:05.678Z\",\"rev\":7,\"data\":null}");
    u.tenant_id = STR("nobody");
    assert_null(notifier_protocol_update(a, &u, (struct cursor){0, 0}, 1, STR_NONE, &err));
    assert_int_equal(err.kind, ERR_INVALID);
}

static void invalid_utf8_never_reaches_a_client(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct err err = {0};
    struct update u = sample();
    u.data = STR("{\"body\":\"a\xff\"}");
    struct packet *p = notifier_protocol_update(a, &u, (struct cursor){0, 0}, 1, STR_NONE, &err);
    assert_non_null(p);
    struct str text = text_of(p);
    assert_non_null(memmem(text.ptr, text.len, "a\xef\xbf\xbd", 4));
    notifier_packet_unref(p);
}

static const struct {
    const char *text;
    bool good;
    enum message_type type;
} messages[] = {
    {"{\"type\":\"ping\"}", true, MESSAGE_PING},
    {" {\"type\":\"ping\",\"n\":1} ", true, MESSAGE_PING},
    {"{\"type\":\"auth\",\"token\":\"a.b.c\"}", true, MESSAGE_AUTH},
    {"{\"type\":\"auth\"}", false, 0},
    {"{\"type\":\"auth\",\"token\":7}", false, 0},
    {"{\"type\":\"subscribe\"}", true, MESSAGE_SUBSCRIBE},
    {"{\"type\":\"subscribe\",\"channels\":[]}", true, MESSAGE_SUBSCRIBE},
    {"{\"type\":\"subscribe\",\"channels\":[\"" CHANNEL "\",\"" CHANNEL_2 "\"]}", true,
     MESSAGE_SUBSCRIBE},
    {"{\"type\":\"subscribe\",\"channels\":null}", true, MESSAGE_SUBSCRIBE},
    {"{\"type\":\"subscribe\",\"channels\":\"" CHANNEL "\"}", false, 0},
    {"{\"type\":\"subscribe\",\"channels\":[\"x\"]}", false, 0},
    {"{\"type\":\"subscribe\",\"channels\":[7]}", false, 0},
    {"{\"type\":\"subscribe\",\"conversations\":{}}", false, 0},
    {"{\"type\":\"subscribe\",\"providers\":[\"x\",\"\"]}", false, 0},
    {"{\"type\":\"subscribe\",\"providers\":[\"a-name-that-is-much-too-long-for-one\"]}", false, 0},
    {"{\"type\":\"update\"}", false, 0},
    {"{\"type\":\"pin\\u0067\"}", false, 0},
    {"{\"type\":null}", false, 0},
    {"{}", false, 0},
    {"[]", false, 0},
    {"\"ping\"", false, 0},
    {"", false, 0},
    {"{", false, 0},
    {"{\"type\":\"ping\"}{", false, 0},
};

static void messages_are_read_or_refused_with_a_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        auto_arena a = arena_new(1 << 20);
        struct err err = {0};
        struct message m = {0};
        bool good = notifier_protocol_parse(a, str_of(messages[i].text), &m, &err);
        if (good != messages[i].good)
            fail_msg("%s: %s", messages[i].text, good ? "read" : err.msg);
        if (good)
            assert_int_equal(m.type, messages[i].type);
        else
            assert_true(err.msg[0] != '\0');
        notifier_filter_free(m.filter);
    }
}

static struct subject subject(const char *channel, const char *conversation, const char *provider)
{
    struct subject s = {0};
    (void)uuid_parse(str_of(channel), &s.channel);
    (void)uuid_parse(str_of(conversation), &s.conversation);
    (void)snprintf(s.provider, sizeof s.provider, "%s", provider);
    return s;
}

static const struct {
    const char *lists;
    bool in_both, other_channel, no_conversation, other_provider;
} filters[] = {
    {"", true, true, true, true},
    {",\"channels\":[\"" CHANNEL "\"]", true, false, true, true},
    {",\"channels\":[\"0190A000-0000-7000-8000-00000000C001\"]", true, false, true, true},
    {",\"channels\":[\"" CHANNEL "\",\"" CHANNEL_2 "\"]", true, true, true, true},
    {",\"conversations\":[\"" CONVERSATION "\"]", true, true, false, true},
    {",\"providers\":[\"unipile\"]", true, true, true, false},
    {",\"providers\":[\"x\",\"unipile\"]", true, true, true, false},
    {",\"providers\":[\"Unipile\"]", false, false, false, false},
    {",\"channels\":[\"" CHANNEL "\"],\"providers\":[\"unipile\"]", true, false, true, false},
    {",\"channels\":[]", false, false, false, false},
    {",\"channels\":[\"00000000-0000-0000-0000-000000000000\"]", false, false, false, false},
};

static void each_list_narrows(void **state)
{
    (void)state;
    struct subject both = subject(CHANNEL, CONVERSATION, "unipile");
    struct subject other = subject(CHANNEL_2, CONVERSATION, "unipile");
    struct subject none = subject(CHANNEL, "", "unipile");
    struct subject instagram = subject(CHANNEL, CONVERSATION, "instagram");
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        auto_arena a = arena_new(1 << 20);
        struct err err = {0};
        struct message m = {0};
        struct str text = str_fmt(a, "{\"type\":\"subscribe\"%s}", filters[i].lists);
        assert_true(notifier_protocol_parse(a, text, &m, &err));
        assert_int_equal(notifier_filter_passes(m.filter, &both), filters[i].in_both);
        assert_int_equal(notifier_filter_passes(m.filter, &other), filters[i].other_channel);
        assert_int_equal(notifier_filter_passes(m.filter, &none), filters[i].no_conversation);
        assert_int_equal(notifier_filter_passes(m.filter, &instagram), filters[i].other_provider);
        notifier_filter_free(m.filter);
    }
}

static const struct {
    const char *header, *protocol, *token;
} protocols[] = {
    {"bearer.a.b.c", "bearer.a.b.c", "a.b.c"},
    {"postrider, bearer.a.b.c", "bearer.a.b.c", "a.b.c"},
    {" bearer.x ,bearer.y", "bearer.x", "x"},
    {"bearer.", "bearer.", ""},
    {"bearer", "", ""},
    {"chat", "", ""},
    {"", "", ""},
    {NULL, "", ""},
};

static void the_token_is_found_among_the_protocols(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        struct str protocol;
        struct str token;
        notifier_stream_protocol(str_of(protocols[i].header), &protocol, &token);
        assert_true(str_eq_c(protocol, protocols[i].protocol) || protocol.len == 0);
        assert_int_equal(protocol.len, strlen(protocols[i].protocol));
        assert_int_equal(token.len, strlen(protocols[i].token));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_frames_are_as_documented),
        cmocka_unit_test(an_update_frame_carries_the_cursor_behind_it),
        cmocka_unit_test(what_an_update_lacks_is_null_or_left_out),
        cmocka_unit_test(invalid_utf8_never_reaches_a_client),
        cmocka_unit_test(messages_are_read_or_refused_with_a_reason),
        cmocka_unit_test(each_list_narrows),
        cmocka_unit_test(the_token_is_found_among_the_protocols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
