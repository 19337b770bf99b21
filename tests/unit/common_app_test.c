/* SPDX-License-Identifier: Apache-2.0 */
/* ctest: threads */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app.h"
#include "log.h"
#include "mem.h"
#include "test.h"

static const struct metric_row rows[] = {
    {"postrider_test_total", METRIC_COUNTER, "", "Tests."},
};

struct fixture {
    struct app *app;
    struct metrics *metrics;
    struct mailbox *mailbox;
    const char *reason;
    int n_stops, n_mails;
    bool quit_on_mail;
    char answers[5][2048];
};

static void not_ready(void *ctx, struct buf *why)
{
    struct fixture *f = ctx;
    if (f->reason)
        buf_put_c(why, f->reason);
}

static void on_stop(void *ctx)
{
    struct fixture *f = ctx;
    f->n_stops++;
    app_quit(f->app, 7);
}

static void on_mail(void *ctx)
{
    struct fixture *f = ctx;
    f->n_mails++;
    if (f->quit_on_mail)
        app_quit(f->app, 0);
}

static void start(struct fixture *f, void (*stop)(void *ctx), int64_t stop_timeout_ms)
{
    struct err err = {0};
    f->metrics = metrics_new(rows, ARRAY_LEN(rows));
    f->app = app_new(
        &(struct app_opts){
            .name = "test",
            .admin_host = "127.0.0.1",
            .stop_timeout_ms = stop_timeout_ms,
            .metrics = f->metrics,
            .not_ready = not_ready,
            .on_stop = stop,
            .ctx = f,
        },
        &err);
    assert_non_null(f->app);
    f->mailbox = mailbox_new(app_loop(f->app), on_mail, f);
}

static void finish(struct fixture *f)
{
    mailbox_free(f->mailbox);
    app_free(f->app);
    metrics_free(f->metrics);
}

/* Blocking, on a thread of its own: the loop is turned by the test's thread. */
static void get(int port, const char *request, char *out, size_t size)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    size_t n = 0;
    ssize_t got = 0;
    if (connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0 &&
        send(fd, request, strlen(request), MSG_NOSIGNAL) > 0) {
        while (n < size - 1 && (got = recv(fd, out + n, size - 1 - n, 0)) > 0)
            n += (size_t)got;
    }
    out[n] = '\0';
    close(fd);
}

#define CLOSE " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

static void *ask_all(void *arg)
{
    struct fixture *f = arg;
    static const char *const requests[] = {"GET /metrics" CLOSE, "GET /healthz" CLOSE,
                                           "GET /readyz" CLOSE, "GET /else" CLOSE,
                                           "DELETE /metrics" CLOSE};
    for (size_t i = 0; i < ARRAY_LEN(requests); i++)
        get(app_admin_port(f->app), requests[i], f->answers[i], sizeof f->answers[i]);
    mailbox_ring(f->mailbox);
    return NULL;
}

static void ask(struct fixture *f)
{
    pthread_t thread;
    f->quit_on_mail = true;
    assert_int_equal(pthread_create(&thread, NULL, ask_all, f), 0);
    assert_int_equal(app_run(f->app), 0);
    pthread_join(thread, NULL);
}

static void the_admin_port_tells_the_truth(void **state)
{
    (void)state;
    struct fixture f = {.reason = "no Kafka broker\n"};
    start(&f, on_stop, 1000);
    metric_add(metric_cell(f.metrics, 0), 3);
    ask(&f);
    assert_non_null(strstr(f.answers[0], "postrider_test_total 3"));
    assert_non_null(strstr(f.answers[0], "Content-Type: text/plain; version=0.0.4"));
    assert_non_null(strstr(f.answers[1], "HTTP/1.1 200"));
    assert_non_null(strstr(f.answers[2], "HTTP/1.1 503"));
    assert_non_null(strstr(f.answers[2], "no Kafka broker"));
    assert_non_null(strstr(f.answers[3], "HTTP/1.1 404"));
    assert_non_null(strstr(f.answers[4], "HTTP/1.1 405"));
    assert_non_null(strstr(f.answers[4], "Allow: GET, HEAD"));
    f.reason = NULL;
    ask(&f);
    assert_non_null(strstr(f.answers[2], "HTTP/1.1 200"));
    finish(&f);
}

static void a_signal_stops_once(void **state)
{
    (void)state;
    struct fixture f = {0};
    start(&f, on_stop, 1000);
    (void)raise(SIGTERM);
    assert_int_equal(app_run(f.app), 7);
    assert_int_equal(f.n_stops, 1);
    finish(&f);
}

static void do_nothing(void *ctx)
{
    (void)ctx;
}

static void signal_again(void *ctx)
{
    (void)ctx;
    (void)raise(SIGINT);
}

/* The status of a child that runs an app whose on_stop is `stop`, and gets one SIGTERM. */
static int status_of_child(void (*stop)(void *ctx), int64_t stop_timeout_ms)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct fixture f = {0};
        (void)!freopen("/dev/null", "w", stderr);
        start(&f, stop, stop_timeout_ms);
        (void)raise(SIGTERM);
        _exit(app_run(f.app));
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_stop_that_takes_too_long_ends_with_status_1(void **state)
{
    (void)state;
    assert_int_equal(status_of_child(do_nothing, 100), 1);
}

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
}

/* The loop has ended, its closes have not: a handle was left open, or libuv's threads work on. */
static void an_end_that_takes_too_long_ends_with_status_1(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct fixture f = {0};
        uv_timer_t timer;
        (void)!freopen("/dev/null", "w", stderr);
        start(&f, on_stop, 100);
        (void)uv_timer_init(app_loop(f.app), &timer);
        (void)uv_timer_start(&timer, on_timer, 10, 10);
        (void)raise(SIGTERM);
        (void)app_run(f.app);
        finish(&f);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
}

static void a_second_signal_ends_with_status_1(void **state)
{
    (void)state;
    assert_int_equal(status_of_child(signal_again, 60000), 1);
}

static void *ring_often(void *arg)
{
    struct fixture *f = arg;
    for (int i = 0; i < 1000; i++)
        mailbox_ring(f->mailbox);
    return NULL;
}

static void a_mailbox_coalesces_rings_from_another_thread(void **state)
{
    (void)state;
    struct fixture f = {.quit_on_mail = true};
    start(&f, on_stop, 1000);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, ring_often, &f), 0);
    pthread_join(thread, NULL);
    assert_int_equal(app_run(f.app), 0);
    assert_int_equal(f.n_mails, 1);
    finish(&f);
}

static void a_taken_admin_port_is_an_error(void **state)
{
    (void)state;
    struct fixture f = {0};
    struct err err = {0};
    start(&f, on_stop, 1000);
    assert_null(app_new(&(struct app_opts){.name = "second",
                                           .admin_host = "127.0.0.1",
                                           .admin_port = app_admin_port(f.app)},
                        &err));
    assert_non_null(strstr(err.msg, "admin port"));
    assert_non_null(strstr(err.msg, "is taken"));
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_admin_port_tells_the_truth),
        cmocka_unit_test(a_signal_stops_once),
        cmocka_unit_test(a_stop_that_takes_too_long_ends_with_status_1),
        cmocka_unit_test(an_end_that_takes_too_long_ends_with_status_1),
        cmocka_unit_test(a_second_signal_ends_with_status_1),
        cmocka_unit_test(a_mailbox_coalesces_rings_from_another_thread),
        cmocka_unit_test(a_taken_admin_port_is_an_error),
    };
    log_init("test", LOG_ERROR, LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
