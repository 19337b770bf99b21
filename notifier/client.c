/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "hub.h"
#include "log.h"
#include "mem.h"
#include "protocol.h"

/* How long a client that has seen more than we have read waits for us to get there. */
#define AHEAD_PATIENCE_MS 2000
/* A replay queues no more than this at once, so that it never meets the slow client's limit. */
#define REPLAY_SHARE 4
#define TIMER_MAX_MS 60000 /* wall clocks are set: look at the token's expiry now and then */

static struct client *client_of(struct conn *c)
{
    return (struct client *)c; // its first member
}

static const struct notifier_conf *conf_of(const struct client *c)
{
    return c->hub->opts.conf;
}

static struct stats *stats_of(const struct client *c)
{
    return c->hub->opts.stats;
}

/* The one place where a client's state changes. */
static void set_state(struct client *c, enum client_state state)
{
    static const bool allowed[][CLIENT_OVER + 1] = {
        [CLIENT_UNPROVEN] = {[CLIENT_AHEAD] = true,
                             [CLIENT_REPLAYING] = true,
                             [CLIENT_LIVE] = true,
                             [CLIENT_OVER] = true},
        [CLIENT_AHEAD] = {[CLIENT_LIVE] = true, [CLIENT_OVER] = true},
        [CLIENT_REPLAYING] = {[CLIENT_LIVE] = true, [CLIENT_OVER] = true},
        [CLIENT_LIVE] = {[CLIENT_OVER] = true},
        [CLIENT_OVER] = {false},
    };
    assert(allowed[c->state][state]);
    c->state = (uint8_t)state;
    if (state == CLIENT_REPLAYING)
        c->conn.is_replaying = true; // until the queue has been empty: see on_room
}

/* --- sending ------------------------------------------------------------------------------ */

/* Takes p. False: the client is over. */
static bool send_own(struct client *c, struct packet *p)
{
    bool queued = notifier_conn_send(&c->conn, p);
    notifier_packet_unref(p);
    if (queued)
        return true;
    if (c->conn.state == CONN_OPEN) {
        metric_add(stats_of(c)->slow, 1);
        notifier_conn_close(&c->conn, STREAM_SLOW,
                            STR("reads too slowly; come back with the cursor"));
    }
    return false;
}

static bool send_shared(struct client *c, struct packet *p)
{
    return send_own(c, notifier_packet_ref(p));
}

static void send_error(struct client *c, const char *code, struct str message)
{
    send_own(c, notifier_protocol_error(code, message));
}

static const struct ring *ring_of(const struct client *c)
{
    return notifier_history_ring(c->hub->opts.history, c->partition);
}

static struct cursor now_of(const struct client *c)
{
    return (struct cursor){c->partition, notifier_ring_next(ring_of(c))};
}

/* Updates, from the ring or fresh from the feed. Returns whether it was queued. */
static bool send_update(struct client *c, struct packet *p)
{
    if (!p->for_all && !notifier_filter_passes(c->filter, &p->subject))
        return false;
    if (!send_shared(c, p))
        return false;
    if (p->partition == c->partition)
        c->known_offset = p->offset + 1;
    return true;
}

void notifier_client_resync(struct client *c, const char *reason)
{
    if (c->state == CLIENT_UNPROVEN || c->state == CLIENT_OVER)
        return;
    notifier_stats_count(stats_of(c), NOTIFIER_RESYNCS, reason);
    if (c->state != CLIENT_LIVE)
        set_state(c, CLIENT_LIVE);
    struct cursor now = now_of(c);
    c->known_offset = now.offset;
    send_own(c, notifier_protocol_resync(now));
}

/* Its cursors of the old partition say nothing about the new one. */
void notifier_client_rehome(struct client *c)
{
    int32_t home = notifier_history_partition_of(c->hub->opts.history, &c->tenant->id);
    if (home == c->partition)
        return;
    c->partition = home;
    notifier_client_resync(c, "partitions");
}

/* --- resuming ----------------------------------------------------------------------------- */

/* A large update may pass the limit alone: an empty queue takes it. */
static bool has_room_for(const struct client *c, const struct packet *p)
{
    return c->conn.n == 0 ||
           c->conn.queued_bytes + p->len <= (size_t)conf_of(c)->client_queue_bytes;
}

