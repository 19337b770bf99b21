/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "test.h"

static const char sample[] =
    "{\"object\":\"instagram\",\"entry\":[{\"id\":17841400000000001,\"time\":1767225601000,"
    "\"messaging\":[{\"sender\":{\"id\":\"980000000000000001\"},\"message\":{\"mid\":\"aWdf\","
    "\"text\":\"caf\\u00e9 \\ud83d\\ude00 \xC3\xA9 \\\"q\\\"\",\"is_echo\":false,\"n\":-0.5e+10,"
    "\"empty\":{},\"none\":[],\"x\":null}}]}]\n}";

/* A copy of exactly the text's size, so that a sanitizer sees each byte read past it. */
static const struct json *parse(struct arena *a, struct str text, struct err *err)
{
    char *exact = xstrndup(text.ptr, text.len);
    char *tight = malloc(text.len ? text.len : 1);
    assert_non_null(tight);
    memcpy(tight, exact, text.len);
    free(exact);
    const struct json *root = json_parse(a, (struct str){tight, text.len}, err);
    if (root) {
        // What was parsed points into the text: keep that in the arena, and parse it there.
        root = json_parse(a, str_dup(a, text), err);
        assert_non_null(root);
    }
    free(tight);
    return root;
}

static bool is_json(struct str text)
{
    auto_arena a = arena_new(1 << 20);
    struct err err = {0};
    const struct json *root = parse(a, text, &err);
    assert_true(root || (err.kind == ERR_INVALID && err.msg[0] != '\0'));
    return root != NULL;
}

static void valid_texts_are_read(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "0",
        "-0",
        "1",
        "-1.5",
        "1e9",
        "1E+9",
        "1.25e-9",
        "0.5",
        "0e1",
        "true",
        "false",
        "null",
        "\"\"",
        "[]",
        "{}",
        " [ ] ",
        "\t{\r\n}\n",
        "[1,2,3]",
        "[[],[[]],{}]",
        "{\"a\":{\"b\":[{}]}}",
        "{\"\":0}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u12aF\"",
        "\"\x7f\"",
        "[1 , 2]",
        "{ \"a\" : 1 , \"b\" : [ ] }",
        "123456789012345678901234567890",
        "\"0123456789abcdef0123456789abcdef\\n0123456789abcdef\"",
        "                                                  1",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (!is_json(str_of(cases[i])))
            fail_msg("refused: %s", cases[i]);
    }
}

static void invalid_texts_are_refused(void **state)
{
    (void)state;
    static const struct str cases[] = {
        STR(""),
        STR(" "),
        STR("\n\t"),
        STR("tru"),
        STR("True"),
        STR("nul"),
        STR("nulll"),
        STR("truefalse"),
        STR("01"),
        STR("-"),
        STR("-01"),
        STR("+1"),
        STR("1."),
        STR(".5"),
        STR("1.e1"),
        STR("1e"),
        STR("1e+"),
        STR("0x10"),
        STR("1_000"),
        STR("Infinity"),
        STR("NaN"),
        STR("-a"),
        STR("1a"),
        STR("["),
        STR("]"),
        STR("[1"),
        STR("[1,"),
        STR("[1,]"),
        STR("[,1]"),
        STR("[1 2]"),
        STR("[1}"),
        STR("{"),
        STR("}"),
        STR("{1:2}"),
        STR("{\"a\"}"),
        STR("{\"a\":}"),
        STR("{\"a\":1,}"),
        STR("{\"a\" 1}"),
        STR("{\"a\":1 \"b\":2}"),
        STR("{a:1}"),
        STR("{'a':1}"),
        STR("{\"a\":1]"),
        STR("{,}"),
        STR("{\"a\":1}}"),
        STR("[] []"),
        STR("1 2"),
        STR("{}x"),
        STR("[]\0"),
        STR("\0"),
        STR("\""),
        STR("\"a"),
        STR("\"\\\""),
        STR("\"\\"),
        STR("\"\\x\""),
        STR("\"\\u12\""),
        STR("\"\\u12g4\""),
        STR("\"\\u123"),
        STR("\"\\U0041\""),
        STR("\"a\nb\""),
        STR("\"a\tb\""),
        STR("\"a\0b\""),
        STR("\"0123456789abcdef\x1f 0123456789abcdef\""),
        STR("\"\x01\""),
        STR("// c\n1"),
        STR("/**/1"),
        STR("\xEF\xBB\xBF{}"),
        STR("\x0b[]"),
        STR("\x0c[]"),
        STR("[1]\xC2\xA0"),
        STR("\xFF\xFE"),
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (is_json(cases[i]))
            fail_msg("accepted: case %zu, %.*s", i, STR_ARG(cases[i]));
    }
}

