/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"
#include "pg.h"
#include "test.h"

static void an_array_quotes_what_it_must(void **state)
{
    (void)state;
    struct pg_array x;
    pg_array_init(&x, 1 << 16);
    assert_string_equal(pg_array_param(&x).value, "{}");
    pg_array_clear(&x);
    pg_array_str(&x, STR("plain"));
    pg_array_str(&x, STR("a \"b\" \\c, {d}"));
    pg_array_str(&x, STR(""));
    pg_array_str(&x, STR_NONE);
    pg_array_str(&x, (struct str){"a\0b", 3});
    assert_string_equal(pg_array_param(&x).value,
                        "{\"plain\",\"a \\\"b\\\" \\\\c, {d}\",\"\",NULL,\"a\xEF\xBF\xBD"
                        "b\"}");
    pg_array_clear(&x);
    pg_array_i64(&x, -5);
    pg_array_i64(&x, INT64_MAX);
    assert_string_equal(pg_array_param(&x).value, "{-5,9223372036854775807}");
    pg_array_done(&x);
}

static void an_array_that_is_too_large_is_no_array(void **state)
{
    (void)state;
    struct pg_array x;
    pg_array_init(&x, 16);
    pg_array_str(&x, STR("far too long for sixteen bytes"));
    assert_true(pg_array_param(&x).value[0] != '{');
    pg_array_done(&x);
}

static void a_server_that_is_not_there_is_busy(void **state)
{
    (void)state;
    struct pg_opts opts = {.url = "postgresql://nobody@127.0.0.1:9/none", .timeout_ms = 2000};
    struct pg *pg = pg_new(&opts);
    struct err err = {0};
    assert_false(pg_connect(pg, &err));
    assert_int_equal(err.kind, ERR_BUSY);
    assert_false(pg_is_connected(pg));
    assert_null(pg_exec(pg, "SELECT 1", NULL, 0, &err));
    assert_int_equal(err.kind, ERR_BUSY);
    pg_free(pg);
    pg_free(NULL);
}

/* --- against a server, where one is named ----------------------------------------------------- */

static int connect_real(void **state)
{
    const char *url =
        getenv("POSTRIDER_TEST_DATABASE_URL"); // NOLINT(concurrency-mt-unsafe): one thread
    static const char *const session[] = {"SET application_name = 'pg_test'"};
    struct pg_opts opts = {.url = url, .session_sql = session, .n_session = 1, .timeout_ms = 2000};
    struct err err = {0};
    if (!url)
        return 0;
    struct pg *pg = pg_new(&opts);
    *state = pg;
    return pg_connect(pg, &err) ? 0 : -1;
}

static int disconnect(void **state)
{
    pg_free(*state);
    return 0;
}

static struct pg *server(void **state)
{
    if (!*state)
        skip();
    return *state;
}

static void a_pipeline_answers_in_order_and_prepares_once(void **state)
{
    struct pg *pg = server(state);
    static const struct pg_stmt echo = {"echo", "SELECT $1::bigint * 2, $2::text"};
    static const struct pg_stmt name = {NULL, "SELECT current_setting('application_name')"};
    struct pg_param params[2] = {{.value = "21"}, {.value = NULL}};
    struct pg_result *r[3];
    struct err err = {0};
    for (int i = 0; i < 2; i++) {
        assert_true(pg_send(pg, &echo, params, 2, &err));
        assert_true(pg_send(pg, &name, NULL, 0, &err));
        assert_true(pg_send(pg, &echo, params, 2, &err));
        assert_true(pg_run(pg, r, 3, &err));
        assert_int_equal(pg_i64(r[2], 0, 0), 42);
        assert_true(pg_null(r[0], 0, 1));
        assert_true(str_eq_c(pg_text(r[1], 0, 0), "pg_test"));
        for (int k = 0; k < 3; k++)
            pg_result_free(r[k]);
    }
}

static void errors_say_whose_fault_it_is(void **state)
{
    struct pg *pg = server(state);
    static const struct {
        const char *sql;
        enum err_kind kind;
    } cases[] = {
        {"SELECT 'x'::int", ERR_INVALID},
        {"SELECT 1 / 0", ERR_INVALID},
        {"SELECT nothing", ERR_FAULT},
        {"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '23505'; END $$", ERR_CONFLICT},
        {"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$", ERR_CONFLICT},
        {"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '23514'; END $$", ERR_INVALID},
        {"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '54000'; END $$", ERR_INVALID},
        {"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100'; END $$", ERR_BUSY},
    };
    static const struct pg_stmt one = {NULL, "SELECT 1"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pg_stmt bad = {.sql = cases[i].sql};
        struct pg_result *r[3];
        struct err err = {0};
        assert_true(pg_send(pg, &one, NULL, 0, &err));
        assert_true(pg_send(pg, &bad, NULL, 0, &err));
        assert_true(pg_send(pg, &one, NULL, 0, &err));
        assert_false(pg_run(pg, r, 3, &err));
        assert_int_equal(err.kind, cases[i].kind);
        assert_true(pg_rollback(pg, &err));
    }
}

static void a_slow_answer_ends_the_connection_in_time_and_it_comes_back(void **state)
{
    struct pg *pg = server(state);
    static const struct pg_stmt slow = {"slow", "SELECT pg_sleep(30)"};
    static const struct pg_stmt one = {"one", "SELECT 1"};
    struct pg_result *r[1];
    struct err err = {0};
    int64_t from_ms = clock_ms();
    assert_true(pg_send(pg, &slow, NULL, 0, &err));
    assert_false(pg_run(pg, r, 1, &err));
    assert_int_equal(err.kind, ERR_BUSY);
    assert_true(clock_ms() - from_ms < 4000);
    assert_false(pg_is_connected(pg));
    assert_true(pg_connect(pg, &err));
    assert_true(pg_send(pg, &one, NULL, 0, &err));
    assert_true(pg_run(pg, r, 1, &err));
    pg_result_free(r[0]);
}

static void a_pipeline_larger_than_the_sockets_buffers_does_not_lock_up(void **state)
{
    struct pg *pg = server(state);
    static const struct pg_stmt echo = {"big", "SELECT $1::text"};
    struct err err = {0};
    size_t len = 4u << 20;
    char *text = xalloc(len + 1);
    memset(text, 'x', len);
    struct pg_param p = {.value = text};
    struct pg_result *r[8];
    for (int i = 0; i < 8; i++)
        assert_true(pg_send(pg, &echo, &p, 1, &err));
    assert_true(pg_run(pg, r, 8, &err));
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pg_text(r[i], 0, 0).len, len);
        pg_result_free(r[i]);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_array_quotes_what_it_must),
        cmocka_unit_test(an_array_that_is_too_large_is_no_array),
        cmocka_unit_test(a_server_that_is_not_there_is_busy),
        cmocka_unit_test_setup_teardown(a_pipeline_answers_in_order_and_prepares_once, connect_real,
                                        disconnect),
        cmocka_unit_test_setup_teardown(errors_say_whose_fault_it_is, connect_real, disconnect),
        cmocka_unit_test_setup_teardown(a_slow_answer_ends_the_connection_in_time_and_it_comes_back,
                                        connect_real, disconnect),
        cmocka_unit_test_setup_teardown(a_pipeline_larger_than_the_sockets_buffers_does_not_lock_up,
                                        connect_real, disconnect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
