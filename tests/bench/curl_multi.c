/* SPDX-License-Identifier: Apache-2.0 */
/* Posts the same message again and again, for tests/bench/sender.py, in one of three ways:
 *
 *   bare      libcurl's multi interface on epoll, handles kept, two options set for each request
 *   fetch     common/fetch: what the sender has for HTTP
 *   exchange  client/exchange: what the sender does for a message between claim and answer: the
 *             adapter builds the request, fetch performs it, the adapter judges the answer
 *
 *   bench_curl_multi WAY BASE_URL N PARALLEL    prints CPU µs for each post, and posts a second
 */
#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "exchange.h"
#include "guard.h"

#define BODY                                                                                     \
    "{\"chat_id\":\"1234567\",\"text\":\"Your order has left our house and will be with you on " \
    "Tuesday.\"}"
#define TOKEN        "1234567890:sim-AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"
#define PARALLEL_MAX 1024
#define ANSWER_MAX   4096

struct bench {
    char url[512];
    const char *base_url;
    long n, n_begun, n_done;
    int parallel;
};

static double seconds(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

_Noreturn static void die(const char *what)
{
    (void)fprintf(stderr, "bench_curl_multi: %s\n", what);
    _Exit(1);
}

/* --- bare ------------------------------------------------------------------------------------- */

struct bare {
    struct bench *b;
    CURLM *multi;
    int epoll;
    long timeout_ms;
};

struct post {
    size_t n;
    char answer[ANSWER_MAX];
};

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    struct bare *x = ctx;
    (void)multi;
    x->timeout_ms = timeout_ms;
    return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    struct bare *x = ctx;
    struct epoll_event e = {.data.fd = fd};
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(x->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    e.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
    if (epoll_ctl(x->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e) != 0)
        die("epoll_ctl");
    (void)curl_multi_assign(x->multi, fd, x);
    return 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
    struct post *p = ctx;
    if (p->n + size * n > sizeof p->answer)
        return 0;
    memcpy(p->answer + p->n, data, size * n);
    p->n += size * n;
    return size * n;
}

static void begin(struct bare *x, CURL *easy)
{
    struct post *p;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&p);
    p->n = 0;
    (void)curl_easy_setopt(easy, CURLOPT_URL, x->b->url);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, BODY);
    x->b->n_begun++;
    if (curl_multi_add_handle(x->multi, easy) != CURLM_OK)
        die("curl_multi_add_handle");
}

static void reap(struct bare *x)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(x->multi, &left))) {
        CURL *easy = m->easy_handle;
        long status = 0;
        (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        if (m->data.result != CURLE_OK || status != 200)
            die("a post failed");
        (void)curl_multi_remove_handle(x->multi, easy);
        x->b->n_done++;
        if (x->b->n_begun < x->b->n)
            begin(x, easy);
    }
}

