/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "records.h"
#include "records_codec.h"
#include "records_schema.h"
#include "test.h"

#define OUT_MAX   (1 << 20)
#define ARENA_MAX (4 << 20)

/* --- schemas -------------------------------------------------------------------------------- */

/* Computed with Python's fastavro, which shares no code with us; "null" and "int" also stand in the
 * specification. */
static const struct {
    const char *schema;
    uint64_t fingerprint;
} known[] = {
    {"\"null\"", 0x63dd24e7cc258f8a},
    {"\"int\"", 0x7275d51a3f395c8f},
    {"{\"type\": \"int\"}", 0x7275d51a3f395c8f},
    {"{\"type\":\"fixed\",\"name\":\"foo\",\"size\":15}", 0x18602ec3ed31a504},
    {"{\"fields\":[{\"type\":\"boolean\",\"name\":\"f1\"}],\"type\":\"record\",\"name\":\"foo\"}",
     0x6cd8eaf1c968a33b},
    {"{\"type\":\"enum\",\"name\":\"a.b.E\",\"symbols\":[\"X\",\"Y\"],\"doc\":\"x\"}",
     0x46e3c3e1a6591352},
    {"{\"type\":\"array\",\"items\":{\"type\":\"map\",\"values\":[\"null\",\"string\"]}}",
     0xef349bba98e05d7a},
    {"{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"a.b\",\"fields\":["
     "{\"name\":\"self\",\"type\":[\"null\",\"R\"],\"default\":null},"
     "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"P\"]}},"
     "{\"name\":\"e2\",\"type\":\"E\"},"
     "{\"name\":\"t\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}}]}",
     0x09c7484f3032e5a9},
};

static void a_fingerprint_is_that_of_the_specification(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        struct err err = {0};
        uint64_t fingerprint = 0;
        if (!schema_fingerprint(str_of(known[i].schema), &fingerprint, &err))
            fail_msg("%s: %s", known[i].schema, err.msg);
        assert_int_equal(fingerprint, known[i].fingerprint);
    }
}

/* A change of a schema must be meant: add the old text as *_v1.avsc, then change the number here.
 */
static void our_schemas_have_the_fingerprints_that_other_clients_compute(void **state)
{
    (void)state;
    static const uint64_t expected[RECORD_TYPES] = {
        [RECORD_WEBHOOK_EVENT] = 0xd1f84a2159af5409, [RECORD_SEND_COMMAND] = 0x4dfeb8aed74b79f2,
        [RECORD_RESULT] = 0x82f5e8655bd7ff45,        [RECORD_UPDATE] = 0x41fdd1302b47ced4,
        [RECORD_QUARANTINED] = 0xb1c73b485921df0a,
    };
    for (int t = 0; t < RECORD_TYPES; t++) {
        struct err err = {0};
        uint64_t fingerprint = 0;
        assert_true(schema_fingerprint(str_of(record_schema(t)), &fingerprint, &err));
        assert_int_equal(fingerprint, expected[t]);
    }
}

static void a_text_that_is_no_schema_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "{",
                                      "12",
                                      "{\"type\":12}",
                                      "{\"name\":\"x\"}",
                                      "[1]",
                                      "{\"type\":\"record\",\"name\":\"r\",\"fields\":[{}]}",
                                      "{\"type\":\"array\"}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {0};
        uint64_t fingerprint = 0;
        assert_false(schema_fingerprint(str_of(bad[i]), &fingerprint, &err));
        assert_int_equal(err.kind, ERR_INVALID);
    }
    char deep[4000];
    memset(deep, '[', sizeof deep);
    deep[500] = '\0';
    struct err err = {0};
    uint64_t fingerprint = 0;
    assert_false(schema_fingerprint(str_of(deep), &fingerprint, &err));
}

/* --- round trips ---------------------------------------------------------------------------- */

struct fixture {
    struct codec *codec;
    struct arena *arena;
    struct buf out;
    struct err err;
};

static int setup(void **state)
{
    struct fixture *f = xalloc(sizeof *f);
    f->codec = codec_new("", "postrider.", &f->err);
    if (!f->codec)
        fail_msg("%s", f->err.msg);
    f->arena = arena_new(ARENA_MAX);
    buf_init(&f->out, OUT_MAX);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    codec_free(f->codec);
    arena_free(f->arena);
    buf_done(&f->out);
    free(f);
    return 0;
}

