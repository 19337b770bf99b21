/* SPDX-License-Identifier: Apache-2.0 */
/* UniPile: the header that proves a delivery, account types, and what keys depend on. */
#include "golden/properties.h"
#include "golden/request.h"
#include "test.h"
#include "unipile.h"

static const struct provider *unipile;

static enum err_kind verify(const char *header, size_t n)
{
    struct request r = {.headers = {{"unipile-auth", str_of(header)}}};
    struct webhook in = request_webhook(&r, STR("{}"));
    const struct str secrets[] = {STR("secret-of-version-2"), STR("secret-of-version-1")};
    struct secrets s = {.plain = secrets, .n_plain = n};
    struct err err = {0};
    return unipile->verify(&in, &s, &err) ? ERR_NONE : err.kind;
}

static void the_header_must_be_one_of_the_active_secrets(void **state)
{
    (void)state;
    assert_int_equal(verify("secret-of-version-2", 2), ERR_NONE);
    assert_int_equal(verify("secret-of-version-1", 2), ERR_NONE);
    assert_int_equal(verify("secret-of-version-1", 1), ERR_DENIED);
    assert_int_equal(verify("secret-of-version-", 2), ERR_DENIED);
    assert_int_equal(verify("secret-of-version-11", 2), ERR_DENIED);
    assert_int_equal(verify("secret-of-version-2", 0), ERR_DENIED);
    assert_int_equal(verify("", 2), ERR_UNPROVEN);
    assert_int_equal(verify(NULL, 2), ERR_UNPROVEN);
}

static void account_types_have_one_spelling_and_a_platform(void **state)
{
    (void)state;
    static const struct {
        const char *sent, *normal, *platform;
    } cases[] = {
        {"WHATSAPP", "WHATSAPP", "whatsapp"},
        {"INSTAGRAM", "INSTAGRAM", "instagram"},
        {"LINKEDIN", "LINKEDIN", "linkedin"},
        {"TELEGRAM", "TELEGRAM", "telegram"},
        {"MESSENGER", "MESSENGER", "messenger"},
        {"TWITTER", "TWITTER", "x"},
        {"X_TWITTER", "TWITTER", "x"},
        {"whatsapp", "WHATSAPP", "whatsapp"},
        {"GOOGLE_OAUTH", "GOOGLE_OAUTH", "other"},
        {"", "", "other"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(str_eq_c(unipile->normal_type(str_of(cases[i].sent)), cases[i].normal));
        assert_string_equal(unipile->platform(str_of(cases[i].sent)), cases[i].platform);
    }
    assert_null(unipile->normal_type(STR_NONE).ptr);
}

static struct event parse(struct arena *a, const char *body)
{
    struct unit unit = {.body = str_of(body)};
    struct events ev = {0};
    struct err err = {0};
    assert_true(unipile->parse(a, &unit, &ev, &err));
    assert_int_equal(ev.n, 1);
    return ev.items[0];
}

#define MESSAGE(id, rest)                                                                         \
    "{\"event\":\"message_received\",\"account_id\":\"a\",\"chat_id\":\"c\",\"message_id\":\"" id \
    "\"" rest "}"

static void a_message_has_one_key_however_it_is_delivered(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct event one = parse(a, MESSAGE("m1", ",\"message\":\"x\",\"timestamp\":1767225601"));
    struct event two =
        parse(a, MESSAGE("m1", ",\"webhook_name\":\"b\",\"is_event\":1,\"timestamp\":2"));
    struct event other = parse(a, MESSAGE("m2", ",\"message\":\"x\",\"timestamp\":1767225601"));
    assert_true(str_eq(one.key, two.key));
    assert_false(str_eq(one.key, other.key));
    assert_false(one.key_is_weak);
}

#define REACTION(emoji, who, at)                                                                   \
    "{\"event\":\"message_reaction\",\"account_id\":\"a\",\"chat_id\":\"c\",\"message_id\":\"m\"," \
    "\"reaction\":\"" emoji "\",\"reaction_sender\":{\"attendee_provider_id\":\"" who "\"},"       \
    "\"timestamp\":" at "}"

static void reactions_differ_by_emoji_person_and_time(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    static const char *const bodies[] = {
        REACTION("x", "p", "1767225601"), REACTION("", "p", "1767225601"),
        REACTION("y", "p", "1767225601"), REACTION("x", "q", "1767225601"),
        REACTION("x", "p", "1767225602"),
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        for (size_t j = 0; j < ARRAY_LEN(bodies); j++) {
            bool same = str_eq(parse(a, bodies[i]).key, parse(a, bodies[j]).key);
            assert_int_equal(same, i == j);
        }
    }
    assert_true(parse(a, REACTION("x", "p", "null")).key_is_weak);
}

static void an_account_status_may_come_again(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct event ev = parse(
        a,
        "{\"AccountStatus\":{\"account_id\":\"a\",\"account_type\":\"TELEGRAM\",\"message\":\"OK\"}}");
    assert_int_equal(ev.kind, EVENT_ACCOUNT_STATUS);
    assert_true(ev.key_is_weak);
}

static void useless_events_are_none(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct webhook in = {.body = STR("{\"event\":\"new_relation\",\"account_id\":\"a\"}")};
    struct units units = {0};
    struct events ev = {0};
    struct err err = {0};
    assert_true(unipile->split(a, &in, &units, &err));
    assert_int_equal(units.n, 1);
    assert_true(unipile->parse(a, units.items, &ev, &err));
    assert_int_equal(ev.n, 0);
}

static void bodies_made_to_be_large_find_room_or_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *head, *item, *tail;
    } cases[] = {
        {MESSAGE("m", ",\"attachments\":["), "0,", "0]}"},
        {MESSAGE("m", ",\"attendees\":["), "{},", "{}]}"},
        {MESSAGE("m", ",\"message\":\""), "\xff", "\"}"},
        {MESSAGE("m", ",\"quoted\":{\"text\":\""), "\\u0001", "\"}}"},
        {"{\"account_id\":\"a\",\"event\":\"", "\xff", "\"}"},
        {"[", "0,", "0]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b;
        buf_init(&b, 1 << 20);
        // The brace that MESSAGE closes is opened again by what follows.
        buf_put(&b, cases[i].head, strlen(cases[i].head) - (i < 4));
        while (b.len < (1 << 20) - 200)
            buf_put_c(&b, cases[i].item);
        buf_put_c(&b, cases[i].tail);
        (void)check_body(unipile, buf_str(&b));
        buf_done(&b);
    }
}

static int setup(void **state)
{
    (void)state;
    unipile = provider_find(STR("unipile"));
    return unipile ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_must_be_one_of_the_active_secrets),
        cmocka_unit_test(account_types_have_one_spelling_and_a_platform),
        cmocka_unit_test(a_message_has_one_key_however_it_is_delivered),
        cmocka_unit_test(reactions_differ_by_emoji_person_and_time),
        cmocka_unit_test(an_account_status_may_come_again),
        cmocka_unit_test(useless_events_are_none),
        cmocka_unit_test(bodies_made_to_be_large_find_room_or_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
