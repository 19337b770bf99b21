/* SPDX-License-Identifier: Apache-2.0 */
/* Files in a bucket of an S3-compatible service, requests signed by libcurl (AWS Signature Version
 * 4). A draft goes up from the local disk, as long as it is; a file comes down in pieces by ranges,
 * one at a time, so that a slow reader holds one piece and no connection.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html, API_GetObject.html,
 * API_DeleteObject.html */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fetch.h"
#include "mem.h"
#include "storage_impl.h"

#define PIECE_BYTES     (512 * 1024)
#define PUT_ANSWER_MAX  65536
#define UNSIGNED        STR("UNSIGNED-PAYLOAD") /* the header itself is wanted in each request */
#define URL_MAX         2048
#define SIGNATURE_MAX   256
#define CREDENTIALS_MAX 512

struct signing {
    char url[URL_MAX], scheme[SIGNATURE_MAX], credentials[CREDENTIALS_MAX];
};

static void sign(const struct storage *s, const char *key, struct signing *out,
                 struct fetch_request *r)
{
    size_t n = strlen(s->opts.s3_url);
    while (n && s->opts.s3_url[n - 1] == '/')
        n--;
    int len = snprintf(out->url, sizeof out->url, "%.*s/%s", (int)n, s->opts.s3_url, key);
    (void)snprintf(out->scheme, sizeof out->scheme, "aws:amz:%s:s3", s->opts.s3_region);
    (void)snprintf(out->credentials, sizeof out->credentials, "%s:%s", s->opts.s3_key_id,
                   s->opts.s3_secret);
    r->url = (struct str){out->url, len < (int)sizeof out->url ? (size_t)len : 0};
    r->aws_sigv4 = out->scheme;
    r->credentials = str_of(out->credentials);
    r->timeout_ms = s->opts.timeout_ms;
}

static bool start(struct storage *s, struct signing *signing, const struct fetch_request *r,
                  struct transfer **out, struct err *err)
{
    bool ok = fetch_start(s->opts.fetch, r, out, err);
    crypto_wipe(signing->credentials, sizeof signing->credentials);
    return ok;
}

/* What the service's answer means, when it is not the one that was wanted. */
static void set_err(struct err *err, const struct transfer *t)
{
    int status = transfer_status(t); // of an error we did not want the text
    if (status == 404)
        err_set(err, ERR_ABSENT, "no such file in the bucket");
    else if (status == 401 || status == 403)
        err_set(err, ERR_BUSY,
                "the bucket refuses us (%d): check media_s3_key_id, media_s3_secret "
                "and media_s3_region",
                status);
    else if (transfer_end(t) != FETCH_WHOLE && (status == 0 || status / 100 == 2))
        err_set(err, ERR_BUSY, "the bucket does not answer: %s", transfer_err(t)->msg);
    else
        err_set(err, ERR_BUSY, "the bucket answers %d", status);
}

/* --- writing ---------------------------------------------------------------------------------- */

static int64_t read_draft(void *ctx, char *out, size_t n)
{
    struct storage_draft *d = ctx;
    ssize_t got = pread(d->fd, out, n, d->n_sent);
    if (got > 0)
        d->n_sent += got;
    return got;
}

static void on_put(void *ctx, struct transfer *t)
{
    struct storage_draft *d = ctx;
    d->transfer = NULL;
    if (transfer_end(t) != FETCH_WHOLE || transfer_status(t) != 200)
        set_err(&d->err, t);
    storage_draft_kept(d);
}

static void on_not_started(uv_work_t *work, int status)
{
    (void)status;
    storage_draft_kept(work->data);
}

static void do_nothing(uv_work_t *work)
{
    (void)work;
}

static void keep(struct storage_draft *d)
{
    struct signing signing;
    // The body is not signed: TLS guards it, and its sum is in our own row.
    const struct fetch_header headers[] = {{"Content-Type", str_of(d->mime)},
                                           {"x-amz-content-sha256", UNSIGNED}};
    struct fetch_source source = {read_draft, d, d->size_bytes};
    struct fetch_request r = {.method = FETCH_PUT,
                              .headers = headers,
                              .n_headers = ARRAY_LEN(headers),
                              .upload = &source,
                              .answer_max_bytes = PUT_ANSWER_MAX,
                              .on_done = on_put,
                              .ctx = d};
    sign(d->storage, d->key, &signing, &r);
    if (start(d->storage, &signing, &r, &d->transfer, &d->err))
        return;
    d->work.data = d; // on_done comes from a later turn
    (void)uv_queue_work(d->storage->opts.loop, &d->work, do_nothing, on_not_started);
}

