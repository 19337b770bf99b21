/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_impl.h"
#include "mem.h"

#define TICK_MS           500 /* idle timeouts are this coarse */
#define DISCARD_FACTOR    4   /* of body_max: read so much of a refused body before giving up */
#define DEFAULT_BODIES    64  /* bodies_max, in bodies */
#define PULSE_MS          2
#define STREAM_STEP       (64 * 1024) /* a streamed body must bring so much in twice the idle timeout */
#define RUNS_BEFORE_YIELD 4 /* MHD_run() again while it has work, then let the loop turn */

/* --- lists ------------------------------------------------------------------------------------ */

void http_list_push(struct http_list *l, struct http_request *r)
{
    r->prev = NULL;
    r->next = l->head;
    if (l->head)
        l->head->prev = r;
    l->head = r;
    l->n++;
}

void http_list_remove(struct http_list *l, struct http_request *r)
{
    if (r->prev)
        r->prev->next = r->next;
    else
        l->head = r->next;
    if (r->next)
        r->next->prev = r->prev;
    r->prev = r->next = NULL;
    l->n--;
}

static void slow_add(struct http_server *s, struct http_conn *c)
{
    c->since_ms = uv_now(s->loop);
    c->waiting = true;
    c->streamed_bytes = 0;
    c->next = NULL;
    c->prev = s->slow_tail;
    *(s->slow_tail ? &s->slow_tail->next : &s->slow_head) = c;
    s->slow_tail = c;
}

static void slow_remove(struct http_server *s, struct http_conn *c)
{
    if (!c->waiting)
        return;
    c->waiting = false;
    *(c->prev ? &c->prev->next : &s->slow_head) = c->next;
    *(c->next ? &c->next->prev : &s->slow_tail) = c->prev;
}

/* libmicrohttpd's timeout starts again with each byte, so a client that drips would stay for ever.
 * An idle keep-alive connection is closed by that timeout long before this one. */
static void slow_sweep(struct http_server *s)
{
    uint64_t patience_ms = 2 * (uint64_t)s->opts.idle_timeout_ms;
    while (s->slow_head && uv_now(s->loop) - s->slow_head->since_ms > patience_ms) {
        struct http_conn *c = s->slow_head;
        slow_remove(s, c);
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        if (info)
            (void)shutdown(info->connect_fd, SHUT_RDWR); // libmicrohttpd sees the end and cleans up
    }
}

/* --- one turn --------------------------------------------------------------------------------- */

static void on_idle(uv_idle_t *idle)
{
    (void)idle; // active only so that the loop does not sleep before its check phase
}

void http_server_wake(struct http_server *s)
{
    if (s->wants_run)
        return;
    s->wants_run = true;
    (void)uv_idle_start(&s->idle, on_idle);
}

/* Tell libmicrohttpd to forget the connections whose sockets are ours now. */
static void release_upgraded(struct http_server *s)
{
    for (struct http_request *r = s->upgraded.head, *next; r; r = next) {
        next = r->next;
        (void)MHD_upgrade_action(r->upgrade->handle, MHD_UPGRADE_ACTION_CLOSE);
    }
    (void)MHD_run(s->mhd);
}

static void hand_over_sockets(struct http_server *s)
{
    while (s->released.head) {
        struct http_request *r = s->released.head;
        http_list_remove(&s->released, r);
        struct http_upgrade *u = r->upgrade;
        if (u->fd >= 0)
            u->on_socket(s->opts.ctx, u->user, u->fd, u->early);
        if (s->opts.on_done)
            s->opts.on_done(s->opts.ctx, r);
        http_request_recycle(r);
    }
}

/* Parked connections make libmicrohttpd say that it has work at all times. While there are some, a
 * run that got something done is followed by one more, and the pulse finds what is left. */
static bool has_more(struct http_server *s, uint64_t progress_before)
{
    if (s->n_parked)
        return s->progress != progress_before;
    MHD_UNSIGNED_LONG_LONG wait_ms;
    return MHD_get_timeout(s->mhd, &wait_ms) == MHD_YES && wait_ms == 0;
}

static void on_pulse(uv_timer_t *pulse)
{
    http_server_wake(pulse->data);
}

