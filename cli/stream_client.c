/* SPDX-License-Identifier: Apache-2.0 */
#include "stream_client.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wslay/wslay.h>

#include "buf.h"
#include "clock.h"
#include "crypto.h"
#include "mem.h"

#define MESSAGE_MAX (8 << 20)
#define ANSWER_MAX  8192
#define KEY_BYTES   16

struct stream_client {
    int fd;
    wslay_event_context_ptr ws;
    void (*on_message)(void *ctx, struct str text);
    void *ctx;
    struct buf early; /* bytes that came behind the handshake's answer */
    size_t early_taken;
    uint16_t close_code; /* 0: the server has not closed */
    bool gone;
};

bool stream_url_parse(struct str text, struct stream_url *out, struct err *err)
{
    struct stream_url u = {.port = "80", .path = "/"};
    struct str rest = str_skip(text, 5), host, port;
    if (!str_starts(text, STR("ws://")))
        return err_set(err, ERR_INVALID, "stream url '%.*s': only ws://host:port/path is supported",
                       STR_ARG(text));
    const char *slash = memchr(rest.ptr, '/', rest.len);
    struct str path = slash ? str_skip(rest, (size_t)(slash - rest.ptr)) : STR("/");
    rest.len -= slash ? path.len : 0;
    int64_t n = 80;
    if (str_cut(rest, ':', &host, &port) && (!str_i64(port, &n) || n < 1 || n > 65535))
        return err_set(err, ERR_INVALID, "stream url '%.*s': the port is no port", STR_ARG(text));
    if (host.len == 0 || host.len >= sizeof u.host || path.len >= sizeof u.path)
        return err_set(err, ERR_INVALID, "stream url '%.*s': want ws://host:port/path",
                       STR_ARG(text));
    memcpy(u.host, host.ptr, host.len);
    memcpy(u.path, path.ptr, path.len);
    u.path[path.len] = '\0';
    (void)snprintf(u.port, sizeof u.port, "%d", (int)n);
    *out = u;
    return true;
}

static bool connect_to(struct stream_client *s, const struct stream_url *u, int64_t timeout_ms,
                       struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int rc = getaddrinfo(u->host, u->port, &hints, &found);
    if (rc != 0)
        return err_set(err, ERR_BUSY, "look up %s: %s", u->host, gai_strerror(rc));
    s->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval wait = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    bool ok = s->fd >= 0 && setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
              setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0 &&
              connect(s->fd, found->ai_addr, found->ai_addrlen) == 0;
    int reason = errno;
    freeaddrinfo(found);
    return ok || err_set(err, ERR_BUSY, "cannot connect to the stream at %s:%s: %s", u->host,
                         u->port, strerrordesc_np(reason));
}

static bool send_all(int fd, struct str bytes)
{
    while (bytes.len) {
        ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes = str_skip(bytes, (size_t)n);
    }
    return true;
}

static bool ask_upgrade(struct stream_client *s, const struct stream_url *u, struct str token)
{
    uint8_t key[KEY_BYTES];
    struct buf request;
    auto_arena a = arena_new(4096);
    crypto_random(key, sizeof key);
    buf_init(&request, 64 << 10);
    buf_putf(&request,
             "GET %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %.*s\r\n"
             "Sec-WebSocket-Protocol: bearer.%.*s\r\n\r\n",
             u->path, u->host, u->port,
             STR_ARG(base64_encode(a, (struct str){(const char *)key, sizeof key})),
             STR_ARG(token));
    bool ok = !request.overflow && send_all(s->fd, buf_str(&request));
    buf_done(&request);
    return ok;
}

/* Where the answer's head ends; 0: not all there yet. */
static size_t head_end(struct str text)
{
    const char *end = text.len ? memmem(text.ptr, text.len, "\r\n\r\n", 4) : NULL;
    return end ? (size_t)(end - text.ptr) + 4 : 0;
}

static bool read_upgrade(struct stream_client *s, struct err *err)
{
    char in[ANSWER_MAX];
    size_t n = 0, head = 0;
    while (!head) {
        ssize_t got = n < sizeof in ? recv(s->fd, in + n, sizeof in - n, 0) : 0;
        if (got <= 0)
            return err_set(err, ERR_BUSY, "the stream's server did not answer the handshake");
        n += (size_t)got;
        head = head_end((struct str){in, n});
    }
    struct str text = {in, n}, line, rest;
    (void)str_cut(text, '\n', &line, &rest);
    line = str_trim(line);
    if (!str_starts(line, STR("HTTP/1.1 101"))) {
        struct str body = str_skip(text, head);
        body.len = body.len > 160 ? 160 : body.len;
        return err_set(err, ERR_DENIED, "the stream refused us: %.*s %.*s", STR_ARG(line),
                       STR_ARG(body));
    }
    buf_put(&s->early, in + head, n - head);
    return true;
}

