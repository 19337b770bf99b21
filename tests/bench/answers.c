/* SPDX-License-Identifier: Apache-2.0 */
/* The other side for tests/bench/sender.py: answers every POST at once, as Telegram does, and does
 * as little as it can beside. One thread, epoll, keep-alive.
 *
 *   bench_answers [FILE]     prints its port; ends with its stdin
 *
 * FILE gets a line for each request: nanoseconds of CLOCK_MONOTONIC at which its first byte was
 * there to be read, and the message's text. It is written out whenever nothing comes. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 8192
#define REQUEST_MAX     4096
#define EVENTS_MAX      256
#define IDLE_MS         50

struct connection {
    size_t n;
    long long first_ns;
    char bytes[REQUEST_MAX + 1];
};

struct server {
    int epoll, listener;
    FILE *record;
    long long n_answers;
    struct connection *connections[CONNECTIONS_MAX]; /* by descriptor */
};

_Noreturn static void die(const char *what)
{
    (void)fprintf(stderr, "bench_answers: %s: error %d\n", what, errno);
    _Exit(1);
}

static long long now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void watch(struct server *s, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) != 0)
        die("epoll_ctl");
}

static void listen_on_any(struct server *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(s->listener, 1024) != 0 ||
        getsockname(s->listener, (struct sockaddr *)&at, &len) != 0)
        die("listen");
    watch(s, s->listener);
    (void)printf("%d\n", ntohs(at.sin_port));
    (void)fflush(stdout);
}

static void accept_one(struct server *s)
{
    int on = 1, fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (fd >= CONNECTIONS_MAX) {
        (void)close(fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    s->connections[fd] = calloc(1, sizeof *s->connections[fd]);
    if (!s->connections[fd])
        die("memory");
    watch(s, fd);
}

static void drop(struct server *s, int fd)
{
    free(s->connections[fd]);
    s->connections[fd] = NULL;
    (void)close(fd);
}

static void note(struct server *s, const struct connection *c, const char *body)
{
    static const char mark[] = "\"text\":\"";
    const char *text = strstr(body, mark);
    if (!s->record || !text)
        return;
    text += sizeof mark - 1;
    (void)fprintf(s->record, "%lld %.*s\n", c->first_ns, (int)strcspn(text, "\""), text);
}

static void answer(struct server *s, int fd)
{
    char head[256], body[256];
    int n = snprintf(body, sizeof body,
                     "{\"ok\":true,\"result\":{\"message_id\":%lld,\"date\":1700000000,"
                     "\"chat\":{\"id\":1,\"type\":\"private\"},\"text\":\"ok\"}}",
                     ++s->n_answers);
    int h = snprintf(
        head, sizeof head,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", n,
        body);
    if (send(fd, head, (size_t)h, MSG_NOSIGNAL) != h)
        drop(s, fd);
}

/* The length of the first request in it; 0: it is not whole. */
static size_t whole(const struct connection *c, const char **body)
{
    const char *end = strstr(c->bytes, "\r\n\r\n"),
               *length = strcasestr(c->bytes, "\r\nContent-Length:");
    if (!end)
        return 0;
    *body = end + 4;
    size_t n = (size_t)(*body - c->bytes);
    if (length && length < end)
        n += strtoul(length + 17, NULL, 10);
    return n <= c->n ? n : 0;
}

static void serve(struct server *s, int fd)
{
    struct connection *c = s->connections[fd];
    const char *body = NULL;
    long long at_ns = now_ns();
    ssize_t got = recv(fd, c->bytes + c->n, REQUEST_MAX - c->n, 0);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR) || c->n == REQUEST_MAX)
            drop(s, fd);
        return;
    }
    if (!c->n)
        c->first_ns = at_ns;
    c->n += (size_t)got;
    c->bytes[c->n] = '\0';
    if (whole(c, &body) != c->n || !body) // one request at a time, as HTTP/1.1 clients do
        return;
    note(s, c, body);
    c->n = 0;
    answer(s, fd);
}

int main(int argc, char **argv)
{
    static struct server s;
    struct epoll_event events[EVENTS_MAX];
    if (argc > 1 && !(s.record = fopen(argv[1], "we")))
        die(argv[1]);
    s.epoll = epoll_create1(EPOLL_CLOEXEC);
    listen_on_any(&s);
    watch(&s, STDIN_FILENO);
    for (;;) {
        int n = epoll_wait(s.epoll, events, EVENTS_MAX, IDLE_MS);
        if (n == 0 && s.record)
            (void)fflush(s.record);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == s.listener)
                accept_one(&s);
            else if (events[i].data.fd == STDIN_FILENO)
                return 0;
            else
                serve(&s, events[i].data.fd);
        }
    }
}