/* Queue what was missed, as much as fits; on_room calls again. */
static void refill(struct client *c)
{
    const struct ring *ring = ring_of(c);
    size_t share = (size_t)conf_of(c)->client_queue_bytes / REPLAY_SHARE;
    while (c->state == CLIENT_REPLAYING && c->conn.queued_bytes < share) {
        struct packet *p = notifier_ring_at(ring, c->replay_seq);
        if (!p) {
            notifier_client_resync(c, "overtaken"); // it reads more slowly than the ring turns
            return;
        }
        if (!has_room_for(c, p))
            return;
        c->replay_seq = notifier_ring_after(ring, c->replay_seq);
        // At once: what is pushed from here on is offered, and is not in what was left to replay.
        if (c->replay_seq == RING_END)
            set_state(c, CLIENT_LIVE);
        (void)send_update(c, p);
    }
}

bool notifier_client_offer(struct client *c, struct packet *p)
{
    bool is_home = p->partition == c->partition;
    if (c->state == CLIENT_REPLAYING && is_home)
        return false; // it stands in the ring, and is reached there in its turn
    if (c->state == CLIENT_AHEAD && is_home) {
        if (p->offset < c->from.offset)
            return false; // seen before it came to us
        set_state(c, CLIENT_LIVE);
    }
    return send_update(c, p);
}

/* Where its frames begin, and the first of them. */
static void start_stream(struct client *c)
{
    const struct history *history = c->hub->opts.history;
    c->partition = notifier_history_partition_of(history, &c->tenant->id);
    struct cursor now = now_of(c);
    enum resume resume = RESUME_OK;
    if (!c->has_cursor)
        c->from = now;
    else if (c->is_bad_cursor)
        resume = RESUME_GONE;
    else
        resume = notifier_history_check(history, c->partition, c->from);
    if (c->has_cursor)
        notifier_stats_count(stats_of(c), NOTIFIER_RESUMES,
                             resume == RESUME_OK      ? "memory"
                             : resume == RESUME_AHEAD ? "ahead"
                                                      : "resync");

    struct cursor hello = resume == RESUME_GONE ? now : c->from;
    c->known_offset = hello.offset;
    switch (resume) {
    case RESUME_OK:
        c->replay_seq = notifier_ring_find(ring_of(c), &c->tenant->id, c->from.offset);
        set_state(c, c->replay_seq == RING_END ? CLIENT_LIVE : CLIENT_REPLAYING);
        break;
    case RESUME_AHEAD:
        c->deadline_ms = clock_ms() + AHEAD_PATIENCE_MS;
        set_state(c, CLIENT_AHEAD);
        break;
    case RESUME_GONE:
        set_state(c, CLIENT_LIVE);
        break;
    }
    if (!send_own(c, notifier_protocol_hello(hello, conf_of(c)->heartbeat)))
        return;
    if (resume == RESUME_GONE)
        notifier_client_resync(c, c->is_bad_cursor ? "bad_cursor" : "not_held");
    if (c->hub->is_stalled)
        send_shared(c, c->hub->stalled);
    refill(c);
}

void notifier_client_feed_changed(struct client *c, bool stalled)
{
    if (c->state == CLIENT_UNPROVEN || c->state == CLIENT_OVER)
        return;
    if (stalled)
        send_shared(c, c->hub->stalled);
    else
        send_own(c, notifier_protocol_feed_resumed((struct cursor){
                        c->partition, c->state == CLIENT_LIVE ? notifier_ring_next(ring_of(c))
                                                              : c->known_offset}));
}

/* --- timer -------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void arm(struct client *c, int64_t now_ms)
{
    int64_t wait_ms = TIMER_MAX_MS;
    if (c->state == CLIENT_UNPROVEN || c->state == CLIENT_AHEAD)
        wait_ms = earlier(wait_ms, c->deadline_ms - now_ms);
    if (c->state != CLIENT_UNPROVEN) {
        int64_t lead_ms = c->is_warned ? 0 : conf_of(c)->token_warning;
        wait_ms = earlier(wait_ms, c->expires_at_ms - lead_ms - clock_at_ms());
    }
    wait_ms = earlier(wait_ms, c->ping_ms - now_ms);
    if (c->pong_ms)
        wait_ms = earlier(wait_ms, c->pong_ms - now_ms);
    if (c->conn.state == CONN_OPEN)
        notifier_conn_arm(&c->conn, wait_ms);
}

static void check_token(struct client *c)
{
    int64_t left_ms = c->expires_at_ms - clock_at_ms();
    if (left_ms <= 0) {
        notifier_conn_close(&c->conn, STREAM_UNAUTHENTICATED, STR("the token has expired"));
    } else if (!c->is_warned && left_ms <= conf_of(c)->token_warning) {
        c->is_warned = true;
        send_error(c, "token_expiring", STR("send a new token in an 'auth' message, or be closed"));
    }
}

/* An idle tenant's cursor ages while its partition goes on: tell a newer one before it is lost. */
static void refresh_cursor(struct client *c)
{
    if (c->state != CLIENT_LIVE || c->known_offset >= notifier_ring_middle(ring_of(c)))
        return;
    struct cursor now = now_of(c);
    c->known_offset = now.offset;
    send_own(c, notifier_protocol_cursor(now));
}