/* All that this turn's events asked for, in one go: after the poll phase, once. */
static void on_check(uv_check_t *check)
{
    struct http_server *s = check->data;
    if (!s->wants_run)
        return;
    s->wants_run = false;
    s->in_run = true;
    bool more = true;
    for (int i = 0; i < RUNS_BEFORE_YIELD && more; i++) {
        uint64_t before = s->progress;
        (void)MHD_run(s->mhd);
        if (s->upgraded.head)
            release_upgraded(s);
        more = has_more(s, before);
    }
    s->in_run = false;
    hand_over_sockets(s);
    if (more)
        s->wants_run = true;
    if (!s->wants_run)
        (void)uv_idle_stop(&s->idle);
    if (s->n_parked && !more && !uv_is_active((uv_handle_t *)&s->pulse))
        (void)uv_timer_start(&s->pulse, on_pulse, PULSE_MS, 0);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    http_server_wake(poll->data);
}

static void on_tick(uv_timer_t *tick)
{
    struct http_server *s = tick->data;
    slow_sweep(s);
    http_server_wake(s);
}

/* --- called by libmicrohttpd ------------------------------------------------------------------ */

static void on_connection(void *cls, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *s = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct http_conn *c = xalloc(sizeof *c);
        c->mhd = mhd;
        slow_add(s, c);
        *socket_context = c;
        return;
    }
    struct http_conn *c = *socket_context;
    if (c) {
        slow_remove(s, c);
        free(c);
        *socket_context = NULL;
    }
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
                         enum MHD_RequestTerminationCode code)
{
    (void)mhd;
    (void)code;
    struct http_server *s = cls;
    struct http_request *r = *con_cls;
    if (!r)
        return;
    *con_cls = NULL;
    if (r->upgrade && r->upgrade->handle) {
        http_list_remove(&s->upgraded, r);
        http_list_push(&s->released, r);
        return;
    }
    http_list_remove(&s->live, r);
    slow_remove(s, r->conn);
    slow_add(s, r->conn);
    if (r->was_handled && s->opts.on_done)
        s->opts.on_done(s->opts.ctx, r);
    http_request_recycle(r);
}

/* Answer before the handler ever sees the request, and close: what follows is not worth reading. */
static enum MHD_Result refuse(struct http_request *r, int status)
{
    struct http_server *s = r->server;
    if (s->opts.on_refused)
        s->opts.on_refused(s->opts.ctx, status);
    http_set_header(r, MHD_HTTP_HEADER_CONNECTION, STR("close"));
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
        http_set_header(r, MHD_HTTP_HEADER_RETRY_AFTER, STR("1"));
    if (status == MHD_HTTP_CONTENT_TOO_LARGE)
        http_answer_problem(r, status,
                            str_fmt(r->arena, "the body is larger than %lld bytes",
                                    (long long)s->opts.body_max_bytes));
    else
        http_answer_problem(r, status, STR("too many large bodies at once, try again"));
    return MHD_YES;
}

static bool expects_continue(const struct http_request *r)
{
    return http_header(r, MHD_HTTP_HEADER_EXPECT).len > 0;
}

/* Is its body for on_body, or was it answered without one? */
static bool begin_streaming(struct http_server *s, struct http_request *r, int64_t length)
{
    if (!s->opts.on_head || !(length > 0 || http_header(r, "Transfer-Encoding").ptr))
        return false;
    bool is_short = length > 0 && length / DISCARD_FACTOR <= s->opts.body_max_bytes;
    r->parked = is_short && !expects_continue(r); // an answer waits for the body's end
    r->is_early = !r->parked;
    s->n_parked += r->parked;
    r->state = HTTP_HANDLING;
    bool taken = s->opts.on_head(s->opts.ctx, r);
    r->is_early = false;
    r->was_handled = taken;
    if (r->state == HTTP_ANSWERED)
        return true;
    s->n_parked -= r->parked;
    r->parked = false;
    r->state = taken ? HTTP_STREAMING : HTTP_READING;
    return taken;
}

/* The headers are there. A body that is announced too large is refused at once when the client
 * waits for our word or the body is huge; else it is read and dropped, because closing with unread
 * bytes resets the connection and the client may never see why. Otherwise its room grows as it
 * comes: who only announces large bodies takes no room from others. */
