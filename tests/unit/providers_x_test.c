/* SPDX-License-Identifier: Apache-2.0 */
/* X: signature and challenge, which share a secret, and cutting bodies by conversation. */
#include <stdio.h>

#include "golden/properties.h"
#include "golden/request.h"
#include "test.h"
#include "x.h"

#define SECRET "synthetic-app-secret"

static const struct provider *x;
static struct hmac *keys[3];

/* --- signature -------------------------------------------------------------------------------- */

static enum err_kind verify(struct str body, const char *header, struct hmac *const *with, size_t n)
{
    struct request r = {.headers = {{"X-Twitter-Webhooks-Signature", str_of(header)}}};
    struct webhook in = request_webhook(&r, body);
    struct secrets s = {.keys = with, .n_keys = n};
    struct err err = {0};
    return x->verify(&in, &s, &err) ? ERR_NONE : err.kind;
}

static void a_real_body_is_verified_over_its_raw_bytes(void **state)
{
    (void)state;
    static char text[4096];
    FILE *f = fopen(TESTS_DIR "/golden/x/01-aaa-dm-received.in.json", "rb");
    assert_non_null(f);
    struct str body = {text, fread(text, 1, sizeof text, f)};
    (void)fclose(f);
    assert_int_equal(body.len, 944);
    static const char signature[] = "sha256=4tjuMN0QuBkGj4CqzV7VM9MUdHBwoIaFJDKbhyRGago=";
    assert_int_equal(verify(body, signature, keys, 1), ERR_NONE);
    text[body.len / 2] ^= 1;
    assert_int_equal(verify(body, signature, keys, 1), ERR_DENIED);
    text[body.len / 2] ^= 1;
    body.len--;
    assert_int_equal(verify(body, signature, keys, 1), ERR_DENIED);
}

static void signatures_are_taken_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        enum err_kind kind;
    } cases[] = {
        {"sha256=ddllnH9C0FGNW5MeylomkuI5yU6Z3RoGa191g7SB19k=", ERR_NONE},
        {"sha256=ddllnH9C0FGNW5MeylomkuI5yU6Z3RoGa191g7SB19l=", ERR_DENIED}, // the same 32 bytes
        {"sha256=ddllnH9C0FGNW5MeylomkuI5yU6Z3RoGa191g7SB19k", ERR_DENIED},
        {"sha256=ddllnH9C0FGNW5MeylomkuI5yU6Z3RoGa191g7SB19k= ", ERR_DENIED},
        {"SHA256=ddllnH9C0FGNW5MeylomkuI5yU6Z3RoGa191g7SB19k=", ERR_DENIED},
        {"ddllnH9C0FGNW5MeylomkuI5yU6Z3RoGa191g7SB19k=", ERR_DENIED},
        {"sha256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", ERR_DENIED},
        // of the same digest, as Meta writes it
        {"sha256=75d9659c7f42d0518d5b931eca5a2692e239c94e99dd1a066b5f7583b481d7d9", ERR_DENIED},
        {"sha256=", ERR_DENIED},
        {"", ERR_UNPROVEN},
        {NULL, ERR_UNPROVEN},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(verify(STR(""), cases[i].header, keys, 1), cases[i].kind);
}

static void any_active_secret_may_sign(void **state)
{
    (void)state;
    static const char signature[] = "sha256=ddllnH9C0FGNW5MeylomkuI5yU6Z3RoGa191g7SB19k=";
    struct hmac *second[] = {keys[1], keys[0]}, *neither[] = {keys[1], keys[2]};
    assert_int_equal(verify(STR(""), signature, second, 2), ERR_NONE);
    assert_int_equal(verify(STR(""), signature, neither, 2), ERR_DENIED);
    assert_int_equal(verify(STR(""), signature, keys, 3), ERR_NONE);
    assert_int_equal(verify(STR(""), signature, NULL, 0), ERR_DENIED);
}

/* --- challenge -------------------------------------------------------------------------------- */

static enum err_kind shake(struct arena *a, struct str token, size_t n, struct str *answer)
{
    struct request r = {.query = {{"crc_token", token}, {"nonce", STR("1")}}};
    struct webhook in = request_webhook(&r, STR_NONE);
    struct secrets s = {.keys = keys, .n_keys = n};
    struct err err = {0};
    const char *type = NULL;
    if (!x->handshake(a, &in, &s, answer, &type, &err))
        return err.kind;
    assert_string_equal(type, "application/json");
    return ERR_NONE;
}