static void check_heartbeat(struct client *c, int64_t now_ms)
{
    if (c->pong_ms && c->alive_ms >= c->pong_ms - conf_of(c)->pong_timeout)
        c->pong_ms = 0;
    if (c->pong_ms && now_ms >= c->pong_ms) {
        notifier_conn_close(&c->conn, STREAM_SILENT, STR("no sign of life"));
        return;
    }
    if (now_ms < c->ping_ms)
        return;
    c->ping_ms = now_ms + conf_of(c)->heartbeat;
    if (!c->pong_ms)
        c->pong_ms = now_ms + conf_of(c)->pong_timeout;
    if (send_own(c, notifier_packet_new(WEBSOCKET_PING, STR_NONE)))
        refresh_cursor(c);
}

static void on_timer(struct conn *conn)
{
    struct client *c = client_of(conn);
    int64_t now_ms = clock_ms();
    if (c->state == CLIENT_UNPROVEN && now_ms >= c->deadline_ms)
        notifier_conn_close(conn, STREAM_UNAUTHENTICATED, STR("no token came in time"));
    if (c->state == CLIENT_AHEAD && now_ms >= c->deadline_ms) {
        if (notifier_ring_next(ring_of(c)) >= c->from.offset)
            set_state(c, CLIENT_LIVE);
        else
            notifier_client_resync(c, "ahead");
    }
    if (conn->state == CONN_OPEN && c->state != CLIENT_UNPROVEN)
        check_token(c);
    if (conn->state == CONN_OPEN)
        check_heartbeat(c, now_ms);
    arm(c, now_ms);
}

/* --- messages ----------------------------------------------------------------------------- */

/* A bucket that holds two seconds' worth. False: closed, it sends too much. */
static bool take_rate(struct client *c)
{
    int64_t rate = conf_of(c)->client_rate;
    int64_t now_ms = clock_ms();
    int64_t more = (now_ms - c->rate_ms) * rate / 1000;
    if (more > 0) {
        c->rate_left = (int32_t)earlier(2 * rate, c->rate_left + more);
        c->rate_ms = now_ms;
    }
    if (c->rate_left > 0) {
        c->rate_left--;
        return true;
    }
    notifier_conn_close(&c->conn, STREAM_LIMITED, STR("too many messages"));
    return false;
}

static bool may_answer(struct conn *conn)
{
    return take_rate(client_of(conn));
}

/* First token of a client: from here on it is its tenant's. */
static void admit(struct client *c, const struct token *t)
{
    struct uuid tenant;
    struct err err = {0};
    if (!uuid_parse(t->tenant_id, &tenant))
        return; // token_check has checked it
    if (!notifier_hub_tenant_has_room(c->hub, &tenant, &err)) {
        notifier_conn_close(&c->conn, STREAM_LIMITED, str_of(err.msg));
        return;
    }
    c->subject = xstrndup(t->subject.ptr, t->subject.len);
    c->expires_at_ms = t->expires_at_ms;
    notifier_hub_join(c->hub, c, &tenant);
    start_stream(c);
}

static void refresh_token(struct client *c, const struct token *t)
{
    struct uuid tenant;
    if (!uuid_parse(t->tenant_id, &tenant) || !uuid_eq(tenant, c->tenant->id) ||
        !str_eq_c(t->subject, c->subject)) {
        send_error(c, "token_refused", STR("the token is another user's: open another connection"));
        return;
    }
    c->expires_at_ms = t->expires_at_ms;
    c->is_warned = false;
    send_own(c, notifier_protocol_authenticated(t->expires_at_ms));
}

