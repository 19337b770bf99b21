/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto.h"
#include "jwt_keys.h"
#include "jwt_token.h"
#include "test.h"

#define NOW_S  1800000000LL
#define NOW_MS (NOW_S * 1000)
#define TENANT "0190a000-0000-7000-8000-0000000000ab"
#define SECRET "a-key-of-thirty-two-bytes-or-more"

enum { KEY_RSA, KEY_EC, KEY_ED, KINDS };
static const char *const algorithms[KINDS] = {"RS256", "ES256", "EdDSA"};

struct stage {
    struct arena *a;
    EVP_PKEY *keys[KINDS];
    char path[64];
};

static int set_up(void **state)
{
    static struct stage s;
    s.a = arena_new(1 << 22);
    s.keys[KEY_RSA] = EVP_RSA_gen(2048);
    s.keys[KEY_EC] = EVP_EC_gen("P-256");
    s.keys[KEY_ED] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    (void)snprintf(s.path, sizeof s.path, "/tmp/postrider-keys-%ld", (long)getpid());
    *state = &s;
    return s.keys[KEY_RSA] && s.keys[KEY_EC] && s.keys[KEY_ED] ? 0 : -1;
}

static int tear_down(void **state)
{
    struct stage *s = *state;
    for (int i = 0; i < KINDS; i++)
        EVP_PKEY_free(s->keys[i]);
    (void)unlink(s->path);
    arena_free(s->a);
    return 0;
}

/* --- files ------------------------------------------------------------------------------------ */

static void write_file(const struct stage *s, struct str text)
{
    FILE *f = fopen(s->path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(text.ptr, 1, text.len, f), text.len);
    assert_int_equal(fclose(f), 0);
}

static void write_pem(const struct stage *s, EVP_PKEY *const *keys, int n)
{
    FILE *f = fopen(s->path, "we");
    assert_non_null(f);
    for (int i = 0; i < n; i++)
        assert_int_equal(PEM_write_PUBKEY(f, keys[i]), 1);
    assert_int_equal(fclose(f), 0);
}

static struct str number(struct stage *s, EVP_PKEY *key, const char *name)
{
    unsigned char bytes[512];
    BIGNUM *n = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &n), 1);
    int min = strcmp(name, OSSL_PKEY_PARAM_RSA_N) != 0 && strcmp(name, OSSL_PKEY_PARAM_RSA_E) != 0
                  ? 32
                  : 0;
    int len = BN_num_bytes(n) > min ? BN_num_bytes(n) : min;
    assert_int_equal(BN_bn2binpad(n, bytes, len), len);
    BN_free(n);
    return base64url_encode(s->a, (struct str){(const char *)bytes, (size_t)len});
}

static struct str jwk(struct stage *s, int kind, const char *id, const char *more)
{
    unsigned char raw[32];
    size_t n = sizeof raw;
    struct str x;
    switch (kind) {
    case KEY_RSA:
        return str_fmt(s->a, "{\"kty\":\"RSA\",\"kid\":\"%s\",\"n\":\"%.*s\",\"e\":\"%.*s\"%s}", id,
                       STR_ARG(number(s, s->keys[KEY_RSA], OSSL_PKEY_PARAM_RSA_N)),
                       STR_ARG(number(s, s->keys[KEY_RSA], OSSL_PKEY_PARAM_RSA_E)), more);
    case KEY_EC:
        return str_fmt(
            s->a,
            "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"%s\",\"x\":\"%.*s\",\"y\":\"%.*s\"%s}", id,
            STR_ARG(number(s, s->keys[KEY_EC], OSSL_PKEY_PARAM_EC_PUB_X)),
            STR_ARG(number(s, s->keys[KEY_EC], OSSL_PKEY_PARAM_EC_PUB_Y)), more);
    default:
        assert_int_equal(EVP_PKEY_get_raw_public_key(s->keys[KEY_ED], raw, &n), 1);
        x = base64url_encode(s->a, (struct str){(const char *)raw, n});
        return str_fmt(s->a,
                       "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"%s\",\"x\":\"%.*s\"%s}", id,
                       STR_ARG(x), more);
    }
}

static void write_set(struct stage *s)
{
    write_file(s, str_fmt(s->a, "{\"keys\":[%.*s,%.*s,%.*s,{\"kty\":\"oct\",\"k\":\"AAAA\"},%.*s]}",
                          STR_ARG(jwk(s, KEY_RSA, "rsa-1", ",\"alg\":\"RS256\",\"use\":\"sig\"")),
                          STR_ARG(jwk(s, KEY_EC, "ec-1", "")), STR_ARG(jwk(s, KEY_ED, "ed-1", "")),
                          STR_ARG(jwk(s, KEY_RSA, "enc", ",\"use\":\"enc\""))));
}

static struct token_keys *load(const struct stage *s, const char *issuer)
{
    struct err err = {0};
    struct token_keys *k = token_keys_new(STR(SECRET), s->path, issuer, &err);
    if (!k)
        fail_msg("%s", err.msg);
    return k;
}

