/* SPDX-License-Identifier: Apache-2.0 */
/* The loop's side: queues by host, libcurl's sockets and timer on libuv.
 *
 * libcurl's callbacks may not call libcurl's multi handle, and callers may do as they like in
 * theirs: so starting, cancelling and resuming only leave a note, and `kick` sees to it in the next
 * turn. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "curl_start.h"
#include "fetch_impl.h"
#include "mem.h"

#define BUCKETS 256
/* Handles that nobody has used for so long are freed: libcurl keeps the last URL in them. */
#define EASY_IDLE_MS 1000

struct list {
    struct transfer *head, *tail;
};

/* What waits for one host and port, and how many of its transfers run. */
struct host {
    struct host *next; /* in its bucket */
    struct host *next_ready;
    bool is_ready; /* in the ring of those that may start one */
    struct str key;
    struct list waiting;
    int running;
};

/* libcurl's interest in a descriptor. Kept for the number, which comes again. */
struct watch {
    uv_poll_t poll;
    struct fetch *fetch;
};

struct idle_easy {
    CURL *easy;
    int64_t since_ms;
};

struct fetch {
    struct fetch_opts opts;
    char *ca_file;
    CURLM *multi;
    uv_timer_t timer;       /* libcurl's */
    uv_timer_t kick;        /* ours, for the next turn */
    uv_timer_t sweep;       /* idle handles */
    struct watch **watches; /* by descriptor */
    size_t n_watches;
    struct host *buckets[BUCKETS];
    struct host *ready_head, *ready_tail;
    struct list running;
    struct transfer *todo;
    struct idle_easy *idle; /* max_transfers, the latest last */
    size_t n_idle;
    int n_running, under_way;
    int open_handles;
    bool is_closing;
};

static void list_add(struct list *l, struct transfer *t)
{
    t->next = NULL;
    t->prev = l->tail;
    *(l->tail ? &l->tail->next : &l->head) = t;
    l->tail = t;
}

static void list_remove(struct list *l, struct transfer *t)
{
    *(t->prev ? &t->prev->next : &l->head) = t->next;
    *(t->next ? &t->next->prev : &l->tail) = t->prev;
    t->next = t->prev = NULL;
}

static void run_next_turn(struct fetch *f);

/* --- hosts ------------------------------------------------------------------------------------ */

static struct host **bucket_of(struct fetch *f, struct str key)
{
    return &f->buckets[str_hash(key) % BUCKETS];
}

static struct host *host_of(struct fetch *f, const struct transfer *t)
{
    char key[512];
    int n = snprintf(key, sizeof key, "%d:%.*s", t->port, STR_ARG(t->host_name));
    struct str wanted = {key, n < (int)sizeof key ? (size_t)n : sizeof key - 1};
    struct host **bucket = bucket_of(f, wanted);
    for (struct host *h = *bucket; h; h = h->next)
        if (str_ieq(h->key, wanted))
            return h;
    struct host *h = xalloc(sizeof *h);
    h->key = (struct str){xstrndup(wanted.ptr, wanted.len), wanted.len};
    h->next = *bucket;
    *bucket = h;
    return h;
}

/* Forget it, unless there is something left of it. */
static void leave_host(struct fetch *f, struct host *h)
{
    if (h->waiting.head || h->running || h->is_ready)
        return;
    struct host **at = bucket_of(f, h->key);
    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
    free((char *)h->key.ptr);
    free(h);
}

/* Hosts take turns: one that may start a transfer stands at the end of the ring. */
static void stand_in_line(struct fetch *f, struct host *h)
{
    if (h->is_ready || !h->waiting.head || h->running >= f->opts.max_per_host || f->is_closing)
        return;
    h->is_ready = true;
    h->next_ready = NULL;
    *(f->ready_tail ? &f->ready_tail->next_ready : &f->ready_head) = h;
    f->ready_tail = h;
    run_next_turn(f);
}