static void give_up(struct storage_draft *d)
{
    if (d->transfer)
        fetch_cancel(d->transfer);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool on_data(void *ctx, int status, struct str data)
{
    struct storage_file *f = ctx;
    if (!f->key || (status != 200 && status != 206) || f->piece_len + data.len > PIECE_BYTES)
        return false; // closed, an error's text, or a service that does not know ranges
    memcpy(f->piece + f->piece_len, data.ptr, data.len);
    f->piece_len += data.len;
    return true;
}

static void free_file(struct storage_file *f)
{
    free(f->piece);
    free(f);
}

static void on_got(void *ctx, struct transfer *t)
{
    struct storage_file *f = ctx;
    f->transfer = NULL;
    if (!f->key) { // closed meanwhile
        free_file(f);
        return;
    }
    int status = transfer_status(t);
    bool is_whole = transfer_end(t) == FETCH_WHOLE;
    if (status == 416) // behind the last byte
        f->end = f->at;
    else if (!is_whole || status != 206)
        set_err(&f->err, t);
    f->at += (int64_t)f->piece_len;
    if (!f->err.kind && f->piece_len < PIECE_BYTES && f->end < 0)
        f->end = f->at;
    f->waits = false;
    if (f->on_ready)
        f->on_ready(f->ctx);
}

static bool get_piece(struct storage_file *f, struct err *err)
{
    struct signing signing;
    char range[64];
    int64_t to = f->end >= 0 && f->end - f->at < PIECE_BYTES ? f->end : f->at + PIECE_BYTES;
    int n = snprintf(range, sizeof range, "bytes=%lld-%lld", (long long)f->at, (long long)to - 1);
    const struct fetch_header headers[] = {{"Range", {range, (size_t)n}},
                                           {"x-amz-content-sha256", UNSIGNED}};
    struct fetch_request r = {.method = FETCH_GET,
                              .headers = headers,
                              .n_headers = ARRAY_LEN(headers),
                              .answer_max_bytes = PIECE_BYTES,
                              .on_data = on_data,
                              .on_done = on_got,
                              .ctx = f};
    sign(f->storage, f->key, &signing, &r);
    f->piece_at = f->piece_len = 0;
    f->waits = start(f->storage, &signing, &r, &f->transfer, err);
    return f->waits;
}

static bool open_file(struct storage_file *f, struct err *err)
{
    f->piece = xalloc(PIECE_BYTES);
    return get_piece(f, err);
}

static int64_t read_file(struct storage_file *f, char *out, size_t n)
{
    if (f->waits)
        return STORAGE_LATER;
    size_t left = f->piece_len - f->piece_at;
    if (left) {
        n = n < left ? n : left;
        memcpy(out, f->piece + f->piece_at, n);
        f->piece_at += n;
        return (int64_t)n;
    }
    if (f->end >= 0 && f->at >= f->end)
        return 0;
    return get_piece(f, &f->err) ? STORAGE_LATER : -1;
}

static void close_file(struct storage_file *f)
{
    free(f->key);
    f->key = NULL;
    if (f->transfer)
        fetch_cancel(f->transfer); // it holds the file until it has ended
    else
        free_file(f);
}

/* --- removing --------------------------------------------------------------------------------- */

static void on_removed(void *ctx, struct transfer *t)
{
    struct storage_removal *r = ctx;
    // 204 for one that is not there, too; others say 404.
    if (transfer_end(t) != FETCH_WHOLE ||
        (transfer_status(t) / 100 != 2 && transfer_status(t) != 404))
        set_err(&r->err, t);
    storage_removed(r);
}

static void on_remove_not_started(uv_work_t *work, int status)
{
    (void)status;
    storage_removed(work->data);
}

static void remove_file(struct storage_removal *r)
{
    struct signing signing;
    struct transfer *transfer;
    const struct fetch_header headers[] = {{"x-amz-content-sha256", UNSIGNED}};
    struct fetch_request q = {.method = FETCH_DELETE,
                              .headers = headers,
                              .n_headers = ARRAY_LEN(headers),
                              .answer_max_bytes = PUT_ANSWER_MAX,
                              .on_done = on_removed,
                              .ctx = r};
    sign(r->storage, r->key, &signing, &q);
    if (!start(r->storage, &signing, &q, &transfer, &r->err)) // on_done comes from a later turn
        (void)uv_queue_work(r->storage->opts.loop, &r->work, do_nothing, on_remove_not_started);
}

const struct storage_place storage_s3 = {.keep = keep,
                                         .give_up = give_up,
                                         .open = open_file,
                                         .read = read_file,
                                         .close = close_file,
                                         .remove = remove_file};
