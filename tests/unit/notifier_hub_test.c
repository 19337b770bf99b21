/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "hub.h"
#include "mem.h"
#include "protocol.h"
#include "test.h"

#define SECRET      "a-key-of-thirty-two-bytes-or-more"
#define SCRIPT_MAX  65536
#define TURNS       50
#define RING_BYTES  (1024 * 1024)
#define QUEUE_BYTES (64 * 1024)

static char secret[] = SECRET;

/* A hub on real sockets (pairs), with a history that the test writes. */
struct stage {
    uv_loop_t loop;
    struct notifier_conf conf;
    struct stats stats;
    struct history *history;
    struct token_keys *keys;
    struct hub *hub;
    struct arena *arena;
    int64_t offset; /* of the next record, of the only partition */
    int n_empty;
};

/* The browser's side of one connection. */
struct peer {
    char *in; /* bytes that are no whole frame yet */
    size_t n_in;
    int fd;
    int close_code; /* 0: none has come */
    int n_pings;
    bool is_eof;
};

static struct uuid tenant_id(unsigned n)
{
    struct uuid u = {{1}};
    memcpy(u.b + 12, &n, sizeof n);
    return u;
}

static void on_empty(void *ctx)
{
    ((struct stage *)ctx)->n_empty++;
}

static void stage_start(struct stage *s, size_t ring_records)
{
    memset(s, 0, sizeof *s);
    assert_int_equal(uv_loop_init(&s->loop), 0);
    s->conf = (struct notifier_conf){
        .jwt_secret = secret,
        .max_clients = 100,
        .tenant_max_clients = 50,
        .auth_timeout = 10000,
        .token_warning = 60000,
        .heartbeat = 60000,
        .pong_timeout = 20000,
        .client_rate = 1000,
        .client_frame_max = 16384,
        .client_queue_bytes = QUEUE_BYTES,
    };
    notifier_stats_init(&s->stats);
    s->history = notifier_history_new(RING_BYTES, ring_records);
    notifier_history_grow(s->history, 1);
    s->arena = arena_new(1 << 20);
    struct err err = {0};
    s->keys = token_keys_new(str_of(secret), NULL, NULL, &err);
    assert_non_null(s->keys);
    s->hub = notifier_hub_new(&(struct hub_opts){.loop = &s->loop,
                                                 .conf = &s->conf,
                                                 .keys = s->keys,
                                                 .history = s->history,
                                                 .stats = &s->stats,
                                                 .on_empty = on_empty,
                                                 .ctx = s});
}

static void stage_end(struct stage *s)
{
    notifier_hub_free(s->hub);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&s->loop), 0);
    notifier_history_free(s->history);
    notifier_stats_done(&s->stats);
    arena_free(s->arena);
    token_keys_free(s->keys);
}

static void turn(struct stage *s)
{
    for (int i = 0; i < TURNS; i++)
        (void)uv_run(&s->loop, UV_RUN_NOWAIT);
}

static void wait_ms(struct stage *s, int64_t ms)
{
    int64_t until_ms = clock_ms() + ms;
    while (clock_ms() < until_ms) {
        (void)uv_run(&s->loop, UV_RUN_NOWAIT);
        (void)usleep(1000);
    }
    turn(s);
}

/* --- the peer ----------------------------------------------------------------------------- */

/* Before the loop turns again. */
static struct peer open_with(struct stage *s, const struct admission *in)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    notifier_client_open(s->hub, in, fds[1], STR_NONE);
    return (struct peer){.fd = fds[0]};
}

static struct peer connect_with(struct stage *s, const struct admission *in)
{
    struct peer p = open_with(s, in);
    turn(s);
    return p;
}

static struct admission admission_of(unsigned tenant, const char *cursor, int64_t ttl_ms)
{
    static char id[UUID_TEXT + 1];
    uuid_format(tenant_id(tenant), id);
    return (struct admission){
        .has_token = true,
        .token = {.tenant_id = str_of(id),
                  .subject = STR("u"),
                  .expires_at_ms = clock_at_ms() + ttl_ms},
        .cursor = str_of(cursor),
    };
}

static struct peer connect_for(struct stage *s, unsigned tenant, const char *cursor, int64_t ttl_ms)
{
    const struct admission in = admission_of(tenant, cursor, ttl_ms);
    return connect_with(s, &in);
}

static struct peer connect_as(struct stage *s, unsigned tenant, const char *cursor)
{
    return connect_for(s, tenant, cursor, 3600000);
}

