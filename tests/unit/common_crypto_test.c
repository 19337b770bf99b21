/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "crypto.h"
#include "test.h"

static struct str mac_hex(struct arena *a, struct hmac *h, struct str data)
{
    uint8_t mac[SHA256_BYTES];
    hmac_sha256(h, data, mac);
    return hex_encode(a, (struct str){(const char *)mac, sizeof(mac)});
}

static void hmacs_match_published_vectors(void **state)
{
    (void)state;
    static const struct {
        struct str key, data;
        const char *mac;
    } cases[] = {
        /* RFC 4231, 4.2, 4.3 and 4.7 (a key longer than a block) */
        {STR("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"),
         STR("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {STR("Jefe"), STR("what do ya want for nothing?"),
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {STR("\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"
             "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"
             "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"
             "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"
             "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"
             "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"),
         STR("Test Using Larger Than Block-Size Key - Hash Key First"),
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        /* a webhook whose escaped text is hashed as it was sent */
        {STR("synthetic-app-secret"), STR("{\"text\":\"\\u00e5\"}"),
         "61c192f44b7198ce6d6ec943d48ae42e76a7dfdc30b0888bbc8e3f0b496a3e16"},
        {STR_NONE, STR_NONE, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = arena_new(1 << 16);
        struct hmac *h = hmac_new(cases[i].key);
        // The second use of a key gives what the first gave.
        for (int use = 0; use < 3; use++)
            assert_true(str_eq_c(mac_hex(a, h, cases[i].data), cases[i].mac));
        hmac_free(h);
    }
    hmac_free(NULL);
}

static void hmacs_in_base64_match_x_s_vectors(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 16);
    struct hmac *h = hmac_new(STR("synthetic-app-secret"));
    uint8_t mac[SHA256_BYTES];
    hmac_sha256(h, STR("SYNTHETICcrcTOKEN0001"), mac);
    struct str bytes = {(const char *)mac, sizeof(mac)};
    assert_true(
        str_eq(base64_encode(a, bytes), STR("a+7bQ41HMFWYBC/IPtmslYiTO9LEjIATVuFYCBVkIQ4=")));
    hmac_sha256(h, STR(""), mac);
    assert_true(
        str_eq(base64_encode(a, bytes), STR("ddllnH9C0FGNW5MeylomkuI5yU6Z3RoGa191g7SB19k=")));
    hmac_free(h);
}

static void hashes_match_fips_180(void **state)
{
    (void)state;
    static const struct {
        struct str data;
        const char *hash;
    } cases[] = {
        {STR_NONE, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {STR("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = arena_new(1 << 16);
        uint8_t hash[SHA256_BYTES];
        sha256(cases[i].data, hash);
        struct str bytes = {(const char *)hash, sizeof(hash)};
        assert_true(str_eq_c(hex_encode(a, bytes), cases[i].hash));
    }
}

static void equality_is_of_bytes_and_length(void **state)
{
    (void)state;
    assert_true(crypto_eq(STR("abc"), STR("abc")));
    assert_false(crypto_eq(STR("abc"), STR("abd")));
    assert_false(crypto_eq(STR("abc"), STR("ab")));
    assert_false(crypto_eq(STR("abc"), STR_NONE));
    assert_true(crypto_eq(STR_NONE, STR("")));
}

static void random_bytes_differ_and_wiped_bytes_are_zero(void **state)
{
    (void)state;
    uint8_t a[32] = {0}, b[32] = {0}, zero[32] = {0};
    crypto_random(a, sizeof(a));
    crypto_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    crypto_wipe(a, sizeof(a));
    assert_memory_equal(a, zero, sizeof(a));
    crypto_wipe(NULL, 0);
}

static void hex_goes_there_and_back(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 16);
    assert_true(str_eq(hex_encode(a, STR("\x00\xff\x1a")), STR("00ff1a")));
    assert_int_equal(hex_encode(a, STR_NONE).len, 0);
    uint8_t out[3] = {9, 9, 9};
    static const char *const bad[] = {"",         "00ff",   "00ff1",  "00ff1a0",
                                      "00ff1a00", "00ff1g", " 0ff1a", "0x00ff"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(hex_decode(str_of(bad[i]), out, 3));
        assert_int_equal(out[0], 9);
    }
    assert_true(hex_decode(STR("00fF1A"), out, 3));
    assert_memory_equal(out, "\x00\xff\x1a", 3);
    assert_true(hex_decode(STR(""), out, 0));
}

static void base64_matches_rfc_4648(void **state)
{
    (void)state;
    static const struct {
        struct str plain;
        const char *padded, *url;
    } cases[] = {
        {STR(""), "", ""},
        {STR("f"), "Zg==", "Zg"},
        {STR("fo"), "Zm8=", "Zm8"},
        {STR("foo"), "Zm9v", "Zm9v"},
        {STR("foob"), "Zm9vYg==", "Zm9vYg"},
        {STR("fooba"), "Zm9vYmE=", "Zm9vYmE"},
        {STR("foobar"), "Zm9vYmFy", "Zm9vYmFy"},
        {STR("\xfb\xff\xbe"), "+/++", "-_--"},
        {STR("\xff"), "/w==", "_w"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = arena_new(1 << 16);
        struct str back = STR_NONE;
        assert_true(str_eq_c(base64_encode(a, cases[i].plain), cases[i].padded));
        assert_true(str_eq_c(base64url_encode(a, cases[i].plain), cases[i].url));
        assert_true(base64_decode(a, str_of(cases[i].padded), &back));
        assert_true(str_eq(back, cases[i].plain));
        assert_true(base64_decode(a, str_of(cases[i].url), &back));
        assert_true(str_eq(back, cases[i].plain));
    }
}

static void what_is_no_base64_is_refused(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 16);
    static const char *const cases[] = {
        "Z",        "Zg=",  "Zg===", "Zm8==", "Zm9v=", "=",    "==",        "====",
        "Zm9vYg=a", "Z g=", "Zm9\n", "Zh",    "Zm9",   "Zm!v", "Zm9vYmE==",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str out = STR("untouched");
        if (base64_decode(a, str_of(cases[i]), &out))
            fail_msg("accepted: %s", cases[i]);
        assert_true(str_eq(out, STR("untouched")));
    }
}

static void random_bytes_of_every_length_come_back(void **state)
{
    (void)state;
    for (size_t n = 0; n < 100; n++) {
        auto_arena a = arena_new(1 << 16);
        char bytes[100];
        crypto_random(bytes, sizeof(bytes));
        struct str plain = {bytes, n}, back;
        assert_true(base64_decode(a, base64url_encode(a, plain), &back));
        assert_true(str_eq(back, plain));
    }
}

static void webhook_secrets_are_derived_as_documented(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 16);
    struct hmac *master = hmac_new(STR("master"));
    struct str tenant = STR("017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    struct str secret = webhook_secret(a, master, STR("unipile"), tenant, STR("1"));
    assert_true(str_eq(secret, STR("Rnjj7FCgTtmcEMqDe2KdjDYuKxCPsMcP9GpJ2S_fqUQ")));
    assert_false(str_eq(webhook_secret(a, master, STR("unipile"), tenant, STR("2")), secret));
    assert_false(str_eq(webhook_secret(a, master, STR("telegram"), tenant, STR("1")), secret));
    hmac_free(master);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hmacs_match_published_vectors),
        cmocka_unit_test(hmacs_in_base64_match_x_s_vectors),
        cmocka_unit_test(hashes_match_fips_180),
        cmocka_unit_test(equality_is_of_bytes_and_length),
        cmocka_unit_test(random_bytes_differ_and_wiped_bytes_are_zero),
        cmocka_unit_test(hex_goes_there_and_back),
        cmocka_unit_test(base64_matches_rfc_4648),
        cmocka_unit_test(what_is_no_base64_is_refused),
        cmocka_unit_test(random_bytes_of_every_length_come_back),
        cmocka_unit_test(webhook_secrets_are_derived_as_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