static void on_auth(struct client *c, struct str text)
{
    struct token token = {0};
    struct err err = {0};
    bool is_good =
        token_check(c->hub->scratch, text, c->hub->opts.keys, clock_at_ms(), &token, &err);
    if (!is_good && c->state == CLIENT_UNPROVEN)
        notifier_conn_close(&c->conn, STREAM_UNAUTHENTICATED, str_of(err.msg));
    else if (!is_good)
        send_error(c, "token_refused", str_of(err.msg)); // the one it has still holds
    else if (c->state == CLIENT_UNPROVEN)
        admit(c, &token);
    else
        refresh_token(c, &token);
    arm(c, clock_ms());
}

static void on_message(struct client *c, struct message *m)
{
    if (m->type == MESSAGE_AUTH) {
        on_auth(c, m->token);
        return;
    }
    if (c->state == CLIENT_UNPROVEN) {
        notifier_filter_free(m->filter);
        notifier_conn_close(&c->conn, STREAM_UNAUTHENTICATED,
                            STR("the first message must be 'auth'"));
        return;
    }
    if (m->type == MESSAGE_PING) {
        send_shared(c, c->hub->pong);
        return;
    }
    notifier_filter_free(c->filter);
    c->filter = m->filter;
}

static void on_text(struct conn *conn, struct str text)
{
    struct client *c = client_of(conn);
    if (!take_rate(c))
        return;
    struct message m = {0};
    struct err err = {0};
    if (notifier_protocol_parse(c->hub->scratch, text, &m, &err))
        on_message(c, &m);
    else if (c->state == CLIENT_UNPROVEN)
        notifier_conn_close(conn, STREAM_UNAUTHENTICATED, STR("the first message must be 'auth'"));
    else
        send_error(c, "bad_message", str_of(err.msg));
    arena_reset(c->hub->scratch);
}

/* --- life --------------------------------------------------------------------------------- */

static void on_alive(struct conn *conn)
{
    client_of(conn)->alive_ms = clock_ms();
}

static void on_room(struct conn *conn)
{
    struct client *c = client_of(conn);
    if (c->state == CLIENT_REPLAYING)
        refill(c);
    else if (conn->n == 0)
        conn->is_replaying = false;
}

/* A peer may send any code from 3000 to 4999: those that are not ours are one. */
static const char *code_label(uint16_t code, char out[8])
{
    static const uint16_t ours[] = {STREAM_UNAUTHENTICATED, STREAM_SLOW, STREAM_SILENT,
                                    STREAM_LIMITED};
    bool is_known = code < 3000;
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        is_known = is_known || code == ours[i];
    if (!is_known)
        return "other";
    (void)snprintf(out, 8, "%d", code ? code : 1006);
    return out;
}

static void on_closing(struct conn *conn, uint16_t code)
{
    struct client *c = client_of(conn);
    char label[8];
    notifier_stats_count(stats_of(c), NOTIFIER_CLOSED, code_label(code, label));
    notifier_hub_leave(c->hub, c);
    set_state(c, CLIENT_OVER);
}

static void on_gone(struct conn *conn)
{
    struct client *c = client_of(conn);
    notifier_hub_remove(c->hub, c);
    notifier_filter_free(c->filter);
    free(c->subject);
    free(c);
}

const struct conn_events notifier_client_events = {
    .on_text = on_text,
    .on_alive = on_alive,
    .may_answer = may_answer,
    .on_room = on_room,
    .on_timer = on_timer,
    .on_closing = on_closing,
    .on_gone = on_gone,
};

void notifier_client_open(struct hub *hub, const struct admission *in, int fd, struct str early)
{
    struct client *c = xalloc(sizeof *c);
    int64_t now_ms = clock_ms();
    c->hub = hub;
    c->has_cursor = in->cursor.len > 0;
    c->is_bad_cursor = c->has_cursor && !notifier_cursor_parse(in->cursor, &c->from);
    c->deadline_ms = now_ms + conf_of(c)->auth_timeout;
    c->ping_ms = now_ms + conf_of(c)->heartbeat;
    c->alive_ms = c->rate_ms = now_ms;
    c->rate_left = (int32_t)(2 * conf_of(c)->client_rate);
    notifier_hub_add(hub, c);
    notifier_conn_open(&c->conn, hub->conns, fd);
    if (hub->is_stopping) // since its request was answered
        notifier_conn_close(&c->conn, WEBSOCKET_GOING_AWAY, STR("the service restarts"));
    else if (in->has_token)
        admit(c, &in->token);
    arm(c, now_ms);
    notifier_conn_receive(&c->conn, early);
}