static void assert_str(struct str got, struct str expected)
{
    if (!str_eq(got, expected))
        fail_msg("got '%.*s' instead of '%.*s'", STR_ARG(got), STR_ARG(expected));
    assert_int_equal(got.ptr == NULL, expected.ptr == NULL);
}

static const struct webhook_event an_event = {
    .provider = {"unipile", 7},
    .tenant_id = {"0198c1aa-0000-7000-8000-000000000001", 36},
    .account = {"acc", 3},
    .account_type = {"WHATSAPP", 8},
    .conversation = {"chat \xf0\x9f\x98\x80", 9},
    .received_at_ms = 1767323045678,
    .body = {"{\"a\":\"\0\xff\"}", 10},
};

static void assert_event(const struct webhook_event *got, const struct webhook_event *expected)
{
    assert_str(got->provider, expected->provider);
    assert_str(got->tenant_id, expected->tenant_id);
    assert_str(got->account, expected->account);
    assert_str(got->account_type, expected->account_type);
    assert_str(got->conversation, expected->conversation);
    assert_int_equal(got->received_at_ms, expected->received_at_ms);
    assert_str(got->body, expected->body);
}

static void a_webhook_event_comes_back_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct webhook_event without = an_event, got = {0};
    without.tenant_id = without.account_type = without.conversation = STR_NONE;
    without.body = STR("");
    without.received_at_ms = INT64_MIN;
    const struct webhook_event *events[] = {&an_event, &without, &an_event};
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        buf_clear(&f->out);
        assert_true(encode_webhook_event(f->codec, events[i], &f->out, &f->err));
        assert_true(decode_webhook_event(f->codec, f->arena, buf_str(&f->out), &got, &f->err));
        assert_event(&got, events[i]);
    }
}

static void a_frame_is_the_specification_s(void **state)
{
    struct fixture *f = *state;
    static const unsigned char frame[] = {0xc3, 0x01, 0x09, 0x54, 0xaf, 0x59,
                                          0x21, 0x4a, 0xf8, 0xd1, 14,   'u'};
    buf_put_c(&f->out, "before");
    assert_true(encode_webhook_event(f->codec, &an_event, &f->out, &f->err));
    assert_memory_equal(f->out.ptr, "before", 6);
    assert_memory_equal(f->out.ptr + 6, frame, sizeof frame);
}

static void a_send_command_comes_back_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct send_command got = {0}, v = {.tenant_id = STR("t"),
                                        .message_id = STR("m"),
                                        .channel_id = STR("ch"),
                                        .conversation_id = STR("co"),
                                        .provider = STR("x"),
                                        .attempt = 3,
                                        .created_at_ms = 5,
                                        .priority = 1};
    assert_true(encode_send_command(f->codec, &v, &f->out, &f->err));
    assert_true(decode_send_command(f->codec, f->arena, buf_str(&f->out), &got, &f->err));
    assert_str(got.tenant_id, v.tenant_id);
    assert_str(got.message_id, v.message_id);
    assert_str(got.channel_id, v.channel_id);
    assert_str(got.conversation_id, v.conversation_id);
    assert_str(got.provider, v.provider);
    assert_int_equal(got.attempt, 3);
    assert_int_equal(got.created_at_ms, 5);
    assert_int_equal(got.priority, 1);

    v.attempt = (int64_t)INT32_MAX + 1;
    assert_false(encode_send_command(f->codec, &v, &f->out, &f->err));
    assert_int_equal(f->err.kind, ERR_INVALID);
}

