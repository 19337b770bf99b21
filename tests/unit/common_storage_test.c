/* SPDX-License-Identifier: Apache-2.0 */
/* Files in a folder, and in a bucket that is a server of this test. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetch.h"
#include "http.h"
#include "http_client.h"
#include "mem.h"
#include "storage.h"

#define FILE_MAX (4 * 1024 * 1024)
#define KEY      STR("0198c2a0-0000-7000-8000-000000000001/0198c2a0-0000-7000-8000-000000000002")

struct bucket {
    struct http_server *server;
    char *bytes;
    size_t n;
    bool is_there, is_denied, is_closing;
    int n_gets;
    char authorization[512], sum[128], mime[64], path[256];
};

struct fixture {
    uv_loop_t loop;
    char folder[64];
    struct bucket bucket;
    struct fetch *fetch;
    struct storage *storage;
    struct err kept;
    int n_kept, n_ready;
};

/* --- the bucket ------------------------------------------------------------------------------- */

static void note(char *out, size_t n, struct str s)
{
    (void)snprintf(out, n, "%.*s", STR_ARG(s));
}

static bool on_head(void *ctx, struct http_request *r)
{
    (void)r;
    struct bucket *b = ctx;
    b->n = 0;
    return true;
}

static bool on_body(void *ctx, struct http_request *r, struct str piece)
{
    (void)r;
    struct bucket *b = ctx;
    assert_true(b->n + piece.len <= FILE_MAX);
    memcpy(b->bytes + b->n, piece.ptr, piece.len);
    b->n += piece.len;
    return true;
}

static void get_range(struct bucket *b, struct http_request *r)
{
    int64_t from = 0, to = 0;
    struct str range = http_header(r, "Range"), first = STR_NONE, last = STR_NONE;
    b->n_gets++;
    assert_true(str_starts(range, STR("bytes=")) &&
                str_cut(str_skip(range, 6), '-', &first, &last));
    assert_true(str_i64(first, &from) && str_i64(last, &to));
    if (b->is_denied || !b->is_there) {
        http_answer(r, b->is_denied ? 403 : 404, "text/xml", STR("<Error/>"));
        return;
    }
    if ((size_t)from >= b->n) {
        http_answer(r, 416, "text/xml", STR("<Error/>"));
        return;
    }
    size_t end = (size_t)to < b->n ? (size_t)to + 1 : b->n;
    http_answer(r, 206, "text/plain", (struct str){b->bytes + from, end - (size_t)from});
}

static void on_request(void *ctx, struct http_request *r)
{
    struct bucket *b = ctx;
    note(b->authorization, sizeof b->authorization, http_header(r, "Authorization"));
    note(b->sum, sizeof b->sum, http_header(r, "x-amz-content-sha256"));
    note(b->mime, sizeof b->mime, http_header(r, "Content-Type"));
    note(b->path, sizeof b->path, http_path(r));
    if (http_method(r) == HTTP_GET) {
        get_range(b, r);
        return;
    }
    if (http_method(r) == HTTP_DELETE && !b->is_denied) {
        b->is_there = false;
        http_answer(r, 204, NULL, STR_NONE);
        return;
    }
    b->is_there = !b->is_denied;
    http_answer(r, b->is_denied ? 403 : 200, NULL, STR_NONE);
}

/* --- the fixture ------------------------------------------------------------------------------ */

static void start_bucket(struct fixture *f, char *url, size_t n)
{
    struct err err = {0};
    f->bucket.bytes = malloc(FILE_MAX);
    f->bucket.server = http_server_new(&f->loop,
                                       &(struct http_server_opts){.host = "127.0.0.1",
                                                                  .max_connections = 100,
                                                                  .idle_timeout_ms = 10000,
                                                                  .body_max_bytes = 1000,
                                                                  .header_pool_bytes = 8192,
                                                                  .on_head = on_head,
                                                                  .on_body = on_body,
                                                                  .on_request = on_request,
                                                                  .ctx = &f->bucket},
                                       &err);
    assert_non_null(f->bucket.server);
    f->fetch = fetch_new(
        &(struct fetch_opts){
            .loop = &f->loop, .max_per_host = 4, .max_transfers = 8, .connect_timeout_ms = 5000},
        &err);
    assert_non_null(f->fetch);
    (void)snprintf(url, n, "http://127.0.0.1:%d/bucket/", http_server_port(f->bucket.server));
}

static void start(struct fixture *f, bool is_s3)
{
    struct err err = {0};
    char url[128] = "";
    *f = (struct fixture){.folder = "/tmp/storage-test-XXXXXX"};
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_non_null(mkdtemp(f->folder));
    if (is_s3)
        start_bucket(f, url, sizeof url);
    f->storage = storage_new(&(struct storage_opts){.loop = &f->loop,
                                                    .folder = f->folder,
                                                    .s3_url = url,
                                                    .s3_region = "eu-central-1",
                                                    .s3_key_id = "KEYID",
                                                    .s3_secret = "topsecret",
                                                    .fetch = f->fetch,
                                                    .timeout_ms = 5000},
                             &err);
    assert_non_null(f->storage);
}

