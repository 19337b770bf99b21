/* SPDX-License-Identifier: Apache-2.0 */
#include "decide.h"
#include "mem.h"
#include "test.h"

#define TENANT "01a20372-7c3b-77c1-ba74-f723417d2b0a"
#define OTHER  "01a20372-7c3b-77c1-ba74-f723417d2b0b"

static const struct {
    const char *provider, *url_tenant;
    bool tenant_exists;
    const char *told_type; /* by the webhook */
    const char *channel_tenant, *channel_type,
        *channel_status; /* channel_tenant NULL: no channel */
    const char *reason;
} cases[] = {
    {"unipile", TENANT, true, "WHATSAPP", TENANT, "WHATSAPP", "ok", NULL},
    {"unipile", TENANT, true, NULL, TENANT, "WHATSAPP", "error", NULL},
    {"unipile", TENANT, true, "X_TWITTER", TENANT, "TWITTER", "ok", NULL},
    {"unipile", TENANT, false, "WHATSAPP", TENANT, "WHATSAPP", "ok", "unknown_tenant"},
    {"unipile", TENANT, false, "WHATSAPP", NULL, NULL, NULL, "unknown_tenant"},
    {"unipile", TENANT, true, "WHATSAPP", NULL, NULL, NULL, "unknown_account"},
    {"unipile", TENANT, true, "WHATSAPP", OTHER, "WHATSAPP", "ok", "unknown_account"},
    {"unipile", TENANT, true, "LINKEDIN", TENANT, "WHATSAPP", "ok", "account_type_mismatch"},
    {"unipile", TENANT, true, "WHATSAPP", TENANT, "WHATSAPP", "disconnected",
     "channel_disconnected"},
    {"instagram", NULL, false, "instagram", TENANT, "instagram", "ok", NULL},
    {"instagram", NULL, false, "page", TENANT, "instagram", "ok", "account_type_mismatch"},
    {"instagram", NULL, false, "instagram", NULL, NULL, NULL, "unknown_account"},
};

static void what_does_not_fit_is_quarantined_with_its_reason(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct channel ch = {.tenant_id = str_of(cases[i].channel_tenant),
                             .account_type = str_of(cases[i].channel_type),
                             .status = str_of(cases[i].channel_status)};
        struct item it = {.adapter = provider_find(str_of(cases[i].provider)),
                          .event = {.tenant_id = str_of(cases[i].url_tenant),
                                    .account = STR("acc"),
                                    .account_type = str_of(cases[i].told_type)},
                          .tenant_exists = cases[i].tenant_exists,
                          .channel = cases[i].channel_tenant ? &ch : NULL};
        assert_non_null(it.adapter);
        router_decide_quarantine(a, &it);
        if (!cases[i].reason)
            assert_null(it.reason);
        else if (!it.reason)
            fail_msg("case %zu is let in", i);
        else
            assert_string_equal(it.reason, cases[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_is_quarantined_with_its_reason)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
