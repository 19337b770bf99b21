/* SPDX-License-Identifier: Apache-2.0 */
/* One request with libcurl: its copy, its options, its callbacks, its end. */
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "crypto.h"
#include "fetch_impl.h"
#include "guard.h"
#include "mem.h"

#define SYSTEM_CA_FILE  "/etc/ssl/certs/ca-certificates.crt"
#define HEADERS_MAX     (64 * 1024)
#define HEADER_LINE_MAX (16 * 1024)
/* Below the idle timeouts of common servers (nginx 75 s, many load balancers 60 s): a connection
 * that is about to be closed by the other side is not used any more. */
#define IDLE_MAX_S 30L
/* For long uploads through a NAT that forgets. */
#define KEEPALIVE_S 30L

/* --- the copy --------------------------------------------------------------------------------- */

static size_t size_of(struct str s)
{
    return s.len + 1;
}

/* The next bytes of the transfer's memory, ended by a NUL. */
static struct str put(struct transfer *t, size_t *used, struct str s)
{
    if (!s.ptr)
        return STR_NONE;
    char *p = t->memory + *used;
    assert(*used + size_of(s) <= t->memory_bytes);
    memcpy(p, s.ptr, s.len);
    p[s.len] = '\0';
    *used += size_of(s);
    return (struct str){p, s.len};
}

static const char *put_c(struct transfer *t, size_t *used, const char *s)
{
    return put(t, used, str_of(s)).ptr;
}

static size_t request_size(const struct fetch_request *r)
{
    // The host's name is never longer than the URL it stands in.
    size_t n = 2 * size_of(r->url) + size_of(r->body) + size_of(str_of(r->aws_sigv4)) +
               size_of(r->credentials);
    for (size_t i = 0; i < r->n_headers; i++)
        n += size_of(str_of(r->headers[i].name)) + size_of(r->headers[i].value);
    for (size_t i = 0; i < r->n_parts; i++) {
        const struct fetch_part *p = &r->parts[i];
        n += size_of(str_of(p->name)) + size_of(p->value) + size_of(p->filename) + size_of(p->mime);
    }
    return n;
}

static void copy_parts(struct transfer *t, const struct fetch_request *r, size_t *used)
{
    struct fetch_part *parts = xalloc(r->n_parts * sizeof *parts);
    t->sources = xalloc((r->n_parts + 1) * sizeof *t->sources); // the last is the upload's
    for (size_t i = 0; i < r->n_parts; i++) {
        const struct fetch_part *p = &r->parts[i];
        parts[i] = (struct fetch_part){.name = put_c(t, used, p->name),
                                       .value = put(t, used, p->value),
                                       .source = p->source,
                                       .filename = put(t, used, p->filename),
                                       .mime = put(t, used, p->mime)};
        t->sources[i] = (struct part_source){.transfer = t, .source = p->source};
    }
    t->request.parts = parts;
    if (r->upload)
        t->sources[r->n_parts] = (struct part_source){.transfer = t, .source = *r->upload};
}

static void copy_request(struct transfer *t, const struct fetch_request *r)
{
    size_t used = 0;
    t->memory_bytes = request_size(r);
    t->memory = xalloc(t->memory_bytes);
    t->request = *r;
    t->request.url = put(t, &used, r->url);
    t->request.body = put(t, &used, r->body);
    t->request.aws_sigv4 = put_c(t, &used, r->aws_sigv4);
    t->request.credentials = put(t, &used, r->credentials);
    struct fetch_header *headers = xalloc(r->n_headers * sizeof *headers);
    for (size_t i = 0; i < r->n_headers; i++)
        headers[i] = (struct fetch_header){put_c(t, &used, r->headers[i].name),
                                           put(t, &used, r->headers[i].value)};
    t->request.headers = headers;
    copy_parts(t, r, &used);
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7F)
            return true;
    return false;
}

