/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "ingest_conf.h"
#include "secrets.h"
#include "test.h"

#define TENANT "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"

/* A conf as conf_load fills it: every text is there. */
static struct ingest_conf conf_with(char *master, char *versions, char *meta, char *instagram,
                                    char *tokens)
{
    static char none[] = "";
    struct ingest_conf conf = {0};
    conf.webhook_master_key = master ? master : none;
    conf.webhook_secret_versions = versions ? versions : none;
    conf.meta_app_secret = meta ? meta : none;
    conf.instagram_app_secret = instagram ? instagram : none;
    conf.meta_verify_token = tokens ? tokens : none;
    conf.instagram_verify_token = none;
    conf.x_consumer_secret = none;
    return conf;
}

static struct ingest_route route_of(const char *path)
{
    struct ingest_route route;
    assert_true(ingest_route_find(str_of(path), &route));
    return route;
}

static void an_app_s_secrets_come_from_both_settings(void **state)
{
    (void)state;
    char meta[] = "one, two,", instagram[] = "three", tokens[] = " t1 ,t2";
    struct ingest_conf conf = conf_with(NULL, NULL, meta, instagram, tokens);
    struct err err = {0};
    struct ingest_secrets *s = ingest_secrets_new(&conf, &err);
    assert_non_null(s);
    struct ingest_route route = route_of("/webhooks/instagram");
    struct secrets out;
    ingest_secrets_for(s, &route, &out);
    assert_int_equal(out.n_keys, 3);
    assert_int_equal(out.n_plain, 2);
    assert_true(str_eq(out.plain[0], STR("t1")) && str_eq(out.plain[1], STR("t2")));

    static const char *const keys[] = {"one", "two", "three"};
    for (size_t i = 0; i < 3; i++) {
        struct hmac *h = hmac_new(str_of(keys[i]));
        uint8_t want[SHA256_BYTES], got[SHA256_BYTES];
        hmac_sha256(h, STR("body"), want);
        hmac_sha256(out.keys[i], STR("body"), got);
        assert_memory_equal(want, got, SHA256_BYTES);
        hmac_free(h);
    }
    ingest_secrets_free(s);
}

static void each_app_has_its_own_secrets(void **state)
{
    (void)state;
    char meta[] = "one", consumer[] = "newest,older", tokens[] = "t1";
    struct ingest_conf conf = conf_with(NULL, NULL, meta, NULL, tokens);
    conf.x_consumer_secret = consumer;
    struct err err = {0};
    struct ingest_secrets *s = ingest_secrets_new(&conf, &err);
    assert_non_null(s);
    struct ingest_route route = route_of("/webhooks/x");
    struct secrets out;
    ingest_secrets_for(s, &route, &out);
    assert_int_equal(out.n_keys, 2);
    assert_int_equal(out.n_plain, 0);
    // X is answered with the first, so the order of the setting is kept.
    struct hmac *newest = hmac_new(STR("newest"));
    uint8_t want[SHA256_BYTES], got[SHA256_BYTES];
    hmac_sha256(newest, STR("token"), want);
    hmac_sha256(out.keys[0], STR("token"), got);
    assert_memory_equal(want, got, SHA256_BYTES);
    hmac_free(newest);
    ingest_secrets_free(s);
}

static void nothing_configured_gives_nothing_to_compare_with(void **state)
{
    (void)state;
    struct ingest_conf conf = conf_with(NULL, NULL, NULL, NULL, NULL);
    struct err err = {0};
    struct ingest_secrets *s = ingest_secrets_new(&conf, &err);
    static const char *const paths[] = {"/webhooks/instagram", "/webhooks/unipile/" TENANT};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct ingest_route route = route_of(paths[i]);
        struct secrets out;
        ingest_secrets_for(s, &route, &out);
        assert_int_equal(out.n_keys, 0);
        assert_int_equal(out.n_plain, 0);
    }
    ingest_secrets_free(s);
}

static void a_tenant_s_secrets_are_derived_for_each_version(void **state)
{
    (void)state;
    char master[] = "master key", versions[] = "1,2";
    struct ingest_conf conf = conf_with(master, versions, NULL, NULL, NULL);
    struct err err = {0};
    struct ingest_secrets *s = ingest_secrets_new(&conf, &err);
    struct ingest_route route = route_of("/webhooks/unipile/" TENANT);
    auto_arena a = arena_new(65536);
    struct hmac *h = hmac_new(STR("master key"));
    static const char *const names[] = {"1", "2"};
    for (int repeat = 0; repeat < 2; repeat++) { // derived, then remembered
        struct secrets out;
        ingest_secrets_for(s, &route, &out);
        assert_int_equal(out.n_plain, 2);
        for (size_t i = 0; i < 2; i++) {
            struct str want = webhook_secret(a, h, STR("unipile"), STR(TENANT), str_of(names[i]));
            assert_true(str_eq(out.plain[i], want));
        }
    }
    hmac_free(h);
    ingest_secrets_free(s);
}

static void more_tenants_than_are_remembered_still_get_their_own(void **state)
{
    (void)state;
    char master[] = "k", versions[] = "1";
    struct ingest_conf conf = conf_with(master, versions, NULL, NULL, NULL);
    struct err err = {0};
    struct ingest_secrets *s = ingest_secrets_new(&conf, &err);
    struct hmac *h = hmac_new(STR("k"));
    for (int i = 0; i < 6000; i++) {
        int n = i % 3000;
        auto_arena a = arena_new(65536);
        char tenant[64], path[128];
        (void)snprintf(tenant, sizeof tenant, "0190a1b2-c3d4-7e5f-8a9b-%012d", n);
        (void)snprintf(path, sizeof path, "/webhooks/unipile/%s", tenant);
        struct ingest_route route = route_of(path);
        struct secrets out;
        ingest_secrets_for(s, &route, &out);
        assert_int_equal(out.n_plain, 1);
        assert_true(
            str_eq(out.plain[0], webhook_secret(a, h, STR("unipile"), str_of(tenant), STR("1"))));
    }
    hmac_free(h);
    ingest_secrets_free(s);
}

static void too_many_are_refused_at_start(void **state)
{
    (void)state;
    char many[] = "1,2,3,4,5,6,7,8,9";
    struct err err = {0};
    struct ingest_conf conf = conf_with(NULL, NULL, many, NULL, NULL);
    assert_null(ingest_secrets_new(&conf, &err));
    assert_non_null(strstr(err.msg, "more than 8 secrets of the meta app"));
    conf = conf_with(NULL, NULL, NULL, NULL, many);
    assert_null(ingest_secrets_new(&conf, &err));
    assert_non_null(strstr(err.msg, "more than 8 verify tokens"));
    conf = conf_with(NULL, many, NULL, NULL, NULL);
    assert_null(ingest_secrets_new(&conf, &err));
    assert_non_null(strstr(err.msg, "webhook_secret_versions"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_app_s_secrets_come_from_both_settings),
        cmocka_unit_test(each_app_has_its_own_secrets),
        cmocka_unit_test(nothing_configured_gives_nothing_to_compare_with),
        cmocka_unit_test(a_tenant_s_secrets_are_derived_for_each_version),
        cmocka_unit_test(more_tenants_than_are_remembered_still_get_their_own),
        cmocka_unit_test(too_many_are_refused_at_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
