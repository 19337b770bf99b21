/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* An adapter against the simulated API of its provider: what it builds goes over a socket to a
 * server in this process, and the answer comes back as what is judged. */
#include <stdlib.h>

#include "golden/send.h"
#include "http_client.h"
#include "server.h"
#include "simulator_main.h"

#define EXCHANGE_ARENA ((size_t)64 << 20)
#define REQUEST_MAX    ((size_t)16 << 20)
#define BOUNDARY       "frontier-of-the-parts"

struct simulated {
    uv_loop_t loop;
    struct sim_serve_conf conf;
    struct sim_server *server;
    int port;
};

static inline void simulated_open(struct simulated *s)
{
    struct err err = {0};
    char port[] = "--listen_port=0", *argv[] = {port};
    *s = (struct simulated){0};
    assert_int_equal(uv_loop_init(&s->loop), 0);
    assert_true(conf_load(&simulator_conf, &s->conf, 1, argv, NULL, &err));
    s->server = sim_server_new(&s->loop, &s->conf, &err);
    if (!s->server)
        fail_msg("%s", err.msg);
    s->port = sim_server_port(s->server);
}

static inline void simulated_close(struct simulated *s)
{
    sim_server_close(s->server);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    sim_server_free(s->server);
    assert_int_equal(uv_loop_close(&s->loop), 0);
    conf_done(&simulator_conf, &s->conf);
}

/* --- the request on the wire ------------------------------------------------------------------ */

/* What is broken in it. */
enum breakage {
    WHOLE,
    WITHOUT_FIELD, /* its field number `field` is left out */
    WRONG_TYPE,    /* its field is of another type than it was */
    LONG_TEXT,     /* a field named text is far too long */
    WRONG_CONTENT_TYPE,
    CUT_BODY,
    WRONG_PATH,
};
struct broken {
    enum breakage what;
    size_t field;
};

static inline struct str long_text(struct arena *a)
{
    size_t n = 70000;
    char *text = arena_alloc(a, n);
    memset(text, 'a', n);
    return (struct str){text, n};
}

/* Number of top-level fields; the name of one of them. */
static inline size_t request_fields(struct arena *a, const struct send_request *r, size_t i,
                                    struct str *name)
{
    struct err err = {0};
    size_t n = 0;
    if (r->body_kind == BODY_MULTIPART) {
        if (i < r->n_parts)
            *name = str_of(r->parts[i].name);
        return r->n_parts;
    }
    if (r->body_kind != BODY_JSON)
        return 0;
    const struct json *root = json_parse(a, r->body, &err);
    for (const struct json *v = json_first(root); v; v = json_next(root, v), n++)
        if (n == i)
            *name = json_text(a, json_key(v));
    return n;
}

static inline struct str json_body(struct arena *a, struct str body, struct broken how)
{
    struct err err = {0};
    const struct json *root = json_parse(a, body, &err);
    struct buf out;
    size_t i = 0;
    if (how.what != WITHOUT_FIELD && how.what != WRONG_TYPE && how.what != LONG_TEXT)
        return body;
    buf_init(&out, REQUEST_MAX);
    struct json_out o = {.buf = &out};
    json_open(&o, '{');
    for (const struct json *v = json_first(root); v; v = json_next(root, v), i++) {
        struct str name = json_text(a, json_key(v));
        bool is_it = i == how.field && how.what != LONG_TEXT;
        bool is_list = json_is(v, JSON_ARRAY) || json_is(v, JSON_OBJECT);
        if (is_it && how.what == WITHOUT_FIELD)
            continue;
        if (is_it)
            json_put_raw(&o, str_c(a, name), is_list ? STR("\"wrong\"") : STR("{\"wrong\":[1]}"));
        else if (how.what == LONG_TEXT && str_eq_c(name, "text"))
            json_put_str(&o, "text", long_text(a));
        else
            json_put_raw(&o, str_c(a, name), v->span);
    }
    json_close(&o, '}');
    struct str made = str_dup(a, buf_str(&out));
    buf_done(&out);
    return made;
}

