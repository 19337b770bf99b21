/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include "arena.h"

#define KEY_BYTES_MAX 1024

static int64_t read_file(void *ctx, char *out, size_t n)
{
    int64_t got = storage_read(ctx, out, n);
    return got == STORAGE_LATER ? FETCH_LATER : got;
}

/* "<tenant>/<media id>/<bytes>", as send_compose writes it. */
static bool open_file(void *ctx, struct str file, int64_t from, int64_t length,
                      void (*on_ready)(void *ready_ctx), void *ready_ctx,
                      struct fetch_source *source, struct err *err)
{
    auto_arena a = arena_new(KEY_BYTES_MAX * 4);
    struct str tenant_id, rest, media_id, size;
    int64_t bytes;
    if (file.len > KEY_BYTES_MAX || !str_cut(file, '/', &tenant_id, &rest) ||
        !str_cut(rest, '/', &media_id, &size) || !str_i64(size, &bytes))
        return err_set(err, ERR_ABSENT, "A file of this message is not there any more.");
    struct str key = storage_media_key(a, tenant_id, media_id);
    struct storage_file *f = storage_open(ctx, key, from, length, on_ready, ready_ctx, err);
    if (!f)
        return false;
    *source = (struct fetch_source){
        .read = read_file, .ctx = f, .size_bytes = length > 0 ? length : bytes - from};
    return true;
}

static void close_file(void *ctx, struct fetch_source *source)
{
    (void)ctx;
    storage_close(source->ctx);
}

struct exchange_files sender_files(struct storage *storage)
{
    return (struct exchange_files){.open = open_file, .close = close_file, .ctx = storage};
}