static void every_cut_of_a_text_is_an_error(void **state)
{
    (void)state;
    assert_true(is_json(str_of(sample)));
    for (size_t n = 0; n < sizeof(sample) - 1; n++)
        assert_false(is_json((struct str){sample, n}));
}

static void every_changed_byte_is_read_or_refused(void **state)
{
    (void)state;
    char text[sizeof(sample)];
    for (size_t at = 0; at < sizeof(sample) - 1; at++) {
        memcpy(text, sample, sizeof(text));
        static const char bytes[] = "\"\\{}[],:0-eu\0\n \xff";
        for (size_t k = 0; k < sizeof(bytes) - 1; k++) {
            text[at] = bytes[k];
            is_json((struct str){text, sizeof(text) - 1});
        }
    }
}

static void errors_name_the_byte(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 16);
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "empty"},
        {"  ", "byte 2"},
        {"{\"a\":1,}", "byte 7: want a key"},
        {"[1 2]", "byte 3: want a comma or ]"},
        {"{\"a\":1", "ends at byte 6: want a comma or }"},
        {"[1]x", "byte 3: want nothing after"},
        {"\"a\nb\"", "byte 2: want control characters"},
        {"[\"\\q\"]", "byte 3: want an escape"},
        {"[012]", "byte 2: want no digit"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        assert_null(json_parse(a, str_of(cases[i].text), &err));
        assert_int_equal(err.kind, ERR_INVALID);
        if (!strstr(err.msg, cases[i].part))
            fail_msg("'%s' does not say '%s'", err.msg, cases[i].part);
    }
    struct err err;
    assert_null(json_parse(a, STR_NONE, &err));
}

static void put_times(struct buf *b, const char *text, int n)
{
    for (int i = 0; i < n; i++)
        buf_put_c(b, text);
}

static void nesting_has_a_limit(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    for (int depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        buf_clear(&b);
        put_times(&b, "[", depth);
        put_times(&b, "]", depth);
        assert_int_equal(is_json(buf_str(&b)), depth <= JSON_DEPTH_MAX);
        buf_clear(&b);
        put_times(&b, "{\"a\":", depth);
        put_times(&b, "1", 1);
        put_times(&b, "}", depth);
        assert_int_equal(is_json(buf_str(&b)), depth <= JSON_DEPTH_MAX);
        // Siblings are not nested.
        buf_clear(&b);
        put_times(&b, "[", 1);
        put_times(&b, "{},[],", depth);
        put_times(&b, "0]", 1);
        assert_true(is_json(buf_str(&b)));
    }
    buf_done(&b);
}

static void a_document_too_large_for_the_arena_is_limited(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    put_times(&b, "[", 1);
    put_times(&b, "1,", 9999);
    put_times(&b, "1]", 1);
    auto_arena small = arena_new(64 << 10);
    auto_arena large = arena_new(4 << 20);
    struct err err = {0};
    assert_null(json_parse(small, buf_str(&b), &err));
    assert_int_equal(err.kind, ERR_LIMITED);
    // Room is left for what the caller wants to say about it.
    assert_true(arena_room(small) > 1000);
    // With room it grows beyond its first guess.
    const struct json *root = json_parse(large, buf_str(&b), &err);
    assert_non_null(root);
    assert_int_equal(root->n, 10000);
    buf_done(&b);
}