static void say(struct stage *s, struct peer *p, const char *text)
{
    uint8_t frame[SCRIPT_MAX];
    size_t len = strlen(text);
    size_t n = 0;
    frame[n++] = 0x81;
    if (len < 126) {
        frame[n++] = (uint8_t)(0x80 | len);
    } else {
        frame[n++] = 0x80 | 126;
        frame[n++] = (uint8_t)(len >> 8);
        frame[n++] = (uint8_t)len;
    }
    memset(frame + n, 0, 4); // a mask of zeroes
    for (size_t i = 0; i < len; i++)
        frame[n + 4 + i] = (uint8_t)text[i];
    n += 4 + len;
    assert_int_equal(send(p->fd, frame, n, MSG_NOSIGNAL), n);
    turn(s);
}

/* A text frame's length and payload, or 0. Control frames are noted in the peer. */
static size_t next_frame(struct peer *p, const char **text, size_t *len)
{
    const uint8_t *b = (const uint8_t *)p->in;
    if (p->n_in < 2)
        return 0;
    size_t header = b[1] == 126 ? 4 : b[1] == 127 ? 10 : 2;
    if (p->n_in < header)
        return 0;
    *len = b[1];
    if (header > 2) {
        *len = 0;
        for (size_t i = 2; i < header; i++)
            *len = *len << 8 | b[i];
    }
    if (p->n_in < header + *len)
        return 0;
    *text = p->in + header;
    if (b[0] == 0x88)
        p->close_code = b[2] << 8 | b[3];
    if (b[0] == 0x89)
        p->n_pings++;
    return header + *len;
}

static void receive(struct peer *p, size_t max)
{
    char buf[4096];
    while (max > 0) {
        ssize_t n = recv(p->fd, buf, max < sizeof buf ? max : sizeof buf, 0);
        if (n == 0)
            p->is_eof = true;
        if (n <= 0)
            return;
        p->in = xrealloc(p->in, p->n_in + (size_t)n);
        memcpy(p->in + p->n_in, buf, (size_t)n);
        p->n_in += (size_t)n;
        max -= (size_t)n;
    }
}

/* Each text frame as one line into `out`; at most `max` bytes are taken off the socket. */
static void hear_some(struct peer *p, char *out, size_t size, size_t max)
{
    receive(p, max);
    size_t n = strlen(out);
    const char *text = NULL;
    size_t len = 0;
    for (size_t used = 0; (used = next_frame(p, &text, &len)) > 0;) {
        if ((uint8_t)p->in[0] == 0x81)
            n += (size_t)snprintf(out + n, size - n, "%.*s\n", (int)len, text);
        assert_true(n < size);
        p->n_in -= used;
        memmove(p->in, p->in + used, p->n_in);
    }
}

static const char *hear(struct stage *s, struct peer *p)
{
    static char out[4 * SCRIPT_MAX];
    out[0] = '\0';
    turn(s);
    hear_some(p, out, sizeof out, SIZE_MAX);
    return out;
}

static void leave(struct stage *s, struct peer *p)
{
    close(p->fd);
    free(p->in);
    p->in = NULL;
    turn(s);
}

/* --- the feed's side ---------------------------------------------------------------------- */

static void write_update(struct stage *s, unsigned tenant, const char *channel, size_t body)
{
    char id[UUID_TEXT + 1];
    char *data = arena_alloc(s->arena, body + 64);
    uuid_format(tenant_id(tenant), id);
    memset(data, 'x', body + 64);
    int n = snprintf(data, 40, "{\"n\":%lld,\"b\":\"", (long long)s->offset);
    data[n] = 'x';
    data[(size_t)n + body] = '"';
    data[(size_t)n + body + 1] = '}';
    struct update u = {.id = STR("i"),
                       .tenant_id = str_of(id),
                       .kind = STR("k"),
                       .channel_id = str_of(channel),
                       .provider = STR("x"),
                       .data = {data, (size_t)n + body + 2}};
    struct err err = {0};
    struct packet *p = notifier_protocol_update(s->arena, &u, (struct cursor){0, s->offset},
                                                clock_at_ms(), STR_NONE, &err);
    assert_non_null(p);
    arena_reset(s->arena);
    notifier_ring_push(notifier_history_ring(s->history, 0), p);
    (void)notifier_hub_deliver(s->hub, p);
    notifier_packet_unref(p);
    s->offset++;
}

/* The numbers of the updates in what was heard: "1 2 5". */
static const char *numbers(const char *heard)
{
    static char out[SCRIPT_MAX];
    size_t n = 0;
    out[0] = '\0';
    for (const char *at = heard; (at = strstr(at, "\"n\":")); at += 4)
        n +=
            (size_t)snprintf(out + n, sizeof out - n, n ? " %ld" : "%ld", strtol(at + 4, NULL, 10));
    return out;
}

