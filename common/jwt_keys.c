/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt_keys.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "json.h"

#define KEYS_MAX      32
#define FILE_MAX      ((size_t)256 * 1024)
#define ARENA_MAX     (64 * FILE_MAX)
#define RSA_BITS_MIN  2048 /* RFC 7518 §3.3 */
#define P256_BYTES    32
#define ED25519_BYTES 32
#define KEY_ID_MAX    128

struct key {
    const char *algorithm; /* that it verifies, and no other */
    char id[KEY_ID_MAX];   /* "": any token may be meant for it */
    EVP_PKEY *pkey;
};

struct token_keys {
    struct str secret, issuer;
    struct key keys[KEYS_MAX];
    int n;
};

/* --- keys ------------------------------------------------------------------------------------- */

/* NULL: none of those that are understood. */
static const char *algorithm_of(const EVP_PKEY *pkey)
{
    char group[32];
    size_t n;
    switch (EVP_PKEY_get_base_id(pkey)) {
    case EVP_PKEY_RSA:
        return EVP_PKEY_get_bits(pkey) >= RSA_BITS_MIN ? "RS256" : NULL;
    case EVP_PKEY_EC:
        if (EVP_PKEY_get_group_name(pkey, group, sizeof group, &n) != 1)
            return NULL;
        return strcmp(group, SN_X9_62_prime256v1) == 0 ? "ES256" : NULL;
    case EVP_PKEY_ED25519:
        return "EdDSA";
    default:
        return NULL;
    }
}

/* Takes pkey. `at`: which key of the file. */
static bool add_key(struct token_keys *k, EVP_PKEY *pkey, struct str id, int at, struct err *err)
{
    const char *algorithm = pkey ? algorithm_of(pkey) : NULL;
    bool ok = false;
    if (!pkey)
        err_set(err, ERR_INVALID, "key %d cannot be read", at);
    else if (!algorithm)
        err_set(err, ERR_INVALID, "key %d: want RSA of %d bits or more, P-256 or Ed25519", at,
                RSA_BITS_MIN);
    else if (k->n == KEYS_MAX || id.len >= KEY_ID_MAX)
        err_set(err, ERR_INVALID, "key %d: at most %d keys, with a kid shorter than %d", at,
                KEYS_MAX, KEY_ID_MAX);
    else
        ok = true;
    if (!ok) {
        EVP_PKEY_free(pkey);
        return false;
    }
    struct key *key = &k->keys[k->n++];
    key->algorithm = algorithm;
    key->pkey = pkey;
    (void)snprintf(key->id, sizeof key->id, "%.*s", STR_ARG(id));
    return true;
}

/* --- PEM -------------------------------------------------------------------------------------- */

static int count_blocks(struct str text)
{
    static const char begin[] = "-----BEGIN ";
    int n = 0;
    for (const char *p; (p = memmem(text.ptr, text.len, begin, sizeof begin - 1)); n++)
        text = str_skip(text, (size_t)(p - text.ptr) + 1);
    return n;
}

static bool read_pem(struct token_keys *k, struct str text, struct err *err)
{
    static const char private[] = "PRIVATE KEY-----";
    if (memmem(text.ptr, text.len, private, sizeof private - 1))
        return err_set(err, ERR_INVALID, "it holds a private key: only public ones belong there");
    BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
    bool ok = bio != NULL;
    EVP_PKEY *pkey;
    while (ok && (pkey = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL)))
        ok = add_key(k, pkey, STR_NONE, k->n + 1, err);
    if (ok && k->n != count_blocks(text)) // the reader ends at the first that it cannot read
        ok = err_set(err, ERR_INVALID, "key %d cannot be read", k->n + 1);
    ERR_clear_error();
    BIO_free(bio);
    return ok;
}

/* --- JWK -------------------------------------------------------------------------------------- */

static struct str member(struct arena *a, const struct json *jwk, const char *name)
{
    struct str bytes = STR_NONE;
    const struct json *v = json_get(jwk, name);
    if (!json_is(v, JSON_STRING) || !base64_decode(a, json_text(a, v), &bytes))
        return STR_NONE;
    return bytes;
}

