/* SPDX-License-Identifier: Apache-2.0 */
/* What Meta's providers share: signature, handshake, and cutting batches into units. */
#include <stdio.h>
#include <stdlib.h>

#include "golden/properties.h"
#include "golden/request.h"
#include "meta.h"
#include "test.h"

#define SECRET "synthetic-app-secret"

static const struct provider *instagram;
static struct hmac *keys[3];

static enum err_kind verify(struct str body, const char *header, struct hmac *const *with, size_t n)
{
    struct request r = {.headers = {{"x-hub-signature-256", str_of(header)}}};
    struct webhook in = request_webhook(&r, body);
    struct secrets s = {.keys = with, .n_keys = n};
    struct err err = {0};
    return instagram->verify(&in, &s, &err) ? ERR_NONE : err.kind;
}

/* --- signature -------------------------------------------------------------------------------- */

static void signatures_are_taken_or_refused(void **state)
{
    (void)state;
    static const char escaped[] = "{\"text\":\"\\u00e5\"}";
    static const struct {
        const char *body, *header;
        enum err_kind kind;
    } cases[] = {
        {escaped, "sha256=61c192f44b7198ce6d6ec943d48ae42e76a7dfdc30b0888bbc8e3f0b496a3e16",
         ERR_NONE},
        // of the body written again without the escape
        {escaped, "sha256=e364225f4a926c159ee89ca314398b72d6416f827ee01c0c18c169fc3bb349e2",
         ERR_DENIED},
        {"{}", "sha256=0000000000000000000000000000000000000000000000000000000000000000",
         ERR_DENIED},
        {"{}", "sha256=803ddd849be1f90a623deef8f743b648c6849fe7408397eb55e2407ab4219d3",
         ERR_DENIED}, // a digit short
        {"{}", "sha1=705f0a667ef8b19f3df3a0d41abef0d7fb6f3ce3",
         ERR_DENIED}, // the old header's value
        {escaped, "SHA256=61c192f44b7198ce6d6ec943d48ae42e76a7dfdc30b0888bbc8e3f0b496a3e16",
         ERR_DENIED},
        {escaped, "sha256=61c192f44b7198ce6d6ec943d48ae42e76a7dfdc30b0888bbc8e3f0b496a3e1g",
         ERR_DENIED},
        {escaped, "sha256=61c192f44b7198ce6d6ec943d48ae42e76a7dfdc30b0888bbc8e3f0b496a3e16 ",
         ERR_DENIED},
        {escaped, "61c192f44b7198ce6d6ec943d48ae42e76a7dfdc30b0888bbc8e3f0b496a3e16", ERR_DENIED},
        {escaped, "sha256=", ERR_DENIED},
        {escaped, "", ERR_UNPROVEN},
        {escaped, NULL, ERR_UNPROVEN},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(verify(str_of(cases[i].body), cases[i].header, keys, 1), cases[i].kind);
}

static void a_real_body_is_verified_over_its_raw_bytes(void **state)
{
    (void)state;
    static char text[4096];
    FILE *f = fopen(TESTS_DIR "/golden/instagram/01-message-text.in.json", "rb");
    assert_non_null(f);
    struct str body = {text, fread(text, 1, sizeof text, f)};
    (void)fclose(f);
    static const char signature[] =
        "sha256=fdfea97e54af16d5b6a4d66343f5faa66693199f7062333f108ef306abc9926c";
    assert_int_equal(verify(body, signature, keys, 1), ERR_NONE);
    text[body.len / 2] ^= 1;
    assert_int_equal(verify(body, signature, keys, 1), ERR_DENIED);
    text[body.len / 2] ^= 1;
    body.len--;
    assert_int_equal(verify(body, signature, keys, 1), ERR_DENIED);
}

static void any_active_secret_may_sign(void **state)
{
    (void)state;
    struct str body = STR("{\"text\":\"\\u00e5\"}");
    static const char signature[] =
        "sha256=61c192f44b7198ce6d6ec943d48ae42e76a7dfdc30b0888bbc8e3f0b496a3e16";
    struct hmac *second[] = {keys[1], keys[0]}, *neither[] = {keys[1], keys[2]};
    assert_int_equal(verify(body, signature, second, 2), ERR_NONE);
    assert_int_equal(verify(body, signature, neither, 2), ERR_DENIED);
    assert_int_equal(verify(body, signature, keys, 3), ERR_NONE);
    assert_int_equal(verify(body, signature, NULL, 0), ERR_DENIED);
}

/* --- handshake -------------------------------------------------------------------------------- */

static enum err_kind handshake(const char *mode, const char *token, const char *challenge,
                               struct str *answer)
{
    auto_arena a = arena_new(4096);
    struct request r = {.query = {{"hub.mode", str_of(mode)},
                                  {"hub.verify_token", str_of(token)},
                                  {"hub.challenge", str_of(challenge)}}};
    struct webhook in = request_webhook(&r, STR_NONE);
    const struct str tokens[] = {STR("OLD-TOKEN"), STR("SYN-VERIFY")};
    struct secrets s = {.plain = tokens, .n_plain = ARRAY_LEN(tokens)};
    const char *type = NULL;
    struct err err = {0};
    if (!instagram->handshake(a, &in, &s, answer, &type, &err))
        return err.kind;
    assert_string_equal(type, "text/plain");
    return ERR_NONE;
}

static void the_challenge_is_given_back_for_a_token_of_ours(void **state)
{
    (void)state;
    static const struct {
        const char *mode, *token, *challenge;
        enum err_kind kind;
    } cases[] = {
        {"subscribe", "SYN-VERIFY", "1158201444", ERR_NONE},
        {"subscribe", "OLD-TOKEN", "x y", ERR_NONE},
        {"subscribe", "SYN-VERIFX", "1158201444", ERR_DENIED},
        {"subscribe", "SYN-VERIFY ", "1158201444", ERR_DENIED},
        {"subscribe", "", "1158201444", ERR_UNPROVEN},
        {"subscribe", NULL, "1158201444", ERR_UNPROVEN},
        {"unsubscribe", "SYN-VERIFY", "1158201444", ERR_DENIED},
        {NULL, "SYN-VERIFY", "1158201444", ERR_INVALID},
        {"subscribe", "SYN-VERIFY", NULL, ERR_INVALID},
        {NULL, NULL, NULL, ERR_INVALID},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str answer = STR_NONE;
        assert_int_equal(handshake(cases[i].mode, cases[i].token, cases[i].challenge, &answer),
                         cases[i].kind);
        if (cases[i].kind == ERR_NONE)
            assert_true(str_eq_c(answer, cases[i].challenge));
    }
}

/* --- split ------------------------------------------------------------------------------------ */

static void one_conversation_passes_untouched(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct str body =
        STR("{ \"object\" : \"instagram\",\"entry\":[{\"id\":\"1\",\"messaging\":["
            "{\"sender\":{\"id\":\"2\"},\"recipient\":{\"id\":\"1\"},\"read\":{\"mid\":\"a\"}},"
            "{\"sender\":{\"id\":\"1\"},\"recipient\":{\"id\":\"2\"},\"message\":{\"mid\":\"b\","
            "\"is_echo\":true}}]}]}");
    struct webhook in = {.body = body};
    struct units units = {0};
    struct err err = {0};
    assert_true(instagram->split(a, &in, &units, &err));
    assert_int_equal(units.n, 1);
    assert_ptr_equal(units.items->body.ptr, body.ptr);
    assert_int_equal(units.items->body.len, body.len);
    assert_true(str_eq_c(units.items->conversation, "2"));
}

static uint32_t draw(uint32_t *seed, uint32_t n)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % n;
}