static int n_drafts(const struct fixture *f)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/drafts", f->folder);
    DIR *dir = opendir(path);
    int n = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): a test has one thread
    for (struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void stop(struct fixture *f)
{
    char command[128];
    assert_int_equal(n_drafts(f), 0);
    storage_free(f->storage);
    fetch_free(f->fetch);
    http_server_free(f->bucket.server);
    free(f->bucket.bytes);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    (void)snprintf(command, sizeof command, "rm -r %s", f->folder);
    assert_int_equal(system(command), 0); // NOLINT(concurrency-mt-unsafe): one thread
}

static void on_kept(void *ctx, const struct err *err)
{
    struct fixture *f = ctx;
    f->n_kept++;
    f->kept = err ? *err : (struct err){0};
}

static void on_ready(void *ctx)
{
    ((struct fixture *)ctx)->n_ready++;
}

static char byte_at(size_t i)
{
    return (char)(i * 7 + i / 251);
}

static struct storage_draft *draft_of(struct fixture *f, size_t n)
{
    struct err err = {0};
    char block[1000];
    struct storage_draft *d = storage_draft_new(f->storage, &err);
    assert_non_null(d);
    for (size_t at = 0; at < n;) {
        size_t some = n - at < sizeof block ? n - at : sizeof block;
        for (size_t i = 0; i < some; i++)
            block[i] = byte_at(at + i);
        assert_true(storage_draft_add(d, (struct str){block, some}, &err));
        at += some;
    }
    assert_int_equal(storage_draft_size(d), n);
    return d;
}

static void keep(struct fixture *f, size_t n)
{
    struct storage_draft *d = draft_of(f, n);
    f->n_kept = 0;
    storage_draft_keep(d, KEY, STR("image/png"), on_kept, f);
    assert_int_equal(f->n_kept, 0); // from a later turn
    WAIT_UNTIL(&f->loop, f->n_kept == 1);
}

/* All of a range, checked byte by byte; -1 when it broke. */
static int64_t read_range(struct fixture *f, int64_t from, int64_t length, struct err *err)
{
    char block[10007];
    int64_t n = 0, got;
    struct storage_file *file = storage_open(f->storage, KEY, from, length, on_ready, f, err);
    if (!file)
        return -1;
    while ((got = storage_read(file, block, sizeof block)) != 0) {
        if (got == STORAGE_LATER) {
            int before = f->n_ready;
            WAIT_UNTIL(&f->loop, f->n_ready > before);
            continue;
        }
        if (got < 0) {
            *err = *storage_file_err(file);
            storage_close(file);
            return -1;
        }
        for (int64_t i = 0; i < got; i++)
            assert_int_equal(block[i], byte_at((size_t)(from + n + i)));
        n += got;
    }
    storage_close(file);
    return n;
}

/* --- tests, of both places -------------------------------------------------------------------- */

static void check_place(bool is_s3)
{
    struct fixture f;
    struct err err = {0};
    start(&f, is_s3);
    assert_int_equal(read_range(&f, 0, 0, &err), -1);
    assert_int_equal(err.kind, ERR_ABSENT);
    keep(&f, 1500000);
    assert_int_equal(f.kept.kind, ERR_NONE);
    err = (struct err){0};
    assert_int_equal(read_range(&f, 0, 0, &err), 1500000);
    assert_int_equal(read_range(&f, 0, 1500000, &err), 1500000);
    assert_int_equal(read_range(&f, 700001, 524288, &err), 524288);
    assert_int_equal(read_range(&f, 1499999, 0, &err), 1);
    assert_int_equal(read_range(&f, 5, 1, &err), 1);
    keep(&f, 524288); // just a piece, and nothing behind it
    assert_int_equal(read_range(&f, 0, 0, &err), 524288);
    assert_int_equal(err.kind, ERR_NONE);
    for (int twice = 0; twice < 2; twice++) { // what is not there is as well removed
        f.n_kept = 0;
        storage_remove(f.storage, KEY, on_kept, &f);
        assert_int_equal(f.n_kept, 0); // from a later turn
        WAIT_UNTIL(&f.loop, f.n_kept == 1);
        assert_int_equal(f.kept.kind, ERR_NONE);
    }
    assert_int_equal(read_range(&f, 0, 0, &err), -1);
    assert_int_equal(err.kind, ERR_ABSENT);
    f.n_kept = 0;
    storage_remove(f.storage, KEY, on_kept, &f); // and its storage goes meanwhile
    stop(&f);
    assert_int_equal(f.n_kept, 1);
}

static void a_file_of_a_folder_is_written_once_and_read_by_ranges(void **state)
{
    (void)state;
    check_place(false);
}

static void a_file_of_a_bucket_is_written_once_and_read_by_ranges(void **state)
{
    (void)state;
    check_place(true);
}

static void what_was_dropped_leaves_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {0};
    for (int is_s3 = 0; is_s3 < 2; is_s3++) {
        start(&f, is_s3);
        storage_draft_drop(draft_of(&f, 1000));
        assert_int_equal(n_drafts(&f), 0);
        struct storage_draft *d = draft_of(&f, 1000);
        storage_draft_keep(d, KEY, STR("image/png"), on_kept, &f);
        storage_draft_drop(d); // somebody went away meanwhile
        WAIT_UNTIL(&f.loop, n_drafts(&f) == 0 && (!f.fetch || !fetch_under_way(f.fetch)));
        assert_int_equal(f.n_kept, 0);
        if (is_s3) { // closed while its first piece is on its way
            f.bucket.is_there = true;
            struct storage_file *file = storage_open(f.storage, KEY, 0, 0, on_ready, &f, &err);
            assert_non_null(file);
            storage_close(file);
            WAIT_UNTIL(&f.loop, !fetch_under_way(f.fetch));
            assert_int_equal(f.n_ready, 0);
        }
        stop(&f);
    }
}

