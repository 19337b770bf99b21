/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "client.h"
#include "latency.h"
#include "mem.h"
#include "test.h"

static void answers_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        enum sim_parse parsed;
        int status;
        size_t body;
        bool close;
        int64_t retry_s;
    } cases[] = {
        {"", SIM_PARSE_MORE, 0, 0, false, -1},
        {"HTTP/1.1 200 OK\r\n", SIM_PARSE_MORE, 0, 0, false, -1},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", SIM_PARSE_DONE, 200, 0, false, -1},
        {"HTTP/1.1 503 Busy\r\ncontent-length: 12\r\nRetry-After: 2\r\n\r\n", SIM_PARSE_DONE, 503,
         12, false, 2},
        {"HTTP/1.1 401 No\r\nConnection: Close\r\nContent-Length: 3\r\n\r\nabc", SIM_PARSE_DONE,
         401, 3, true, -1},
        {"HTTP/1.1 204 None\r\n\r\n", SIM_PARSE_DONE, 204, 0, false, -1},
        {"HTTP/1.1 200 OK\r\n\r\n", SIM_PARSE_BAD, 0, 0, false, -1},
        {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", SIM_PARSE_BAD, 0, 0, false, -1},
        {"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n", SIM_PARSE_BAD, 0, 0, false, -1},
        {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", SIM_PARSE_BAD, 0, 0, false, -1},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", SIM_PARSE_BAD, 0, 0, false, -1},
        {"garbage\r\n\r\n", SIM_PARSE_BAD, 0, 0, false, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sim_answer a = {.retry_after_s = -1};
        assert_int_equal(sim_answer_parse(str_of(cases[i].in), &a), cases[i].parsed);
        if (cases[i].parsed != SIM_PARSE_DONE)
            continue;
        assert_int_equal(a.status, cases[i].status);
        assert_int_equal(a.body_len, cases[i].body);
        assert_int_equal(a.close, cases[i].close);
        assert_int_equal(a.retry_after_s, cases[i].retry_s);
    }
}

static void a_provider_sends_again_after_failures_only(void **state)
{
    (void)state;
    static const int again[] = {SIM_NO_ANSWER, 408, 429, 500, 502, 503, 599};
    static const int never[] = {200, 202, 204, 400, 401, 403, 404, 413};
    for (size_t i = 0; i < ARRAY_LEN(again); i++)
        assert_true(sim_is_retried(again[i]));
    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        assert_false(sim_is_retried(never[i]));
}

static void urls_name_a_host_and_a_port(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *port;
    } cases[] = {{"http://127.0.0.1:8080", "127.0.0.1", "8080"},
                 {"http://ingest/", "ingest", "80"},
                 {"https://ingest", NULL, NULL},
                 {"http://ingest:0", NULL, NULL},
                 {"http://ingest:70000", NULL, NULL},
                 {"http://ingest/path", NULL, NULL},
                 {"http://", NULL, NULL},
                 {"", NULL, NULL}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sim_url u;
        struct err err = {0};
        bool ok = sim_url_parse(str_of(cases[i].text), &u, &err);
        assert_int_equal(ok, cases[i].host != NULL);
        if (!ok)
            continue;
        assert_string_equal(u.host, cases[i].host);
        assert_string_equal(u.port, cases[i].port);
    }
}

static void percentiles_are_right_to_a_few_percent(void **state)
{
    (void)state;
    static struct sim_latency l;
    assert_int_equal(sim_latency_at(&l, 99), 0);
    for (int64_t us = 1; us <= 100000; us++)
        sim_latency_add(&l, us);
    assert_in_range(sim_latency_at(&l, 50), 50000, 52000);
    assert_in_range(sim_latency_at(&l, 99), 99000, 100000);
    assert_int_equal(sim_latency_at(&l, 100), 100000);
    sim_latency_add(&l, INT64_MAX);
    assert_true(l.max_us == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_read_strictly),
        cmocka_unit_test(a_provider_sends_again_after_failures_only),
        cmocka_unit_test(urls_name_a_host_and_a_port),
        cmocka_unit_test(percentiles_are_right_to_a_few_percent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