static bool check_headers(const struct fetch_request *r, struct err *err)
{
    for (size_t i = 0; i < r->n_headers; i++)
        if (has_control(r->headers[i].value) || r->headers[i].value.len > HEADER_LINE_MAX)
            return err_set(err, ERR_INVALID, "the header %s cannot be sent as it is",
                           r->headers[i].name);
    return true;
}

/* Host and port as libcurl itself reads them, so that what is checked is what is connected to. */
static bool read_url(struct transfer *t, size_t used, struct err *err)
{
    char *host = NULL, *port = NULL, *scheme = NULL;
    int64_t n = 0;
    t->url = curl_url();
    bool ok =
        t->url && t->request.url.ptr && !has_control(t->request.url) &&
        curl_url_set(t->url, CURLUPART_URL, t->request.url.ptr, CURLU_DISALLOW_USER) == CURLUE_OK &&
        curl_url_get(t->url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(t->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
        curl_url_get(t->url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        (strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0) &&
        str_i64(str_of(port), &n) && size_of(str_of(host)) <= t->memory_bytes - used;
    if (ok) {
        t->host_name = put(t, &used, str_of(host));
        t->port = (int)n;
    } else {
        err_set(err, ERR_INVALID, "this is not a URL of http or https without a user in it");
    }
    curl_free(host);
    curl_free(port);
    curl_free(scheme);
    return ok;
}

struct transfer *transfer_new(struct fetch *f, const struct fetch_request *r, struct err *err)
{
    if (!check_headers(r, err) ||
        (r->is_guarded && !guard_url(fetch_opts_of(f)->guard, r->url, err)))
        return NULL;
    struct transfer *t = xalloc(sizeof *t);
    t->fetch = f;
    copy_request(t, r);
    buf_init(&t->answer_headers, HEADERS_MAX);
    buf_init(&t->answer, r->answer_max_bytes);
    size_t used = t->memory_bytes - size_of(r->url);
    if (!read_url(t, used, err)) {
        transfer_free(t);
        return NULL;
    }
    return t;
}

void transfer_free(struct transfer *t)
{
    if (!t)
        return;
    assert(!t->easy);
    curl_url_cleanup(t->url);
    crypto_wipe(t->memory, t->memory_bytes);
    free(t->memory);
    crypto_wipe(t->answer.ptr, t->answer.cap);
    buf_done(&t->answer);
    buf_done(&t->answer_headers);
    free((void *)t->request.headers);
    free((void *)t->request.parts);
    free(t->sources);
    free(t);
}

/* --- callbacks -------------------------------------------------------------------------------- */

static bool may_connect(const struct transfer *t, const struct sockaddr *address)
{
    return !t->request.is_guarded ||
           guard_address(fetch_opts_of(t->fetch)->guard, t->host_name, t->port, address);
}

static curl_socket_t on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct transfer *t = ctx;
    (void)purpose;
    // Sent already: libcurl is about to do so again. It will not get that far.
    if (t->sent_at_ms) {
        t->is_again = true;
        return CURL_SOCKET_BAD;
    }
    if (!may_connect(t, &a->addr)) {
        t->is_refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* A connection that another transfer opened, unguarded, may be reused by a guarded one. */
static bool may_use(const struct transfer *t, const char *ip)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, ip, &in.sin_addr) == 1)
        return may_connect(t, (const struct sockaddr *)&in);
    if (inet_pton(AF_INET6, ip, &in6.sin6_addr) == 1)
        return may_connect(t, (const struct sockaddr *)&in6);
    return !t->request.is_guarded;
}

/* Connected, and the request's first byte goes next. */
// libcurl's own signature. NOLINTNEXTLINE(readability-non-const-parameter)
static int on_request(void *ctx, char *ip, char *local_ip, int port, int local_port)
{
    struct transfer *t = ctx;
    (void)local_ip, (void)port, (void)local_port;
    if (t->sent_at_ms) {
        t->is_again = true;
        return CURL_PREREQFUNC_ABORT;
    }
    if (!may_use(t, ip)) {
        t->is_refused = true;
        return CURL_PREREQFUNC_ABORT;
    }
    t->sent_at_ms = clock_ms();
    return CURL_PREREQFUNC_OK;
}

static size_t on_header(char *line, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    // A status line begins a new answer: what came before was 100 or 103.
    if (str_starts((struct str){line, size * n}, STR("HTTP/")))
        buf_clear(&t->answer_headers);
    buf_put(&t->answer_headers, line, size * n);
    t->is_too_long = t->answer_headers.overflow;
    return t->is_too_long ? 0 : size * n;
}

/* An answer may have a token in it: what growing leaves behind is erased. */
static void keep(struct buf *b, const char *data, size_t n)
{
    if (n > b->cap - b->len && b->ptr) {
        struct buf grown;
        buf_init(&grown, b->max);
        (void)buf_reserve(&grown, b->len + n > b->max / 2 ? b->max : 2 * (b->len + n));
        buf_put(&grown, b->ptr, b->len);
        crypto_wipe(b->ptr, b->cap);
        buf_done(b);
        *b = grown;
    }
    buf_put(b, data, n);
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    size_t bytes = size * n;
    long status = 0;
    t->answer_bytes += bytes;
    if (t->answer_bytes > t->request.answer_max_bytes) {
        t->is_too_long = true;
        return 0;
    }
    if (!t->request.on_data) {
        keep(&t->answer, data, bytes);
        return bytes;
    }
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    bool ok = t->request.on_data(t->request.ctx, (int)status, (struct str){data, bytes});
    if (ok && t->is_recv_paused)
        (void)curl_easy_pause(t->easy, CURLPAUSE_RECV | (t->is_send_waiting ? CURLPAUSE_SEND : 0));
    return ok ? bytes : 0;
}

static size_t on_read(char *out, size_t size, size_t n, void *ctx)
{
    struct part_source *s = ctx;
    struct transfer *t = s->transfer;
    size_t want = size * n;
    t->is_send_waiting = t->is_owed = false;
    if (s->source.size_bytes >= 0 && (uint64_t)(s->source.size_bytes - s->n_read) < want)
        want = (size_t)(s->source.size_bytes - s->n_read);
    int64_t got = want ? s->source.read(s->source.ctx, out, want) : 0;
    if (got == FETCH_LATER) {
        t->is_send_waiting = true;
        return CURL_READFUNC_PAUSE;
    }
    bool is_short = got == 0 && s->source.size_bytes > s->n_read;
    if (got < 0 || (size_t)got > want || is_short) {
        t->is_source_broken = true;
        return CURL_READFUNC_ABORT;
    }
    s->n_read += got;
    return (size_t)got;
}

/* --- options ---------------------------------------------------------------------------------- */

/* Fails only for an option that this libcurl lacks, or without memory, which aborts. */
#define SET(easy, option, value)                                    \
    do {                                                            \
        CURLcode code_ = curl_easy_setopt((easy), (option), value); \
        assert(code_ == CURLE_OK);                                  \
    } while (0)

static void set_always(struct transfer *t, CURL *easy, const struct fetch_opts *o)
{
    SET(easy, CURLOPT_CURLU, t->url);
    SET(easy, CURLOPT_PRIVATE, t);
    SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
    SET(easy, CURLOPT_PROXY, "");
    SET(easy, CURLOPT_NOSIGNAL, 1L);
    SET(easy, CURLOPT_NOPROGRESS, 1L);
    SET(easy, CURLOPT_QUICK_EXIT, 1L); // never wait for a name that is still being looked up
    SET(easy, CURLOPT_USERAGENT, "postrider/" POSTRIDER_VERSION);
    SET(easy, CURLOPT_CAPATH, NULL); // Debian's default one switches the CA cache off
    SET(easy, CURLOPT_CAINFO, o->ca_file && o->ca_file[0] ? o->ca_file : SYSTEM_CA_FILE);
    SET(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    SET(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
    SET(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_S);
    SET(easy, CURLOPT_MAXAGE_CONN, IDLE_MAX_S);
    SET(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout_ms);
    SET(easy, CURLOPT_TIMEOUT_MS, (long)t->request.timeout_ms);
    SET(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    SET(easy, CURLOPT_OPENSOCKETDATA, t);
    SET(easy, CURLOPT_PREREQFUNCTION, on_request);
    SET(easy, CURLOPT_PREREQDATA, t);
    SET(easy, CURLOPT_HEADERFUNCTION, on_header);
    SET(easy, CURLOPT_HEADERDATA, t);
    SET(easy, CURLOPT_WRITEFUNCTION, on_body);
    SET(easy, CURLOPT_WRITEDATA, t);
}

static bool has_header(const struct fetch_request *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++)
        if (str_ieq(str_of(r->headers[i].name), str_of(name)))
            return true;
    return false;
}

static void add_line(struct transfer *t, const char *line)
{
    struct curl_slist *list = curl_slist_append(t->headers, line);
    assert(list);
    t->headers = list;
}

static void set_headers(struct transfer *t, CURL *easy)
{
    const struct fetch_request *r = &t->request;
    if (!r->aws_sigv4)          // which would sign these lines, too, and they are never sent
        add_line(t, "Expect:"); // libcurl would wait a second for a 100 before a long body
    if (!r->aws_sigv4 && r->n_parts == 0 && !has_header(r, "Content-Type"))
        add_line(t, "Content-Type:"); // not a form, as libcurl takes every body for
    struct buf line;
    buf_init(&line, 2 * HEADER_LINE_MAX);
    for (size_t i = 0; i < r->n_headers; i++) {
        buf_clear(&line);
        buf_put_c(&line, r->headers[i].name);
        // Without a value libcurl takes "name:" for "leave it out".
        buf_put_c(&line, r->headers[i].value.len ? ": " : ";");
        buf_put_str(&line, r->headers[i].value);
        buf_putc(&line, '\0');
        add_line(t, line.ptr);
    }
    crypto_wipe(line.ptr, line.cap);
    buf_done(&line);
    SET(easy, CURLOPT_HTTPHEADER, t->headers);
}

static void set_parts(struct transfer *t, CURL *easy)
{
    t->mime = curl_mime_init(easy);
    for (size_t i = 0; i < t->request.n_parts; i++) {
        const struct fetch_part *p = &t->request.parts[i];
        curl_mimepart *part = curl_mime_addpart(t->mime);
        CURLcode code = curl_mime_name(part, p->name);
        if (p->value.ptr)
            code |= curl_mime_data(part, p->value.ptr, p->value.len);
        else
            code |=
                curl_mime_data_cb(part, p->source.size_bytes, on_read, NULL, NULL, &t->sources[i]);
        if (p->filename.ptr)
            code |= curl_mime_filename(part, p->filename.ptr);
        if (p->mime.ptr)
            code |= curl_mime_type(part, p->mime.ptr);
        assert(code == CURLE_OK);
    }
    SET(easy, CURLOPT_MIMEPOST, t->mime);
}

static void set_upload(struct transfer *t, CURL *easy)
{
    struct part_source *source = &t->sources[t->request.n_parts];
    assert(t->request.method == FETCH_PUT);
    SET(easy, CURLOPT_UPLOAD, 1L);
    SET(easy, CURLOPT_READFUNCTION, on_read);
    SET(easy, CURLOPT_READDATA, source);
    SET(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)source->source.size_bytes);
}

static void set_signature(struct transfer *t, CURL *easy)
{
    if (!t->request.aws_sigv4)
        return;
    SET(easy, CURLOPT_AWS_SIGV4, t->request.aws_sigv4);
    SET(easy, CURLOPT_USERPWD, t->request.credentials.ptr);
}

static void set_method(struct transfer *t, CURL *easy)
{
    static const char *const names[] = {"GET", "POST", "PATCH", "PUT", "DELETE"};
    const struct fetch_request *r = &t->request;
    if (r->upload) {
        set_upload(t, easy);
        return;
    }
    if (r->n_parts) {
        set_parts(t, easy);
    } else if (r->body.ptr || r->method != FETCH_GET) {
        // A body that is absent is one of no bytes; but DELETE has none, not even that.
        if (r->body.ptr || r->method != FETCH_DELETE) {
            SET(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
            SET(easy, CURLOPT_POSTFIELDS, r->body.ptr ? r->body.ptr : "");
        }
    }
    if (r->method != FETCH_GET || r->n_parts || r->body.ptr)
        SET(easy, CURLOPT_CUSTOMREQUEST, names[r->method]);
}

void transfer_set_up(struct transfer *t, CURL *easy, const struct fetch_opts *o)
{
    t->easy = easy;
    set_always(t, easy, o);
    set_method(t, easy);
    set_headers(t, easy);
    set_signature(t, easy);
    t->started_ms = clock_ms();
}

void transfer_take_down(struct transfer *t)
{
    curl_easy_reset(t->easy); // frees, and so wipes, what it has copied
    curl_mime_free(t->mime);
    curl_slist_free_all(t->headers);
    t->mime = NULL;
    t->headers = NULL;
    t->easy = NULL;
}

/* --- the end ---------------------------------------------------------------------------------- */

void transfer_give_up(struct transfer *t, enum fetch_end end, enum err_kind kind, const char *why)
{
    t->end = end;
    err_set(&t->err, kind, "%.*s:%d: %s", STR_ARG(t->host_name), t->port, why);
}

void transfer_judge(struct transfer *t, CURLcode code)
{
    long status = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    t->status = (int)status;
    if (code == CURLE_OK)
        t->end = FETCH_WHOLE;
    else if (!t->sent_at_ms && t->is_refused)
        transfer_give_up(t, FETCH_REFUSED, ERR_INVALID, "the address is not a public one");
    else if (!t->sent_at_ms)
        transfer_give_up(t, FETCH_UNSENT, ERR_BUSY, curl_easy_strerror(code));
    else if (t->is_again)
        transfer_give_up(t, FETCH_UNKNOWN, ERR_BUSY,
                         "the connection was closed before an answer came");
    else if (t->is_too_long)
        transfer_give_up(t, FETCH_UNKNOWN, ERR_LIMITED, "the answer is too long");
    else if (t->is_source_broken)
        transfer_give_up(t, FETCH_UNKNOWN, ERR_BUSY, "the file to send could not be read");
    else
        transfer_give_up(t, FETCH_UNKNOWN, ERR_BUSY, curl_easy_strerror(code));
}

enum fetch_end transfer_end(const struct transfer *t)
{
    return t->end;
}

int transfer_status(const struct transfer *t)
{
    return t->status;
}

struct str transfer_body(const struct transfer *t)
{
    return buf_str(&t->answer);
}

struct str transfer_header(const void *t, const char *name)
{
    const struct transfer *transfer = t;
    struct str rest = buf_str(&transfer->answer_headers), line, key, value, found = STR_NONE;
    while (rest.len) {
        (void)str_cut(rest, '\n', &line, &rest);
        if (str_cut(line, ':', &key, &value) && str_ieq(key, str_of(name)))
            found = str_trim(value);
    }
    return found;
}

const struct err *transfer_err(const struct transfer *t)
{
    return &t->err;
}

int64_t transfer_sent_ms(const struct transfer *t)
{
    return t->sent_at_ms ? t->sent_at_ms - t->started_ms : -1;
}