static int64_t count(struct stage *s, enum notifier_metric row, const char *label)
{
    return metric_value(metric_cell(s->stats.metrics, row, label));
}

/* --- tests -------------------------------------------------------------------------------- */

static void updates_go_to_their_tenant_only_and_hello_comes_first(void **state)
{
    (void)state;
    struct stage s;
    stage_start(&s, 100);
    struct peer one = connect_as(&s, 1, NULL);
    struct peer two = connect_as(&s, 2, NULL);
    write_update(&s, 1, NULL, 1);
    write_update(&s, 2, NULL, 1);
    write_update(&s, 3, NULL, 1);
    write_update(&s, 1, NULL, 1);
    const char *heard = hear(&s, &one);
    assert_ptr_equal(strstr(heard, "{\"type\":\"hello\",\"cursor\":\"0-0\",\"heartbeat_s\":60}\n"),
                     heard);
    assert_string_equal(numbers(heard), "0 3");
    assert_non_null(strstr(heard, "\"cursor\":\"0-4\""));
    assert_string_equal(numbers(hear(&s, &two)), "1");
    assert_int_equal(notifier_hub_clients(s.hub), 2);
    leave(&s, &one);
    leave(&s, &two);
    assert_int_equal(notifier_hub_clients(s.hub), 0);
    assert_int_equal(metric_value(s.stats.deliveries), 3);
    stage_end(&s);
}

static void a_cursor_is_resumed_refused_or_waited_for(void **state)
{
    (void)state;
    struct stage s;
    stage_start(&s, 64);
    for (int i = 0; i < 100; i++) // the ring holds 36 to 99
        write_update(&s, 1 + (unsigned)i % 2, NULL, 1);
    struct peer p = connect_as(&s, 1, "0-94");
    const char *heard = hear(&s, &p);
    assert_ptr_equal(strstr(heard, "{\"type\":\"hello\",\"cursor\":\"0-94\""), heard);
    assert_string_equal(numbers(heard), "94 96 98");
    leave(&s, &p);

    static const char *const gone[] = {"0-35", "1-94", "nonsense", "0-094"};
    for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
        p = connect_as(&s, 1, gone[i]);
        assert_string_equal(hear(&s, &p),
                            "{\"type\":\"hello\",\"cursor\":\"0-100\",\"heartbeat_s\":60}\n"
                            "{\"type\":\"resync\",\"cursor\":\"0-100\"}\n");
        leave(&s, &p);
    }
    p = connect_as(&s, 1, "0-100");
    assert_string_equal(hear(&s, &p),
                        "{\"type\":\"hello\",\"cursor\":\"0-100\",\"heartbeat_s\":60}\n");
    leave(&s, &p);
    p = connect_as(&s, 1, "0-36");
    assert_int_equal(strncmp(numbers(hear(&s, &p)), "36 38 40 ", 9), 0);
    leave(&s, &p);
    assert_int_equal(count(&s, NOTIFIER_RESUMES, "memory"), 3);
    assert_int_equal(count(&s, NOTIFIER_RESUMES, "resync"), 4);
    stage_end(&s);
}

static void a_client_that_is_ahead_gets_what_it_lacks_or_is_told(void **state)
{
    (void)state;
    struct stage s;
    stage_start(&s, 64);
    struct peer near = connect_as(&s, 1, "0-3");
    struct peer far = connect_as(&s, 1, "0-9000");
    for (int i = 0; i < 6; i++)
        write_update(&s, 1, NULL, 1);
    assert_string_equal(numbers(hear(&s, &near)), "3 4 5");
    assert_string_equal(numbers(hear(&s, &far)), "");
    wait_ms(&s, 2100);
    assert_string_equal(hear(&s, &far), "{\"type\":\"resync\",\"cursor\":\"0-6\"}\n");
    write_update(&s, 1, NULL, 1);
    assert_string_equal(numbers(hear(&s, &far)), "6");
    leave(&s, &near);
    leave(&s, &far);
    stage_end(&s);
}