static void the_tree_can_be_walked(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 16);
    struct err err;
    struct str text = str_of(sample);
    const struct json *root = json_parse(a, text, &err);
    assert_non_null(root);
    assert_int_equal(root->n, 2);
    assert_true(str_eq(root->span, text));
    const struct json *entry = json_first(json_get(root, "entry"));
    assert_true(json_is(entry, JSON_OBJECT));
    assert_null(json_next(json_get(root, "entry"), entry));
    assert_true(str_starts(entry->span, STR("{\"id\":178")));
    assert_true(str_ends(entry->span, STR("}]}")));

    const struct json *message = json_get(json_first(json_get(entry, "messaging")), "message");
    static const char *const keys[] = {"mid", "text", "is_echo", "n", "empty", "none", "x"};
    size_t i = 0;
    for (const struct json *v = json_first(message); v; v = json_next(message, v))
        assert_true(str_eq_c(json_text(a, json_key(v)), keys[i++]));
    assert_int_equal(i, ARRAY_LEN(keys));
    assert_int_equal(message->n, ARRAY_LEN(keys));
    assert_true(str_eq(json_text(a, json_get(message, "text")),
                       STR("caf\xC3\xA9 \xF0\x9F\x98\x80 \xC3\xA9 \"q\"")));
    assert_null(json_first(json_get(message, "empty")));
    assert_null(json_first(json_get(message, "none")));
}

static void absence_is_taken_everywhere(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 16);
    struct err err;
    const struct json *root = json_parse(a, STR("{\"null\":null,\"s\":\"x\",\"a\":[1]}"), &err);
    assert_null(json_get(root, "null"));
    assert_null(json_get(root, "missing"));
    assert_null(json_get(json_get(root, "s"), "x"));
    assert_null(json_get(json_get(root, "a"), "x"));
    assert_null(json_get(NULL, "x"));
    assert_null(json_first(NULL));
    assert_null(json_first(json_get(root, "s")));
    assert_null(json_next(NULL, NULL));
    assert_null(json_key(NULL));
    assert_null(json_text(a, NULL).ptr);
    assert_null(json_text(a, json_get(root, "a")).ptr);
    assert_false(json_is(NULL, JSON_NULL));
    assert_false(json_truthy(NULL));
    int64_t v;
    assert_false(json_i64(NULL, &v));
}

static void of_duplicate_keys_the_last_counts(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 16);
    struct err err;
    const struct json *root = json_parse(
        a, STR("{\"a\":1,\"b\":[1,{\"a\":9}],\"a\":2,\"c\":3,\"c\":null,\"\\u0061\":4}"), &err);
    assert_true(str_eq(json_text(a, json_get(root, "a")), STR("4")));
    assert_null(json_get(root, "c"));
    assert_int_equal(json_get(root, "b")->n, 2);
}

static void keys_match_by_their_text(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 16);
    struct err err;
    const struct json *root = json_parse(
        a, STR("{\"\\u0061b\":1,\"abc\":2,\"\xC3\xA9\":3,\"\\ud83d\\ude00\":4,\"a\":5,\"\":6}"),
        &err);
    assert_true(str_eq(json_get(root, "ab")->raw, STR("1")));
    assert_true(str_eq(json_get(root, "abc")->raw, STR("2")));
    assert_true(str_eq(json_get(root, "\xC3\xA9")->raw, STR("3")));
    assert_true(str_eq(json_get(root, "\xF0\x9F\x98\x80")->raw, STR("4")));
    assert_true(str_eq(json_get(root, "a")->raw, STR("5")));
    assert_true(str_eq(json_get(root, "")->raw, STR("6")));
    assert_null(json_get(root, "abcd"));
}

#define BAD "\xEF\xBF\xBD"