static void put_item(struct buf *b, uint32_t *seed, unsigned account, int *mid)
{
    static const char *const kinds[] = {
        "\"message\":{\"mid\":\"m%d\",\"text\":\"x\"}",
        "\"message\":{\"mid\":\"m%d\",\"is_echo\":true,\"text\":\"y\"}",
        "\"reaction\":{\"mid\":\"m%d\",\"action\":\"react\",\"emoji\":\"z\"}",
        "\"read\":{\"mid\":\"m%d\"}",
        "\"brand_new\":%d",
    };
    unsigned contact = 100 + draw(seed, 6);
    bool ours = draw(seed, 3) == 0;
    buf_putf(b, "{\"sender\":{\"id\":\"%u\"},\"recipient\":{\"id\":\"%u\"},\"timestamp\":%d,",
             ours ? account : contact, ours ? contact : account, 1767225600 + *mid);
    char item[160];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(item, sizeof item, kinds[draw(seed, ARRAY_LEN(kinds))], (*mid)++);
#pragma GCC diagnostic pop
    buf_put_c(b, item);
    buf_putc(b, '}');
}

static void put_comment(struct buf *b, uint32_t *seed, int *mid)
{
    buf_putf(
        b,
        "{\"field\":\"comments\",\"value\":{\"id\":\"k%d\",\"text\":\"t\",\"from\":{\"id\":\"7\"},"
        "\"media\":{\"id\":\"media-%u\"}}}",
        (*mid)++, draw(seed, 3));
}

static void put_entry(struct buf *b, uint32_t *seed, int *mid)
{
    static const char *const lists[] = {"messaging", "standby", "changes"};
    unsigned account = 1 + draw(seed, 3);
    buf_putf(b, "{\"id\":\"%u\",\"time\":%d", account, 1767225600 + *mid);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        uint32_t n = draw(seed, 4);
        buf_putf(b, ",\"%s\":[", lists[i]);
        for (uint32_t j = 0; j < n; j++) {
            buf_put_c(b, j ? "," : "");
            if (i == 2)
                put_comment(b, seed, mid);
            else
                put_item(b, seed, account, mid);
        }
        buf_putc(b, ']');
    }
    buf_putc(b, '}');
}