/* --- tokens ----------------------------------------------------------------------------------- */

static struct str sign(struct stage *s, int kind, struct str text)
{
    unsigned char sig[512], raw[64];
    size_t n = sizeof sig;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(
        EVP_DigestSignInit(ctx, NULL, kind == KEY_ED ? NULL : EVP_sha256(), NULL, s->keys[kind]),
        1);
    assert_int_equal(EVP_DigestSign(ctx, sig, &n, (const unsigned char *)text.ptr, text.len), 1);
    EVP_MD_CTX_free(ctx);
    if (kind != KEY_EC)
        return str_dup(s->a, (struct str){(const char *)sig, n});
    const unsigned char *p = sig;
    ECDSA_SIG *parsed = d2i_ECDSA_SIG(NULL, &p, (long)n);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(parsed), raw, 32), 32);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(parsed), raw + 32, 32), 32);
    ECDSA_SIG_free(parsed);
    return str_dup(s->a, (struct str){(const char *)raw, sizeof raw});
}

static struct str content(struct stage *s, const char *algorithm, const char *key_id)
{
    struct str kid = key_id ? str_fmt(s->a, ",\"kid\":\"%s\"", key_id) : STR("");
    struct str head =
        base64url_encode(s->a, str_fmt(s->a, "{\"alg\":\"%s\"%.*s}", algorithm, STR_ARG(kid)));
    struct str body = base64url_encode(
        s->a, str_fmt(s->a,
                      "{\"iss\":\"them\",\"sub\":\"user-1\",\"tenant_id\":\"" TENANT
                      "\",\"role\":\"agent\",\"exp\":%lld}",
                      NOW_S + 60));
    return str_fmt(s->a, "%.*s.%.*s", STR_ARG(head), STR_ARG(body));
}

static struct str with(struct stage *s, struct str text, struct str signature)
{
    return str_fmt(s->a, "%.*s.%.*s", STR_ARG(text), STR_ARG(base64url_encode(s->a, signature)));
}

static bool check(struct stage *s, const struct token_keys *k, struct str jwt)
{
    struct token out = {0};
    struct err err = {0};
    bool ok = token_check(s->a, jwt, k, NOW_MS, &out, &err);
    if (!ok)
        assert_int_equal(err.kind, ERR_DENIED);
    else
        assert_true(str_eq_c(out.tenant_id, TENANT));
    return ok;
}

static bool check_signed(struct stage *s, const struct token_keys *k, int kind,
                         const char *algorithm, const char *key_id)
{
    struct str text = content(s, algorithm, key_id);
    return check(s, k, with(s, text, sign(s, kind, text)));
}

/* --- cases ------------------------------------------------------------------------------------ */

static void each_kind_of_key_verifies_its_own_tokens_and_no_others(void **state)
{
    struct stage *s = *state;
    for (int set = 0; set < 2; set++) {
        if (set)
            write_set(s);
        else
            write_pem(s, s->keys, KINDS);
        struct token_keys *k = load(s, NULL);
        assert_int_equal(token_keys_count(k), KINDS);
        for (int kind = 0; kind < KINDS; kind++)
            for (int claimed = 0; claimed < KINDS; claimed++)
                assert_int_equal(check_signed(s, k, kind, algorithms[claimed], NULL),
                                 kind == claimed);
        token_keys_free(k);
    }
}

static void a_kid_selects_its_key(void **state)
{
    struct stage *s = *state;
    write_set(s);
    struct token_keys *k = load(s, NULL);
    assert_true(check_signed(s, k, KEY_RSA, "RS256", "rsa-1"));
    assert_false(check_signed(s, k, KEY_RSA, "RS256", "ec-1"));
    assert_false(check_signed(s, k, KEY_RSA, "RS256", "unknown"));
    assert_true(check_signed(s, k, KEY_EC, "ES256", "ec-1"));
    token_keys_free(k);
    write_pem(s, s->keys, 1); // a PEM key has no id
    k = load(s, NULL);
    assert_true(check_signed(s, k, KEY_RSA, "RS256", "whatever"));
    token_keys_free(k);
}

static struct str mac(struct stage *s, struct str text, struct str key)
{
    uint8_t out[SHA256_BYTES];
    struct hmac *h = hmac_new(key);
    hmac_sha256(h, text, out);
    hmac_free(h);
    return str_dup(s->a, (struct str){(const char *)out, sizeof out});
}