static void a_tenant_whose_partition_changes_is_told_to_resync(void **state)
{
    (void)state;
    struct stage s;
    stage_start(&s, 64);
    struct peer peers[8];
    size_t n_moved = 0;
    for (unsigned i = 0; i < ARRAY_LEN(peers); i++)
        peers[i] = connect_as(&s, i, NULL);
    write_update(&s, 0, NULL, 1);
    notifier_history_grow(s.history, 2);
    notifier_hub_rehome(s.hub);
    write_update(&s, 1, NULL, 1); // still in the old one
    for (unsigned i = 0; i < ARRAY_LEN(peers); i++) {
        struct uuid id = tenant_id(i);
        bool moved = notifier_history_partition_of(s.history, &id) == 1;
        const char *heard = hear(&s, &peers[i]);
        assert_int_equal(strstr(heard, "{\"type\":\"resync\",\"cursor\":\"1-0\"}") != NULL, moved);
        assert_string_equal(numbers(heard), i == 0 ? "0" : i == 1 ? "1" : "");
        n_moved += moved;
        leave(&s, &peers[i]);
    }
    assert_in_range(n_moved, 1, ARRAY_LEN(peers) - 1);
    stage_end(&s);
}

#define CHANNEL_1 "0190a000-0000-7000-8000-00000000c001"
#define CHANNEL_2 "0190a000-0000-7000-8000-00000000c002"

static void a_subscription_narrows_from_where_it_is_read(void **state)
{
    (void)state;
    struct stage s;
    stage_start(&s, 64);
    struct peer p = connect_as(&s, 1, NULL);
    write_update(&s, 1, CHANNEL_1, 1);
    write_update(&s, 1, CHANNEL_2, 1);
    say(&s, &p, "{\"type\":\"subscribe\",\"channels\":[\"" CHANNEL_2 "\"]}");
    write_update(&s, 1, CHANNEL_1, 1);
    write_update(&s, 1, CHANNEL_2, 1);
    say(&s, &p, "{\"type\":\"subscribe\",\"channels\":[\"nobody\"]}"); // refused: the old one stays
    write_update(&s, 1, CHANNEL_1, 1);
    say(&s, &p, "{\"type\":\"subscribe\"}");
    write_update(&s, 1, CHANNEL_1, 1);
    say(&s, &p, "{\"type\":\"ping\"}");
    const char *heard = hear(&s, &p);
    assert_string_equal(numbers(heard), "0 1 3 5");
    assert_non_null(strstr(heard, "bad_message"));
    assert_non_null(strstr(heard, "{\"type\":\"pong\"}\n"));
    leave(&s, &p);
    stage_end(&s);
}

/* The reader takes a few bytes at a time while updates of all tenants go on, and comes back with
 * its last cursor after random breaks: it sees each of its updates once, in order. */
static void any_break_and_any_pace_yields_each_update_once(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 8; seed++) {
        struct stage s;
        stage_start(&s, 100000);
        srandom(seed);
        static char heard[4 * SCRIPT_MAX];
        char cursor[CURSOR_TEXT] = "0-0";
        int64_t expected = 0;
        bool is_connected = false;
        struct peer p = {.fd = -1};
        while (expected < 900) {
            if (!is_connected) {
                p = connect_as(&s, 1, cursor);
                is_connected = true;
            }
            for (long i = random() % 60; i > 0 && s.offset < 1000; i--)
                write_update(&s, s.offset % 3 == 0 ? 1 : 2, NULL, (size_t)(random() % 300));
            (void)uv_run(&s.loop, UV_RUN_NOWAIT);
            heard[0] = '\0';
            hear_some(&p, heard, sizeof heard, (size_t)(random() % 3000));
            for (const char *at = heard; (at = strstr(at, "\"n\":")); at += 4) {
                assert_int_equal(strtol(at + 4, NULL, 10), expected);
                expected += 3;
                (void)snprintf(cursor, sizeof cursor, "0-%lld", (long long)expected - 2);
            }
            assert_null(strstr(heard, "resync"));
            if (random() % 10 == 0) {
                leave(&s, &p);
                is_connected = false;
            }
        }
        if (is_connected)
            leave(&s, &p);
        stage_end(&s);
    }
}