static enum MHD_Result begin(struct http_server *s, struct MHD_Connection *mhd, const char *url,
                             const char *method, void **con_cls)
{
    struct http_request *r = http_request_take(s, mhd, method, url);
    *con_cls = r;
    r->conn = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    int64_t length = 0;
    struct str text = http_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (!text.ptr || !str_i64(text, &length) || length < 0)
        length = 0;
    if (begin_streaming(s, r, length) || length == 0)
        return MHD_YES; // none, or chunked: grows as it comes
    int status = http_body_refusal(r, (uint64_t)length);
    if (!status && http_body_reserve(
                       r, length < HTTP_BODY_SMALL ? (uint64_t)length : HTTP_BODY_SMALL, &status))
        return MHD_YES;
    if (expects_continue(r) || length / DISCARD_FACTOR > s->opts.body_max_bytes)
        return refuse(r, status);
    r->state = HTTP_DISCARDING;
    r->refusal = status;
    return MHD_YES;
}

/* What comes steadily may take as long as it takes. */
static void stay_awake(struct http_request *r, size_t n)
{
    r->conn->streamed_bytes += n;
    if (r->conn->streamed_bytes < STREAM_STEP || !r->conn->waiting)
        return;
    slow_remove(r->server, r->conn);
    slow_add(r->server, r->conn);
}

static enum MHD_Result take_body(struct http_request *r, const char *data, size_t n)
{
    uint64_t body_max = (uint64_t)r->server->opts.body_max_bytes;
    if (r->state == HTTP_ANSWERED)
        return MHD_YES;
    if (r->state == HTTP_STREAMING) {
        stay_awake(r, n);
        if (!r->server->opts.on_body(r->server->opts.ctx, r, (struct str){data, n}))
            r->state = HTTP_DISCARDING;
        return MHD_YES;
    }
    if (r->state == HTTP_READING) {
        int status;
        uint64_t total = r->body_len + n;
        // Double, so that a long body is not copied at each piece.
        uint64_t wanted = total * 2 < body_max ? total * 2 : body_max;
        if (wanted < total)
            wanted = total;
        if (total <= r->body_cap || http_body_reserve(r, wanted, &status)) {
            http_body_put(r, data, n);
            // It lies in libmicrohttpd's pool for the connection, which nobody reads again there.
            if (r->server->opts.wipes)
                explicit_bzero((void *)data, n);
            return MHD_YES;
        }
        r->state = HTTP_DISCARDING;
        r->refusal = status;
    }
    r->discarded_bytes += n;
    return r->discarded_bytes > body_max * DISCARD_FACTOR ? MHD_NO : MHD_YES;
}

static enum MHD_Result answer_parked(struct http_request *r)
{
    struct http_server *s = r->server;
    (void)MHD_queue_response(r->mhd, (unsigned)r->status, r->answer);
    http_response_release(s, r->answer);
    r->answer = NULL;
    r->parked = false;
    s->n_parked--;
    s->progress++;
    return MHD_YES;
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *mhd, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *data_len, void **con_cls)
{
    (void)version;
    struct http_server *s = cls;
    struct http_request *r = *con_cls;
    if (!r) {
        s->progress++;
        return begin(s, mhd, url, method, con_cls);
    }
    if (*data_len) {
        size_t n = *data_len;
        *data_len = 0;
        s->progress++;
        return take_body(r, data, n);
    }
    if (r->state == HTTP_DISCARDING && r->refusal)
        return refuse(r, r->refusal);
    if (r->answer)
        return answer_parked(r);
    if (r->state == HTTP_HANDLING || r->state == HTTP_DEFERRED || r->state == HTTP_ANSWERED)
        return MHD_YES; // parked, not answered yet
    slow_remove(s, r->conn);
    r->state = HTTP_HANDLING;
    r->was_handled = true;
    s->opts.on_request(s->opts.ctx, r);
    assert(r->state != HTTP_HANDLING); // answered, deferred or upgraded
    return MHD_YES;
}

/* "%00" stays as it is: paths and arguments are read as C strings. */
static size_t unescape(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strstr(text, "%00") ? strlen(text) : MHD_http_unescape(text);
}

/* --- life ------------------------------------------------------------------------------------- */

static struct MHD_Daemon *start_daemon(struct http_server *s, int listen_fd)
{
    unsigned flags = MHD_USE_EPOLL | MHD_USE_TURBO |
                     (s->opts.can_upgrade ? MHD_ALLOW_UPGRADE : MHD_ALLOW_SUSPEND_RESUME);
    return MHD_start_daemon(
        flags, (uint16_t)s->port, NULL, NULL, on_access, s, // clang-format off
        MHD_OPTION_LISTEN_SOCKET, listen_fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->opts.max_connections,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)((s->opts.idle_timeout_ms + 999) / 1000),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)s->opts.header_pool_bytes,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
        MHD_OPTION_UNESCAPE_CALLBACK, unescape, s,
        MHD_OPTION_END); // clang-format on
}

