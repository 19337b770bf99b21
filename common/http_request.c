/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http_impl.h"
#include "json.h"
#include "mem.h"

#define POOL_MAX       256 /* idle request objects kept, with their small body buffers */
#define BODY_FIRST     4096
#define ARENA_MAX      (1024 * 1024)
#define PROBLEM_MAX    4096
#define RETRY_AFTER_MS 1000 /* where the error names no time */
#define SOURCE_BLOCK   65536

/* --- life ------------------------------------------------------------------------------------ */

static enum http_method method_of(const char *name)
{
    static const char *const names[HTTP_OTHER] = {
        [HTTP_GET] = "GET",         [HTTP_HEAD] = "HEAD",   [HTTP_POST] = "POST",
        [HTTP_PUT] = "PUT",         [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE",
        [HTTP_OPTIONS] = "OPTIONS",
    };
    for (int i = 0; i < HTTP_OTHER; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum http_method)i;
    return HTTP_OTHER;
}

struct http_request *http_request_take(struct http_server *s, struct MHD_Connection *mhd,
                                       const char *method, const char *path)
{
    struct http_request *r = s->pool.head;
    if (r) {
        http_list_remove(&s->pool, r);
    } else {
        r = xalloc(sizeof *r);
        r->server = s;
        r->arena = arena_new(ARENA_MAX);
    }
    r->mhd = mhd;
    r->method = method_of(method);
    r->path = path;
    r->state = HTTP_READING;
    http_list_push(&s->live, r);
    return r;
}

void http_request_free(struct http_request *r)
{
    arena_free(r->arena);
    free(r->body);
    free(r);
}

void http_request_recycle(struct http_request *r)
{
    struct http_server *s = r->server;
    if (r->source.read) { // the answer reads from it as long as there is an answer
        struct MHD_Response *answer = r->answer;
        r->has_ended = true;
        r->answer = NULL;
        http_response_release(s, answer); // ours: that ends it at once
        return;
    }
    s->bodies_bytes -= r->reserved_bytes;
    s->n_parked -= r->parked;
    http_response_release(s, r->answer);
    if (s->pool.n >= POOL_MAX) {
        http_request_free(r);
        return;
    }
    struct arena *arena = r->arena;
    char *body = r->body;
    size_t cap = r->body_cap;
    if (cap > HTTP_BODY_SMALL) {
        free(body);
        body = NULL;
        cap = 0;
    }
    arena_reset(arena);
    *r = (struct http_request){.server = s, .arena = arena, .body = body, .body_cap = cap};
    http_list_push(&s->pool, r);
}

int http_body_refusal(const struct http_request *r, uint64_t total_bytes)
{
    const struct http_server *s = r->server;
    if (total_bytes > (uint64_t)s->opts.body_max_bytes)
        return MHD_HTTP_CONTENT_TOO_LARGE;
    int64_t others = s->bodies_bytes - r->reserved_bytes;
    if (total_bytes > HTTP_BODY_SMALL && others + (int64_t)total_bytes > s->opts.bodies_max_bytes)
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    return 0;
}

static void http_wipe(char *p, size_t n)
{
    if (p && n)
        explicit_bzero(p, n);
}

bool http_body_reserve(struct http_request *r, uint64_t total_bytes, int *status)
{
    struct http_server *s = r->server;
    *status = http_body_refusal(r, total_bytes);
    if (*status)
        return false;
    if (total_bytes <= r->body_cap)
        return true;
    size_t cap = total_bytes > BODY_FIRST ? (size_t)total_bytes : BODY_FIRST;
    s->bodies_bytes -= r->reserved_bytes;
    r->reserved_bytes = cap > HTTP_BODY_SMALL ? (int64_t)cap : 0;
    s->bodies_bytes += r->reserved_bytes;
    char *grown = xalloc(cap);
    memcpy(grown, r->body ? r->body : "", r->body_len);
    if (s->opts.wipes)
        http_wipe(r->body, r->body_cap);
    free(r->body);
    r->body = grown;
    r->body_cap = cap;
    return true;
}

void http_body_put(struct http_request *r, const char *data, size_t n)
{
    assert(r->body_cap - r->body_len >= n);
    memcpy(r->body + r->body_len, data, n);
    r->body_len += n;
}

/* --- what came -------------------------------------------------------------------------------- */

enum http_method http_method(const struct http_request *r)
{
    return r->method;
}

struct str http_path(const struct http_request *r)
{
    return str_of(r->path);
}

struct str http_body(const struct http_request *r)
{
    return (struct str){r->body_len ? r->body : "", r->body_len};
}

void http_wipe_body(struct http_request *r)
{
    http_wipe(r->body, r->body_cap);
    r->body_len = 0;
}

struct str http_header(const struct http_request *r, const char *name)
{
    return str_of(MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, name));
}