static void a_public_key_is_never_a_secret(void **state)
{
    struct stage *s = *state;
    char pem[4096];
    write_pem(s, s->keys, 1);
    FILE *f = fopen(s->path, "re");
    assert_non_null(f);
    struct str public = {pem, fread(pem, 1, sizeof pem, f)};
    (void)fclose(f);
    struct token_keys *k = load(s, NULL);
    struct str text = content(s, "HS256", NULL), as_rsa = content(s, "RS256", NULL);
    assert_true(check(s, k, with(s, text, mac(s, text, STR(SECRET)))));
    assert_false(check(s, k, with(s, text, mac(s, text, public))));
    assert_false(check(s, k, with(s, text, mac(s, text, str_trim(public)))));
    assert_false(check(s, k, with(s, text, sign(s, KEY_RSA, text))));
    assert_false(check(s, k, with(s, as_rsa, mac(s, as_rsa, STR(SECRET)))));
    static const char *const others[] = {"none",  "None",  "",      "RS512",
                                         "PS256", "ES384", "HS512", "rs256"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_false(check_signed(s, k, KEY_RSA, others[i], NULL));
        struct str open = content(s, others[i], NULL);
        assert_false(check(s, k, str_fmt(s->a, "%.*s.", STR_ARG(open))));
    }
    token_keys_free(k);
}

static void a_signature_that_was_touched_is_wrong(void **state)
{
    struct stage *s = *state;
    write_pem(s, s->keys, KINDS);
    struct token_keys *k = load(s, NULL);
    for (int kind = 0; kind < KINDS; kind++) {
        struct str text = content(s, algorithms[kind], NULL), sig = sign(s, kind, text);
        char copy[512];
        assert_true(sig.len <= sizeof copy);
        memcpy(copy, sig.ptr, sig.len);
        for (size_t i = 0; i < sig.len; i += 7) {
            copy[i] ^= 1;
            assert_false(check(s, k, with(s, text, (struct str){copy, sig.len})));
            copy[i] ^= 1;
        }
        assert_false(check(s, k, with(s, text, (struct str){copy, sig.len - 1})));
        assert_false(check(s, k, with(s, text, STR(""))));
        assert_true(check(s, k, with(s, text, sig)));
    }
    // Both numbers zero verified anything in more than one library.
    char zeros[64] = {0};
    assert_false(check(s, k, with(s, content(s, "ES256", NULL), (struct str){zeros, 64})));
    token_keys_free(k);
}

static void the_issuer_is_checked_where_one_is_set(void **state)
{
    struct stage *s = *state;
    write_pem(s, s->keys, KINDS);
    struct token_keys *k = load(s, "them");
    assert_true(check_signed(s, k, KEY_RSA, "RS256", NULL));
    token_keys_free(k);
    k = load(s, "others");
    assert_false(check_signed(s, k, KEY_RSA, "RS256", NULL));
    struct str text = content(s, "HS256", NULL); // our own name whom they like
    assert_true(check(s, k, with(s, text, mac(s, text, STR(SECRET)))));
    token_keys_free(k);
}

static void refused(struct stage *s, struct str text)
{
    struct err err = {0};
    write_file(s, text);
    assert_null(token_keys_new(STR(SECRET), s->path, NULL, &err));
    assert_int_equal(err.kind, ERR_INVALID);
}

static void a_file_that_is_no_set_of_public_keys_is_refused(void **state)
{
    struct stage *s = *state;
    struct err err = {0};
    char pem[4096];
    assert_null(token_keys_new(STR(SECRET), "/nowhere/keys", NULL, &err));
    refused(s, STR(""));
    refused(s, STR("hello"));
    refused(s, STR("{}"));
    refused(s, STR("{\"keys\":[]}"));
    refused(s, STR("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}"));
    refused(s, STR("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}]}"));
    refused(s, STR("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"));
    refused(s,
            str_fmt(s->a, "{\"keys\":[%.*s]}", STR_ARG(jwk(s, KEY_EC, "x", ",\"alg\":\"RS256\""))));
    refused(s, str_fmt(s->a, "{\"keys\":[%.*s]}", STR_ARG(jwk(s, KEY_EC, "x", ",\"d\":\"AAAA\""))));
    FILE *f = fopen(s->path, "we");
    assert_int_equal(PEM_write_PrivateKey(f, s->keys[KEY_ED], NULL, NULL, 0, NULL, NULL), 1);
    (void)fclose(f);
    f = fopen(s->path, "re");
    size_t n = fread(pem, 1, sizeof pem, f);
    (void)fclose(f);
    refused(s, (struct str){pem, n});
    EVP_PKEY *weak = EVP_RSA_gen(1024), *other = EVP_EC_gen("P-384");
    write_pem(s, &weak, 1);
    assert_null(token_keys_new(STR(SECRET), s->path, NULL, &err));
    write_pem(s, &other, 1);
    assert_null(token_keys_new(STR(SECRET), s->path, NULL, &err));
    EVP_PKEY_free(weak);
    EVP_PKEY_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_key_verifies_its_own_tokens_and_no_others),
        cmocka_unit_test(a_kid_selects_its_key),
        cmocka_unit_test(a_public_key_is_never_a_secret),
        cmocka_unit_test(a_signature_that_was_touched_is_wrong),
        cmocka_unit_test(the_issuer_is_checked_where_one_is_set),
        cmocka_unit_test(a_file_that_is_no_set_of_public_keys_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