static void strings_are_decoded(void **state)
{
    (void)state;
    static const struct {
        struct str json, text;
        bool plain;
    } cases[] = {
        {STR("\"\""), STR(""), true},
        {STR("\"abc\""), STR("abc"), true},
        {STR("\"0123456789abcdefXYZ\""), STR("0123456789abcdefXYZ"), true},
        {STR("\"0123456789abcd\xC3\xA9\""), STR("0123456789abcd\xC3\xA9"), false},
        {STR("\"\xC3\xA9 0123456789abcdefghijklmnop\""), STR("\xC3\xA9 0123456789abcdefghijklmnop"),
         false},
        {STR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), STR("\"\\/\b\f\n\r\t"), false},
        {STR("\"\\u0041\\u00E9\\u20ac\""), STR("A\xC3\xA9\xE2\x82\xAC"), false},
        {STR("\"\\ud83d\\ude00\""), STR("\xF0\x9F\x98\x80"), false},
        {STR("\"\\uDBFF\\uDFFF\""), STR("\xF4\x8F\xBF\xBF"), false},
        {STR("\"\\ud83d\""), STR(BAD), false},
        {STR("\"\\ud83dx\""), STR(BAD "x"), false},
        {STR("\"\\ude00\""), STR(BAD), false},
        {STR("\"\\ude00\\ud83d\""), STR(BAD BAD), false},
        {STR("\"\\ud83d\\ud83d\\ude00\""), STR(BAD "\xF0\x9F\x98\x80"), false},
        {STR("\"\\ud83d\\u0041\""), STR(BAD "A"), false},
        {STR("\"\\ud83d\\n\""), STR(BAD "\n"), false},
        {STR("\"a\\u0000b\""), STR("a" BAD "b"), false},
        {STR("\"\xff\""), STR(BAD), false},
        {STR("\"a\xC3\\n\""), STR("a" BAD "\n"), false},
        {STR("\"\xED\xA0\xBD\""), STR(BAD BAD BAD), false},
        {STR("12345678901234567890"), STR("12345678901234567890"), false},
        {STR("-1.50"), STR("-1.50"), false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = arena_new(1 << 16);
        struct err err;
        const struct json *v = json_parse(a, cases[i].json, &err);
        assert_non_null(v);
        assert_int_equal(v->is_plain, cases[i].plain);
        assert_true(str_eq(v->span, cases[i].json));
        if (!str_eq(json_text(a, v), cases[i].text))
            fail_msg("case %zu", i);
    }
}

static void the_end_of_a_plain_run_is_seen_at_every_offset(void **state)
{
    (void)state;
    // The scan works on sixteen bytes at a time: whatever comes must be seen at each place in them.
    static const struct {
        struct str what, text;
        bool plain;
    } cases[] = {
        {STR("x"), STR("x"), true},
        {STR("\\n"), STR("\n"), false},
        {STR("\xC3\xA9"), STR("\xC3\xA9"), false},
    };
    for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
        for (size_t before = 0; before < 50; before++) {
            for (size_t after = 0; after < 20; after++) {
                auto_arena a = arena_new(1 << 16);
                struct err err;
                static const char as[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
                // After the string stands something that is not ASCII: it is no part of it.
                struct str text = str_fmt(a, "[\"%.*s%.*s%.*s\",\"\xC3\xA9\"]", (int)before, as,
                                          STR_ARG(cases[c].what), (int)after, as);
                const struct json *v = json_first(json_parse(a, text, &err));
                assert_non_null(v);
                assert_int_equal(v->is_plain, cases[c].plain);
                struct str want = str_fmt(a, "%.*s%.*s%.*s", (int)before, as,
                                          STR_ARG(cases[c].text), (int)after, as);
                assert_true(str_eq(json_text(a, v), want));
            }
        }
    }
}

static void integers_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool ok;
        int64_t value;
    } cases[] = {
        {"1767225601000", true, 1767225601000},
        {"\"1767225601000\"", true, 1767225601000},
        {"9007199254740993", true, 9007199254740993},
        {"-5", true, -5},
        {"\"-5\"", true, -5},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"1.0", false, 0},
        {"1e3", false, 0},
        {"\"\"", false, 0},
        {"\" 1\"", false, 0},
        {"\"1x\"", false, 0},
        {"\"\\u0031\"", false, 0},
        {"true", false, 0},
        {"[1]", false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = arena_new(1 << 16);
        struct err err;
        int64_t v = 42;
        assert_int_equal(json_i64(json_parse(a, str_of(cases[i].json), &err), &v), cases[i].ok);
        assert_int_equal(v, cases[i].ok ? cases[i].value : 42);
    }
}