void http_wipe_header(struct http_request *r, const char *name)
{
    struct str value = http_header(r, name);
    http_wipe((char *)value.ptr, value.len); // in the connection's own memory, as it was received
}

struct str http_query(const struct http_request *r, const char *name)
{
    const char *value = NULL;
    size_t len = 0;
    if (MHD_lookup_connection_value_n(r->mhd, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value,
                                      &len) != MHD_YES)
        return STR_NONE;
    return value ? (struct str){value, len} : STR("");
}

struct each {
    bool (*on)(void *ctx, struct str name, struct str value);
    void *ctx;
};

static enum MHD_Result on_argument(void *cls, enum MHD_ValueKind kind, const char *name,
                                   size_t name_len, const char *value, size_t value_len)
{
    (void)kind;
    const struct each *e = cls;
    struct str text = value ? (struct str){value, value_len} : STR("");
    return e->on(e->ctx, (struct str){name, name_len}, text) ? MHD_YES : MHD_NO;
}

void http_query_each(const struct http_request *r,
                     bool (*on)(void *ctx, struct str name, struct str value), void *ctx)
{
    struct each e = {on, ctx};
    (void)MHD_get_connection_values_n(r->mhd, MHD_GET_ARGUMENT_KIND, on_argument, &e);
}

struct str http_peer(const struct http_request *r)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (!info || !info->client_addr)
        return STR("");
    char *text = arena_alloc(r->arena, INET6_ADDRSTRLEN);
    const struct sockaddr *sa = info->client_addr;
    const void *addr = sa->sa_family == AF_INET6
                           ? (const void *)&((const struct sockaddr_in6 *)sa)->sin6_addr
                           : (const void *)&((const struct sockaddr_in *)sa)->sin_addr;
    return str_of(inet_ntop(sa->sa_family, addr, text, INET6_ADDRSTRLEN));
}

struct arena *http_arena(struct http_request *r)
{
    return r->arena;
}

void **http_user(struct http_request *r)
{
    return &r->user;
}

/* --- the answer ------------------------------------------------------------------------------- */

void http_set_header(struct http_request *r, const char *name, struct str value)
{
    struct http_extra *x = ARENA_NEW(r->arena, struct http_extra);
    *x = (struct http_extra){name, str_c(r->arena, value), r->headers};
    r->headers = x;
}

void http_response_release(struct http_server *s, struct MHD_Response *response)
{
    if (response && response != s->empty && response != s->empty_close)
        MHD_destroy_response(response);
}

/* Hand the response over, and let go of it; a deferred request goes on at the end of the turn. */
static void send_answer(struct http_request *r, int status, struct MHD_Response *response)
{
    struct http_server *s = r->server;
    assert(r->state != HTTP_ANSWERED);
    if (r->parked) {
        r->answer = response;
        r->status = status;
    } else {
        // Refused only while the server stops; then the connection ends anyway.
        (void)MHD_queue_response(r->mhd, (unsigned)status, response);
        http_response_release(s, response);
        s->progress++;
        if (r->state == HTTP_DEFERRED)
            MHD_resume_connection(r->mhd);
    }
    if (r->state == HTTP_DEFERRED)
        http_server_wake(s);
    r->state = HTTP_ANSWERED;
}