static void a_slow_client_is_closed_with_4008_and_delays_nobody(void **state)
{
    (void)state;
    struct stage s;
    stage_start(&s, 100000);
    struct peer slow = connect_as(&s, 1, NULL);
    struct peer fast = connect_as(&s, 1, NULL);
    static char heard[4 * SCRIPT_MAX];
    int64_t seen = 0;
    for (int i = 0; i < 600; i++) {
        write_update(&s, 1, NULL, 1500);
        (void)uv_run(&s.loop, UV_RUN_NOWAIT);
        heard[0] = '\0';
        hear_some(&fast, heard, sizeof heard, SIZE_MAX);
        for (const char *at = heard; (at = strstr(at, "\"n\":")); at += 4)
            assert_int_equal(strtol(at + 4, NULL, 10), seen++);
    }
    turn(&s);
    assert_true(seen >= 599);
    assert_int_equal(metric_value(s.stats.slow), 1);
    // What it reads before the close frame is a prefix, and its cursor resumes.
    int64_t got = 0;
    while (!slow.close_code && !slow.is_eof) {
        heard[0] = '\0';
        turn(&s);
        hear_some(&slow, heard, sizeof heard, 8192);
        for (const char *at = heard; (at = strstr(at, "\"n\":")); at += 4)
            assert_int_equal(strtol(at + 4, NULL, 10), got++);
    }
    assert_int_equal(slow.close_code, STREAM_SLOW);
    assert_true(got > 10 && got < 600);
    leave(&s, &slow);
    char cursor[CURSOR_TEXT];
    (void)snprintf(cursor, sizeof cursor, "0-%lld", (long long)got);
    slow = connect_as(&s, 1, cursor);
    while (got < 600) {
        heard[0] = '\0';
        turn(&s);
        hear_some(&slow, heard, sizeof heard, 8192);
        for (const char *at = heard; (at = strstr(at, "\"n\":")); at += 4)
            assert_int_equal(strtol(at + 4, NULL, 10), got++);
    }
    leave(&s, &slow);
    leave(&s, &fast);
    stage_end(&s);
}

static void a_replay_that_the_ring_overtakes_ends_in_a_resync(void **state)
{
    (void)state;
    struct stage s;
    stage_start(&s, 300);
    for (int i = 0; i < 300; i++)
        write_update(&s, 1, NULL, 1500);
    struct peer p = connect_as(&s, 1, "0-10");
    for (int i = 0; i < 400; i++)
        write_update(&s, 2, NULL, 1500);
    static char heard[4 * SCRIPT_MAX];
    int64_t got = 10;
    bool is_told = false;
    for (int i = 0; i < 3000 && !is_told; i++) {
        heard[0] = '\0';
        turn(&s);
        hear_some(&p, heard, sizeof heard, 16384);
        is_told = strstr(heard, "{\"type\":\"resync\",\"cursor\":\"0-700\"}") != NULL;
        for (const char *at = heard; (at = strstr(at, "\"n\":")); at += 4)
            assert_int_equal(strtol(at + 4, NULL, 10), got++);
    }
    assert_true(is_told);
    assert_true(got < 300);
    write_update(&s, 1, NULL, 1);
    assert_string_equal(numbers(hear(&s, &p)), "700");
    leave(&s, &p);
    stage_end(&s);
}

/* Whatever the replay's last update does to the queue, the one pushed right after it comes too. */
static void what_is_pushed_as_a_replay_ends_is_not_passed_over(void **state)
{
    (void)state;
    for (int64_t n = 1; n <= 24; n++) {
        struct stage s;
        stage_start(&s, 100);
        while (s.offset < n)
            write_update(&s, 1, NULL, 1500);
        const struct admission in = admission_of(1, "0-0", 3600000);
        struct peer p = open_with(&s, &in);
        write_update(&s, 1, NULL, 1);
        int64_t expected = 0;
        const char *heard = hear(&s, &p);
        for (const char *at = heard; (at = strstr(at, "\"n\":")); at += 4)
            assert_int_equal(strtol(at + 4, NULL, 10), expected++);
        assert_int_equal(expected, n + 1);
        leave(&s, &p);
        stage_end(&s);
    }
}

static void an_update_above_the_queues_limit_can_be_replayed(void **state)
{
    (void)state;
    struct stage s;
    stage_start(&s, 100);
    write_update(&s, 1, NULL, 1);
    write_update(&s, 1, NULL, QUEUE_BYTES + 1000);
    write_update(&s, 1, NULL, 1);
    struct peer p = connect_as(&s, 1, "0-0");
    static char heard[4 * SCRIPT_MAX];
    heard[0] = '\0';
    for (int i = 0; i < 20; i++) {
        hear_some(&p, heard, sizeof heard, SIZE_MAX);
        turn(&s);
    }
    assert_string_equal(numbers(heard), "0 1 2");
    assert_int_equal(p.close_code, 0);
    leave(&s, &p);
    stage_end(&s);
}

static void the_age_of_what_is_replayed_is_no_latency(void **state)
{
    (void)state;
    struct stage s;
    stage_start(&s, 100);
    write_update(&s, 1, NULL, 1);
    wait_ms(&s, 60);
    struct peer p = connect_as(&s, 1, "0-0");
    assert_string_equal(numbers(hear(&s, &p)), "0");
    assert_true(metric_value(s.stats.delivery) < 50000);
    assert_int_equal(metric_value(s.stats.deliveries), 1);
    assert_false(s.hub->all->conn.is_replaying); // what comes now is measured again
    leave(&s, &p);
    stage_end(&s);
}