static void a_result_is_of_either_kind(void **state)
{
    struct fixture *f = *state;
    struct result sent = {.kind = RESULT_SEND,
                          .tenant_id = STR("t"),
                          .at_ms = 9,
                          .message_id = STR("m"),
                          .outcome = STR("retry"),
                          .error_code = STR("429"),
                          .attempt = 2,
                          .retry_at_ms = 77,
                          .conversation = STR("thread")};
    struct result changed = {.kind = RESULT_OBJECT_CHANGED,
                             .tenant_id = STR("t2"),
                             .at_ms = 10,
                             .object_kind = STR("channel"),
                             .object_id = STR("id")};
    for (int round = 0; round < 2; round++) {
        struct result got = {0};
        buf_clear(&f->out);
        assert_true(encode_result(f->codec, &sent, &f->out, &f->err));
        assert_true(decode_result(f->codec, f->arena, buf_str(&f->out), &got, &f->err));
        assert_int_equal(got.kind, RESULT_SEND);
        assert_str(got.outcome, sent.outcome);
        assert_str(got.error_code, sent.error_code);
        assert_str(got.error_message, STR_NONE);
        assert_str(got.external_message_id, STR_NONE);
        assert_str(got.object_id, STR_NONE);
        assert_int_equal(got.attempt, 2);
        assert_int_equal(got.retry_at_ms, 77);
        assert_str(got.conversation, sent.conversation);
        assert_int_equal(got.at_ms, 9);

        buf_clear(&f->out);
        assert_true(encode_result(f->codec, &changed, &f->out, &f->err));
        assert_true(decode_result(f->codec, f->arena, buf_str(&f->out), &got, &f->err));
        assert_int_equal(got.kind, RESULT_OBJECT_CHANGED);
        assert_str(got.tenant_id, changed.tenant_id);
        assert_str(got.object_kind, changed.object_kind);
        assert_str(got.object_id, changed.object_id);
        assert_str(got.message_id, STR_NONE);
    }
}

static void an_update_comes_back_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct update got = {0}, v = {.id = STR("u"),
                                  .tenant_id = STR("t"),
                                  .kind = STR("message.created"),
                                  .channel_id = STR("ch"),
                                  .object_id = STR("o"),
                                  .provider = STR("x"),
                                  .rev = INT64_MAX,
                                  .at_ms = 1,
                                  .data = STR("{\"rev\":1}")};
    assert_true(encode_update(f->codec, &v, &f->out, &f->err));
    assert_true(decode_update(f->codec, f->arena, buf_str(&f->out), &got, &f->err));
    assert_str(got.id, v.id);
    assert_str(got.tenant_id, v.tenant_id);
    assert_str(got.kind, v.kind);
    assert_str(got.channel_id, v.channel_id);
    assert_str(got.conversation_id, STR_NONE);
    assert_str(got.object_id, v.object_id);
    assert_str(got.provider, v.provider);
    assert_int_equal(got.rev, INT64_MAX);
    assert_str(got.data, v.data);
}

static void a_quarantined_record_comes_back_with_its_defaults(void **state)
{
    struct fixture *f = *state;
    struct quarantined got = {0}, v = {.provider = STR("x"),
                                       .reason = STR("unknown_account"),
                                       .topic = STR("http"),
                                       .partition = -1,
                                       .offset = -1,
                                       .received_at_ms = 3,
                                       .body = STR("\xc3\x01")};
    assert_true(encode_quarantined(f->codec, &v, &f->out, &f->err));
    assert_true(decode_quarantined(f->codec, f->arena, buf_str(&f->out), &got, &f->err));
    assert_str(got.provider, v.provider);
    assert_str(got.tenant_id, STR_NONE);
    assert_str(got.account, STR_NONE);
    assert_str(got.reason, v.reason);
    assert_str(got.detail, STR(""));
    assert_int_equal(got.partition, -1);
    assert_int_equal(got.offset, -1);
    assert_str(got.key, STR(""));
    assert_str(got.body, v.body);
    assert_str(got.headers, STR("{}"));
}

static void a_record_beyond_the_buffer_s_maximum_is_refused(void **state)
{
    struct fixture *f = *state;
    struct buf small;
    struct webhook_event v = an_event;
    char body[4096];
    memset(body, 'x', sizeof body);
    v.body = (struct str){body, sizeof body};
    buf_init(&small, 1000);
    assert_false(encode_webhook_event(f->codec, &v, &small, &f->err));
    assert_int_equal(f->err.kind, ERR_LIMITED);
    buf_done(&small);
    assert_true(encode_webhook_event(f->codec, &v, &f->out, &f->err));
}

/* --- hostile bytes -------------------------------------------------------------------------- */