static void truth_is_narrow(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool truth;
    } cases[] = {
        {"true", true},   {"\"true\"", true},   {"1", true},     {"\"1\"", true},
        {"false", false}, {"0", false},         {"\"\"", false}, {"null", false},
        {"[]", false},    {"\"false\"", false}, {"10", false},   {"-1", false},
        {"{}", false},    {"\"no\"", false},    {"1.0", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = arena_new(1 << 16);
        struct err err;
        assert_int_equal(json_truthy(json_parse(a, str_of(cases[i].json), &err)), cases[i].truth);
    }
}

static void the_writer_sets_commas(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    struct json_out o = {.buf = &b};
    json_open(&o, '{');
    json_put_str(&o, "s", STR("x"));
    json_put_str(&o, "none", STR_NONE);
    json_put_int(&o, "min", INT64_MIN);
    json_put_int(&o, "max", INT64_MAX);
    json_put_int(&o, "zero", 0);
    json_put_bool(&o, "yes", true);
    json_put_raw(&o, "raw", STR("[1]"));
    json_put_raw(&o, "no_raw", STR_NONE);
    json_put_time(&o, "at", 1767323045678);
    json_put_time(&o, "never", 0);
    json_key_out(&o, "list");
    json_open(&o, '[');
    json_open(&o, '{');
    json_close(&o, '}');
    json_open(&o, '[');
    json_close(&o, ']');
    json_bool(&o, false);
    json_null(&o);
    json_raw(&o, STR("{}"));
    json_close(&o, ']');
    json_key_out(&o, "last");
    json_int(&o, -1);
    json_close(&o, '}');
    assert_true(str_eq(buf_str(&b),
                       STR("{\"s\":\"x\",\"none\":null,\"min\":-9223372036854775808,"
                           "\"max\":9223372036854775807,\"zero\":0,\"yes\":true,\"raw\":[1],"
                           "\"no_raw\":null,\"at\":\"2026-01-02T03:04:05.678Z\",\"never\":null,"
                           "\"list\":[{},[],false,null,{}],\"last\":-1}")));
    buf_done(&b);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    // Every ASCII byte but NUL, and a character of each length, at every offset in the scan.
    char all[160];
    size_t n = 0;
    for (int c = 1; c < 0x80; c++)
        all[n++] = (char)c;
    static const char more[] = "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80";
    memcpy(all + n, more, sizeof(more) - 1);
    n += sizeof(more) - 1;
    for (size_t from = 0; from < n - 9; from++) {
        auto_arena a = arena_new(1 << 16);
        struct err err;
        struct buf b;
        buf_init(&b, 4096);
        struct json_out o = {.buf = &b};
        struct str text = {all + from, n - from};
        json_str(&o, text);
        const struct json *v = json_parse(a, buf_str(&b), &err);
        assert_non_null(v);
        assert_true(str_eq(json_text(a, v), text));
        buf_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_texts_are_read),
        cmocka_unit_test(invalid_texts_are_refused),
        cmocka_unit_test(every_cut_of_a_text_is_an_error),
        cmocka_unit_test(every_changed_byte_is_read_or_refused),
        cmocka_unit_test(errors_name_the_byte),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(a_document_too_large_for_the_arena_is_limited),
        cmocka_unit_test(the_tree_can_be_walked),
        cmocka_unit_test(absence_is_taken_everywhere),
        cmocka_unit_test(of_duplicate_keys_the_last_counts),
        cmocka_unit_test(keys_match_by_their_text),
        cmocka_unit_test(strings_are_decoded),
        cmocka_unit_test(the_end_of_a_plain_run_is_seen_at_every_offset),
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(truth_is_narrow),
        cmocka_unit_test(the_writer_sets_commas),
        cmocka_unit_test(what_is_written_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