static void start_handles(struct http_server *s)
{
    int epoll_fd = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    int rc = uv_poll_init(s->loop, &s->poll, epoll_fd);
    assert(rc == 0); // fails only for descriptors that cannot be polled
    (void)uv_poll_start(&s->poll, UV_READABLE, on_readable);
    (void)uv_timer_init(s->loop, &s->tick);
    (void)uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
    (void)uv_timer_init(s->loop, &s->pulse);
    (void)uv_check_init(s->loop, &s->check);
    (void)uv_check_start(&s->check, on_check);
    (void)uv_idle_init(s->loop, &s->idle);
    s->poll.data = s->tick.data = s->pulse.data = s->check.data = s->idle.data = s;
    s->n_handles = 5;
    http_server_wake(s); // the first run puts the listening socket into the epoll set
}

static char no_bytes[1]; // libmicrohttpd wants a pointer that is not const

struct http_server *http_server_new(uv_loop_t *loop, const struct http_server_opts *opts,
                                    struct err *err)
{
    int port;
    int fd = http_listen(opts->host, opts->port, opts->reuse_port, &port, err);
    if (fd < 0)
        return NULL;
    struct http_server *s = xalloc(sizeof *s);
    s->opts = *opts;
    if (!s->opts.bodies_max_bytes)
        s->opts.bodies_max_bytes = DEFAULT_BODIES * s->opts.body_max_bytes;
    s->loop = loop;
    s->port = port;
    s->mhd = start_daemon(s, fd);
    if (!s->mhd) {
        err_set(err, ERR_BUSY, "libmicrohttpd does not start: is the limit of open files reached?");
        close(fd);
        free(s);
        return NULL;
    }
    s->empty = MHD_create_response_from_buffer(0, no_bytes, MHD_RESPMEM_PERSISTENT);
    s->empty_close = MHD_create_response_from_buffer(0, no_bytes, MHD_RESPMEM_PERSISTENT);
    (void)MHD_add_response_header(s->empty_close, MHD_HTTP_HEADER_CONNECTION, "close");
    start_handles(s);
    return s;
}

int http_server_port(const struct http_server *s)
{
    return s->port;
}

size_t http_server_requests(const struct http_server *s)
{
    return s->live.n;
}

void http_server_quiesce(struct http_server *s)
{
    if (s->quiescing)
        return;
    // Connections that the kernel has already accepted for us would be reset: take them in first.
    if (!s->in_run)
        (void)MHD_run(s->mhd);
    s->quiescing = true;
    MHD_socket fd = MHD_quiesce_daemon(s->mhd);
    if (fd != MHD_INVALID_SOCKET)
        close(fd);
    http_server_wake(s);
}

static void on_closed(uv_handle_t *handle)
{
    struct http_server *s = handle->data;
    if (--s->n_handles == 0)
        free(s);
}

/* libmicrohttpd must not be stopped while a connection is suspended. */
static void end_deferred(struct http_server *s)
{
    const struct err stopping = {.kind = ERR_BUSY, .msg = "the server is stopping, try again"};
    for (struct http_request *r = s->live.head, *next; r; r = next) {
        next = r->next;
        if (r->state == HTTP_DEFERRED)
            http_answer_err(r, &stopping);
        else
            http_source_break(r);
    }
    (void)MHD_run(s->mhd); // takes the answers
    (void)MHD_run(s->mhd); // writes them
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    assert(!s->in_run); // not from within one of its own callbacks
    http_server_quiesce(s);
    end_deferred(s);
    if (s->upgraded.head)
        release_upgraded(s);
    uv_close((uv_handle_t *)&s->poll, on_closed); // before its descriptor is closed
    MHD_stop_daemon(s->mhd);
    hand_over_sockets(s);
    MHD_destroy_response(s->empty);
    MHD_destroy_response(s->empty_close);
    while (s->pool.head) {
        struct http_request *r = s->pool.head;
        http_list_remove(&s->pool, r);
        http_request_free(r);
    }
    uv_close((uv_handle_t *)&s->tick, on_closed);
    uv_close((uv_handle_t *)&s->pulse, on_closed);
    uv_close((uv_handle_t *)&s->check, on_closed);
    uv_close((uv_handle_t *)&s->idle, on_closed);
}