static const char *sign(struct stage *s, unsigned tenant, const char *subject, int64_t ttl_ms)
{
    char id[UUID_TEXT + 1];
    uuid_format(tenant_id(tenant), id);
    struct err err = {0};
    struct str jwt = STR_NONE;
    const struct token t = {.tenant_id = str_of(id),
                            .subject = str_of(subject),
                            .expires_at_ms = clock_at_ms() + ttl_ms};
    assert_true(token_sign(s->arena, &t, STR(SECRET), &jwt, &err));
    return str_c(s->arena,
                 str_fmt(s->arena, "{\"type\":\"auth\",\"token\":\"%.*s\"}", STR_ARG(jwt)));
}

static void the_first_message_may_be_the_token_and_must_be(void **state)
{
    (void)state;
    struct stage s;
    stage_start(&s, 64);
    write_update(&s, 1, NULL, 1);
    const struct admission none = {.cursor = STR("0-0")};
    struct peer p = connect_with(&s, &none);
    assert_string_equal(hear(&s, &p), "");
    write_update(&s, 1, NULL, 1);
    say(&s, &p, sign(&s, 1, "u", 3600000));
    const char *heard = hear(&s, &p);
    assert_ptr_equal(strstr(heard, "{\"type\":\"hello\",\"cursor\":\"0-0\""), heard);
    assert_string_equal(numbers(heard), "0 1");
    leave(&s, &p);

    static const char *const wrong[] = {"{\"type\":\"ping\"}",
                                        "{\"type\":\"auth\",\"token\":\"x\"}",
                                        "{\"type\":\"subscribe\",\"channels\":[]}", "junk"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        p = connect_with(&s, &none);
        say(&s, &p, wrong[i]);
        assert_string_equal(hear(&s, &p), "");
        assert_int_equal(p.close_code, STREAM_UNAUTHENTICATED);
        leave(&s, &p);
    }
    s.conf.auth_timeout = 50;
    p = connect_with(&s, &none);
    wait_ms(&s, 80);
    (void)hear(&s, &p);
    assert_int_equal(p.close_code, STREAM_UNAUTHENTICATED);
    leave(&s, &p);
    stage_end(&s);
}

static void a_token_is_refreshed_by_the_same_user_or_expires(void **state)
{
    (void)state;
    struct stage s;
    stage_start(&s, 64);
    s.conf.token_warning = 300;
    struct peer p = connect_for(&s, 1, NULL, 600);
    struct peer q = connect_for(&s, 1, NULL, 600);
    assert_null(strstr(hear(&s, &p), "token_expiring"));
    say(&s, &p, sign(&s, 2, "u", 3600000));
    say(&s, &p, sign(&s, 1, "v", 3600000));
    const char *heard = hear(&s, &p);
    assert_non_null(strstr(strstr(heard, "token_refused") + 1, "token_refused"));
    wait_ms(&s, 400);
    assert_non_null(strstr(hear(&s, &p), "token_expiring"));
    say(&s, &p, sign(&s, 1, "u", 3600000));
    assert_non_null(strstr(hear(&s, &p), "\"type\":\"authenticated\",\"expires_at\":\"20"));
    wait_ms(&s, 300);
    (void)hear(&s, &p);
    (void)hear(&s, &q);
    assert_int_equal(p.close_code, 0);
    assert_int_equal(q.close_code, STREAM_UNAUTHENTICATED);
    leave(&s, &p);
    leave(&s, &q);
    stage_end(&s);
}

static void a_stall_is_told_once_to_each_and_its_end_too(void **state)
{
    (void)state;
    struct stage s;
    stage_start(&s, 64);
    struct peer p = connect_as(&s, 1, NULL);
    notifier_hub_set_stalled(s.hub, true);
    notifier_hub_set_stalled(s.hub, true);
    struct peer q = connect_as(&s, 1, NULL); // comes while it lasts
    const char *heard = hear(&s, &p);
    const char *told = strstr(heard, "\"code\":\"feed_stalled\"");
    assert_non_null(told);
    assert_null(strstr(told + strlen("\"code\":\"feed_stalled\""), "feed_stalled\""));
    assert_non_null(strstr(hear(&s, &q), "\"code\":\"feed_stalled\""));
    write_update(&s, 1, NULL, 1);
    notifier_hub_set_stalled(s.hub, false);
    heard = hear(&s, &q);
    assert_non_null(strstr(heard, "{\"type\":\"feed_resumed\",\"cursor\":\"0-1\"}\n"));
    leave(&s, &p);
    leave(&s, &q);
    stage_end(&s);
}

