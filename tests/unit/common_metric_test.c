/* SPDX-License-Identifier: Apache-2.0 */
/* ctest: threads */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "metric.h"
#include "test.h"

enum { REQUESTS, CLIENTS, WAIT, HTTP_WAIT };

static const struct metric_row rows[] = {
    {"t_requests_total", METRIC_COUNTER, "provider,code", "Answers given.\nBy \\ code."},
    {"t_clients", METRIC_GAUGE, "", "Clients now."},
    {"t_wait_seconds", METRIC_HISTOGRAM, "", "Wait."},
    {"t_http_wait_seconds", METRIC_HISTOGRAM, "path", "Wait by path."},
};

static struct metrics *set;
static struct buf out;

static int setup(void **state)
{
    (void)state;
    set = metrics_new(rows, ARRAY_LEN(rows));
    buf_init(&out, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    metrics_free(set);
    buf_done(&out);
    return 0;
}

static const char *format(void)
{
    buf_clear(&out);
    metrics_format(set, &out);
    buf_putc(&out, '\0');
    assert_false(out.overflow);
    return out.ptr;
}

static void has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in\n%s", part, text);
}

static void families_are_printed_for_prometheus(void **state)
{
    (void)state;
    metric_add(metric_cell(set, REQUESTS, "unipile", "200"), 2);
    metric_add(metric_cell(set, REQUESTS, "unipile", "200"), 1);
    metric_add(metric_cell(set, REQUESTS, "x", "403"), 1);
    struct metric_cell *clients = metric_cell(set, CLIENTS);
    metric_set(clients, 7);
    metric_add(clients, -2);
    assert_int_equal(metric_value(clients), 5);
    const char *text = format();
    has(text,
        "# HELP t_requests_total Answers given.\\nBy \\\\ code.\n# TYPE t_requests_total counter\n"
        "t_requests_total{provider=\"unipile\",code=\"200\"} 3\n"
        "t_requests_total{provider=\"x\",code=\"403\"} 1\n");
    has(text, "# HELP t_clients Clients now.\n# TYPE t_clients gauge\nt_clients 5\n");
}

static void families_without_labels_are_there_from_the_start(void **state)
{
    (void)state;
    const char *text = format();
    has(text, "t_clients 0\n");
    has(text, "t_wait_seconds_count 0\n");
    assert_null(strstr(text, "t_requests_total{"));
}

static void a_cell_is_one_for_its_values(void **state)
{
    (void)state;
    struct metric_cell *a = metric_cell(set, REQUESTS, "a", "b");
    assert_ptr_equal(metric_cell(set, REQUESTS, "a", "b"), a);
    assert_ptr_not_equal(metric_cell(set, REQUESTS, "b", "a"), a);
    // Values that try to look like two labels are one.
    assert_ptr_not_equal(metric_cell(set, REQUESTS, "a\",code=\"b", ""), a);
}

static void label_values_are_escaped(void **state)
{
    (void)state;
    metric_add(metric_cell(set, REQUESTS, "a\"b\\c\nd\xff", ""), 1);
    has(format(), "t_requests_total{provider=\"a\\\"b\\\\c\\nd\xEF\xBF\xBD\",code=\"\"} 1\n");
}

static void histograms_are_cumulative_and_in_seconds(void **state)
{
    (void)state;
    struct metric_cell *c = metric_cell(set, WAIT), *h = metric_cell(set, HTTP_WAIT, "/x");
    static const int64_t us[] = {-5, 0, 100, 101, 2500, 1000000, 60000000, 60000001};
    for (size_t i = 0; i < ARRAY_LEN(us); i++)
        metric_observe_us(c, us[i]);
    metric_observe_us(h, 1500000);
    const char *text = format();
    has(text, "# TYPE t_wait_seconds histogram\n");
    has(text, "t_wait_seconds_bucket{le=\"0.0001\"} 3\nt_wait_seconds_bucket{le=\"0.00025\"} 4\n");
    has(text, "t_wait_seconds_bucket{le=\"0.001\"} 4\nt_wait_seconds_bucket{le=\"0.0025\"} 5\n");
    has(text, "t_wait_seconds_bucket{le=\"1\"} 6\n");
    has(text, "t_wait_seconds_bucket{le=\"60\"} 7\nt_wait_seconds_bucket{le=\"+Inf\"} 8\n"
              "t_wait_seconds_sum 121.002702\nt_wait_seconds_count 8\n");
    has(text, "t_http_wait_seconds_bucket{path=\"/x\",le=\"1\"} 0\n"
              "t_http_wait_seconds_bucket{path=\"/x\",le=\"2.5\"} 1\n");
    has(text,
        "t_http_wait_seconds_sum{path=\"/x\"} 1.500000\nt_http_wait_seconds_count{path=\"/x\"} 1\n");
}

static void past_the_maximum_values_share_one_cell(void **state)
{
    (void)state;
    char code[16];
    struct metric_cell *first = metric_cell(set, REQUESTS, "p", "0");
    for (int i = 1; i < METRIC_CELLS_MAX + 100; i++) {
        (void)snprintf(code, sizeof(code), "%d", i);
        metric_add(metric_cell(set, REQUESTS, "p", code), 1);
    }
    assert_ptr_equal(metric_cell(set, REQUESTS, "p", "0"), first);
    assert_ptr_equal(metric_cell(set, REQUESTS, "q", "1"), metric_cell(set, REQUESTS, "q", "2"));
    const char *text = format();
    has(text, "t_requests_total{provider=\"other\",code=\"other\"} 100\n");
    size_t lines = 0;
    for (const char *p = text; (p = strstr(p, "t_requests_total{")); p++)
        lines++;
    assert_int_equal(lines, METRIC_CELLS_MAX + 1);
    // A value as long as an outsider likes is one of them.
    static char longer[10000];
    memset(longer, 'z', sizeof(longer) - 1);
    assert_ptr_equal(metric_cell(set, REQUESTS, longer, ""), metric_cell(set, REQUESTS, "q", "1"));
}

static void *count(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20000; i++) {
        metric_add(metric_cell(set, REQUESTS, "t", i % 2 ? "a" : "b"), 1);
        metric_observe_us(metric_cell(set, WAIT), i);
    }
    return NULL;
}

static void threads_lose_nothing(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
    format();
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(metric_value(metric_cell(set, REQUESTS, "t", "a")), 40000);
    has(format(), "t_wait_seconds_count 80000\n");
}

static void docs_are_a_table(void **state)
{
    (void)state;
    metrics_print_docs(rows, 2, &out);
    assert_true(str_eq(
        buf_str(&out),
        STR("| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n"
            "| `t_requests_total` | counter | `provider`, `code` | Answers given.\nBy \\ code. |\n"
            "| `t_clients` | gauge |  | Clients now. |\n")));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(families_are_printed_for_prometheus),
        TEST(families_without_labels_are_there_from_the_start),
        TEST(a_cell_is_one_for_its_values),
        TEST(label_values_are_escaped),
        TEST(histograms_are_cumulative_and_in_seconds),
        TEST(past_the_maximum_values_share_one_cell),
        TEST(threads_lose_nothing),
        TEST(docs_are_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