static void the_sum_is_that_of_all_bytes(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t got[SHA256_BYTES], want[SHA256_BYTES];
    static char all[5000];
    start(&f, false);
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = byte_at(i);
    sha256((struct str){all, sizeof all}, want);
    struct storage_draft *d = draft_of(&f, sizeof all);
    storage_draft_sha256(d, got);
    assert_memory_equal(got, want, sizeof got);
    storage_draft_drop(d);
    stop(&f);
}

static void a_key_leads_nowhere_else(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {0};
    start(&f, false);
    assert_null(storage_open(f.storage, STR("../etc/passwd"), 0, 0, NULL, NULL, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    storage_draft_keep(draft_of(&f, 10), STR("..%2f"), STR("text/plain"), on_kept, &f);
    WAIT_UNTIL(&f.loop, f.n_kept == 1);
    assert_int_equal(f.kept.kind, ERR_FAULT);
    stop(&f);
}

static void requests_to_a_bucket_are_signed_and_hold_no_secret(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, true);
    keep(&f, 100);
    assert_string_equal(f.bucket.path, "/bucket/0198c2a0-0000-7000-8000-000000000001/"
                                       "0198c2a0-0000-7000-8000-000000000002");
    assert_string_equal(f.bucket.mime, "image/png");
    assert_string_equal(f.bucket.sum, "UNSIGNED-PAYLOAD");
    assert_non_null(strstr(f.bucket.authorization, "AWS4-HMAC-SHA256 Credential=KEYID/"));
    assert_non_null(strstr(f.bucket.authorization, "/eu-central-1/s3/aws4_request"));
    assert_null(strstr(f.bucket.authorization, "topsecret"));
    // Nothing is signed that is not sent.
    assert_null(strstr(f.bucket.authorization, "expect"));
    stop(&f);
}

static void a_bucket_that_refuses_us_is_no_missing_file(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {0};
    start(&f, true);
    f.bucket.is_denied = true;
    keep(&f, 100);
    assert_int_equal(f.kept.kind, ERR_BUSY);
    assert_non_null(strstr(f.kept.msg, "media_s3_secret"));
    assert_int_equal(read_range(&f, 0, 0, &err), -1);
    assert_int_equal(err.kind, ERR_BUSY);
    stop(&f);
}

static void a_storage_without_what_it_needs_is_refused(void **state)
{
    (void)state;
    struct err err = {0};
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    struct storage_opts opts = {.loop = &loop, .folder = ""};
    assert_null(storage_new(&opts, &err));
    assert_non_null(strstr(err.msg, "media_folder"));
    opts = (struct storage_opts){.loop = &loop,
                                 .folder = "/tmp",
                                 .s3_url = "https://s3/b",
                                 .s3_key_id = "",
                                 .s3_secret = ""};
    assert_null(storage_new(&opts, &err));
    assert_non_null(strstr(err.msg, "media_s3_key_id"));
    opts = (struct storage_opts){.loop = &loop, .folder = "/nowhere/at/all"};
    assert_null(storage_new(&opts, &err));
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_a_folder_is_written_once_and_read_by_ranges),
        cmocka_unit_test(a_file_of_a_bucket_is_written_once_and_read_by_ranges),
        cmocka_unit_test(what_was_dropped_leaves_nothing),
        cmocka_unit_test(the_sum_is_that_of_all_bytes),
        cmocka_unit_test(a_key_leads_nowhere_else),
        cmocka_unit_test(requests_to_a_bucket_are_signed_and_hold_no_secret),
        cmocka_unit_test(a_bucket_that_refuses_us_is_no_missing_file),
        cmocka_unit_test(a_storage_without_what_it_needs_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
