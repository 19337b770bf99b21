/* SPDX-License-Identifier: Apache-2.0 */
/* The registry, event keys, and the readers that the adapters share. */
#include <string.h>

#include "fields.h"
#include "test.h"

static void providers_are_found_by_name(void **state)
{
    (void)state;
    assert_string_equal(provider_find(STR("unipile"))->name, "unipile");
    assert_string_equal(provider_find(STR("instagram"))->name, "instagram");
    assert_string_equal(provider_find(STR("messenger"))->name, "messenger");
    assert_string_equal(provider_find(STR("whatsapp"))->name, "whatsapp");
    assert_null(provider_find(STR("instagra")));
    assert_null(provider_find(STR("instagram2")));
    assert_null(provider_find(STR_NONE));
    size_t n = 0;
    for (; provider_at(n); n++)
        assert_ptr_equal(provider_find(str_of(provider_at(n)->name)), provider_at(n));
    assert_null(provider_at(n + 1));
}

static void every_adapter_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; provider_at(i); i++) {
        const struct provider *p = provider_at(i);
        assert_true(p->verify && p->split && p->parse && p->platform && p->normal_type);
        // Where the webhook names no account type, there is a default.
        assert_true(p->scope == SCOPE_TENANT || p->default_account_type);
    }
}

static void every_kind_has_a_name(void **state)
{
    (void)state;
    for (int k = 0; k <= EVENT_UNKNOWN; k++)
        assert_true(strlen(event_kind_name((enum event_kind)k)) > 0);
    assert_string_equal(event_kind_name(EVENT_ACCOUNT_STATUS), "account_status");
}

static void keys_join_what_is_there(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 16);
    struct str parts[] = {STR("m1"), STR_NONE, STR(""), STR("17")};
    assert_true(str_eq(event_key(a, "reaction", parts, 4), STR("reaction:m1::17")));
    assert_true(str_eq(event_key(a, "reaction", parts, 0), STR("reaction")));
}

static struct str key_of(struct arena *a, char fill, size_t n, char last)
{
    char *p = arena_alloc(a, n + 1);
    memset(p, fill, n);
    p[n] = last;
    struct str part = {p, n + 1};
    return event_key(a, "message", &part, 1);
}

static void long_keys_are_short_and_still_tell_apart(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    assert_int_equal(key_of(a, 'x', 87, 'a').len, 96); // just fits: as it is
    assert_true(str_ends(key_of(a, 'x', 87, 'a'), STR("xa")));
    struct str one = key_of(a, 'x', 500, 'a'), two = key_of(a, 'x', 500, 'b');
    assert_int_equal(one.len, 96);
    assert_false(str_eq(one, two));
    assert_true(str_eq(one, key_of(a, 'x', 500, 'a')));
    assert_true(str_starts(one, STR("message:xxxx")));
}

static void short_forms_do_not_cut_characters(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 16);
    for (size_t pad = 0; pad < 5; pad++) {
        struct str part = str_fmt(a, "%.*s%s", (int)pad, "....", "👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍");
        struct str key = event_key(a, "k", &part, 1);
        assert_true(key.len <= 96);
        assert_ptr_equal(str_utf8(a, key).ptr, key.ptr);
    }
    assert_int_equal(str_shorten(STR("añb"), 2).len, 1);
    assert_int_equal(str_shorten(STR("añb"), 3).len, 3);
    assert_int_equal(str_shorten(STR("añb"), 4).len, 4);
}

static void keys_of_bytes_depend_on_each_byte_and_the_index(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 16);
    struct str one = event_key_of_bytes(a, STR("{\"a\":1}"), 0);
    assert_true(str_eq(one, event_key_of_bytes(a, STR("{\"a\":1}"), 0)));
    assert_false(str_eq(one, event_key_of_bytes(a, STR("{\"a\":1}"), 1)));
    assert_false(str_eq(one, event_key_of_bytes(a, STR("{\"a\":2}"), 0)));
}

static void times_come_in_every_unit(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int64_t at_ms;
    } cases[] = {
        {"1767225601", 1767225601000},
        {"\"1767225601\"", 1767225601000},
        {"1767225601000", 1767225601000},
        {"\"1767225601000\"", 1767225601000},
        {"\"2026-01-01T00:00:01.000Z\"", 1767225601000},
        {"\"2026-01-01T02:00:01+02:00\"", 1767225601000},
        {"0", 0},
        {"-5", 0},
        {"99999999999", 99999999999000},
        {"100000000000", 100000000000},
        {"253402300799999", 253402300799999},
        {"253402300800000", 0},
        {"9223372036854775808", 0},
        {"\"\"", 0},
        {"true", 0},
        {"{}", 0},
        {"\"1969-12-31T23:59:59Z\"", 0},
    };
    auto_arena a = arena_new(1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        const struct json *v = json_parse(a, str_of(cases[i].json), &err);
        assert_non_null(v);
        assert_true(field_time(a, v) == cases[i].at_ms);
    }
    assert_true(field_time(a, NULL) == 0);
}