static void add_headers(struct http_request *r, struct MHD_Response *response,
                        const char *content_type)
{
    if (content_type)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    for (const struct http_extra *x = r->headers; x; x = x->next)
        (void)MHD_add_response_header(response, x->name, x->value);
    if (r->server->quiescing || r->is_early)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

static struct MHD_Response *copied_response(struct str body)
{
    // libmicrohttpd does not write to a copied buffer, its signature only lacks the const.
    return MHD_create_response_from_buffer(body.len, (void *)(body.len ? body.ptr : ""),
                                           MHD_RESPMEM_MUST_COPY);
}

struct answer_copy {
    size_t len;
    char text[];
};

static void answer_copy_free(void *cls)
{
    struct answer_copy *copy = cls;
    http_wipe(copy->text, copy->len);
    free(copy);
}

static struct MHD_Response *wiped_response(struct str body)
{
    struct answer_copy *copy = xalloc(sizeof *copy + body.len);
    copy->len = body.len;
    memcpy(copy->text, body.len ? body.ptr : "", body.len);
    return MHD_create_response_from_buffer_with_free_callback_cls(body.len, copy->text,
                                                                  answer_copy_free, copy);
}

void http_answer(struct http_request *r, int status, const char *content_type, struct str body)
{
    struct http_server *s = r->server;
    if (!body.len && !content_type && !r->headers) {
        send_answer(r, status, s->quiescing || r->is_early ? s->empty_close : s->empty);
        return;
    }
    struct MHD_Response *response = s->opts.wipes ? wiped_response(body) : copied_response(body);
    assert(response); // NULL: out of memory
    add_headers(r, response, content_type);
    send_answer(r, status, response);
}

/* --- an answer from a source ------------------------------------------------------------------ */

static ssize_t read_source(void *cls, uint64_t at, char *out, size_t n)
{
    (void)at; // in order
    struct http_request *r = cls;
    int64_t got = r->source_broken ? -1 : r->source.read(r->source.ctx, out, n);
    if (got > 0) {
        r->server->progress++;
        return (ssize_t)got;
    }
    if (got == HTTP_LATER) {
        r->source_waits = true;
        MHD_suspend_connection(r->mhd);
        return 0;
    }
    return got == 0 ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

/* The request has its answer's source in it, so that it may not be recycled before this. */
static void end_source(void *cls)
{
    struct http_request *r = cls;
    r->source.done(r->source.ctx);
    r->source = (struct http_source){0};
    if (r->has_ended)
        http_request_recycle(r);
}

void http_answer_source(struct http_request *r, int status, const char *content_type,
                        const struct http_source *source)
{
    r->source = *source;
    struct MHD_Response *response = MHD_create_response_from_callback(
        (uint64_t)source->size_bytes, SOURCE_BLOCK, read_source, r, end_source);
    assert(response); // NULL: out of memory
    add_headers(r, response, content_type);
    send_answer(r, status, response);
}

void http_resume_source(struct http_request *r)
{
    if (!r->source_waits)
        return;
    r->source_waits = false;
    MHD_resume_connection(r->mhd);
    http_server_wake(r->server);
}

void http_source_break(struct http_request *r)
{
    r->source_broken = true;
    http_resume_source(r);
}

const char *http_reason(int status)
{
    return MHD_get_reason_phrase_for((unsigned)status);
}

void http_answer_problem(struct http_request *r, int status, struct str detail)
{
    struct buf body;
    buf_init(&body, PROBLEM_MAX);
    struct json_out o = {.buf = &body};
    json_open(&o, '{');
    json_put_str(&o, "type", STR("about:blank"));
    json_put_str(&o, "title", str_of(http_reason(status)));
    json_put_int(&o, "status", status);
    if (detail.len)
        json_put_str(&o, "detail", str_utf8(r->arena, detail));
    json_close(&o, '}');
    http_answer(r, status, "application/problem+json", buf_str(&body));
    buf_done(&body);
}

void http_answer_err(struct http_request *r, const struct err *err)
{
    int status = err_http_status(err);
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE || status == MHD_HTTP_TOO_MANY_REQUESTS) {
        int64_t wait_ms = err->retry_after_ms > 0 ? err->retry_after_ms : RETRY_AFTER_MS;
        http_set_header(r, MHD_HTTP_HEADER_RETRY_AFTER,
                        str_fmt(r->arena, "%lld", (long long)((wait_ms + 999) / 1000)));
    }
    // Our own bugs are for the log; a stranger has no use for them.
    http_answer_problem(r, status, err->kind == ERR_FAULT ? STR_NONE : str_of(err->msg));
}

void http_drop(struct http_request *r)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info)
        (void)shutdown(info->connect_fd, SHUT_RDWR); // what is written from now on goes nowhere
    http_answer(r, MHD_HTTP_SERVICE_UNAVAILABLE, NULL, STR_NONE);
}

void http_defer(struct http_request *r)
{
    struct http_server *s = r->server;
    assert(r->state == HTTP_HANDLING && !s->opts.can_upgrade);
    r->state = HTTP_DEFERRED;
    if (s->n_parked < HTTP_PARKED_MAX) {
        r->parked = true;
        s->n_parked++;
    } else {
        MHD_suspend_connection(r->mhd);
    }
}
