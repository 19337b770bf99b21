/* SPDX-License-Identifier: Apache-2.0 */
/* Uploaded files, as they are fetched: by whoever has a token of their tenant, or by an address
 * that opens one for a short time. */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "crypto.h"
#include "handlers.h"
#include "http.h"
#include "id.h"
#include "inbox.h"
#include "range.h"
#include "sniff.h"
#include "storage.h"

static const struct pg_stmt read_media = {
    "api_media", "SELECT id, name, mime, size_bytes, encode(sha256, 'hex') FROM media "
                 "WHERE tenant_id = $1 AND id = $2"};

/* What goes to the client outlives its call. */
struct download {
    struct storage_file *file;
    struct http_request *http;
};

static int64_t on_read(void *ctx, char *out, size_t n)
{
    struct download *d = ctx;
    int64_t got = storage_read(d->file, out, n);
    return got == STORAGE_LATER ? HTTP_LATER : got;
}

static void on_ready(void *ctx)
{
    struct download *d = ctx;
    http_resume_source(d->http);
}

static void on_done(void *ctx)
{
    struct download *d = ctx;
    storage_close(d->file);
    free(d);
}

/* --- the answer ------------------------------------------------------------------------------- */

/* RFC 6266: people's names as they are written, in the form that takes all of them. */
static struct str disposition(struct call *c, struct str name, struct str mime)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    struct buf b;
    buf_init(&b, 4096);
    buf_put_c(&b, api_sniff_is_shown(mime) ? "inline" : "attachment");
    buf_put_c(&b, "; filename*=UTF-8''");
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] && strchr(plain, name.ptr[i]))
            buf_putc(&b, name.ptr[i]);
        else
            buf_putf(&b, "%%%02X", (unsigned)(unsigned char)name.ptr[i]);
    }
    struct str text = str_dup(call_arena(c), buf_str(&b));
    buf_done(&b);
    return text;
}

struct file {
    struct str tenant_id, id, name, mime, etag;
    int64_t size_bytes, from, length;
    int status;
};

static void put_file_headers(struct call *c, struct http_request *r, const struct file *f)
{
    struct arena *a = call_arena(c);
    call_common_headers(c);
    http_set_header(r, "ETag", f->etag);
    http_set_header(r, "Accept-Ranges", STR("bytes"));
    // A file never changes, and is its tenant's alone.
    http_set_header(r, "Cache-Control", STR("private, max-age=86400, immutable"));
    http_set_header(r, "Content-Disposition", disposition(c, f->name, f->mime));
    http_set_header(r, "Content-Security-Policy", STR("default-src 'none'; sandbox"));
    if (f->status == 206)
        http_set_header(r, "Content-Range",
                        str_fmt(a, "bytes %lld-%lld/%lld", (long long)f->from,
                                (long long)(f->from + f->length - 1), (long long)f->size_bytes));
}

static void send_file(struct call *c, const struct file *f)
{
    struct storage *s = api_inbox_storage(call_api(c)->inbox);
    struct http_request *r = call_http(c);
    struct err err = {0};
    if (!s) {
        call_problem(c, 503, "media_off", STR_NONE, "files are not kept here: set media_folder");
        return;
    }
    if (!r) {
        call_end(c, f->status);
        return;
    }
    struct download *d = xalloc(sizeof *d);
    d->http = r;
    d->file = storage_open(s, storage_media_key(call_arena(c), f->tenant_id, f->id), f->from,
                           f->length, on_ready, d, &err);
    if (!d->file) {
        free(d);
        call_problem_err(c, &err);
        return;
    }
    put_file_headers(c, r, f);
    const struct http_source source = {on_read, on_done, d, f->length};
    int status = f->status;
    const char *mime = str_c(call_arena(c), f->mime);
    http_answer_source(r, status, mime, &source);
    call_end(c, status);
}

static void answer_file(struct call *c, struct str tenant_id, const struct pg_result *r)
{
    struct arena *a = call_arena(c);
    if (!pg_rows(r)) {
        call_absent(c);
        return;
    }
    struct file f = {.tenant_id = tenant_id,
                     .id = str_dup(a, pg_text(r, 0, 0)),
                     .name = str_dup(a, pg_text(r, 0, 1)),
                     .mime = str_dup(a, pg_text(r, 0, 2)),
                     .etag = str_fmt(a, "\"%.*s\"", STR_ARG(pg_text(r, 0, 4))),
                     .size_bytes = pg_i64(r, 0, 3),
                     .status = 200};
    struct http_request *http = call_http(c);
    struct str range = http ? http_header(http, "Range") : STR_NONE;
    struct str only_if = http ? http_header(http, "If-Range") : STR_NONE;
    if (only_if.ptr && !str_eq(only_if, f.etag))
        range = STR_NONE;
    f.length = f.size_bytes;
    switch (api_range_read(range, f.size_bytes, &f.from, &f.length)) {
    case API_RANGE_PART:
        f.status = 206;
        break;
    case API_RANGE_BAD:
        http_set_header(http, "Content-Range", str_fmt(a, "bytes */%lld", (long long)f.size_bytes));
        call_problem(c, 416, "range_not_satisfiable", STR_NONE, "the file has %lld bytes",
                     (long long)f.size_bytes);
        return;
    default:
        break;
    }
    send_file(c, &f);
}