static void a_silent_client_is_closed_and_one_that_answers_is_not(void **state)
{
    (void)state;
    struct stage s;
    stage_start(&s, 64);
    s.conf.heartbeat = 100;
    s.conf.pong_timeout = 150;
    struct peer silent = connect_as(&s, 1, NULL);
    struct peer alive = connect_as(&s, 1, NULL);
    for (int i = 0; i < 10; i++) {
        wait_ms(&s, 50);
        (void)hear(&s, &alive);
        while (alive.n_pings > 0) {
            alive.n_pings--;
            assert_int_equal(send(alive.fd, "\x8a\x80\0\0\0\0", 6, 0), 6);
        }
    }
    (void)hear(&s, &silent);
    assert_int_equal(silent.close_code, STREAM_SILENT);
    assert_int_equal(alive.close_code, 0);
    assert_int_equal(notifier_hub_clients(s.hub), 2); // the silent one lingers for its answer
    leave(&s, &silent);
    assert_int_equal(notifier_hub_clients(s.hub), 1);
    leave(&s, &alive);
    stage_end(&s);
}

static void an_idle_tenants_cursor_is_renewed_before_it_is_lost(void **state)
{
    (void)state;
    struct stage s;
    stage_start(&s, 64);
    s.conf.heartbeat = 50;
    struct peer p = connect_as(&s, 1, NULL);
    for (int i = 0; i < 20; i++)
        write_update(&s, 2, NULL, 1);
    wait_ms(&s, 60);
    assert_null(strstr(hear(&s, &p), "\"type\":\"cursor\"")); // still well held
    for (int i = 0; i < 60; i++)
        write_update(&s, 2, NULL, 1);
    wait_ms(&s, 60);
    assert_string_equal(hear(&s, &p), "{\"type\":\"cursor\",\"cursor\":\"0-80\"}\n");
    wait_ms(&s, 60);
    assert_string_equal(hear(&s, &p), "");
    leave(&s, &p);
    stage_end(&s);
}

static void limits_hold(void **state)
{
    (void)state;
    struct stage s;
    stage_start(&s, 64);
    s.conf.tenant_max_clients = 1;
    s.conf.max_clients = 2;
    s.conf.client_rate = 5;
    struct err err = {0};
    struct uuid one = tenant_id(1);
    assert_true(notifier_hub_has_room(s.hub, &one, &err));
    struct peer p = connect_as(&s, 1, NULL);
    assert_false(notifier_hub_has_room(s.hub, &one, &err));
    assert_int_equal(err_http_status(&err), 429);
    assert_true(notifier_hub_has_room(s.hub, NULL, &err));
    struct peer q = connect_as(&s, 1, NULL); // its token came as the first message
    (void)hear(&s, &q);
    assert_int_equal(q.close_code, STREAM_LIMITED);
    assert_false(notifier_hub_has_room(s.hub, NULL, &err));
    assert_int_equal(err_http_status(&err), 503);
    for (int i = 0; i < 11; i++)
        say(&s, &p, "{\"type\":\"ping\"}");
    (void)hear(&s, &p);
    assert_int_equal(p.close_code, STREAM_LIMITED);
    leave(&s, &p);
    leave(&s, &q);
    stage_end(&s);
}

static void the_last_place_can_be_taken(void **state)
{
    (void)state;
    struct stage s;
    struct err err = {0};
    stage_start(&s, 64);
    s.conf.max_clients = 2;
    const struct admission none = {.cursor = STR_NONE};
    struct peer p = connect_as(&s, 1, NULL);
    struct peer q = connect_with(&s, &none);
    say(&s, &q, sign(&s, 1, "u", 3600000));
    assert_non_null(strstr(hear(&s, &p), "\"hello\""));
    assert_non_null(strstr(hear(&s, &q), "\"hello\""));
    assert_false(notifier_hub_has_room(s.hub, NULL, &err));
    leave(&s, &p);
    p = connect_as(&s, 2, NULL);
    assert_non_null(strstr(hear(&s, &p), "\"hello\""));
    leave(&s, &p);
    leave(&s, &q);
    stage_end(&s);
}

