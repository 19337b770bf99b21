/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem.h"
#include "storage_impl.h"

#define DRAFTS "drafts"

/* --- life ------------------------------------------------------------------------------------ */

static bool make_folder(const char *path, struct err *err)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return true;
    return err_set(err, ERR_INVALID,
                   "cannot make the folder %s: %s: check the setting media_folder", path,
                   strerrordesc_np(errno));
}

static char *own(const char *text)
{
    return xstrdup(text ? text : "");
}

struct storage *storage_new(const struct storage_opts *opts, struct err *err)
{
    char drafts[STORAGE_PATH_MAX];
    int n = snprintf(drafts, sizeof drafts, "%s/" DRAFTS, opts->folder);
    if (!opts->folder[0] || n >= (int)sizeof drafts) {
        err_set(err, ERR_INVALID, "the setting media_folder is %s",
                opts->folder[0] ? "too long" : "empty");
        return NULL;
    }
    bool is_s3 = opts->s3_url && opts->s3_url[0];
    if (is_s3 && (!opts->fetch || !opts->s3_key_id[0] || !opts->s3_secret[0])) {
        err_set(err, ERR_INVALID, "media_s3_url wants media_s3_key_id and media_s3_secret, too");
        return NULL;
    }
    if (!make_folder(opts->folder, err) || !make_folder(drafts, err))
        return NULL;
    struct storage *s = xalloc(sizeof *s);
    s->opts = *opts;
    s->opts.folder = own(opts->folder);
    s->opts.s3_url = own(opts->s3_url);
    s->opts.s3_region = own(opts->s3_region);
    s->opts.s3_key_id = own(opts->s3_key_id);
    s->opts.s3_secret = own(opts->s3_secret);
    s->place = is_s3 ? &storage_s3 : &storage_folder;
    return s;
}

void storage_free(struct storage *s)
{
    if (!s)
        return;
    s->is_closing = true;
    if (s->n_drafts)
        return;
    crypto_wipe((char *)s->opts.s3_secret, strlen(s->opts.s3_secret));
    free((char *)s->opts.folder);
    free((char *)s->opts.s3_url);
    free((char *)s->opts.s3_region);
    free((char *)s->opts.s3_key_id);
    free((char *)s->opts.s3_secret);
    free(s);
}

struct str storage_media_key(struct arena *a, struct str tenant_id, struct str media_id)
{
    return str_fmt(a, "%.*s/%.*s", STR_ARG(tenant_id), STR_ARG(media_id));
}

/* --- writing --------------------------------------------------------------------------------- */

struct storage_draft *storage_draft_new(struct storage *s, struct err *err)
{
    struct storage_draft *d = xalloc(sizeof *d);
    d->storage = s;
    (void)snprintf(d->path, sizeof d->path, "%s/" DRAFTS "/XXXXXX", s->opts.folder);
    d->fd = mkostemp(d->path, O_CLOEXEC);
    if (d->fd < 0) {
        err_set(err, ERR_BUSY, "cannot write into %s/" DRAFTS ": %s", s->opts.folder,
                strerrordesc_np(errno));
        free(d);
        return NULL;
    }
    d->sum = sha256_new();
    s->n_drafts++;
    return d;
}

bool storage_draft_add(struct storage_draft *d, struct str bytes, struct err *err)
{
    sha256_add(d->sum, bytes);
    d->size_bytes += (int64_t)bytes.len;
    while (bytes.len) {
        ssize_t n = write(d->fd, bytes.ptr, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, ERR_BUSY, "cannot write the file: %s", strerrordesc_np(errno));
        bytes = str_skip(bytes, (size_t)n);
    }
    return true;
}

int64_t storage_draft_size(const struct storage_draft *d)
{
    return d->size_bytes;
}

void storage_draft_sha256(struct storage_draft *d, uint8_t out[SHA256_BYTES])
{
    sha256_end(d->sum, out);
}

static void free_draft(struct storage_draft *d)
{
    struct storage *s = d->storage;
    if (d->fd >= 0)
        close(d->fd);
    if (d->path[0])
        (void)unlink(d->path);
    sha256_free(d->sum);
    free(d->key);
    free(d->mime);
    free(d);
    s->n_drafts--;
    if (s->is_closing)
        storage_free(s);
}

void storage_draft_keep(struct storage_draft *d, struct str key, struct str mime,
                        void (*on_done)(void *ctx, const struct err *err), void *ctx)
{
    d->key = xstrndup(key.ptr, key.len);
    d->mime = xstrndup(mime.ptr, mime.len);
    d->on_done = on_done;
    d->ctx = ctx;
    d->storage->place->keep(d);
}

void storage_draft_drop(struct storage_draft *d)
{
    if (!d->key) {
        free_draft(d);
        return;
    }
    d->on_done = NULL;
    d->storage->place->give_up(d);
}

void storage_draft_kept(struct storage_draft *d)
{
    if (d->on_done)
        d->on_done(d->ctx, d->err.kind ? &d->err : NULL);
    free_draft(d);
}

/* --- reading --------------------------------------------------------------------------------- */

struct storage_file *storage_open(struct storage *s, struct str key, int64_t from, int64_t length,
                                  void (*on_ready)(void *ctx), void *ctx, struct err *err)
{
    struct storage_file *f = xalloc(sizeof *f);
    *f = (struct storage_file){.storage = s,
                               .key = xstrndup(key.ptr, key.len),
                               .from = from,
                               .length = length,
                               .fd = -1,
                               .at = from,
                               .end = length ? from + length : -1,
                               .on_ready = on_ready,
                               .ctx = ctx};
    if (s->place->open(f, err))
        return f;
    storage_close(f);
    return NULL;
}

int64_t storage_read(struct storage_file *f, char *out, size_t n)
{
    return f->err.kind ? -1 : f->storage->place->read(f, out, n);
}

const struct err *storage_file_err(const struct storage_file *f)
{
    return &f->err;
}

void storage_close(struct storage_file *f)
{
    if (f)
        f->storage->place->close(f);
}

/* --- removing -------------------------------------------------------------------------------- */

void storage_remove(struct storage *s, struct str key,
                    void (*on_done)(void *ctx, const struct err *err), void *ctx)
{
    struct storage_removal *r = xalloc(sizeof *r);
    r->storage = s;
    r->key = xstrndup(key.ptr, key.len);
    r->on_done = on_done;
    r->ctx = ctx;
    r->work.data = r;
    s->n_drafts++;
    s->place->remove(r);
}

void storage_removed(struct storage_removal *r)
{
    struct storage *s = r->storage;
    if (s->is_closing)
        err_set(&r->err, ERR_BUSY, "given up");
    r->on_done(r->ctx, r->err.kind ? &r->err : NULL);
    free(r->key);
    free(r);
    s->n_drafts--;
    if (s->is_closing)
        storage_free(s);
}
