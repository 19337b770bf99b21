/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon.h"
#include "log.h"
#include "test.h"

static void an_instance_that_is_set_is_taken_as_it_is(void **state)
{
    (void)state;
    char out[DAEMON_INSTANCE_MAX];
    daemon_instance("blue-1", 9101, out);
    assert_string_equal(out, "blue-1");
}

static void an_instance_is_else_the_host_and_the_admin_port(void **state)
{
    (void)state;
    char out[DAEMON_INSTANCE_MAX], host[128] = "", want[DAEMON_INSTANCE_MAX];
    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    (void)snprintf(want, sizeof want, "%s-9101", host);
    daemon_instance("", 9101, out);
    assert_string_equal(out, want);
}

static void a_log_setting_that_is_none_is_refused_by_name(void **state)
{
    (void)state;
    struct err err = {0};
    assert_false(daemon_start_log("test", "loud", "json", &err));
    assert_int_equal(err.kind, ERR_INVALID);
    assert_non_null(strstr(err.msg, "log_level 'loud'"));
    assert_false(daemon_start_log("test", "warn", "xml", &err));
    assert_non_null(strstr(err.msg, "log_format 'xml'"));
}

static void the_level_is_in_force_after_the_start(void **state)
{
    (void)state;
    struct err err = {0};
    assert_true(daemon_start_log("test", "warn", "text", &err));
    assert_true(log_is_on(LOG_WARN));
    assert_false(log_is_on(LOG_INFO));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_instance_that_is_set_is_taken_as_it_is),
        cmocka_unit_test(an_instance_is_else_the_host_and_the_admin_port),
        cmocka_unit_test(a_log_setting_that_is_none_is_refused_by_name),
        cmocka_unit_test(the_level_is_in_force_after_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
