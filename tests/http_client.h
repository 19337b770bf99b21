/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A client of raw bytes for tests of servers on an event loop. One thread: it turns the loop while
 * it waits, so every wait is for a condition and none for a time. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "clock.h"
#include "test.h"

#define PATIENCE_MS 10000

struct client {
    uv_loop_t *loop;
    int fd;
    char in[65536];
    size_t n;
    bool closed;
};

static inline void loop_turn(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_NOWAIT);
    usleep(100);
}

#define WAIT_UNTIL(loop, condition)                  \
    do {                                             \
        int64_t until_ms = clock_ms() + PATIENCE_MS; \
        while (!(condition)) {                       \
            loop_turn(loop);                         \
            assert_true(clock_ms() < until_ms);      \
        }                                            \
    } while (0)

static inline void client_open(struct client *c, uv_loop_t *loop, int port)
{
    *c = (struct client){.loop = loop, .fd = socket(AF_INET, SOCK_STREAM, 0)};
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(c->fd, (struct sockaddr *)&addr, sizeof addr), 0);
}

static inline void client_pull(struct client *c)
{
    if (c->n == sizeof c->in - 1)
        return; // full: nothing to read is no end
    ssize_t n = recv(c->fd, c->in + c->n, sizeof c->in - 1 - c->n, MSG_DONTWAIT);
    if (n > 0)
        c->n += (size_t)n;
    else if (n == 0 || errno != EAGAIN)
        c->closed = true;
    c->in[c->n] = '\0';
}

static inline void client_send(struct client *c, const char *data, size_t n)
{
    int64_t until_ms = clock_ms() + PATIENCE_MS;
    while (n && !c->closed) {
        ssize_t sent = send(c->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            data += sent;
            n -= (size_t)sent;
        } else if (sent < 0 && errno != EAGAIN) {
            return; // the server has closed: what it said before is still to be read
        }
        loop_turn(c->loop);
        client_pull(c);
        assert_true(clock_ms() < until_ms);
    }
}

static inline void client_say(struct client *c, const char *text)
{
    client_send(c, text, strlen(text));
}

static inline size_t text_count(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, part)); p++)
        n++;
    return n;
}

static inline void client_wait(struct client *c, const char *part, size_t times)
{
    WAIT_UNTIL(c->loop, (client_pull(c), text_count(c->in, part) >= times));
}

static inline void client_wait_closed(struct client *c)
{
    WAIT_UNTIL(c->loop, (client_pull(c), c->closed));
}

static inline void client_close(struct client *c)
{
    close(c->fd);
}