static void who_arrives_while_it_stops_is_closed_with_1001(void **state)
{
    (void)state;
    struct stage s;
    stage_start(&s, 64);
    struct peer p = connect_as(&s, 1, NULL);
    notifier_hub_stop(s.hub);
    struct peer q = connect_as(&s, 1, NULL);
    (void)hear(&s, &q);
    assert_int_equal(q.close_code, 1001);
    leave(&s, &p);
    leave(&s, &q);
    assert_int_equal(s.n_empty, 1);
    stage_end(&s);
}

/* Such a client gets no answer to its close frame, so it must not wait long for our end. */
static void a_broken_frame_ends_the_connection_soon(void **state)
{
    (void)state;
    struct stage s;
    stage_start(&s, 64);
    struct peer p = connect_as(&s, 1, NULL);
    assert_int_equal(send(p.fd, "\x81\x01x", 3, 0), 3); // not masked
    (void)hear(&s, &p);
    assert_int_equal(p.close_code, WEBSOCKET_PROTOCOL);
    assert_false(p.is_eof);
    wait_ms(&s, 1200);
    receive(&p, 1);
    assert_true(p.is_eof);
    leave(&s, &p);
    stage_end(&s);
}

static void stopping_closes_all_with_1001_and_waits_for_them(void **state)
{
    (void)state;
    struct stage s;
    stage_start(&s, 64);
    struct peer p = connect_as(&s, 1, NULL);
    struct peer q = connect_as(&s, 2, NULL);
    write_update(&s, 1, NULL, 1);
    notifier_hub_stop(s.hub);
    (void)hear(&s, &p);
    (void)hear(&s, &q);
    assert_int_equal(p.close_code, 1001);
    assert_int_equal(q.close_code, 1001);
    assert_int_equal(s.n_empty, 0);
    assert_int_equal(send(p.fd, "\x88\x82\0\0\0\0\x03\xe9", 8, 0), 8);
    turn(&s);
    leave(&s, &q);
    assert_int_equal(s.n_empty, 1);
    receive(&p, 100);
    assert_true(p.is_eof);
    leave(&s, &p);
    stage_end(&s);
}

static void half_messages_and_garbage_leave_nothing_behind(void **state)
{
    (void)state;
    struct stage s;
    stage_start(&s, 64);
    srandom(7);
    for (int i = 0; i < 300; i++) {
        struct peer p = connect_as(&s, 1, NULL);
        uint8_t bytes[64];
        size_t n = (size_t)(random() % (long)sizeof bytes);
        for (size_t k = 0; k < n; k++)
            bytes[k] = (uint8_t)random();
        if (i % 2)
            bytes[0] = 0x81;
        (void)send(p.fd, bytes, n, MSG_NOSIGNAL);
        if (i % 3)
            write_update(&s, 1, NULL, 1);
        if (i % 5)
            turn(&s);
        leave(&s, &p);
    }
    assert_int_equal(notifier_hub_clients(s.hub), 0);
    stage_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(updates_go_to_their_tenant_only_and_hello_comes_first),
        cmocka_unit_test(a_cursor_is_resumed_refused_or_waited_for),
        cmocka_unit_test(a_client_that_is_ahead_gets_what_it_lacks_or_is_told),
        cmocka_unit_test(a_tenant_whose_partition_changes_is_told_to_resync),
        cmocka_unit_test(a_subscription_narrows_from_where_it_is_read),
        cmocka_unit_test(any_break_and_any_pace_yields_each_update_once),
        cmocka_unit_test(a_slow_client_is_closed_with_4008_and_delays_nobody),
        cmocka_unit_test(a_replay_that_the_ring_overtakes_ends_in_a_resync),
        cmocka_unit_test(what_is_pushed_as_a_replay_ends_is_not_passed_over),
        cmocka_unit_test(an_update_above_the_queues_limit_can_be_replayed),
        cmocka_unit_test(the_age_of_what_is_replayed_is_no_latency),
        cmocka_unit_test(the_first_message_may_be_the_token_and_must_be),
        cmocka_unit_test(a_token_is_refreshed_by_the_same_user_or_expires),
        cmocka_unit_test(a_stall_is_told_once_to_each_and_its_end_too),
        cmocka_unit_test(a_silent_client_is_closed_and_one_that_answers_is_not),
        cmocka_unit_test(an_idle_tenants_cursor_is_renewed_before_it_is_lost),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(the_last_place_can_be_taken),
        cmocka_unit_test(who_arrives_while_it_stops_is_closed_with_1001),
        cmocka_unit_test(a_broken_frame_ends_the_connection_soon),
        cmocka_unit_test(stopping_closes_all_with_1001_and_waits_for_them),
        cmocka_unit_test(half_messages_and_garbage_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
