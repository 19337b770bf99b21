/* SPDX-License-Identifier: Apache-2.0 */
#include "conn.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"
#include "mem.h"

#define READ_BYTES      (16 * 1024)
#define IOV_MAX_PACKETS 64
#define TURN_CONNS      512          /* about 5 ms of writing, then the loop turns */
#define TURN_BYTES      (256 * 1024) /* to one connection */
#define ROOM_BYTES      (32 * 1024)
/* What the kernel may hold unsent for one socket. Without it a slow client would hide megabytes
 * there before queue_max_bytes is ever felt. */
#define UNSENT_MAX_BYTES (128 * 1024)
/* Long enough for a client that comes back from a stall to read why it was closed. */
#define CLOSE_LINGER_MS 15000
/* After a frame that cannot be read nothing is read any more, so no answer to our close frame. */
#define FAIL_LINGER_MS 1000

struct conns {
    struct conns_opts opts;
    struct frame_reader
        *spare; /* lent to whoever reads; kept by the one whose frame is incomplete */
    struct conn *dirty_head, **dirty_tail;
    uv_check_t check;
    uv_idle_t idle;
    int open_handles;
    size_t n;
    int64_t now_at_ms;
    char read_buffer[READ_BYTES];
};

static void on_poll(uv_poll_t *poll, int status, int events);

/* --- state -------------------------------------------------------------------------------- */

/* The one place where a connection's state changes. */
static void set_state(struct conn *c, enum conn_state state)
{
    assert(state > c->state);
    c->state = (uint8_t)state;
}

static struct packet **slot(struct conn *c, uint32_t i)
{
    return &c->slots[(c->head + i) & (c->cap - 1)];
}

static void drop_queue(struct conn *c, uint32_t keep)
{
    while (c->n > keep) {
        struct packet *p = *slot(c, --c->n);
        c->queued_bytes -= p->len;
        notifier_packet_unref(p);
    }
}

static void shrink_queue(struct conn *c)
{
    if (c->n > 0 || c->slots == c->inline_slots)
        return;
    free(c->slots);
    c->slots = c->inline_slots;
    c->cap = CONN_SLOTS;
    c->head = 0;
}

/* --- what is to be written ---------------------------------------------------------------- */

static void on_idle(uv_idle_t *idle)
{
    (void)idle; // active only so that the loop does not sleep before its check phase
}

static void mark_dirty(struct conn *c)
{
    struct conns *s = c->set;
    if (c->prev_dirty || c->is_blocked)
        return;
    if (!s->dirty_head)
        (void)uv_idle_start(&s->idle, on_idle);
    c->next_dirty = NULL;
    c->prev_dirty = s->dirty_tail;
    *s->dirty_tail = c;
    s->dirty_tail = &c->next_dirty;
}

static void unmark_dirty(struct conn *c)
{
    struct conns *s = c->set;
    if (!c->prev_dirty)
        return;
    *c->prev_dirty = c->next_dirty;
    if (c->next_dirty)
        c->next_dirty->prev_dirty = c->prev_dirty;
    else
        s->dirty_tail = c->prev_dirty;
    c->prev_dirty = NULL;
    if (!s->dirty_head)
        (void)uv_idle_stop(&s->idle);
}

static void grow_queue(struct conn *c)
{
    uint32_t cap = c->cap * 2;
    struct packet **slots = xalloc(cap * sizeof(struct packet *));
    for (uint32_t i = 0; i < c->n; i++)
        slots[i] = *slot(c, i);
    if (c->slots != c->inline_slots)
        free(c->slots);
    c->slots = slots;
    c->cap = cap;
    c->head = 0;
}

static void enqueue(struct conn *c, struct packet *p)
{
    if (c->n == c->cap)
        grow_queue(c);
    *slot(c, c->n++) = notifier_packet_ref(p);
    c->queued_bytes += p->len;
    mark_dirty(c);
}

bool notifier_conn_send(struct conn *c, struct packet *p)
{
    if (c->state != CONN_OPEN ||
        (c->n > 0 && c->queued_bytes + p->len > c->set->opts.queue_max_bytes))
        return false;
    enqueue(c, p);
    return true;
}

/* --- the end ------------------------------------------------------------------------------ */

static void on_handle_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    if (--c->open_handles > 0)
        return;
    c->set->n--;
    c->set->opts.events->on_gone(c);
}

void notifier_conn_drop(struct conn *c)
{
    if (c->state == CONN_GONE)
        return;
    bool was_open = c->state == CONN_OPEN;
    set_state(c, CONN_GONE);
    if (was_open)
        c->set->opts.events->on_closing(c, c->close_code);
    unmark_dirty(c);
    drop_queue(c, 0);
    shrink_queue(c);
    notifier_frame_reader_free(TAKE(c->reader));
    uv_close((uv_handle_t *)&c->poll, on_handle_closed);
    uv_close((uv_handle_t *)&c->timer, on_handle_closed);
    (void)close(c->fd);
}

