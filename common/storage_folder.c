/* SPDX-License-Identifier: Apache-2.0 */
/* Files in a folder: FOLDER/<tenant>/<id>. What may wait for the disk (fsync, directories) is done
 * by libuv's pool of threads; reads are from the loop, of what is most likely in memory. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem.h"
#include "storage_impl.h"

/* A key is made of ids: nothing in it may lead out of the folder. */
static bool path_of(const struct storage *s, const char *key, char out[STORAGE_PATH_MAX])
{
    int n = snprintf(out, STORAGE_PATH_MAX, "%s/%s", s->opts.folder, key);
    return n < STORAGE_PATH_MAX && key[strspn(key, "0123456789abcdef-/")] == '\0';
}

/* What a folder names is there after a crash only when the folder itself was written. */
static bool sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = fsync(fd) == 0;
    close(fd);
    return ok;
}

static bool move_draft(struct storage_draft *d)
{
    char path[STORAGE_PATH_MAX], folder[STORAGE_PATH_MAX];
    if (!path_of(d->storage, d->key, path))
        return err_set(&d->err, ERR_FAULT, "no key of a file");
    (void)snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    *slash = '\0';
    bool is_new = mkdir(folder, 0700) == 0;
    bool ok = fsync(d->fd) == 0 && rename(d->path, path) == 0 && sync_folder(folder) &&
              (!is_new || sync_folder(d->storage->opts.folder));
    if (!ok)
        return err_set(&d->err, ERR_BUSY, "cannot keep the file: %s", strerrordesc_np(errno));
    d->path[0] = '\0';
    return true;
}

static void on_work(uv_work_t *work)
{
    (void)move_draft(work->data);
}

static void on_worked(uv_work_t *work, int status)
{
    struct storage_draft *d = work->data;
    if (status != 0)
        err_set(&d->err, ERR_BUSY, "given up");
    storage_draft_kept(d);
}

static void keep(struct storage_draft *d)
{
    d->work.data = d;
    int rc = uv_queue_work(d->storage->opts.loop, &d->work, on_work, on_worked);
    assert(rc == 0);
}

static void give_up(struct storage_draft *d)
{
    (void)uv_cancel((uv_req_t *)&d->work); // or it is at work, and comes to its end
}

static bool open_file(struct storage_file *f, struct err *err)
{
    char path[STORAGE_PATH_MAX];
    if (!path_of(f->storage, f->key, path))
        return err_set(err, ERR_ABSENT, "no such file");
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (f->fd >= 0)
        return true;
    return err_set(err, errno == ENOENT ? ERR_ABSENT : ERR_BUSY, "cannot open the file: %s",
                   strerrordesc_np(errno));
}

static int64_t read_file(struct storage_file *f, char *out, size_t n)
{
    if (f->end >= 0 && (int64_t)n > f->end - f->at)
        n = (size_t)(f->end - f->at);
    ssize_t got = n ? pread(f->fd, out, n, f->at) : 0;
    if (got < 0) {
        err_set(&f->err, ERR_BUSY, "cannot read the file: %s", strerrordesc_np(errno));
        return -1;
    }
    f->at += got;
    return got;
}

static void close_file(struct storage_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    free(f->key);
    free(f);
}

static void on_remove_work(uv_work_t *work)
{
    struct storage_removal *r = work->data;
    char path[STORAGE_PATH_MAX];
    if (!path_of(r->storage, r->key, path))
        err_set(&r->err, ERR_FAULT, "no key of a file");
    else if (unlink(path) != 0 && errno != ENOENT)
        err_set(&r->err, ERR_BUSY, "cannot remove the file: %s", strerrordesc_np(errno));
}

static void on_remove_worked(uv_work_t *work, int status)
{
    (void)status; // nobody cancels it
    storage_removed(work->data);
}

static void remove_file(struct storage_removal *r)
{
    int rc = uv_queue_work(r->storage->opts.loop, &r->work, on_remove_work, on_remove_worked);
    assert(rc == 0);
}

const struct storage_place storage_folder = {.keep = keep,
                                             .give_up = give_up,
                                             .open = open_file,
                                             .read = read_file,
                                             .close = close_file,
                                             .remove = remove_file};
