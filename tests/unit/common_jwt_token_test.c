/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "crypto.h"
#include "jwt_token.h"
#include "test.h"

#define NOW_S  1800000000LL
#define NOW_MS (NOW_S * 1000)
#define TENANT "0190a000-0000-7000-8000-0000000000ab"

static const struct str secret = {"a-key-of-thirty-two-bytes-or-more", 33};

static struct token sample(void)
{
    return (struct token){
        .issuer = STR("postrider"),
        .subject = STR("user-1"),
        .tenant_id = STR(TENANT),
        .role = STR("agent"),
        .id = STR("jti-1"),
        .key_id = STR("k1"),
        .issued_at_ms = NOW_MS,
        .expires_at_ms = NOW_MS + 60000,
    };
}

/* A token from header and claims as they stand, correctly signed with `key`. */
static struct str forge(struct arena *a, const char *header, const char *claims, struct str key)
{
    struct str head = base64url_encode(a, str_of(header));
    struct str body = base64url_encode(a, str_of(claims));
    struct str text = str_fmt(a, "%.*s.%.*s", STR_ARG(head), STR_ARG(body));
    uint8_t mac[SHA256_BYTES];
    struct hmac *h = hmac_new(key);
    hmac_sha256(h, text, mac);
    hmac_free(h);
    struct str sig = base64url_encode(a, (struct str){(const char *)mac, sizeof mac});
    return str_fmt(a, "%.*s.%.*s", STR_ARG(text), STR_ARG(sig));
}

static void a_signed_token_verifies_and_keeps_all_members(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct err err = {0};
    struct str jwt;
    struct token in = sample();
    struct token out = {0};
    assert_true(token_sign(a, &in, secret, &jwt, &err));
    assert_true(token_verify(a, jwt, secret, NOW_MS + 1000, &out, &err));
    assert_true(str_eq(out.issuer, in.issuer));
    assert_true(str_eq(out.subject, in.subject));
    assert_true(str_eq(out.tenant_id, in.tenant_id));
    assert_true(str_eq(out.role, in.role));
    assert_true(str_eq(out.id, in.id));
    assert_true(str_eq(out.key_id, in.key_id));
    assert_int_equal(out.issued_at_ms, in.issued_at_ms);
    assert_int_equal(out.expires_at_ms, in.expires_at_ms);
}

static void a_token_without_tenant_user_or_expiry_is_not_signed(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct err err = {0};
    struct str jwt;
    struct token t = sample();
    t.tenant_id = STR_NONE;
    assert_false(token_sign(a, &t, secret, &jwt, &err));
    t = sample();
    t.subject = STR_NONE;
    assert_false(token_sign(a, &t, secret, &jwt, &err));
    t = sample();
    t.expires_at_ms = 0;
    assert_false(token_sign(a, &t, secret, &jwt, &err));
    t = sample();
    assert_false(token_sign(a, &t, STR_NONE, &jwt, &err));
    assert_int_equal(err.kind, ERR_INVALID);
}

static void absence_is_unproven_and_everything_else_denied(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct err err = {0};
    struct token out = {0};
    assert_false(token_verify(a, STR_NONE, secret, NOW_MS, &out, &err));
    assert_int_equal(err.kind, ERR_UNPROVEN);
    static const char *const bad[] = {"x", "a.b", "a.b.c", "..", ".", "eyJ9.e30.", "e30.e30.e30"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        err = (struct err){0};
        assert_false(token_verify(a, str_of(bad[i]), secret, NOW_MS, &out, &err));
        assert_int_equal(err.kind, ERR_DENIED);
    }
    assert_int_equal(out.expires_at_ms, 0);
}

/* Base64url ignores the last bits of its last character: only a change of meaning must be refused.
 */