/* Any batch: no item lost, none twice, order kept within each conversation, and the events of the
 * units are those of the body. check_body asserts it; here is what it is asked. */
static void batches_of_any_shape_keep_their_events(void **state)
{
    (void)state;
    size_t n_units = 0;
    for (uint32_t round = 0; round < 300; round++) {
        uint32_t seed = round * 7919u + 1;
        int mid = 1;
        struct buf b;
        buf_init(&b, 1 << 20);
        buf_put_c(&b, "{\"object\":\"instagram\",\"entry\":[");
        uint32_t n = draw(&seed, 6);
        for (uint32_t i = 0; i < n; i++) {
            buf_put_c(&b, i ? "," : "");
            put_entry(&b, &seed, &mid);
        }
        buf_put_c(&b, "]}");
        assert_true(check_body(instagram, buf_str(&b)));

        auto_arena a = arena_new(1 << 20);
        struct unit all = {.body = buf_str(&b)};
        struct events ev = {0};
        struct units units = {0};
        struct webhook in = {.body = all.body};
        struct err err = {0};
        assert_true(instagram->parse(a, &all, &ev, &err));
        assert_int_equal(ev.n, mid - 1);
        assert_true(instagram->split(a, &in, &units, &err));
        n_units += units.n;
        buf_done(&b);
    }
    assert_true(n_units > 300);
}

static void a_thousand_updates_in_one_body_are_split(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4 << 20);
    buf_put_c(&b, "{\"object\":\"instagram\",\"entry\":[");
    for (int i = 0; i < 1000; i++)
        buf_putf(
            &b,
            "%s{\"id\":\"1\",\"time\":1767225600000,\"messaging\":[{\"sender\":{\"id\":\"%d\"},"
            "\"recipient\":{\"id\":\"1\"},\"timestamp\":1767225600000,\"message\":{\"mid\":\"m%d\"}}]}",
            i ? "," : "", 100 + i % 500, i);
    buf_put_c(&b, "]}");
    assert_true(check_body(instagram, buf_str(&b)));
    auto_arena a = arena_new(PROVIDER_ARENA_MAX(b.len));
    struct units units = {0};
    struct webhook in = {.body = buf_str(&b)};
    struct err err = {0};
    assert_true(instagram->split(a, &in, &units, &err));
    assert_int_equal(units.n, 500);
    buf_done(&b);
}

/* Hostile bodies within the limit of a webhook: refused or read, in the room that is promised. */
static void bodies_made_to_be_large_find_room_or_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *head, *item, *tail;
    } cases[] = {
        {"{\"object\":\"instagram\",\"entry\":[{\"id\":\"1\",\"messaging\":[", "0,", "0]}]}"},
        {"{\"object\":\"instagram\",\"entry\":[", "{},", "{}]}"},
        {"{\"object\":\"instagram\",\"entry\":[{\"id\":\"1\",\"messaging\":[{\"sender\":{\"id\":\"2\"},"
         "\"message\":{\"mid\":\"a\",\"attachments\":[",
         "0,", "0]}}]}]}"},
        {"{\"object\":\"instagram\",\"entry\":[{\"id\":\"1\",\"messaging\":[",
         "{\"sender\":{\"id\":2},\"message\":{\"mid\":3,\"attachments\":[0,0,0,0,0,0,0,0,0,0]}},",
         "0]}]}"},
        {"{\"object\":\"instagram\",\"entry\":[{\"id\":\"1\",\"messaging\":[{\"sender\":{\"id\":\"2\"},"
         "\"message\":{\"mid\":\"",
         "\xff", "\",\"text\":\"x\"}}]}]}"},
        {"{\"object\":\"instagram\",\"entry\":[{\"id\":\"1\",", "\"\":0,", "\"a\":0}]}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b;
        buf_init(&b, 1 << 20);
        buf_put_c(&b, cases[i].head);
        while (b.len < (1 << 20) - 200)
            buf_put_c(&b, cases[i].item);
        buf_put_c(&b, cases[i].tail);
        assert_false(b.overflow);
        (void)check_body(instagram, buf_str(&b));
        buf_done(&b);
    }
}

static int setup(void **state)
{
    (void)state;
    instagram = provider_find(STR("instagram"));
    keys[0] = hmac_new(STR(SECRET));
    keys[1] = hmac_new(STR("another"));
    keys[2] = hmac_new(STR("a third"));
    return instagram ? 0 : -1;
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
        cmocka_unit_test(signatures_are_taken_or_refused),
        cmocka_unit_test(a_real_body_is_verified_over_its_raw_bytes),
        cmocka_unit_test(any_active_secret_may_sign),
        cmocka_unit_test(the_challenge_is_given_back_for_a_token_of_ours),
        cmocka_unit_test(one_conversation_passes_untouched),
        cmocka_unit_test(batches_of_any_shape_keep_their_events),
        cmocka_unit_test(a_thousand_updates_in_one_body_are_split),
        cmocka_unit_test(bodies_made_to_be_large_find_room_or_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