static struct host *next_in_line(struct fetch *f)
{
    struct host *h = f->ready_head;
    f->ready_head = h->next_ready;
    if (!f->ready_head)
        f->ready_tail = NULL;
    h->is_ready = false;
    return h;
}

/* --- libcurl's handles ------------------------------------------------------------------------ */

static CURL *take_easy(struct fetch *f)
{
    CURL *easy = f->n_idle ? f->idle[--f->n_idle].easy : curl_easy_init();
    assert(easy);
    return easy;
}

static void on_sweep(uv_timer_t *timer)
{
    struct fetch *f = timer->data;
    int64_t now_ms = clock_ms();
    size_t n = 0;
    while (n < f->n_idle && f->idle[n].since_ms + EASY_IDLE_MS <= now_ms)
        curl_easy_cleanup(f->idle[n++].easy);
    f->n_idle -= n;
    memmove(f->idle, f->idle + n, f->n_idle * sizeof *f->idle);
    if (f->n_idle)
        (void)uv_timer_start(&f->sweep, on_sweep, EASY_IDLE_MS, 0);
}

static void give_easy(struct fetch *f, CURL *easy)
{
    f->idle[f->n_idle++] = (struct idle_easy){easy, clock_ms()};
    if (!uv_is_active((uv_handle_t *)&f->sweep) && !f->is_closing)
        (void)uv_timer_start(&f->sweep, on_sweep, EASY_IDLE_MS, 0);
}

/* --- one transfer ----------------------------------------------------------------------------- */

static void forget_todo(struct fetch *f, struct transfer *t)
{
    if (!t->is_todo)
        return;
    struct transfer **at = &f->todo;
    while (*at && *at != t)
        at = &(*at)->next_todo;
    if (*at)
        *at = t->next_todo;
    t->is_todo = false;
}

/* Its end is judged: tell, and free it. Never from within libcurl. */
static void finish(struct fetch *f, struct transfer *t)
{
    if (t->state == TRANSFER_RUNNING) {
        CURL *easy = t->easy;
        CURLMcode code = curl_multi_remove_handle(f->multi, easy);
        assert(code == CURLM_OK);
        transfer_take_down(t);
        give_easy(f, easy);
        list_remove(&f->running, t);
        t->host->running--;
        f->n_running--;
    } else {
        list_remove(&t->host->waiting, t);
    }
    t->state = TRANSFER_ENDED;
    f->under_way--;
    forget_todo(f, t);
    stand_in_line(f, t->host);
    leave_host(f, t->host);
    if (f->ready_head)
        run_next_turn(f); // others may have waited for the room
    t->request.on_done(t->request.ctx, t);
    transfer_free(t);
}

static void start(struct fetch *f, struct transfer *t)
{
    if (t->request.may_start && !t->request.may_start(t->request.ctx)) {
        transfer_give_up(t, FETCH_REFUSED, ERR_CONFLICT, "given up before it began");
        finish(f, t);
        return;
    }
    list_remove(&t->host->waiting, t);
    list_add(&f->running, t);
    t->state = TRANSFER_RUNNING;
    t->host->running++;
    f->n_running++;
    transfer_set_up(t, take_easy(f), &f->opts);
    CURLMcode code = curl_multi_add_handle(f->multi, t->easy);
    assert(code == CURLM_OK);
}

static void cancel(struct fetch *f, struct transfer *t)
{
    transfer_give_up(t, t->sent_at_ms ? FETCH_UNKNOWN : FETCH_UNSENT, ERR_BUSY, "cancelled");
    finish(f, t);
}

static void add_todo(struct transfer *t)
{
    if (t->is_todo)
        return;
    t->is_todo = true;
    t->next_todo = t->fetch->todo;
    t->fetch->todo = t;
}

/* libcurl loses a resume that comes while the bytes before the pause are still to be sent, so it is
 * repeated, with each thing that happens, until the source was asked again. */