static void every_changed_byte_of_a_token_is_refused(void **state)
{
    (void)state;
    auto_arena a = arena_new(64 << 20);
    struct err err = {0};
    struct str jwt;
    struct token in = sample();
    struct token out = {0};
    assert_true(token_sign(a, &in, secret, &jwt, &err));
    for (size_t i = 0; i + 1 < jwt.len; i++) {
        char copy[TOKEN_MAX];
        memcpy(copy, jwt.ptr, jwt.len);
        copy[i] = copy[i] == 'A' ? 'B' : 'A';
        assert_false(token_verify(a, (struct str){copy, jwt.len}, secret, NOW_MS, &out, &err));
        assert_int_equal(err.kind, ERR_DENIED);
    }
    for (size_t n = 0; n < jwt.len; n++)
        assert_false(token_verify(a, (struct str){jwt.ptr, n}, secret, NOW_MS, &out, &err));
    assert_false(
        token_verify(a, jwt, STR("another key of thirty-two bytes !"), NOW_MS, &out, &err));
    assert_non_null(strstr(err.msg, "signature"));
}

#define GOOD "\"sub\":\"u\",\"tenant_id\":\"" TENANT "\""
#define EXP  "\"exp\":1800000060"

static const struct {
    const char *header, *claims;
    bool good;
} cases[] = {
    {"{\"alg\":\"HS256\",\"typ\":\"JWT\"}", "{" GOOD "," EXP "}", true},
    {"{\"alg\":\"HS256\"}", "{" GOOD "," EXP "}", true},
    {"{\"alg\":\"HS256\",\"kid\":\"x\"}", "{" GOOD "," EXP ",\"extra\":{\"a\":[1]}}", true},
    /* algorithm */
    {"{\"alg\":\"none\"}", "{" GOOD "," EXP "}", false},
    {"{\"alg\":\"None\"}", "{" GOOD "," EXP "}", false},
    {"{\"alg\":\"hs256\"}", "{" GOOD "," EXP "}", false},
    {"{\"alg\":\"HS384\"}", "{" GOOD "," EXP "}", false},
    {"{\"alg\":\"HS512\"}", "{" GOOD "," EXP "}", false},
    {"{\"alg\":\"RS256\"}", "{" GOOD "," EXP "}", false},
    {"{\"alg\":\"ES256\"}", "{" GOOD "," EXP "}", false},
    {"{\"alg\":\"HS256\",\"alg\":\"none\"}", "{" GOOD "," EXP "}", false},
    {"{\"alg\":[\"HS256\"]}", "{" GOOD "," EXP "}", false},
    {"{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", "{" GOOD "," EXP "}", false},
    {"{}", "{" GOOD "," EXP "}", false},
    {"[]", "{" GOOD "," EXP "}", false},
    /* times */
    {"{\"alg\":\"HS256\"}", "{" GOOD "}", false},
    {"{\"alg\":\"HS256\"}", "{" GOOD ",\"exp\":1800000000}", false},
    {"{\"alg\":\"HS256\"}", "{" GOOD ",\"exp\":1800000001}", true},
    {"{\"alg\":\"HS256\"}", "{" GOOD ",\"exp\":1799999999}", false},
    {"{\"alg\":\"HS256\"}", "{" GOOD ",\"exp\":-1}", false},
    {"{\"alg\":\"HS256\"}", "{" GOOD ",\"exp\":\"1800000060\"}", false},
    {"{\"alg\":\"HS256\"}", "{" GOOD ",\"exp\":1800000060.5}", false},
    {"{\"alg\":\"HS256\"}", "{" GOOD ",\"exp\":9223372036854775807}", false},
    {"{\"alg\":\"HS256\"}", "{" GOOD ",\"exp\":null}", false},
    {"{\"alg\":\"HS256\"}", "{" GOOD "," EXP ",\"nbf\":1800000000}", true},
    {"{\"alg\":\"HS256\"}", "{" GOOD "," EXP ",\"nbf\":1800000001}", false},
    {"{\"alg\":\"HS256\"}", "{" GOOD "," EXP ",\"nbf\":\"x\"}", false},
    {"{\"alg\":\"HS256\"}", "{" GOOD "," EXP ",\"iat\":1800000059}", true},
    {"{\"alg\":\"HS256\"}", "{" GOOD ",\"exp\":1900000000,\"iat\":1800000060}", true},
    {"{\"alg\":\"HS256\"}", "{" GOOD ",\"exp\":1900000000,\"iat\":1800000061}", false},
    {"{\"alg\":\"HS256\"}", "{" GOOD "," EXP ",\"iat\":1800000060}", false},
    /* who */
    {"{\"alg\":\"HS256\"}", "{\"sub\":\"u\"," EXP "}", false},
    {"{\"alg\":\"HS256\"}", "{\"sub\":\"u\",\"tenant_id\":\"t\"," EXP "}", false},
    {"{\"alg\":\"HS256\"}", "{\"sub\":\"u\",\"tenant_id\":\"" TENANT "0\"," EXP "}", false},
    {"{\"alg\":\"HS256\"}", "{\"sub\":\"u\",\"tenant_id\":7," EXP "}", false},
    {"{\"alg\":\"HS256\"}", "{\"tenant_id\":\"" TENANT "\"," EXP "}", false},
    {"{\"alg\":\"HS256\"}", "{\"sub\":\"\",\"tenant_id\":\"" TENANT "\"," EXP "}", false},
    {"{\"alg\":\"HS256\"}", "[]", false},
    {"{\"alg\":\"HS256\"}", "", false},
    {"{\"alg\":\"HS256\"}", "not json", false},
};