static void on_media(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    answer_file(c, call_who(c)->tenant_id, results[0]);
}

static void get_media(struct call *c)
{
    const struct str params[] = {call_who(c)->tenant_id, call_path(c, "id")};
    call_send(c, &read_media, params, 2);
    call_commit(c, on_media);
}

/* --- addresses that open one ------------------------------------------------------------------ */

static struct str canonical(struct call *c, struct str id)
{
    struct uuid u;
    char text[UUID_TEXT + 1];
    bool ok = uuid_parse(id, &u); // the schema has seen to it
    uuid_format(u, text);
    return ok ? str_dup(call_arena(c), str_of(text)) : id;
}

static struct str signature(struct call *c, struct str tenant, struct str id, struct str expires)
{
    struct arena *a = call_arena(c);
    uint8_t mac[SHA256_BYTES];
    struct hmac *h = hmac_new(str_of(call_api(c)->conf->jwt_secret));
    hmac_sha256(
        h,
        str_fmt(a, "media link\n%.*s\n%.*s\n%.*s", STR_ARG(tenant), STR_ARG(id), STR_ARG(expires)),
        mac);
    hmac_free(h);
    return base64url_encode(a, (struct str){(const char *)mac, sizeof mac});
}

static void on_link(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    struct arena *a = call_arena(c);
    if (!pg_rows(results[0])) {
        call_absent(c);
        return;
    }
    int64_t until_s = (clock_at_ms() + call_api(c)->conf->media_link_ttl) / 1000;
    struct str tenant = canonical(c, call_who(c)->tenant_id), id = canonical(c, call_path(c, "id"));
    struct str expires = str_fmt(a, "%lld", (long long)until_s);
    struct json_out *o = call_out(c);
    json_open(o, '{');
    json_put_str(o, "url",
                 str_fmt(a, "/api/media/%.*s/file?tenant=%.*s&expires=%.*s&signature=%.*s",
                         STR_ARG(id), STR_ARG(tenant), STR_ARG(expires),
                         STR_ARG(signature(c, tenant, id, expires))));
    json_put_time(o, "expires_at", until_s * 1000);
    json_close(o, '}');
    call_answer(c, 200);
}

static void get_media_link(struct call *c)
{
    const struct str params[] = {call_who(c)->tenant_id, call_path(c, "id")};
    call_send(c, &read_media, params, 2);
    call_commit(c, on_link);
}

static void on_linked(void *ctx, struct pg_result *const *results, int n, const struct err *err,
                      const char *sqlstate, const char *constraint)
{
    (void)n, (void)sqlstate, (void)constraint;
    struct call *c = ctx;
    if (err)
        call_problem_err(c, err);
    else
        answer_file(c, *(struct str *)*call_state(c), results[0]);
}

static void open_media_link(struct call *c)
{
    struct arena *a = call_arena(c);
    struct str tenant = canonical(c, call_query(c, "tenant")),
               id = canonical(c, call_path(c, "id"));
    int64_t expires_s = 0;
    (void)call_query_i64(c, "expires", &expires_s);
    struct str want = signature(c, tenant, id, str_fmt(a, "%lld", (long long)expires_s));
    if (!crypto_eq(want, call_query(c, "signature")) || expires_s * 1000 <= clock_at_ms()) {
        call_problem(c, 403, "bad_link", STR_NONE,
                     "this address is not one of ours, or not any more: ask for a new one");
        return;
    }
    struct str *of = ARENA_NEW(a, struct str);
    *of = tenant;
    *call_state(c) = of;
    const struct pg_param params[] = {{.value = str_c(a, tenant)}, {.value = str_c(a, id)}};
    struct pg_tx *tx = pg_begin(call_api(c)->pool, tenant);
    pg_tx_send(tx, &read_media, params, 2);
    pg_tx_commit(tx, on_linked, c);
}

const struct api_handler api_media_handlers[] = {
    {"getMedia", get_media},
    {"getMediaLink", get_media_link},
    {"openMediaLink", open_media_link},
    {0},
};