static void resume(struct transfer *t)
{
    if (t->easy)
        (void)curl_easy_pause(t->easy, CURLPAUSE_CONT);
    t->is_owed = t->easy && t->is_send_waiting;
    if (t->is_owed)
        add_todo(t);
}

static void do_todo(struct fetch *f)
{
    struct transfer *t = f->todo, *next;
    f->todo = NULL;
    for (; t; t = next) {
        next = t->next_todo;
        t->is_todo = false;
        if (t->is_cancelled)
            cancel(f, t);
        else if (t->is_owed)
            resume(t);
    }
}

static void tell_ended(struct fetch *f)
{
    CURLMsg *msg;
    int left;
    while ((msg = curl_multi_info_read(f->multi, &left))) {
        struct transfer *t = NULL;
        if (msg->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        transfer_judge(t, msg->data.result);
        finish(f, t);
    }
}

/* --- the loop --------------------------------------------------------------------------------- */

static void act(struct fetch *f, curl_socket_t socket, int events)
{
    int running;
    CURLMcode code = curl_multi_socket_action(f->multi, socket, events, &running);
    assert(code == CURLM_OK || code == CURLM_BAD_SOCKET);
    tell_ended(f);
    if (f->todo)
        do_todo(f);
}

static void on_timer(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;
    uv_os_fd_t fd;
    int seen = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
               (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0) | (status < 0 ? CURL_CSELECT_ERR : 0);
    if (uv_fileno((const uv_handle_t *)poll, &fd) == 0)
        act(w->fetch, fd, seen);
}

static void on_kick(uv_timer_t *timer)
{
    struct fetch *f = timer->data;
    if (f->todo)
        do_todo(f);
    while (f->ready_head && f->n_running < f->opts.max_transfers) {
        struct host *h = next_in_line(f);
        h->running++; // keeps it, whatever start() makes its transfers do
        if (h->waiting.head)
            start(f, h->waiting.head);
        h->running--;
        stand_in_line(f, h);
        leave_host(f, h);
    }
}

static void run_next_turn(struct fetch *f)
{
    if (!f->is_closing && !uv_is_active((uv_handle_t *)&f->kick))
        (void)uv_timer_start(&f->kick, on_kick, 0, 0);
}

/* libcurl calls these two. */
static int on_set_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    struct fetch *f = ctx;
    (void)multi;
    if (timeout_ms < 0)
        (void)uv_timer_stop(&f->timer);
    else
        (void)uv_timer_start(&f->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

static struct watch *watch_of(struct fetch *f, curl_socket_t socket)
{
    size_t at = (size_t)socket;
    if (at >= f->n_watches) {
        size_t n = (at + 64) / 64 * 64;
        // An array of pointers is what is meant. NOLINTNEXTLINE(bugprone-sizeof-expression)
        f->watches = xrealloc(f->watches, n * sizeof *f->watches);
        for (size_t i = f->n_watches; i < n; i++)
            f->watches[i] = NULL;
        f->n_watches = n;
    }
    if (!f->watches[at]) {
        struct watch *w = xalloc(sizeof *w);
        int rc = uv_poll_init(f->opts.loop, &w->poll, socket);
        assert(rc == 0); // a socket that nobody else watches
        w->poll.data = w;
        w->fetch = f;
        f->watches[at] = w;
        f->open_handles++;
    }
    return f->watches[at];
}

static int on_set_socket(CURL *easy, curl_socket_t socket, int what, void *ctx, void *socket_ctx)
{
    struct fetch *f = ctx;
    (void)easy, (void)socket_ctx;
    if (what != CURL_POLL_REMOVE)
        (void)uv_poll_start(&watch_of(f, socket)->poll,
                            (what & CURL_POLL_IN ? UV_READABLE : 0) |
                                (what & CURL_POLL_OUT ? UV_WRITABLE : 0),
                            on_poll);
    else if ((size_t)socket < f->n_watches && f->watches[socket])
        (void)uv_poll_stop(&f->watches[socket]->poll);
    return 0;
}

/* --- life ------------------------------------------------------------------------------------- */

static void init_timer(struct fetch *f, uv_timer_t *timer)
{
    (void)uv_timer_init(f->opts.loop, timer);
    timer->data = f;
    f->open_handles++;
}

struct fetch *fetch_new(const struct fetch_opts *opts, struct err *err)
{
    assert(opts->max_per_host > 0 && opts->max_transfers > 0);
    curl_start();
    CURLM *multi = curl_multi_init();
    if (!multi) {
        err_set(err, ERR_FAULT, "libcurl does not start");
        return NULL;
    }
    struct fetch *f = xalloc(sizeof *f);
    f->opts = *opts;
    f->ca_file = opts->ca_file ? xstrdup(opts->ca_file) : NULL;
    f->opts.ca_file = f->ca_file;
    f->multi = multi;
    f->idle = xalloc((size_t)opts->max_transfers * sizeof *f->idle);
    init_timer(f, &f->timer);
    init_timer(f, &f->kick);
    init_timer(f, &f->sweep);
    uv_unref((uv_handle_t *)&f->sweep);
    CURLMcode code = curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_set_socket);
    code |= curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, f);
    code |= curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_set_timer);
    code |= curl_multi_setopt(multi, CURLMOPT_TIMERDATA, f);
    code |= curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    code |= curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)opts->max_transfers);
    assert(code == CURLM_OK);
    return f;
}