static void well_signed_tokens_are_judged_by_what_they_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = arena_new(1 << 20);
        struct err err = {0};
        struct token out = {0};
        struct str jwt = forge(a, cases[i].header, cases[i].claims, secret);
        bool good = token_verify(a, jwt, secret, NOW_MS, &out, &err);
        if (good != cases[i].good)
            fail_msg("%s %s: %s", cases[i].header, cases[i].claims, good ? "accepted" : err.msg);
        if (!good)
            assert_int_equal(err.kind, ERR_DENIED);
    }
}

static void alg_none_without_a_signature_is_refused(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct err err = {0};
    struct token out = {0};
    struct str head = base64url_encode(a, STR("{\"alg\":\"none\"}"));
    struct str body = base64url_encode(a, STR("{" GOOD "," EXP "}"));
    struct str jwt = str_fmt(a, "%.*s.%.*s.", STR_ARG(head), STR_ARG(body));
    assert_false(token_verify(a, jwt, secret, NOW_MS, &out, &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

static void a_tenant_in_capitals_is_told_in_lower_case(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct err err = {0};
    struct token out = {0};
    struct str jwt = forge(
        a, "{\"alg\":\"HS256\"}",
        "{\"sub\":\"u\",\"tenant_id\":\"0190A000-0000-7000-8000-0000000000AB\"," EXP "}", secret);
    assert_true(token_verify(a, jwt, secret, NOW_MS, &out, &err));
    assert_true(str_eq_c(out.tenant_id, TENANT));
}

static void a_token_that_is_too_long_is_not_looked_at(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    struct err err = {0};
    struct token out = {0};
    char text[TOKEN_MAX + 1];
    memset(text, 'a', sizeof text);
    assert_false(token_verify(a, (struct str){text, sizeof text}, secret, NOW_MS, &out, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_false(token_verify(a, (struct str){"e30.\0.x", 7}, secret, NOW_MS, &out, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signed_token_verifies_and_keeps_all_members),
        cmocka_unit_test(a_token_without_tenant_user_or_expiry_is_not_signed),
        cmocka_unit_test(absence_is_unproven_and_everything_else_denied),
        cmocka_unit_test(every_changed_byte_of_a_token_is_refused),
        cmocka_unit_test(well_signed_tokens_are_judged_by_what_they_say),
        cmocka_unit_test(alg_none_without_a_signature_is_refused),
        cmocka_unit_test(a_tenant_in_capitals_is_told_in_lower_case),
        cmocka_unit_test(a_token_that_is_too_long_is_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