/* A copy of exactly this size, so that the address sanitizer sees a read behind it. */
static struct str exact(const void *bytes, size_t len)
{
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    return (struct str){copy, len};
}

static void assert_refused(struct fixture *f, struct str value)
{
    struct webhook_event event;
    struct result result;
    struct err err = {0};
    arena_reset(f->arena);
    assert_false(decode_webhook_event(f->codec, f->arena, value, &event, &err));
    assert_int_equal(err.kind, ERR_INVALID);
    assert_true(err.msg[0] != '\0');
    assert_false(decode_result(f->codec, f->arena, value, &result, &err));
    buf_clear(&f->out);
    assert_false(decode_to_json(f->codec, f->arena, value, &f->out, &err));
    assert_int_equal(f->out.len, 0);
}

static void a_record_cut_anywhere_is_refused(void **state)
{
    struct fixture *f = *state;
    struct buf whole;
    buf_init(&whole, OUT_MAX);
    assert_true(encode_webhook_event(f->codec, &an_event, &whole, &f->err));
    for (size_t n = 0; n < whole.len; n++) {
        struct str cut = exact(whole.ptr, n);
        assert_refused(f, cut);
        free((char *)cut.ptr);
    }
    buf_put_c(&whole, "x");
    assert_refused(f, buf_str(&whole));
    buf_done(&whole);
}

#define FRAME "\xc3\x01\x09\x54\xaf\x59\x21\x4a\xf8\xd1"
#define BYTES(lit)              \
    {                           \
        "" lit, sizeof(lit) - 1 \
    }