static void on_closed(uv_handle_t *handle)
{
    struct fetch *f = handle->data;
    if (--f->open_handles == 0) {
        free(f->ca_file);
        free(f->watches);
        free(f->idle);
        free(f);
    }
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *w = handle->data;
    handle->data = w->fetch;
    on_closed(handle);
    free(w);
}

void fetch_free(struct fetch *f)
{
    if (!f)
        return;
    f->is_closing = true;
    while (f->ready_head)
        leave_host(f, next_in_line(f));
    while (f->running.head)
        cancel(f, f->running.head);
    for (size_t i = 0; i < BUCKETS; i++)
        while (f->buckets[i])
            cancel(f, f->buckets[i]->waiting.head);
    while (f->n_idle)
        curl_easy_cleanup(f->idle[--f->n_idle].easy);
    (void)curl_multi_cleanup(f->multi);
    for (size_t i = 0; i < f->n_watches; i++)
        if (f->watches[i])
            uv_close((uv_handle_t *)&f->watches[i]->poll, on_watch_closed);
    uv_close((uv_handle_t *)&f->timer, on_closed);
    uv_close((uv_handle_t *)&f->kick, on_closed);
    uv_close((uv_handle_t *)&f->sweep, on_closed);
}

bool fetch_start(struct fetch *f, const struct fetch_request *r, struct transfer **out,
                 struct err *err)
{
    if (f->is_closing)
        return err_set(err, ERR_BUSY, "stopping");
    struct transfer *t = transfer_new(f, r, err);
    if (!t)
        return false;
    t->host = host_of(f, t);
    list_add(&t->host->waiting, t);
    f->under_way++;
    stand_in_line(f, t->host);
    *out = t;
    return true;
}

void fetch_cancel(struct transfer *t)
{
    if (t->state == TRANSFER_ENDED)
        return;
    t->is_cancelled = true;
    add_todo(t);
    run_next_turn(t->fetch);
}

void fetch_pause(struct transfer *t)
{
    t->is_recv_paused = true;
}

void fetch_resume(struct transfer *t)
{
    if (t->state != TRANSFER_RUNNING)
        return;
    t->is_recv_paused = false;
    t->is_owed = true;
    add_todo(t);
    run_next_turn(t->fetch);
}

int fetch_under_way(const struct fetch *f)
{
    return f->under_way;
}

uv_loop_t *fetch_loop(const struct fetch *f)
{
    return f->opts.loop;
}

const struct fetch_opts *fetch_opts_of(const struct fetch *f)
{
    return &f->opts;
}