static void phone_numbers_are_e164_or_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"15550100002", "+15550100002"},
        {"+15550100002", "+15550100002"},
        {"hidden", ""},
        {"0155501000", ""},
        {"123456", ""},
        {"1234567890123456", ""},
        {"1555 010 0002", ""},
        {"", ""},
        {"+", ""},
    };
    auto_arena a = arena_new(1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_true(str_eq_c(phone_e164(a, str_of(cases[i].in)), cases[i].out));
}

static void extra_takes_what_is_there(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 16);
    struct err err = {0};
    struct extra x;
    struct str out;
    extra_init(&x);
    extra_str(&x, "none", STR_NONE);
    extra_true(&x, "no", false);
    extra_int(&x, "no", NULL);
    static const char *const no_seconds[] = {"", "x", "1.x", "-1", "1e3", "99999999999"};
    for (size_t i = 0; i < ARRAY_LEN(no_seconds); i++)
        extra_ms(&x, "no", str_of(no_seconds[i]));
    assert_true(extra_done(&x, a, &out, &err));
    assert_null(out.ptr);

    extra_init(&x);
    extra_str(&x, "a", STR("q\"\n"));
    extra_true(&x, "b", true);
    extra_ms(&x, "c", STR("4.25"));
    extra_ms(&x, "d", STR("7"));
    extra_ms(&x, "e", STR("0.1239"));
    assert_true(extra_done(&x, a, &out, &err));
    assert_true(str_eq_c(out, "{\"a\":\"q\\\"\\n\",\"b\":true,\"c\":4250,\"d\":7000,\"e\":123}"));
}

static struct str extra_of(struct arena *a, const char *json)
{
    struct err err = {0};
    struct extra x;
    struct str out;
    const struct json *v = json_parse(a, str_of(json), &err);
    assert_non_null(v);
    extra_init(&x);
    extra_number(&x, "n", v);
    extra_copy(&x, a, "v", v);
    assert_true(extra_done(&x, a, &out, &err));
    return out;
}

static void extra_copies_what_a_database_takes(void **state)
{
    (void)state;
    static const struct {
        const char *json, *out;
    } cases[] = {
        {"59.91", "{\"n\":59.91,\"v\":59.91}"},
        {"\"-0.5\"", "{\"n\":-0.5,\"v\":\"-0.5\"}"},
        {"1e999999", "{\"v\":\"1e999999\"}"},
        {"12345678901234567890123456789012345678901",
         "{\"v\":\"12345678901234567890123456789012345678901\"}"},
        {"\"007\"", "{\"v\":\"007\"}"},
        {"\"1.\"", "{\"v\":\"1.\"}"},
        {"\".5\"", "{\"v\":\".5\"}"},
        {"\"1.2.3\"", "{\"v\":\"1.2.3\"}"},
        {"\"-\"", "{\"v\":\"-\"}"},
        {"\"\"", ""},
        {"null", ""},
        {"{}", ""},
        {"[]", ""},
        {"true", "{\"v\":true}"},
        {"{\"a\":[1,null,{\"b\":false,\"c\":null}],\"k\\u0000\":\"\\ud83d\"}",
         "{\"v\":{\"a\":[1,null,{\"b\":false}],\"k\xef\xbf\xbd\":\"\xef\xbf\xbd\"}}"},
    };
    auto_arena a = arena_new(1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_true(str_eq_c(extra_of(a, cases[i].json), cases[i].out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(providers_are_found_by_name),
        cmocka_unit_test(every_adapter_is_whole),
        cmocka_unit_test(every_kind_has_a_name),
        cmocka_unit_test(keys_join_what_is_there),
        cmocka_unit_test(long_keys_are_short_and_still_tell_apart),
        cmocka_unit_test(short_forms_do_not_cut_characters),
        cmocka_unit_test(keys_of_bytes_depend_on_each_byte_and_the_index),
        cmocka_unit_test(times_come_in_every_unit),
        cmocka_unit_test(phone_numbers_are_e164_or_nothing),
        cmocka_unit_test(extra_takes_what_is_there),
        cmocka_unit_test(extra_copies_what_a_database_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