static const struct {
    const char *why;
    struct str bytes;
} hostile[] = {
    {"nothing", BYTES("")},
    {"not a frame", BYTES("hello, this is no record")},
    {"an unknown fingerprint", BYTES("\xc3\x01zzzzzzzz\x02x")},
    {"another version of the frame", BYTES("\xc3\x02\x09\x54\xaf\x59\x21\x4a\xf8\xd1\x02x")},
    {"a registry's frame without a registry", BYTES("\0\0\0\0\x01\x02x")},
    {"only a frame", BYTES(FRAME)},
    {"a length of -1", BYTES(FRAME "\x01")},
    {"a length of 2 GiB", BYTES(FRAME "\xfe\xff\xff\xff\x0f"
                                      "abc")},
    {"the longest length", BYTES(FRAME "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
    {"the most negative length", BYTES(FRAME "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
    {"a number without an end", BYTES(FRAME "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
    {"a number of 65 bits", BYTES(FRAME "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02")},
    {"a branch that does not exist", BYTES(FRAME "\x02x\x04")},
    {"a negative branch", BYTES(FRAME "\x02x\x01")},
};

static void hostile_bytes_are_refused(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
        struct str value = exact(hostile[i].bytes.ptr, hostile[i].bytes.len);
        assert_refused(f, value);
        free((char *)value.ptr);
    }
}

/* Every byte changed to everything: whatever comes of it, nothing is read or leaked beyond it. */
static void a_changed_byte_harms_nothing(void **state)
{
    struct fixture *f = *state;
    struct buf whole;
    struct result sent = {.kind = RESULT_SEND, .tenant_id = STR("t"), .message_id = STR("m")};
    buf_init(&whole, OUT_MAX);
    assert_true(encode_result(f->codec, &sent, &whole, &f->err));
    for (size_t at = 0; at < whole.len; at++) {
        for (int byte = 0; byte < 256; byte++) {
            struct str value = exact(whole.ptr, whole.len);
            struct result got;
            struct err err = {0};
            ((char *)value.ptr)[at] = (char)byte;
            arena_reset(f->arena);
            if (!decode_result(f->codec, f->arena, value, &got, &err))
                assert_int_equal(err.kind, ERR_INVALID);
            free((char *)value.ptr);
        }
    }
    buf_done(&whole);
}

static void a_record_of_another_type_is_refused(void **state)
{
    struct fixture *f = *state;
    struct update got;
    assert_true(encode_webhook_event(f->codec, &an_event, &f->out, &f->err));
    assert_false(decode_update(f->codec, f->arena, buf_str(&f->out), &got, &f->err));
    assert_int_equal(f->err.kind, ERR_INVALID);
    assert_non_null(strstr(f->err.msg, "WebhookEvent"));
}

static void a_record_too_large_for_the_arena_is_refused(void **state)
{
    struct fixture *f = *state;
    struct webhook_event got;
    assert_true(encode_webhook_event(f->codec, &an_event, &f->out, &f->err));
    auto_arena tiny = arena_new(16);
    assert_false(decode_webhook_event(f->codec, tiny, buf_str(&f->out), &got, &f->err));
    assert_int_equal(f->err.kind, ERR_LIMITED);
    assert_false(decode_to_json(f->codec, tiny, buf_str(&f->out), &f->out, &f->err));
    assert_int_equal(f->err.kind, ERR_LIMITED);
}

/* --- other writers -------------------------------------------------------------------------- */

/* What an older release may have written: fewer fields, in another order, an int for a long. */
static const char older_schema[] =
    "{\"type\":\"record\",\"name\":\"WebhookEvent\",\"namespace\":\"postrider\",\"fields\":["
    "{\"name\":\"body\",\"type\":\"bytes\"},"
    "{\"name\":\"received_at\",\"type\":\"int\"},"
    "{\"name\":\"dropped_since\",\"type\":{\"type\":\"array\",\"items\":\"string\"}},"
    "{\"name\":\"provider\",\"type\":\"string\"}]}";

static void put_frame(struct buf *out, uint64_t fingerprint)
{
    buf_put_c(out, "\xc3\x01");
    for (int i = 0; i < 8; i++)
        buf_putc(out, (char)(fingerprint >> (8 * i)));
}

static void what_an_older_writer_did_not_know_is_absent(void **state)
{
    struct fixture *f = *state;
    struct known_schema *older = codec_learn(f->codec, str_of(older_schema), -1, &f->err);
    assert_non_null(older);
    put_frame(&f->out, older->fingerprint);
    buf_put(&f->out, "\x04{}\x0a\x04\x02x\x02y\0\x02p", 12);
    struct webhook_event got = {.account = STR("stale")};
    assert_true(decode_webhook_event(f->codec, f->arena, buf_str(&f->out), &got, &f->err));
    struct webhook_event expected = {.provider = STR("p"), .received_at_ms = 5, .body = STR("{}")};
    assert_event(&got, &expected);
}

static void a_writer_whose_types_do_not_fit_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char schema[] =
        "{\"type\":\"record\",\"name\":\"WebhookEvent\",\"fields\":["
        "{\"name\":\"provider\",\"type\":\"double\"},{\"name\":\"body\",\"type\":\"long\"}]}";
    struct known_schema *s = codec_learn(f->codec, str_of(schema), -1, &f->err);
    assert_non_null(s);
    put_frame(&f->out, s->fingerprint);
    buf_put(&f->out, "\0\0\0\0\0\0\xf0\x3f\x02", 9);
    struct webhook_event got;
    assert_false(decode_webhook_event(f->codec, f->arena, buf_str(&f->out), &got, &f->err));
    assert_int_equal(f->err.kind, ERR_INVALID);
}

/* --- JSON ----------------------------------------------------------------------------------- */

static void assert_json(struct fixture *f, const char *expected)
{
    struct buf json;
    buf_init(&json, OUT_MAX);
    if (!decode_to_json(f->codec, f->arena, buf_str(&f->out), &json, &f->err))
        fail_msg("%s", f->err.msg);
    assert_str(buf_str(&json), str_of(expected));
    buf_done(&json);
}

static void a_record_is_shown_as_json(void **state)
{
    struct fixture *f = *state;
    struct webhook_event v = {.provider = STR("x"),
                              .account = STR("a\"\xff"),
                              .received_at_ms = 5,
                              .body = STR(" {\"n\": 1} ")};
    assert_true(encode_webhook_event(f->codec, &v, &f->out, &f->err));
    assert_json(f, "{\"provider\":\"x\",\"tenant_id\":null,\"account\":\"a\\\"\xef\xbf\xbd\","
                   "\"account_type\":null,\"conversation\":null,\"received_at\":5,"
                   "\"body\":{\"n\": 1}}");
    buf_clear(&f->out);
    v.body = STR("{broken");
    v.account = STR("a");
    assert_true(encode_webhook_event(f->codec, &v, &f->out, &f->err));
    assert_json(f, "{\"provider\":\"x\",\"tenant_id\":null,\"account\":\"a\",\"account_type\":null,"
                   "\"conversation\":null,\"received_at\":5,\"body\":\"{broken\"}");
    buf_clear(&f->out);
    struct result changed = {.kind = RESULT_OBJECT_CHANGED,
                             .tenant_id = STR("t"),
                             .at_ms = 1,
                             .object_kind = STR("message"),
                             .object_id = STR("o")};
    assert_true(encode_result(f->codec, &changed, &f->out, &f->err));
    assert_json(f, "{\"tenant_id\":\"t\",\"at\":1,\"event\":{\"type\":\"ObjectChanged\","
                   "\"object_kind\":\"message\",\"object_id\":\"o\"}}");
}

static void any_schema_is_shown_as_json(void **state)
{
    struct fixture *f = *state;
    static const char schema[] =
        "{\"type\":\"record\",\"name\":\"Any\",\"fields\":["
        "{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":\"int\"}},"
        "{\"name\":\"a\",\"type\":{\"type\":\"array\",\"items\":\"boolean\"}},"
        "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"P\",\"Q\"]}},"
        "{\"name\":\"x\",\"type\":{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}},"
        "{\"name\":\"d\",\"type\":\"double\"},{\"name\":\"f\",\"type\":\"float\"},"
        "{\"name\":\"next\",\"type\":[\"null\",\"Any\"]}]}";
    struct known_schema *s = codec_learn(f->codec, str_of(schema), -1, &f->err);
    assert_non_null(s);
    put_frame(&f->out, s->fingerprint);
    // The map's block is written with its size, the array's in two blocks.
    buf_put(&f->out,
            "\x01\x06\x02k\x0e\0"
            "\x02\x01\x02\0\0"
            "\x02"
            "hi",
            6 + 5 + 1 + 2);
    buf_put(&f->out,
            "\0\0\0\0\0\0\xf8\x3f"
            "\0\0\x80\x7f"
            "\0",
            8 + 4 + 1);
    assert_json(f, "{\"m\":{\"k\":7},\"a\":[true,false],\"e\":\"Q\",\"x\":\"hi\",\"d\":1.5,"
                   "\"f\":null,\"next\":null}");
}

static void names_are_those_of_the_topics(void **state)
{
    (void)state;
    assert_string_equal(topic_name(TOPIC_UPDATES), "updates");
    assert_int_equal(topic_record(TOPIC_RESULTS), RECORD_RESULT);
    assert_string_equal(record_name(RECORD_QUARANTINED), "Quarantined");
}

#define WITH_CODEC(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fingerprint_is_that_of_the_specification),
        cmocka_unit_test(our_schemas_have_the_fingerprints_that_other_clients_compute),
        cmocka_unit_test(a_text_that_is_no_schema_is_refused),
        cmocka_unit_test(names_are_those_of_the_topics),
        WITH_CODEC(a_webhook_event_comes_back_as_it_was),
        WITH_CODEC(a_frame_is_the_specification_s),
        WITH_CODEC(a_send_command_comes_back_as_it_was),
        WITH_CODEC(a_result_is_of_either_kind),
        WITH_CODEC(an_update_comes_back_as_it_was),
        WITH_CODEC(a_quarantined_record_comes_back_with_its_defaults),
        WITH_CODEC(a_record_beyond_the_buffer_s_maximum_is_refused),
        WITH_CODEC(a_record_cut_anywhere_is_refused),
        WITH_CODEC(hostile_bytes_are_refused),
        WITH_CODEC(a_changed_byte_harms_nothing),
        WITH_CODEC(a_record_of_another_type_is_refused),
        WITH_CODEC(a_record_too_large_for_the_arena_is_refused),
        WITH_CODEC(what_an_older_writer_did_not_know_is_absent),
        WITH_CODEC(a_writer_whose_types_do_not_fit_is_refused),
        WITH_CODEC(a_record_is_shown_as_json),
        WITH_CODEC(any_schema_is_shown_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