static void run_bare(struct bench *b)
{
    static struct post posts[PARALLEL_MAX];
    CURL *handles[PARALLEL_MAX];
    struct epoll_event events[PARALLEL_MAX];
    struct bare x = {.b = b, .multi = curl_multi_init(), .epoll = epoll_create1(EPOLL_CLOEXEC)};
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    int running;
    (void)curl_multi_setopt(x.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(x.multi, CURLMOPT_SOCKETDATA, &x);
    (void)curl_multi_setopt(x.multi, CURLMOPT_TIMERFUNCTION, on_timer);
    (void)curl_multi_setopt(x.multi, CURLMOPT_TIMERDATA, &x);
    (void)curl_multi_setopt(x.multi, CURLMOPT_MAXCONNECTS, (long)b->parallel);
    for (int i = 0; i < b->parallel; i++) {
        CURL *easy = handles[i] = curl_easy_init();
        (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, &posts[i]);
        (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
        (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
        (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, &posts[i]);
        (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 20000L);
        begin(&x, easy);
    }
    while (b->n_done < b->n) {
        int n =
            x.timeout_ms == 0 ? 0 : epoll_wait(x.epoll, events, PARALLEL_MAX, (int)x.timeout_ms);
        if (n <= 0)
            (void)curl_multi_socket_action(x.multi, CURL_SOCKET_TIMEOUT, 0, &running);
        for (int i = 0; i < n; i++)
            (void)curl_multi_socket_action(
                x.multi, events[i].data.fd,
                (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                    (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                    (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0),
                &running);
        reap(&x);
    }
    for (int i = 0; i < b->parallel; i++)
        curl_easy_cleanup(handles[i]);
    curl_multi_cleanup(x.multi);
    curl_slist_free_all(headers);
    (void)close(x.epoll);
}

/* --- with our modules ------------------------------------------------------------------------- */

struct ours {
    struct bench *b;
    uv_loop_t loop;
    struct fetch *fetch;
    struct guard *guard;
    struct exchange_opts exchange;
    const struct provider *provider;
    struct send_account account;
    struct send_message message;
    void (*begin)(struct ours *o);
};

static void one_done(struct ours *o, bool ok)
{
    if (!ok)
        die("a post failed");
    if (++o->b->n_done == o->b->n)
        uv_stop(&o->loop);
    else if (o->b->n_begun < o->b->n)
        o->begin(o);
}

static void on_fetched(void *ctx, struct transfer *t)
{
    one_done(ctx, transfer_end(t) == FETCH_WHOLE && transfer_status(t) == 200);
}

static void begin_fetch(struct ours *o)
{
    struct err err = {0};
    struct transfer *t;
    struct fetch_header type = {"Content-Type", STR("application/json")};
    struct fetch_request r = {.method = FETCH_POST,
                              .url = str_of(o->b->url),
                              .headers = &type,
                              .n_headers = 1,
                              .body = STR(BODY),
                              .timeout_ms = 20000,
                              .answer_max_bytes = 256 << 10,
                              .is_guarded = true,
                              .on_done = on_fetched,
                              .ctx = o};
    o->b->n_begun++;
    if (!fetch_start(o->fetch, &r, &t, &err))
        die(err.msg);
}

static void on_exchanged(void *ctx, const struct exchange_done *d)
{
    one_done(ctx, d->judgement.outcome == OUTCOME_SENT);
}

static void begin_exchange(struct ours *o)
{
    struct err err = {0};
    o->b->n_begun++;
    if (!exchange_send(&o->exchange, o->provider, &o->account, &o->message, 1, NULL, on_exchanged,
                       o, &err))
        die(err.msg);
}

static void run_ours(struct bench *b, bool has_exchange)
{
    struct err err = {0};
    struct ours o = {.b = b,
                     .provider = provider_find(STR("telegram")),
                     .begin = has_exchange ? begin_exchange : begin_fetch,
                     .account = {.external_id = STR("1234567890"),
                                 .token = STR(TOKEN),
                                 .base_url = str_of(b->base_url)},
                     .message = {.kind = SEND_TEXT,
                                 .to = STR("1234567"),
                                 .text = STR("Your order has left our house and will be with you "
                                             "on Tuesday."),
                                 .client_ref = STR("pr-0190b5d8e6f37c1a8c1d2e3f4a5b6c7d")}};
    (void)uv_loop_init(&o.loop);
    o.guard = guard_new("127.0.0.1", &err);
    o.fetch = fetch_new(&(struct fetch_opts){.loop = &o.loop,
                                             .max_per_host = b->parallel,
                                             .max_transfers = b->parallel,
                                             .connect_timeout_ms = 5000,
                                             .guard = o.guard},
                        &err);
    if (!o.guard || !o.fetch)
        die(err.msg);
    o.exchange = (struct exchange_opts){
        .fetch = o.fetch, .timeout_ms = 20000, .answer_max_bytes = 256 << 10};
    for (int i = 0; i < b->parallel; i++)
        o.begin(&o);
    (void)uv_run(&o.loop, UV_RUN_DEFAULT);
    fetch_free(o.fetch);
    (void)uv_run(&o.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&o.loop);
    guard_free(o.guard);
}

static void run(struct bench *b, const char *way)
{
    if (strcmp(way, "bare") == 0)
        run_bare(b);
    else
        run_ours(b, strcmp(way, "exchange") == 0);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        die("WAY BASE_URL N PARALLEL");
    struct bench b = {.base_url = argv[2],
                      .n = strtol(argv[3], NULL, 10),
                      .parallel = (int)strtol(argv[4], NULL, 10)};
    if (b.n < b.parallel || b.parallel < 1 || b.parallel > PARALLEL_MAX)
        die("more posts than at once, please");
    (void)snprintf(b.url, sizeof b.url, "%s/bot" TOKEN "/sendMessage", b.base_url);
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
    run(&b, argv[1]);
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = seconds(CLOCK_MONOTONIC) - wall;
    (void)printf("{\"cpu_us\": %.2f, \"per_second\": %.0f}\n", cpu / (double)b.n * 1e6,
                 (double)b.n / wall);
    return 0;
}
