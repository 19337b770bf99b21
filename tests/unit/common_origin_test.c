/* SPDX-License-Identifier: Apache-2.0 */
#include "mem.h"
#include "origin.h"
#include "test.h"

static const struct {
    const char *allowed, *origin, *host;
    bool good;
} cases[] = {
    /* programs send none */
    {"", NULL, "h:1", true},
    {"https://a.example", NULL, "h:1", true},
    {"https://a.example", "", "h:1", true},
    /* nothing configured: the same host only */
    {"", "https://inbox.example", "inbox.example", true},
    {"", "https://inbox.example:443", "inbox.example", true},
    {"", "https://inbox.example", "inbox.example:443", true},
    {"", "http://localhost:8081", "localhost:8081", true},
    {"", "http://localhost", "localhost:80", true},
    {"", "https://INBOX.example", "inbox.example", true},
    {"", "http://localhost:3000", "localhost:8081", false},
    {"", "https://evil.example", "inbox.example", false},
    {"", "https://inbox.example.evil.example", "inbox.example", false},
    {"", "https://evilinbox.example", "inbox.example", false},
    {"", "null", "inbox.example", false},
    {"", "file://", "inbox.example", false},
    {"", "https://", "", false},
    {"", "https://inbox.example", NULL, false},
    {" ", "https://evil.example", "inbox.example", false},
    /* a list */
    {"https://a.example", "https://a.example", "h", true},
    {"https://a.example", "https://A.Example", "h", true},
    {"https://a.example/", "https://a.example", "h", true},
    {"https://a.example, https://b.example:8443", "https://b.example:8443", "h", true},
    {"https://a.example,,https://b.example", "https://b.example", "h", true},
    {"https://a.example", "http://a.example", "h", false},
    {"https://a.example", "https://a.example:444", "h", false},
    {"https://a.example", "https://a.example.evil", "h", false},
    {"https://a.example", "https://h", "h", false},
    {"https://a.example,", "null", "h", false},
    {",", "https://h", "h", false},
    /* any */
    {"*", "https://anything", "h", true},
    {"*", "null", "h", true},
    {"https://a.example, *", "null", "h", true},
    {"https://*.example", "https://a.example", "h", false},
};

static void origins_are_allowed_as_configured(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool good = origin_is_allowed(str_of(cases[i].allowed), str_of(cases[i].origin),
                                      str_of(cases[i].host));
        if (good != cases[i].good)
            fail_msg("allowed '%s' origin '%s' host '%s': %d", cases[i].allowed,
                     cases[i].origin ? cases[i].origin : "-", cases[i].host ? cases[i].host : "-",
                     good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(origins_are_allowed_as_configured)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