static void the_challenge_is_answered_with_the_first_secret(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 16);
    struct str answer = STR_NONE;
    for (size_t n = 1; n <= 3; n++) {
        assert_int_equal(shake(a, STR("SYNTHETICcrcTOKEN0001"), n, &answer), ERR_NONE);
        assert_true(str_eq_c(
            answer,
            "{\"response_token\":\"sha256=a+7bQ41HMFWYBC/IPtmslYiTO9LEjIATVuFYCBVkIQ4=\"}"));
    }
    assert_int_equal(shake(a, STR("SYNTHETICcrcTOKEN0001"), 0, &answer), ERR_DENIED);
    assert_int_equal(shake(a, STR_NONE, 1, &answer), ERR_INVALID);
    assert_int_equal(shake(a, STR(""), 1, &answer), ERR_INVALID);
    assert_int_equal(shake(a, STR("9b4507b3-9040-4669-9ca3-6b94edb50553"), 1, &answer), ERR_NONE);
    assert_int_equal(shake(a, STR("TnpZek5UY3hPREE9+/_~.="), 1, &answer), ERR_NONE);
}

/* Otherwise the challenge would sign deliveries for anyone who asks. */
static void nothing_that_the_challenge_signs_is_a_delivery(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 16);
    struct str answer = STR_NONE;
    static const char *const bodies[] = {
        "{\"for_user_id\":\"1\"}", "{}", " {}", "[1]", "\"x\"", "a b", "a\n", "\xc3\xa5",
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        assert_int_equal(shake(a, str_of(bodies[i]), 1, &answer), ERR_INVALID);
    static char longest[257];
    memset(longest, 'a', sizeof longest);
    assert_int_equal(shake(a, (struct str){longest, 257}, 1, &answer), ERR_INVALID);
    assert_int_equal(shake(a, (struct str){longest, 256}, 1, &answer), ERR_NONE);

    static const char *const tokens[] = {"token", "1", "null"};
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        struct err err = {0};
        assert_int_equal(shake(a, str_of(tokens[i]), 1, &answer), ERR_NONE);
        struct str signature =
            json_text(a, json_get(json_parse(a, answer, &err), "response_token"));
        assert_int_equal(verify(str_of(tokens[i]), str_c(a, signature), keys, 1), ERR_DENIED);
    }
}

/* --- units ------------------------------------------------------------------------------------ */

static void put_message(struct buf *b, size_t id, size_t from, const char *account)
{
    buf_putf(b,
             "{\"type\":\"message_create\",\"id\":\"%zu\",\"created_timestamp\":\"1767225601000\","
             "\"message_create\":{\"target\":{\"recipient_id\":\"%s\"},\"sender_id\":\"%zu\","
             "\"message_data\":{\"text\":\"m%zu\"}}}",
             id, account, from, id);
}

static void batches_are_cut_by_conversation(void **state)
{
    (void)state;
    static const struct {
        size_t messages, contacts;
    } cases[] = {{1, 1}, {2, 1}, {2, 2}, {100, 7}, {1000, 1000}, {3000, 50}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = arena_new((size_t)64 << 20);
        struct buf b;
        buf_init(&b, 4 << 20);
        buf_put_c(&b, "{\"for_user_id\":\"9000000\",\"direct_message_events\":[");
        for (size_t m = 0; m < cases[i].messages; m++) {
            buf_put_c(&b, m ? "," : "");
            put_message(&b, m, 100 + m % cases[i].contacts, "9000000");
        }
        buf_put_c(&b, "],\"users\":{\"9000000\":{\"name\":\"Us\"}");
        for (size_t c = 0; c < cases[i].contacts; c++)
            buf_putf(&b, ",\"%zu\":{\"name\":\"N%zu\",\"screen_name\":\"n\"}", 100 + c, c);
        buf_put_c(&b, "}}");

        struct webhook in = {.body = buf_str(&b)};
        struct units units = {0};
        struct err err = {0};
        assert_true(x->split(a, &in, &units, &err));
        assert_int_equal(units.n, cases[i].contacts);
        assert_true(check_body(x, buf_str(&b)));
        size_t n = 0;
        for (size_t u = 0; u < units.n; u++) {
            struct events ev = {0};
            assert_true(x->parse(a, &units.items[u], &ev, &err));
            for (size_t k = 0; k < ev.n; k++)
                assert_int_equal(ev.items[k].contact_name.ptr[0], 'N');
            n += ev.n;
        }
        assert_int_equal(n, cases[i].messages);
        buf_done(&b);
    }
}

static void too_many_items_are_refused(void **state)
{
    (void)state;
    auto_arena a = arena_new((size_t)64 << 20);
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_put_c(&b, "{\"for_user_id\":\"1\",\"direct_message_events\":[0");
    for (size_t i = 0; i < UNIT_ITEMS_MAX; i++)
        buf_put_c(&b, ",0");
    buf_put_c(&b, "]}");
    struct webhook in = {.body = buf_str(&b)};
    struct units units = {0};
    struct err err = {0};
    assert_false(x->split(a, &in, &units, &err));
    assert_int_equal(err.kind, ERR_LIMITED);
    buf_done(&b);
}