static EVP_PKEY *make_key(const char *type, OSSL_PARAM_BLD *build)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (params && ctx && EVP_PKEY_fromdata_init(ctx) == 1)
        (void)EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return pkey;
}

static EVP_PKEY *rsa_key(struct arena *a, const struct json *jwk)
{
    struct str n = member(a, jwk, "n"), e = member(a, jwk, "e");
    if (!n.len || !e.len)
        return NULL;
    BIGNUM *modulus = BN_bin2bn((const unsigned char *)n.ptr, (int)n.len, NULL);
    BIGNUM *exponent = BN_bin2bn((const unsigned char *)e.ptr, (int)e.len, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;
    if (modulus && exponent && build &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
        pkey = make_key("RSA", build);
    OSSL_PARAM_BLD_free(build);
    BN_free(modulus);
    BN_free(exponent);
    return pkey;
}

static EVP_PKEY *ec_key(struct arena *a, const struct json *jwk)
{
    struct str x = member(a, jwk, "x"), y = member(a, jwk, "y");
    unsigned char point[1 + 2 * P256_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
    if (!str_eq_c(json_text(a, json_get(jwk, "crv")), "P-256") || x.len != P256_BYTES ||
        y.len != P256_BYTES)
        return NULL;
    memcpy(point + 1, x.ptr, P256_BYTES);
    memcpy(point + 1 + P256_BYTES, y.ptr, P256_BYTES);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;
    if (build &&
        OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, SN_X9_62_prime256v1,
                                        0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point) == 1)
        pkey = make_key("EC", build);
    OSSL_PARAM_BLD_free(build);
    return pkey;
}

static EVP_PKEY *ed25519_key(struct arena *a, const struct json *jwk)
{
    struct str x = member(a, jwk, "x");
    if (!str_eq_c(json_text(a, json_get(jwk, "crv")), "Ed25519") || x.len != ED25519_BYTES)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)x.ptr, x.len);
}

/* A set may hold keys for other uses and of other kinds: those are passed over. */
static bool is_for_us(struct arena *a, const struct json *jwk)
{
    struct str use = json_text(a, json_get(jwk, "use")), alg = json_text(a, json_get(jwk, "alg"));
    struct str kty = json_text(a, json_get(jwk, "kty"));
    if (use.ptr && !str_eq_c(use, "sig"))
        return false;
    if (alg.ptr && !str_eq_c(alg, "RS256") && !str_eq_c(alg, "ES256") && !str_eq_c(alg, "EdDSA"))
        return false;
    return str_eq_c(kty, "RSA") || str_eq_c(kty, "EC") || str_eq_c(kty, "OKP");
}

static bool read_jwk(struct token_keys *k, struct arena *a, const struct json *jwk, int at,
                     struct err *err)
{
    struct str kty = json_text(a, json_get(jwk, "kty"));
    if (!is_for_us(a, jwk))
        return true;
    if (json_get(jwk, "d"))
        return err_set(err, ERR_INVALID, "key %d is a private key: only public ones belong there",
                       at);
    EVP_PKEY *pkey = str_eq_c(kty, "RSA")  ? rsa_key(a, jwk)
                     : str_eq_c(kty, "EC") ? ec_key(a, jwk)
                                           : ed25519_key(a, jwk);
    ERR_clear_error();
    if (!add_key(k, pkey, json_text(a, json_get(jwk, "kid")), at, err))
        return false;
    struct str alg = json_text(a, json_get(jwk, "alg"));
    if (alg.ptr && !str_eq_c(alg, k->keys[k->n - 1].algorithm))
        return err_set(err, ERR_INVALID, "key %d is not of the kind that its alg says", at);
    return true;
}

