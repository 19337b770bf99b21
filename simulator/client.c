/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backoff.h"
#include "clock.h"
#include "mem.h"
#include "post.h"

/* An answer's head and a problem document fit easily; a longer body is skipped as it comes. */
#define IN_MAX 4096

enum conn_state {
    CONN_CLOSED,
    CONN_CONNECTING,
    CONN_IDLE,
    CONN_SENDING,
    CONN_READING,
    CONN_WAITING
};

struct conn {
    enum conn_state state;
    int fd;                /* -1: none */
    uint32_t wants;        /* epoll events asked for */
    struct sim_post *post; /* NULL: none under way */
    size_t written;
    int64_t started_us;  /* of this try */
    int64_t retry_at_ms; /* CONN_WAITING */
    struct backoff backoff;
    size_t in_len;
    bool has_answer; /* the head is read */
    size_t body_left;
    struct sim_answer answer;
    char in[IN_MAX];
};

struct sim_client {
    struct sim_client_opts opts;
    struct sockaddr_storage address;
    socklen_t address_len;
    int epoll;
    int busy;
    int64_t checked_at_ms; /* when timeouts and retries were last looked at */
    struct conn *conns;
};

bool sim_url_parse(struct str text, struct sim_url *out, struct err *err)
{
    struct str rest = text, host, port;
    struct sim_url u = {.port = "80"};
    if (!str_starts(rest, STR("http://")))
        return err_set(err, ERR_INVALID, "url '%.*s': only http://host:port is supported",
                       STR_ARG(text));
    rest = str_skip(rest, 7);
    if (str_ends(rest, STR("/")))
        rest.len--;
    int64_t n = 80;
    if (str_cut(rest, ':', &host, &port) && (!str_i64(port, &n) || n < 1 || n > 65535))
        return err_set(err, ERR_INVALID, "url '%.*s': the port must be a number from 1 to 65535",
                       STR_ARG(text));
    if (host.len == 0 || host.len >= sizeof u.host || memchr(host.ptr, '/', host.len))
        return err_set(err, ERR_INVALID, "url '%.*s': want http://host:port without a path",
                       STR_ARG(text));
    memcpy(u.host, host.ptr, host.len);
    (void)snprintf(u.port, sizeof u.port, "%d", (int)n);
    *out = u;
    return true;
}