void notifier_conn_close(struct conn *c, uint16_t code, struct str reason)
{
    if (c->state != CONN_OPEN)
        return;
    set_state(c, CONN_CLOSING);
    c->close_code = code;
    drop_queue(c, c->written > 0 ? 1 : 0);
    struct packet *p = notifier_packet_close(code, reason);
    enqueue(c, p);
    notifier_packet_unref(p);
    notifier_conn_arm(c, CLOSE_LINGER_MS);
    c->set->opts.events->on_closing(c, code);
}

/* --- writing ------------------------------------------------------------------------------ */

static void watch(struct conn *c)
{
    int events = UV_READABLE | (c->is_blocked ? UV_WRITABLE : 0);
    (void)uv_poll_start(&c->poll, events, on_poll);
}

/* A packet is on its way as a whole. */
static void count_packet(const struct conn *c, const struct packet *p)
{
    const struct conns *s = c->set;
    if (p->at_ms == 0)
        return;
    metric_add(s->opts.deliveries, 1);
    if (!c->is_replaying)
        metric_observe_us(s->opts.latency, (s->now_at_ms - p->at_ms) * 1000);
}

static void take_off(struct conn *c, size_t n)
{
    metric_add(c->set->opts.bytes, (int64_t)n);
    while (n > 0) {
        struct packet *p = *slot(c, 0);
        size_t left = p->len - c->written;
        if (n < left) {
            c->written += (uint32_t)n;
            return;
        }
        n -= left;
        count_packet(c, p);
        c->written = 0;
        c->queued_bytes -= p->len;
        c->head = (c->head + 1) & (c->cap - 1);
        c->n--;
        notifier_packet_unref(p);
    }
}

/* Write several packets at once. -1: the socket is dead; 0: it is full. */
static ssize_t write_some(struct conn *c)
{
    struct iovec iov[IOV_MAX_PACKETS];
    size_t n = 0;
    size_t bytes = 0;
    for (; n < c->n && n < IOV_MAX_PACKETS && bytes < TURN_BYTES; n++) {
        struct packet *p = *slot(c, (uint32_t)n);
        size_t skip = n == 0 ? c->written : 0;
        iov[n] = (struct iovec){.iov_base = p->bytes + skip, .iov_len = p->len - skip};
        bytes += iov[n].iov_len;
    }
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = n};
    ssize_t sent = 0;
    do
        sent = sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
    take_off(c, (size_t)sent);
    return sent;
}

/* Write until the queue is empty, the socket full, or this turn's share is used up. */
static void flush(struct conn *c)
{
    size_t total = 0;
    while (c->n > 0 && total < TURN_BYTES) {
        ssize_t sent = write_some(c);
        if (sent < 0) {
            notifier_conn_drop(c);
            return;
        }
        if (sent == 0) {
            c->is_blocked = true;
            watch(c);
            return;
        }
        total += (size_t)sent;
        if (c->state == CONN_OPEN && c->queued_bytes < ROOM_BYTES)
            c->set->opts.events->on_room(c);
        if (c->state == CONN_GONE)
            return;
    }
    shrink_queue(c);
    if (c->n > 0)
        mark_dirty(c);
}

/* After the poll phase, so that all that this turn has queued goes out together. */
static void on_check(uv_check_t *check)
{
    struct conns *s = check->data;
    if (!s->dirty_head)
        return;
    s->now_at_ms = clock_at_ms();
    for (int i = 0; i < TURN_CONNS && s->dirty_head; i++) {
        struct conn *c = s->dirty_head;
        unmark_dirty(c);
        flush(c);
    }
}

/* --- reading ------------------------------------------------------------------------------ */

static void answer(struct conn *c, enum websocket_opcode opcode, struct str payload)
{
    struct packet *p = notifier_packet_new(opcode, payload);
    if (!notifier_conn_send(c, p))
        notifier_conn_drop(c); // it floods us with pings and reads nothing
    notifier_packet_unref(p);
}

/* The peer has said goodbye: its code is sent back, and with that written all is said. */
static void on_close_frame(struct conn *c, const struct frame *f)
{
    if (c->state == CONN_CLOSING) {
        notifier_conn_drop(c);
        return;
    }
    uint16_t code = f->code == WEBSOCKET_NO_STATUS ? WEBSOCKET_NORMAL : f->code;
    notifier_conn_close(c, code, STR_NONE);
    flush(c);
    notifier_conn_drop(c);
}

