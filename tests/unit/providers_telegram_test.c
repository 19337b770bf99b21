/* SPDX-License-Identifier: Apache-2.0 */
/* Telegram: the header and the path that prove a delivery, whose account it is, and what keys
 * depend on. */
#include "golden/properties.h"
#include "golden/request.h"
#include "telegram.h"
#include "test.h"

#define BOT "8000000001"

static const struct provider *telegram;

/* --- proof ------------------------------------------------------------------------------------ */

static enum err_kind verify(const char *header, const char *path_rest, size_t n)
{
    struct request r = {.headers = {{"x-telegram-bot-api-secret-token", str_of(header)}}};
    struct webhook in = request_webhook(&r, STR("{}"));
    in.path_rest = str_of(path_rest);
    const struct str secrets[] = {STR("secret-of-version-2"), STR("secret-of-version-1")};
    struct secrets s = {.plain = secrets, .n_plain = n};
    struct err err = {0};
    return telegram->verify(&in, &s, &err) ? ERR_NONE : err.kind;
}

static void the_header_must_be_one_of_the_active_secrets(void **state)
{
    (void)state;
    assert_int_equal(verify("secret-of-version-2", BOT, 2), ERR_NONE);
    assert_int_equal(verify("secret-of-version-1", BOT, 2), ERR_NONE);
    assert_int_equal(verify("secret-of-version-1", BOT, 1), ERR_DENIED);
    assert_int_equal(verify("secret-of-version-", BOT, 2), ERR_DENIED);
    assert_int_equal(verify("secret-of-version-11", BOT, 2), ERR_DENIED);
    assert_int_equal(verify("secret-of-version-2", BOT, 0), ERR_DENIED);
    assert_int_equal(verify("", BOT, 2), ERR_UNPROVEN);
    assert_int_equal(verify(NULL, BOT, 2), ERR_UNPROVEN);
}

static void the_path_must_name_a_bot_and_only_who_has_the_secret_learns_it(void **state)
{
    (void)state;
    static const char *const none[] = {
        NULL,
        "",
        "0",
        "08000000001",
        "-1",
        "+1",
        "1e9",
        "8000000001x",
        "8000000001:AAtoken",
        " 8000000001",
        "12345678901234567890",
    };
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        assert_int_equal(verify("secret-of-version-2", none[i], 2), ERR_ABSENT);
        assert_int_equal(verify("wrong", none[i], 2), ERR_DENIED);
        assert_int_equal(verify("", none[i], 2), ERR_UNPROVEN);
    }
    assert_int_equal(verify("secret-of-version-2", "1234567890123456789", 2), ERR_NONE);
}

/* --- units ------------------------------------------------------------------------------------ */

static void the_unit_carries_the_bot_of_the_path_and_events_are_its(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct str body = STR("{\"update_id\":1,\"message\":{\"message_id\":2,\"from\":{\"id\":3},"
                          "\"chat\":{\"id\":3,\"type\":\"private\"},\"date\":4,\"text\":\"x\"}}");
    static const char *const bots[] = {"77", BOT};
    for (size_t i = 0; i < ARRAY_LEN(bots); i++) {
        struct webhook in = {.body = body, .path_rest = str_of(bots[i])};
        struct units units = {0};
        struct events ev = {0};
        struct err err = {0};
        assert_true(telegram->split(a, &in, &units, &err));
        assert_int_equal(units.n, 1);
        assert_true(str_eq_c(units.items->account, bots[i]));
        assert_true(str_eq_c(units.items->account_type, "bot"));
        assert_ptr_equal(units.items->body.ptr, body.ptr);
        // As the router has it: the body alone would not do.
        struct unit unit = {.account = str_of(bots[i]), .body = body};
        assert_true(telegram->parse(a, &unit, &ev, &err));
        assert_int_equal(ev.n, 1);
        assert_true(str_eq_c(ev.items->account, bots[i]));
        assert_true(str_eq_c(ev.items->recipient, bots[i]));
    }
    struct webhook in = {.body = body};
    struct units units = {0};
    struct err err = {0};
    assert_false(telegram->split(a, &in, &units, &err));
    assert_int_equal(err.kind, ERR_INVALID);
}

/* --- keys ------------------------------------------------------------------------------------- */

static struct event parse(struct arena *a, const char *body)
{
    struct unit unit = {.account = STR(BOT), .body = str_of(body)};
    struct events ev = {0};
    struct err err = {0};
    assert_true(telegram->parse(a, &unit, &ev, &err));
    assert_int_equal(ev.n, 1);
    return ev.items[0];
}

#define UPDATE(id, kind, rest) "{\"update_id\":" id ",\"" kind "\":{" rest "}}"
#define CHAT(id)               "\"chat\":{\"id\":" id ",\"type\":\"private\"},\"from\":{\"id\":" id "}"
#define TEXT(id)               "\"message_id\":" id ",\"date\":1767225601,\"text\":\"x\","