static ssize_t on_ws_recv(wslay_event_context_ptr ws, uint8_t *out, size_t len, int flags,
                          void *ctx)
{
    (void)flags;
    struct stream_client *s = ctx;
    size_t early = s->early.len - s->early_taken;
    if (early) {
        early = early < len ? early : len;
        memcpy(out, s->early.ptr + s->early_taken, early);
        s->early_taken += early;
        return (ssize_t)early;
    }
    ssize_t n = recv(s->fd, out, len, MSG_DONTWAIT);
    if (n > 0)
        return n;
    s->gone = n == 0 || (errno != EAGAIN && errno != EINTR);
    wslay_event_set_error(ws, s->gone ? WSLAY_ERR_CALLBACK_FAILURE : WSLAY_ERR_WOULDBLOCK);
    return -1;
}

static ssize_t on_ws_send(wslay_event_context_ptr ws, const uint8_t *data, size_t len, int flags,
                          void *ctx)
{
    (void)flags;
    struct stream_client *s = ctx;
    // Pongs and goodbyes only: short enough to wait for.
    ssize_t n = send(s->fd, data, len, MSG_NOSIGNAL);
    if (n < 0)
        wslay_event_set_error(ws, WSLAY_ERR_CALLBACK_FAILURE);
    return n;
}

static int on_ws_mask(wslay_event_context_ptr ws, uint8_t *out, size_t len, void *ctx)
{
    (void)ws, (void)ctx;
    crypto_random(out, len);
    return 0;
}

static void on_ws_message(wslay_event_context_ptr ws,
                          const struct wslay_event_on_msg_recv_arg *message, void *ctx)
{
    (void)ws;
    struct stream_client *s = ctx;
    if (message->opcode == WSLAY_CONNECTION_CLOSE)
        s->close_code = message->status_code;
    else if (message->opcode == WSLAY_TEXT_FRAME)
        s->on_message(s->ctx, (struct str){(const char *)message->msg, message->msg_length});
}

static bool start_protocol(struct stream_client *s)
{
    const struct wslay_event_callbacks callbacks = {.recv_callback = on_ws_recv,
                                                    .send_callback = on_ws_send,
                                                    .genmask_callback = on_ws_mask,
                                                    .on_msg_recv_callback = on_ws_message};
    if (wslay_event_context_client_init(&s->ws, &callbacks, s) != 0)
        return false;
    wslay_event_config_set_max_recv_msg_length(s->ws, MESSAGE_MAX);
    return true;
}

struct stream_client *stream_open(const char *url, struct str token, int64_t timeout_ms,
                                  void (*on_message)(void *ctx, struct str text), void *ctx,
                                  struct err *err)
{
    struct stream_url u;
    if (!stream_url_parse(str_of(url), &u, err))
        return NULL;
    struct stream_client *s = xalloc(sizeof *s);
    *s = (struct stream_client){.fd = -1, .on_message = on_message, .ctx = ctx};
    buf_init(&s->early, ANSWER_MAX);
    bool ok = connect_to(s, &u, timeout_ms, err);
    if (ok && !ask_upgrade(s, &u, token))
        ok = err_set(err, ERR_BUSY, "the stream's server hung up during the handshake");
    ok = ok && read_upgrade(s, err);
    if (ok && !start_protocol(s))
        ok = err_set(err, ERR_FAULT, "websocket: out of memory");
    if (ok)
        return s;
    stream_close(s);
    return NULL;
}

void stream_close(struct stream_client *s)
{
    if (!s)
        return;
    if (s->ws && !s->gone && s->close_code == 0 &&
        wslay_event_queue_close(s->ws, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0) == 0)
        (void)wslay_event_send(s->ws);
    if (s->ws)
        wslay_event_context_free(s->ws);
    if (s->fd >= 0)
        (void)close(s->fd);
    buf_done(&s->early);
    free(s);
}

int stream_fd(const struct stream_client *s)
{
    return s->fd;
}

bool stream_turn(struct stream_client *s, struct err *err)
{
    int received = wslay_event_recv(s->ws);
    int sent = wslay_event_send(s->ws);
    if (s->close_code)
        return err_set(err, ERR_BUSY, "the stream was closed by the server with code %u",
                       (unsigned)s->close_code);
    if (received != 0 || sent != 0)
        return err_set(err, ERR_BUSY, "the stream's connection was lost");
    return true;
}