static void on_frame(struct conn *c, const struct frame *f)
{
    const struct conn_events *events = c->set->opts.events;
    switch (f->kind) {
    case FRAME_TEXT:
        if (c->state == CONN_OPEN)
            events->on_text(c, f->payload);
        break;
    case FRAME_PING:
        if (c->state == CONN_OPEN && events->may_answer(c))
            answer(c, WEBSOCKET_PONG, f->payload);
        break;
    case FRAME_CLOSE:
        on_close_frame(c, f);
        break;
    case FRAME_FAIL:
        notifier_conn_close(c, f->code, str_of(f->why));
        notifier_conn_arm(c, FAIL_LINGER_MS);
        break;
    case FRAME_PONG:
    case FRAME_NONE:
        break;
    }
}

static void read_frames(struct conn *c, struct str bytes)
{
    struct conns *s = c->set;
    struct frame_reader *r = c->reader ? TAKE(c->reader) : TAKE(s->spare);
    if (!r)
        r = notifier_frame_reader_new(s->opts.message_max_bytes);
    notifier_frame_feed(r, bytes);
    for (;;) {
        struct frame f = notifier_frame_next(r);
        if (f.kind == FRAME_NONE)
            break;
        on_frame(c, &f);
        if (f.kind == FRAME_CLOSE || f.kind == FRAME_FAIL || c->state == CONN_GONE)
            break;
    }
    if (c->state != CONN_GONE && !notifier_frame_reader_is_idle(r))
        c->reader = r;
    else if (!s->spare && notifier_frame_reader_is_idle(r))
        s->spare = r;
    else
        notifier_frame_reader_free(r);
}

static void on_readable(struct conn *c)
{
    struct conns *s = c->set;
    ssize_t n = recv(c->fd, s->read_buffer, READ_BYTES, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n <= 0) {
        notifier_conn_drop(c);
        return;
    }
    s->opts.events->on_alive(c);
    read_frames(c, (struct str){s->read_buffer, (size_t)n});
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct conn *c = poll->data;
    if (status < 0) {
        notifier_conn_drop(c);
        return;
    }
    if (events & UV_WRITABLE && c->is_blocked) {
        c->is_blocked = false;
        watch(c);
        mark_dirty(c);
        c->set->opts.events->on_alive(c);
    }
    if (events & UV_READABLE && c->state != CONN_GONE)
        on_readable(c);
}

static void on_conn_timer(uv_timer_t *timer)
{
    struct conn *c = timer->data;
    if (c->state == CONN_CLOSING)
        notifier_conn_drop(c); // no answer to our close frame
    else if (c->state == CONN_OPEN)
        c->set->opts.events->on_timer(c);
}

void notifier_conn_arm(struct conn *c, int64_t ms)
{
    (void)uv_timer_start(&c->timer, on_conn_timer, (uint64_t)(ms > 0 ? ms : 0), 0);
}

/* --- life --------------------------------------------------------------------------------- */

void notifier_conn_open(struct conn *c, struct conns *set, int fd)
{
    int unsent = UNSENT_MAX_BYTES;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    c->set = set;
    c->fd = fd;
    c->slots = c->inline_slots;
    c->cap = CONN_SLOTS;
    c->state = CONN_OPEN;
    int rc = uv_poll_init(set->opts.loop, &c->poll, fd);
    assert(rc == 0); // fails only for descriptors that cannot be polled
    (void)uv_timer_init(set->opts.loop, &c->timer);
    c->poll.data = c->timer.data = c;
    c->open_handles = 2;
    set->n++;
    watch(c);
}

void notifier_conn_receive(struct conn *c, struct str bytes)
{
    if (bytes.len > 0 && c->state != CONN_GONE)
        read_frames(c, bytes);
}

struct conns *notifier_conns_new(const struct conns_opts *opts)
{
    struct conns *s = xalloc(sizeof *s);
    s->opts = *opts;
    s->dirty_tail = &s->dirty_head;
    (void)uv_check_init(opts->loop, &s->check);
    (void)uv_check_start(&s->check, on_check);
    (void)uv_idle_init(opts->loop, &s->idle);
    s->check.data = s->idle.data = s;
    s->open_handles = 2;
    return s;
}

static void on_shared_closed(uv_handle_t *handle)
{
    struct conns *s = handle->data;
    if (--s->open_handles > 0)
        return;
    notifier_frame_reader_free(s->spare);
    free(s);
}

void notifier_conns_free(struct conns *s)
{
    if (!s)
        return;
    assert(s->n == 0);
    uv_close((uv_handle_t *)&s->check, on_shared_closed);
    uv_close((uv_handle_t *)&s->idle, on_shared_closed);
}

bool notifier_conns_are_flushed(const struct conns *s)
{
    return !s->dirty_head;
}

size_t notifier_conns_count(const struct conns *s)
{
    return s->n;
}