static void bodies_made_to_be_large_find_room_or_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *head, *item, *tail;
    } cases[] = {
        {"{\"for_user_id\":\"1\",\"direct_message_events\":[", "{},", "{}]}"},
        {"{\"for_user_id\":\"1\",\"users\":{", "\"\\u0031\":0,", "\"a\":0},\"b\":1}"},
        {"{\"for_user_id\":\"1\",", "\"a\":1,", "\"a\":2}"},
        {"{\"for_user_id\":\"", "1", "\",\"direct_message_events\":[{},{}],\"b\":1}"},
        {"{\"for_user_id\":\"1\",\"direct_message_events\":[{\"id\":\"1\",\"message_create\":"
         "{\"sender_id\":\"1\",\"target\":{\"recipient_id\":\"2\"},\"message_data\":{\"text\":\"",
         "\xff&amp;", "\"}}}]}"},
        {"{\"for_user_id\":\"1\",\"direct_message_events\":[{\"id\":\"1\",\"message_create\":"
         "{\"sender_id\":\"1\",\"target\":{\"recipient_id\":\"2\"},\"message_data\":{\"entities\":"
         "{\"urls\":[",
         "{\"\\u0001\":\"\xff\"},", "0]}}}}]}"},
        {"{\"data\":{\"event_type\":\"dm.sent\",\"filter\":{\"user_id\":\"1\"},\"payload\":"
         "{\"direct_message_events\":[",
         "{\"message_create\":{\"sender_id\":1,\"target\":{\"recipient_id\":2}}},", "0]}}}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b;
        buf_init(&b, 1 << 20);
        buf_put_c(&b, cases[i].head);
        while (b.len < (1 << 20) - 200)
            buf_put_c(&b, cases[i].item);
        buf_put_c(&b, cases[i].tail);
        (void)check_body(x, buf_str(&b));
        buf_done(&b);
    }
}

/* --- events ----------------------------------------------------------------------------------- */

static struct event parse(struct arena *a, const char *body)
{
    struct unit unit = {.body = str_of(body)};
    struct events ev = {0};
    struct err err = {0};
    assert_true(x->parse(a, &unit, &ev, &err));
    assert_int_equal(ev.n, 1);
    return ev.items[0];
}

#define LIST                                                                                   \
    "\"direct_message_events\":[{\"type\":\"message_create\",\"id\":\"7\",\"message_create\":" \
    "{\"target\":{\"recipient_id\":\"1\"},\"sender_id\":\"2\",\"message_data\":{\"text\":\"x\"}}}]"

static void a_message_has_one_key_from_either_product(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct event old = parse(a, "{\"for_user_id\":\"1\"," LIST "}");
    struct event new = parse(a, "{\"data\":{\"event_uuid\":\"5\",\"filter\":{\"user_id\":\"1\"},"
                                "\"event_type\":\"dm.received\",\"payload\":{" LIST "}}}");
    assert_true(str_eq(old.key, new.key));
    assert_true(str_eq(old.conversation, new.conversation));
    assert_true(str_eq(old.external_id, new.external_id));
}

static void an_id_tells_the_time_up_to_which_all_was_read(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    // The id of a message that was made at 1784927750704, in the documentation of X.
    struct event ev = parse(
        a, "{\"for_user_id\":\"1\",\"direct_message_mark_read_events\":[{\"created_timestamp\":"
           "\"1784927760000\",\"sender_id\":\"2\",\"target\":{\"recipient_id\":\"1\"},"
           "\"last_read_event_id\":\"2080763914820927863\"}]}");
    assert_true(str_eq_c(ev.target_id, "2080763914820927863"));
    assert_int_equal(ev.watermark_at_ms, 1784927750674);
}

static void the_account_type_is_user(void **state)
{
    (void)state;
    assert_true(str_eq_c(x->normal_type(STR("USER")), "user"));
    assert_true(str_eq_c(x->normal_type(STR("other")), "other"));
    assert_string_equal(x->platform(STR("user")), "x");
    assert_string_equal(x->default_account_type, "user");
    assert_string_equal(x->app, "x");
}

static int setup(void **state)
{
    (void)state;
    x = provider_find(STR("x"));
    keys[0] = hmac_new(STR(SECRET));
    keys[1] = hmac_new(STR("another"));
    keys[2] = hmac_new(STR("a third"));
    return x ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        hmac_free(keys[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_real_body_is_verified_over_its_raw_bytes),
        cmocka_unit_test(signatures_are_taken_or_refused),
        cmocka_unit_test(any_active_secret_may_sign),
        cmocka_unit_test(the_challenge_is_answered_with_the_first_secret),
        cmocka_unit_test(nothing_that_the_challenge_signs_is_a_delivery),
        cmocka_unit_test(batches_are_cut_by_conversation),
        cmocka_unit_test(too_many_items_are_refused),
        cmocka_unit_test(bodies_made_to_be_large_find_room_or_are_refused),
        cmocka_unit_test(a_message_has_one_key_from_either_product),
        cmocka_unit_test(an_id_tells_the_time_up_to_which_all_was_read),
        cmocka_unit_test(the_account_type_is_user),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