static inline void put_part(struct arena *a, struct buf *out, const struct send_part *p,
                            const struct send_message *m, bool is_wrong, bool is_long)
{
    bool is_file = !p->value.ptr != is_wrong; // wrong: a file is sent as text, a text as a file
    buf_put_c(out, "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"");
    buf_put_c(out, p->name);
    if (is_file)
        buf_put_c(out, "\"; filename=\"f.bin\"\r\nContent-Type: ");
    if (is_file)
        buf_put_str(out, p->mime.len ? p->mime : STR("application/octet-stream"));
    else
        buf_put_c(out, "\"");
    buf_put_c(out, "\r\n\r\n");
    if (is_long && str_eq_c(str_of(p->name), "text"))
        buf_put_str(out, long_text(a));
    else if (p->value.ptr)
        buf_put_str(out, p->value);
    for (int64_t n = p->length ? p->length : m->media[0].size_bytes; !p->value.ptr && n > 0; n--)
        buf_putc(out, 'b');
    if (!p->value.ptr && !p->length && !m->media[0].size_bytes)
        buf_put_c(out, "the bytes of a file");
    buf_put_c(out, "\r\n");
}

static inline void multipart_body(struct arena *a, struct buf *out, const struct send_request *r,
                                  const struct send_message *m, struct broken how)
{
    for (size_t i = 0; i < r->n_parts; i++) {
        bool is_it = i == how.field;
        if (!is_it || how.what != WITHOUT_FIELD)
            put_part(a, out, &r->parts[i], m, is_it && how.what == WRONG_TYPE,
                     how.what == LONG_TEXT);
    }
    buf_put_c(out, "--" BOUNDARY "--\r\n");
}

static inline void put_request(struct arena *a, struct buf *out, const struct send_request *r,
                               const struct send_message *m, struct broken how)
{
    struct buf body;
    struct str scheme, host, path, rest = r->url;
    buf_init(&body, REQUEST_MAX);
    (void)str_cut(rest, '/', &scheme, &rest);
    (void)str_cut(str_skip(rest, 1), '/', &host, &path);
    if (r->body_kind == BODY_MULTIPART)
        multipart_body(a, &body, r, m, how);
    else if (r->body_kind != BODY_NONE)
        buf_put_str(&body, r->body_kind == BODY_JSON ? json_body(a, r->body, how) : r->body);
    if (how.what == CUT_BODY && body.len)
        body.len -= r->body_kind == BODY_MULTIPART ? sizeof BOUNDARY + 6 : 1;
    buf_putf(out, "%s /%.*s%s HTTP/1.1\r\nHost: %.*s\r\nConnection: close\r\n",
             send_method_name(r->method), STR_ARG(path), how.what == WRONG_PATH ? "/wrong" : "",
             STR_ARG(host));
    for (size_t i = 0; i < r->n_headers; i++) {
        bool is_type = str_ieq(str_of(r->headers[i].name), STR("Content-Type"));
        if (!is_type || how.what != WRONG_CONTENT_TYPE)
            buf_putf(out, "%s: %.*s\r\n", r->headers[i].name, STR_ARG(r->headers[i].value));
    }
    if (how.what == WRONG_CONTENT_TYPE)
        buf_put_c(out, "Content-Type: text/plain\r\n");
    else if (r->body_kind == BODY_MULTIPART)
        buf_put_c(out, "Content-Type: multipart/form-data; boundary=" BOUNDARY "\r\n");
    buf_putf(out, "Content-Length: %zu\r\n\r\n", body.len);
    buf_put_str(out, buf_str(&body));
    assert_false(out->overflow || body.overflow);
    buf_done(&body);
}

/* --- the answer ------------------------------------------------------------------------------- */

struct answer {
    struct arena *a;
    struct str head;
};

static inline struct str answer_header(const void *http, const char *name)
{
    const struct answer *answer = http;
    struct str rest = answer->head, line, key, value;
    while (rest.len) {
        (void)str_cut(rest, '\n', &line, &rest);
        if (str_cut(line, ':', &key, &value) && str_ieq(key, str_of(name)))
            return str_trim(value);
    }
    return STR_NONE;
}

/* The whole answer is there: its head says how long its body is. */
static inline bool is_whole(struct client *c)
{
    client_pull(c);
    const char *end = strstr(c->in, "\r\n\r\n");
    if (!end)
        return c->closed;
    struct answer head = {NULL, {c->in, (size_t)(end - c->in)}};
    int64_t n = 0;
    bool has_length = str_i64(answer_header(&head, "Content-Length"), &n);
    return c->closed || (has_length && c->n >= head.head.len + 4 + (size_t)n);
}

/* `answer` must stay as long as the reply. */
static inline struct send_reply simulated_call(struct simulated *s, struct arena *a,
                                               const struct send_request *r,
                                               const struct send_message *m, struct broken how,
                                               struct answer *answer)
{
    struct buf out;
    struct client *c = calloc(1, sizeof *c);
    struct send_reply reply = {
        .fault = REPLY_UNKNOWN, .header = answer_header, .http = answer, .attempt = 1};
    buf_init(&out, 2 * REQUEST_MAX);
    put_request(a, &out, r, m, how);
    client_open(c, &s->loop, s->port);
    client_send(c, out.ptr, out.len);
    WAIT_UNTIL(&s->loop, is_whole(c));
    client_close(c);
    buf_done(&out);
    reply.at_ms = clock_at_ms();
    const char *end = strstr(c->in, "\r\n\r\n");
    if (end) {
        struct str text = str_dup(a, (struct str){c->in, c->n});
        int64_t status = 0;
        answer->a = a;
        answer->head = (struct str){text.ptr, (size_t)(end - c->in)};
        assert_true(str_i64((struct str){text.ptr + 9, 3}, &status));
        reply.status = (int)status;
        reply.body = str_skip(text, (size_t)(end - c->in) + 4);
        reply.fault = REPLY_WHOLE;
    }
    free(c);
    return reply;
}
