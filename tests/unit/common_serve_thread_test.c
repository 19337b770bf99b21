/* SPDX-License-Identifier: Apache-2.0 */
/* ctest: threads */
/* One thread serves, another starts and stops it, as the daemons' main threads do. Without Kafka:
 * the thread sanitizer does not know the threads of its library. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "http.h"
#include "http_client.h"
#include "mem.h"
#include "serve_thread.h"

struct fixture {
    struct serve_thread *thread;
    struct http_server *server;
    uv_loop_t own; /* the main thread's, for the client */
    struct client client;
    pthread_t main;
    struct http_request *waiting; /* the thread's */
    atomic_int n_ticks, n_late, n_stopped, n_requests;
    atomic_bool may_answer, is_elsewhere, never;
};

static void on_request(void *ctx, struct http_request *r)
{
    struct fixture *f = ctx;
    http_defer(r);
    f->waiting = r;
    atomic_fetch_add(&f->n_requests, 1);
}

static void on_tick(void *ctx)
{
    struct fixture *f = ctx;
    atomic_store(&f->is_elsewhere, !pthread_equal(pthread_self(), f->main));
    atomic_fetch_add(&f->n_ticks, 1);
    if (!f->waiting || !atomic_load(&f->may_answer))
        return;
    http_answer(f->waiting, 200, NULL, STR_NONE);
    f->waiting = NULL;
}

static bool is_drained(void *ctx, bool is_late)
{
    struct fixture *f = ctx;
    atomic_fetch_add(&f->n_late, is_late);
    return !atomic_load(&f->never) && http_server_requests(f->server) == 0;
}

static void on_stopped(void *ctx)
{
    struct fixture *f = ctx;
    atomic_fetch_add(&f->n_stopped, 1);
}

static struct fixture *start(bool (*drained)(void *ctx, bool is_late), int64_t stop_timeout_ms)
{
    struct err err = {0};
    struct fixture *f = xalloc(sizeof *f);
    f->main = pthread_self();
    (void)uv_loop_init(&f->own);
    f->thread = serve_thread_new(&(struct serve_thread_opts){.name = "unit",
                                                             .stop_timeout_ms = stop_timeout_ms,
                                                             .on_tick = on_tick,
                                                             .is_drained = drained,
                                                             .ctx = f,
                                                             .on_stopped = on_stopped,
                                                             .stopped_ctx = f},
                                 &err);
    assert_non_null(f->thread);
    f->server = http_server_new(serve_thread_loop(f->thread),
                                &(struct http_server_opts){.host = "127.0.0.1",
                                                           .max_connections = 10,
                                                           .idle_timeout_ms = PATIENCE_MS,
                                                           .body_max_bytes = 1000,
                                                           .header_pool_bytes = 8192,
                                                           .on_request = on_request,
                                                           .ctx = f},
                                &err);
    assert_non_null(f->server);
    int port = http_server_port(f->server);
    assert_true(serve_thread_start(f->thread, f->server, NULL, &err));
    client_open(&f->client, &f->own, port);
    client_say(&f->client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    WAIT_UNTIL(&f->own, atomic_load(&f->n_requests) == 1);
    return f;
}

static void end(struct fixture *f)
{
    serve_thread_join(f->thread);
    client_close(&f->client);
    http_server_free(f->server);
    serve_thread_free(f->thread);
    (void)uv_run(&f->own, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->own), 0);
    free(f);
}

static void a_request_that_waits_is_waited_for(void **state)
{
    (void)state;
    struct fixture *f = start(is_drained, PATIENCE_MS);
    serve_thread_stop(f->thread);
    serve_thread_stop(f->thread); // twice is once
    int ticks = atomic_load(&f->n_ticks);
    WAIT_UNTIL(&f->own, atomic_load(&f->n_ticks) > ticks + 2);
    assert_false(serve_thread_has_stopped(f->thread));
    atomic_store(&f->may_answer, true);
    WAIT_UNTIL(&f->own, atomic_load(&f->n_stopped) == 1);
    assert_true(serve_thread_has_stopped(f->thread) && atomic_load(&f->is_elsewhere));
    assert_int_equal(atomic_load(&f->n_late), 0);
    end(f);
}

static void without_a_word_of_its_own_it_waits_for_the_servers_requests(void **state)
{
    (void)state;
    struct fixture *f = start(NULL, PATIENCE_MS);
    serve_thread_stop(f->thread);
    int ticks = atomic_load(&f->n_ticks);
    WAIT_UNTIL(&f->own, atomic_load(&f->n_ticks) > ticks + 2);
    assert_false(serve_thread_has_stopped(f->thread));
    atomic_store(&f->may_answer, true);
    WAIT_UNTIL(&f->own, serve_thread_has_stopped(f->thread));
    end(f);
}

static void what_does_not_end_is_cut_off_when_the_time_is_up(void **state)
{
    (void)state;
    enum { STOP_MS = 500 };
    struct fixture *f = start(is_drained, STOP_MS);
    atomic_store(&f->never, true);
    int64_t since_ms = clock_ms();
    serve_thread_stop(f->thread);
    WAIT_UNTIL(&f->own, atomic_load(&f->n_stopped) == 1);
    assert_int_equal(atomic_load(&f->n_late), 1);
    assert_true(clock_ms() - since_ms >= STOP_MS / 2);
    end(f);
}

static void one_that_never_ran_can_go(void **state)
{
    (void)state;
    struct err err = {0};
    struct serve_thread *t = serve_thread_new(
        &(struct serve_thread_opts){.name = "unit", .stop_timeout_ms = 1, .on_tick = on_tick},
        &err);
    assert_non_null(t);
    serve_thread_stop(t);
    serve_thread_join(t);
    assert_false(serve_thread_has_stopped(t));
    serve_thread_free(t);
    serve_thread_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_that_waits_is_waited_for),
        cmocka_unit_test(without_a_word_of_its_own_it_waits_for_the_servers_requests),
        cmocka_unit_test(what_does_not_end_is_cut_off_when_the_time_is_up),
        cmocka_unit_test(one_that_never_ran_can_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
