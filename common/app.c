/* SPDX-License-Identifier: Apache-2.0 */
#include "app.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "curl_start.h"
#include "http.h"
#include "log.h"
#include "mem.h"

#define METRICS_MAX (16 * 1024 * 1024)
#define REASONS_MAX 4096

struct app {
    struct app_opts opts;
    uv_loop_t loop;
    uv_signal_t signals[2];
    struct http_server *admin;
    int status;
    bool stopping;
};

/* --- admin port ------------------------------------------------------------------------------- */

static void answer_metrics(struct app *app, struct http_request *r)
{
    struct buf text;
    buf_init(&text, METRICS_MAX);
    if (app->opts.metrics)
        metrics_format(app->opts.metrics, &text);
    http_answer(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&text));
    buf_done(&text);
}

static void answer_ready(struct app *app, struct http_request *r)
{
    struct buf why;
    buf_init(&why, REASONS_MAX);
    if (app->stopping)
        buf_put_c(&why, "stopping\n");
    if (app->opts.not_ready)
        app->opts.not_ready(app->opts.ctx, &why);
    if (why.len)
        http_answer(r, 503, "text/plain", buf_str(&why));
    else
        http_answer(r, 200, "text/plain", STR("ready\n"));
    buf_done(&why);
}

static void on_admin(void *ctx, struct http_request *r)
{
    struct app *app = ctx;
    struct str path = http_path(r);
    if (http_method(r) != HTTP_GET && http_method(r) != HTTP_HEAD) {
        http_set_header(r, "Allow", STR("GET, HEAD"));
        http_answer_problem(r, 405, STR_NONE);
    } else if (str_eq_c(path, "/metrics")) {
        answer_metrics(app, r);
    } else if (str_eq_c(path, "/healthz")) {
        http_answer(r, 200, "text/plain", STR("alive\n"));
    } else if (str_eq_c(path, "/readyz")) {
        answer_ready(app, r);
    } else {
        http_answer_problem(r, 404, STR("here are /metrics, /healthz and /readyz"));
    }
}

/* --- stop ------------------------------------------------------------------------------------- */

/* By the kernel's timer, not the loop's: it also ends a process whose threads hang while they are
 * joined, or whose librdkafka does not let go. Only what a signal handler may do. */
static void on_deadline(int number)
{
    (void)number;
    static const char text[] =
        "{\"level\":\"error\",\"msg\":\"not stopped within stop_timeout, ending at once\"}\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written;
    _exit(1);
}

static void set_deadline(int64_t ms)
{
    const struct itimerval timer = {.it_value = {ms / 1000, ms % 1000 * 1000}};
    (void)setitimer(ITIMER_REAL, &timer, NULL);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct app *app = signal->data;
    if (app->stopping) {
        log_warn("second signal, ending at once", kv_int("signal", number));
        _exit(1);
    }
    app->stopping = true;
    log_info("stopping", kv_int("signal", number));
    set_deadline(app->opts.stop_timeout_ms);
    if (app->opts.on_stop)
        app->opts.on_stop(app->opts.ctx);
    else
        app_quit(app, 0);
}

/* --- life ------------------------------------------------------------------------------------- */

/* As many open files as the administrator grants: the soft limit is often 1,024. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void keep_memory(void)
{
    if (prctl(PR_SET_DUMPABLE, 0) != 0)
        log_warn("the kernel does not keep this process's memory out of core dumps");
}

static void take_signals(struct app *app)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    (void)signal(SIGPIPE, SIG_IGN); // a peer that went away is an error of its write
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        (void)uv_signal_init(&app->loop, &app->signals[i]);
        app->signals[i].data = app;
        (void)uv_signal_start(&app->signals[i], on_signal, numbers[i]);
    }
    const struct sigaction deadline = {.sa_handler = on_deadline};
    (void)sigaction(SIGALRM, &deadline, NULL);
}

struct app *app_new(const struct app_opts *opts, struct err *err)
{
    raise_file_limit();
    if (!opts->core_dumps)
        keep_memory();
    curl_start(); // before there are threads
    struct app *app = xalloc(sizeof *app);
    app->opts = *opts;
    int rc = uv_loop_init(&app->loop);
    if (rc != 0) {
        err_set(err, ERR_BUSY, "cannot make an event loop: %s", uv_strerror(rc));
        free(app);
        return NULL;
    }
    take_signals(app);
    app->admin = http_server_new(&app->loop,
                                 &(struct http_server_opts){
                                     .host = opts->admin_host,
                                     .port = opts->admin_port,
                                     .max_connections = 64,
                                     .idle_timeout_ms = 15000,
                                     .body_max_bytes = 4096,
                                     .header_pool_bytes = 8192,
                                     .on_request = on_admin,
                                     .ctx = app,
                                 },
                                 err);
    if (!app->admin) {
        err_wrap(err, "admin port");
        app_free(app);
        return NULL;
    }
    return app;
}

uv_loop_t *app_loop(struct app *app)
{
    return &app->loop;
}

int app_admin_port(const struct app *app)
{
    return http_server_port(app->admin);
}

int app_run(struct app *app)
{
    (void)uv_run(&app->loop, UV_RUN_DEFAULT);
    return app->status;
}

void app_quit(struct app *app, int status)
{
    app->status = status;
    uv_stop(&app->loop);
}

void app_free(struct app *app)
{
    if (!app)
        return;
    http_server_free(app->admin);
    for (size_t i = 0; i < ARRAY_LEN(app->signals); i++)
        uv_close((uv_handle_t *)&app->signals[i], NULL);
    (void)uv_run(&app->loop, UV_RUN_DEFAULT); // waits for work on libuv's threads too
    int rc = uv_loop_close(&app->loop);
    assert(rc == 0); // a handle is still open: its owner must be freed before the app
    set_deadline(0);
    free(app);
}

/* --- mailbox ---------------------------------------------------------------------------------- */

struct mailbox {
    uv_async_t async;
    void (*on_mail)(void *ctx);
    void *ctx;
};

static void on_async(uv_async_t *async)
{
    struct mailbox *m = async->data;
    m->on_mail(m->ctx);
}

struct mailbox *mailbox_new(uv_loop_t *loop, void (*on_mail)(void *ctx), void *ctx)
{
    struct mailbox *m = xalloc(sizeof *m);
    m->on_mail = on_mail;
    m->ctx = ctx;
    int rc = uv_async_init(loop, &m->async, on_async);
    assert(rc == 0); // fails only when no descriptor is left at start
    m->async.data = m;
    return m;
}

void mailbox_ring(struct mailbox *m)
{
    (void)uv_async_send(&m->async);
}

static void on_mailbox_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void mailbox_free(struct mailbox *m)
{
    if (m)
        uv_close((uv_handle_t *)&m->async, on_mailbox_closed);
}