static bool resolve(struct sim_client *c, struct err *err)
{
    struct sim_url url;
    if (!sim_url_parse(c->opts.url, &url, err))
        return false;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int rc = getaddrinfo(url.host, url.port, &hints, &found);
    if (rc != 0)
        return err_set(err, ERR_BUSY, "look up %s: %s", url.host, gai_strerror(rc));
    memcpy(&c->address, found->ai_addr, found->ai_addrlen);
    c->address_len = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

struct sim_client *sim_client_new(const struct sim_client_opts *opts, struct err *err)
{
    struct sim_client *c = xalloc(sizeof *c);
    c->opts = *opts;
    c->epoll = -1;
    if (!resolve(c, err)) {
        sim_client_free(c);
        return NULL;
    }
    c->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (c->epoll < 0) {
        err_set(err, ERR_LIMITED, "epoll: errno %d", errno);
        sim_client_free(c);
        return NULL;
    }
    c->conns = xalloc(sizeof *c->conns * (size_t)opts->connections);
    for (int i = 0; i < opts->connections; i++) {
        c->conns[i].fd = -1;
        c->conns[i].backoff =
            (struct backoff){.base_ms = opts->retry_base_ms, .cap_ms = opts->retry_cap_ms};
    }
    return c;
}

void sim_client_free(struct sim_client *c)
{
    if (!c)
        return;
    for (int i = 0; c->conns && i < c->opts.connections; i++)
        if (c->conns[i].fd >= 0)
            (void)close(c->conns[i].fd);
    if (c->epoll >= 0)
        (void)close(c->epoll);
    free(c->conns);
    free(c);
}

int sim_client_fd(const struct sim_client *c)
{
    return c->epoll;
}

int sim_client_busy(const struct sim_client *c)
{
    return c->busy;
}

static void want(struct sim_client *c, struct conn *k, uint32_t events)
{
    if (k->wants == events)
        return;
    struct epoll_event ev = {.events = events, .data.ptr = k};
    (void)epoll_ctl(c->epoll, k->wants ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, k->fd, &ev);
    k->wants = events;
}

static void hang_up(struct conn *k)
{
    if (k->fd >= 0)
        (void)close(k->fd);
    k->fd = -1;
    k->wants = 0;
    k->in_len = 0;
    k->state = CONN_CLOSED;
}

static void finish(struct sim_client *c, struct conn *k, bool acknowledged)
{
    struct sim_post *p = TAKE(k->post);
    backoff_reset(&k->backoff);
    c->busy--;
    c->opts.on_done(c->opts.ctx, p, acknowledged);
}

/* The try has ended with `status`. */
static void conclude(struct sim_client *c, struct conn *k, int status, int64_t retry_after_s)
{
    c->opts.on_try(c->opts.ctx, k->post, status, clock_us() - k->started_us);
    if (!sim_is_retried(status)) {
        finish(c, k, status < 300);
        return;
    }
    int64_t pause_ms = backoff_next_ms(&k->backoff);
    if (retry_after_s > 0 && retry_after_s * 1000 > pause_ms)
        pause_ms = retry_after_s * 1000;
    if (pause_ms > c->opts.retry_cap_ms)
        pause_ms = c->opts.retry_cap_ms;
    k->retry_at_ms = clock_ms() + pause_ms;
    k->state = CONN_WAITING;
}

static void fail(struct sim_client *c, struct conn *k)
{
    hang_up(k);
    if (k->post)
        conclude(c, k, SIM_NO_ANSWER, -1);
}

static void answered(struct sim_client *c, struct conn *k)
{
    struct sim_answer a = k->answer;
    k->in_len = 0;
    k->has_answer = false;
    k->state = CONN_IDLE;
    if (a.close)
        hang_up(k);
    conclude(c, k, a.status, a.retry_after_s);
}

static void write_some(struct sim_client *c, struct conn *k)
{
    const struct sim_post *p = k->post;
    ssize_t n = send(k->fd, p->request + k->written, p->request_len - k->written, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        fail(c, k);
        return;
    }
    k->written += n > 0 ? (size_t)n : 0;
    bool all = k->written == p->request_len;
    k->state = all ? CONN_READING : CONN_SENDING;
    want(c, k, all ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

static void open_socket(struct sim_client *c, struct conn *k)
{
    const struct sockaddr *to = (const struct sockaddr *)&c->address;
    k->fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (k->fd < 0) {
        fail(c, k);
        return;
    }
    int on = 1;
    (void)setsockopt(k->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(k->fd, to, c->address_len) != 0 && errno != EINPROGRESS) {
        fail(c, k);
        return;
    }
    k->state = CONN_CONNECTING;
    want(c, k, EPOLLOUT);
}

/* Begin a try of k->post. */
static void start(struct sim_client *c, struct conn *k)
{
    k->written = 0;
    k->has_answer = false;
    k->started_us = clock_us();
    k->post->sent++;
    if (k->fd < 0)
        open_socket(c, k);
    else
        write_some(c, k);
}

/* Bytes of the answer are in k->in: take what is whole. */
static void take_answer(struct sim_client *c, struct conn *k)
{
    if (!k->has_answer) {
        enum sim_parse parsed = sim_answer_parse((struct str){k->in, k->in_len}, &k->answer);
        if (parsed == SIM_PARSE_BAD || (parsed == SIM_PARSE_MORE && k->in_len == IN_MAX)) {
            fail(c, k);
            return;
        }
        if (parsed == SIM_PARSE_MORE)
            return;
        k->has_answer = true;
        k->body_left = k->answer.body_len;
        k->in_len -= k->answer.head_len;
    }
    size_t n = k->in_len < k->body_left ? k->in_len : k->body_left;
    k->body_left -= n;
    // More bytes than one answer to our one request: not HTTP any more.
    if (k->in_len > n)
        fail(c, k);
    else if (k->body_left == 0)
        answered(c, k);
    else
        k->in_len = 0;
}

static void read_some(struct sim_client *c, struct conn *k)
{
    ssize_t n = recv(k->fd, k->in + k->in_len, IN_MAX - k->in_len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (k->state == CONN_IDLE || k->state == CONN_WAITING) {
        // The server closed a connection on which no try is under way: nothing is lost by that.
        enum conn_state state = k->state;
        hang_up(k);
        k->state = state;
        return;
    }
    if (n <= 0) {
        fail(c, k);
        return;
    }
    k->in_len += (size_t)n;
    take_answer(c, k);
}

static void on_event(struct sim_client *c, struct conn *k, uint32_t events)
{
    if (k->fd < 0)
        return;
    if (k->state == CONN_CONNECTING) {
        int failed = 0;
        socklen_t len = sizeof failed;
        (void)getsockopt(k->fd, SOL_SOCKET, SO_ERROR, &failed, &len);
        if (failed)
            fail(c, k);
        else
            write_some(c, k);
        return;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_some(c, k);
    if (k->state == CONN_SENDING && events & EPOLLOUT)
        write_some(c, k);
}

/* Once a millisecond is often enough. */
static void check_times(struct sim_client *c)
{
    int64_t now_ms = clock_ms();
    if (now_ms == c->checked_at_ms)
        return;
    c->checked_at_ms = now_ms;
    for (int i = 0; i < c->opts.connections; i++) {
        struct conn *k = &c->conns[i];
        if (!k->post)
            continue;
        if (k->state == CONN_WAITING) {
            if (now_ms >= k->retry_at_ms)
                start(c, k);
        } else if (now_ms - k->started_us / 1000 > c->opts.timeout_ms) {
            fail(c, k);
        }
    }
}

static void hand_out(struct sim_client *c)
{
    for (int i = 0; i < c->opts.connections && c->busy < c->opts.connections; i++) {
        struct conn *k = &c->conns[i];
        if (k->post)
            continue;
        k->post = c->opts.next(c->opts.ctx);
        if (!k->post)
            return;
        c->busy++;
        start(c, k);
    }
}

void sim_client_turn(struct sim_client *c, int timeout_ms)
{
    struct epoll_event events[256];
    hand_out(c);
    int n = epoll_wait(c->epoll, events, ARRAY_LEN(events), timeout_ms);
    for (int i = 0; i < n; i++)
        on_event(c, events[i].data.ptr, events[i].events);
    check_times(c);
}