static bool read_set(struct token_keys *k, struct str text, struct err *err)
{
    auto_arena a = arena_new(ARENA_MAX);
    int at = 0;
    const struct json *root = json_parse(a, text, err);
    if (!root)
        return false;
    const struct json *list = json_get(root, "keys");
    if (!json_is(list, JSON_ARRAY))
        return err_set(err, ERR_INVALID, "it is neither PEM nor a set of JWKs");
    for (const struct json *v = json_first(list); v; v = json_next(list, v))
        if (!read_jwk(k, a, v, ++at, err))
            return false;
    return true;
}

/* --- life ------------------------------------------------------------------------------------- */

static bool read_file(struct token_keys *k, const char *path, struct err *err)
{
    auto_arena a = arena_new(FILE_MAX + (size_t)8192);
    char *text = arena_alloc(a, FILE_MAX);
    FILE *file = fopen(path, "re");
    if (!file)
        return err_set(err, ERR_INVALID, "it cannot be opened");
    size_t n = fread(text, 1, FILE_MAX, file);
    (void)fclose(file);
    struct str all = str_trim((struct str){text, n});
    if (n == FILE_MAX)
        return err_set(err, ERR_INVALID, "it is too large");
    bool ok = all.len && all.ptr[0] == '{' ? read_set(k, all, err) : read_pem(k, all, err);
    return ok && (k->n || err_set(err, ERR_INVALID, "there is no key in it that verifies tokens"));
}

struct token_keys *token_keys_new(struct str secret, const char *path, const char *issuer,
                                  struct err *err)
{
    struct token_keys *k = xalloc(sizeof *k);
    k->secret = secret;
    k->issuer = issuer && *issuer ? str_of(issuer) : STR_NONE;
    if (!path || !*path || read_file(k, path, err))
        return k;
    err_wrap(err, "jwt_keys '%s'", path);
    token_keys_free(k);
    return NULL;
}

void token_keys_free(struct token_keys *k)
{
    if (!k)
        return;
    for (int i = 0; i < k->n; i++)
        EVP_PKEY_free(k->keys[i].pkey);
    free(k);
}

struct str token_keys_secret(const struct token_keys *k)
{
    return k->secret;
}

struct str token_keys_issuer(const struct token_keys *k)
{
    return k->issuer;
}

int token_keys_count(const struct token_keys *k)
{
    return k->n;
}

/* --- verify ----------------------------------------------------------------------------------- */

/* A token has both numbers side by side (RFC 7518 §3.4), OpenSSL wants them as DER. */
static int ecdsa_der(struct str raw, unsigned char **der)
{
    const unsigned char *p = (const unsigned char *)raw.ptr;
    if (raw.len != 2 * (size_t)P256_BYTES)
        return -1;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(p, P256_BYTES, NULL), *s = BN_bin2bn(p + P256_BYTES, P256_BYTES, NULL);
    int n = -1;
    if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
        r = s = NULL; // sig's own now
        n = i2d_ECDSA_SIG(sig, der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    return n;
}

static bool verify(const struct key *key, struct str text, struct str signature)
{
    bool is_eddsa = strcmp(key->algorithm, "EdDSA") == 0;
    bool is_ecdsa = strcmp(key->algorithm, "ES256") == 0;
    unsigned char *der = NULL;
    int n = is_ecdsa ? ecdsa_der(signature, &der) : (int)signature.len;
    const unsigned char *sig = is_ecdsa ? der : (const unsigned char *)signature.ptr;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok =
        n > 0 && ctx &&
        EVP_DigestVerifyInit(ctx, NULL, is_eddsa ? NULL : EVP_sha256(), NULL, key->pkey) == 1 &&
        EVP_DigestVerify(ctx, sig, (size_t)n, (const unsigned char *)text.ptr, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    OPENSSL_free(der);
    ERR_clear_error();
    return ok;
}

bool token_keys_verify(const struct token_keys *k, struct str algorithm, struct str key_id,
                       struct str text, struct str signature)
{
    for (int i = 0; i < k->n; i++) {
        const struct key *key = &k->keys[i];
        bool is_meant = !key->id[0] || !key_id.len || str_eq_c(key_id, key->id);
        if (is_meant && str_eq_c(algorithm, key->algorithm) && verify(key, text, signature))
            return true;
    }
    return false;
}
