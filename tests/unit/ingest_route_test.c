/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "route.h"
#include "test.h"

#define T "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"

static void a_path_is_somebody_s_or_nobody_s(void **state)
{
    (void)state;
    static const struct {
        const char *path, *provider, *tenant, *rest; /* provider NULL: nobody's; NULL: absent */
    } cases[] = {
        {"/webhooks/instagram", "instagram", NULL, NULL},
        {"/api/instagram/webhook", "instagram", NULL, NULL},
        {"/webhooks/unipile/" T, "unipile", T, NULL},
        {"/webhooks/unipile/0190A1B2-C3D4-7E5F-8A9B-0C1D2E3F4A5B", "unipile", T, NULL},
        {"/webhooks/unipile/" T "/bot1", "unipile", T, "bot1"},
        {"/webhooks/telegram/" T "/8000000001", "telegram", T, "8000000001"},
        {"/webhooks/telegram/" T, "telegram", T, NULL},
        {"/webhooks/telegram/8000000001", NULL, NULL, NULL},
        {"/webhooks/x", "x", NULL, NULL},
        {"/webhooks/x/" T, NULL, NULL, NULL},
        {"/webhooks/unipile/" T "/", NULL, NULL, NULL},
        {"/webhooks/unipile/" T "/a/b", NULL, NULL, NULL},
        {"/webhooks/unipile/" T "x", NULL, NULL, NULL},
        {"/webhooks/unipile/not-a-uuid", NULL, NULL, NULL},
        {"/webhooks/unipile/", NULL, NULL, NULL},
        {"/webhooks/unipile", NULL, NULL, NULL},
        {"/webhooks/instagram/", NULL, NULL, NULL},
        {"/webhooks/instagram/" T, NULL, NULL, NULL},
        {"/webhooks/INSTAGRAM", NULL, NULL, NULL},
        {"/webhooks/nobody", NULL, NULL, NULL},
        {"/webhooks/", NULL, NULL, NULL},
        {"/webhooks", NULL, NULL, NULL},
        {"/api/instagram/webhook/", NULL, NULL, NULL},
        {"//webhooks/instagram", NULL, NULL, NULL},
        {"/", NULL, NULL, NULL},
        {"", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ingest_route route;
        bool found = ingest_route_find(str_of(cases[i].path), &route);
        if (found != (cases[i].provider != NULL))
            fail_msg("%s: %s", cases[i].path, found ? "found" : "not found");
        if (!found)
            continue;
        assert_string_equal(route.provider->name, cases[i].provider);
        assert_ptr_equal(provider_at(route.index), route.provider);
        assert_true(str_eq(ingest_route_tenant(&route), str_of(cases[i].tenant)));
        assert_true(str_eq(route.rest, str_of(cases[i].rest)));
    }
}

static void an_absent_path_is_nobody_s(void **state)
{
    (void)state;
    struct ingest_route route;
    assert_false(ingest_route_find(STR_NONE, &route));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_somebody_s_or_nobody_s),
        cmocka_unit_test(an_absent_path_is_nobody_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