static void a_message_has_one_key_under_any_update_id(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct event one = parse(a, UPDATE("1", "message", TEXT("5") CHAT("7")));
    struct event again = parse(a, UPDATE("2", "message", TEXT("5") CHAT("7")));
    static const char *const others[] = {
        UPDATE("1", "message", TEXT("6") CHAT("7")),
        UPDATE("1", "message", TEXT("5") CHAT("8")),
        UPDATE("1", "business_message", TEXT("5") CHAT("7") ",\"business_connection_id\":\"c\""),
    };
    assert_true(str_eq(one.key, again.key));
    assert_true(str_eq(one.external_id, again.external_id));
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        struct event other = parse(a, others[i]);
        assert_false(str_eq(one.key, other.key));
        assert_false(str_eq(one.external_id, other.external_id));
    }
}

#define EDIT(update, id, at) \
    UPDATE(update, "edited_message", "\"edit_date\":" at "," TEXT(id) CHAT("7"))
#define REACTION(update, id, who)                                                                \
    UPDATE(update, "message_reaction",                                                           \
           "\"chat\":{\"id\":7,\"type\":\"private\"},\"message_id\":" id ",\"date\":1767225601," \
           "\"user\":{\"id\":" who "},\"old_reaction\":[],\"new_reaction\":[]")

static void edits_and_reactions_of_one_second_are_told_apart(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    static const char *const bodies[] = {
        EDIT("1", "5", "1767225601"), EDIT("2", "5", "1767225601"), EDIT("1", "6", "1767225601"),
        EDIT("1", "5", "1767225602"), REACTION("1", "5", "7"),      REACTION("2", "5", "7"),
        REACTION("1", "6", "7"),      REACTION("1", "5", "8"),
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        for (size_t j = 0; j < ARRAY_LEN(bodies); j++) {
            bool same = str_eq(parse(a, bodies[i]).key, parse(a, bodies[j]).key);
            assert_int_equal(same, i == j);
        }
    }
}

static void a_message_of_a_business_account_is_out_when_it_is_not_the_contact_s(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    static const char owner[] = UPDATE("1", "business_message",
                                       TEXT("5") "\"chat\":{\"id\":7,\"type\":\"private\"},"
                                                 "\"from\":{\"id\":9},"
                                                 "\"business_connection_id\":\"c\"");
    static const char contact[] =
        UPDATE("1", "business_message", TEXT("6") CHAT("7") ",\"business_connection_id\":\"c\"");
    assert_int_equal(parse(a, owner).direction, DIR_OUT);
    assert_int_equal(parse(a, contact).direction, DIR_IN);
    assert_true(str_eq_c(parse(a, owner).conversation, "c:7"));
    assert_true(str_eq_c(parse(a, owner).contact, "7"));
}

/* --- limits ----------------------------------------------------------------------------------- */

static void bodies_made_to_be_large_find_room_or_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *head, *item, *tail;
    } cases[] = {
        {"{\"update_id\":1,\"deleted_business_messages\":{\"business_connection_id\":\"c\","
         "\"chat\":{\"id\":7},\"message_ids\":[",
         "1,", "1]}}"},
        {"{\"update_id\":1,\"message\":{\"message_id\":5," CHAT("7") ",\"photo\":[", "{},",
         "{}]}}"},
        {"{\"update_id\":1,\"message\":{\"message_id\":5," CHAT("7") ",\"text\":\"", "\xff",
         "\"}}"},
        {"{\"update_id\":1,\"message\":{\"message_id\":5," CHAT(
             "7") ",\"text\":\"x\",\"entities\":[",
         "{\"\\u0001\":\"\xff\"},", "0]}}"},
        {"{\"update_id\":1,\"message\":{\"message_id\":5," CHAT("7") ",\"", "\xff", "\":1}}"},
        {"{\"update_id\":1,\"message_reaction\":{\"chat\":{\"id\":7},\"message_id\":5,"
         "\"new_reaction\":[",
         "0,", "0]}}"},
        {"{\"update_id\":1,\"\":[", "0,", "0]}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b;
        buf_init(&b, 1 << 20);
        buf_put_c(&b, cases[i].head);
        while (b.len < (1 << 20) - 200)
            buf_put_c(&b, cases[i].item);
        buf_put_c(&b, cases[i].tail);
        (void)check_body(telegram, buf_str(&b));
        buf_done(&b);
    }
}

static void the_account_type_is_bot(void **state)
{
    (void)state;
    assert_true(str_eq_c(telegram->normal_type(STR("BOT")), "bot"));
    assert_true(str_eq_c(telegram->normal_type(STR("other")), "other"));
    assert_string_equal(telegram->platform(STR("bot")), "telegram");
    assert_string_equal(telegram->default_account_type, "bot");
    assert_null(telegram->handshake);
}

static int setup(void **state)
{
    (void)state;
    telegram = provider_find(STR("telegram"));
    return telegram ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_must_be_one_of_the_active_secrets),
        cmocka_unit_test(the_path_must_name_a_bot_and_only_who_has_the_secret_learns_it),
        cmocka_unit_test(the_unit_carries_the_bot_of_the_path_and_events_are_its),
        cmocka_unit_test(a_message_has_one_key_under_any_update_id),
        cmocka_unit_test(edits_and_reactions_of_one_second_are_told_apart),
        cmocka_unit_test(a_message_of_a_business_account_is_out_when_it_is_not_the_contact_s),
        cmocka_unit_test(bodies_made_to_be_large_find_room_or_are_refused),
        cmocka_unit_test(the_account_type_is_bot),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
