/* SPDX-License-Identifier: Apache-2.0 */
/* Uploads: a file is taken piece by piece into a draft, looked at, noted (uploads), kept, and then
 * there is a row of it, with which the note goes. A file that comes to no row, because that fails
 * or we die, is found by its note and removed (sweep.c). */
#include <string.h>

#include "bulk.h"
#include "handlers.h"
#include "id.h"
#include "inbox.h"
#include "inbox_rows.h"
#include "sniff.h"
#include "storage.h"

#define DEFAULT_NAME STR("file")

struct upload {
    struct storage_draft *draft; /* NULL: not begun, or kept */
    int64_t max_bytes;
    char head[API_SNIFF_BYTES];
    size_t n_head;
    bool is_too_large;
    struct err err;
    struct str id, name, mime, sha256;
    int64_t size_bytes;
};

static void refuse_size(struct call *c, int64_t max_bytes)
{
    call_problem(c, 413, "too_large", STR_NONE, "the file is larger than %lld bytes",
                 (long long)max_bytes);
}

static bool begin(struct call *c)
{
    struct upload *u = ARENA_NEW(call_arena(c), struct upload);
    struct storage *s = api_inbox_storage(call_api(c)->inbox);
    struct err err = {0};
    int64_t length = 0;
    *call_state(c) = u;
    u->max_bytes = call_api(c)->conf->media_max;
    if (!s) {
        call_problem(c, 503, "media_off", STR_NONE, "files are not taken here: set media_folder");
        return false;
    }
    if (str_i64(call_header(c, "Content-Length"), &length) && length > u->max_bytes) {
        refuse_size(c, u->max_bytes);
        return false;
    }
    u->draft = storage_draft_new(s, &err);
    if (!u->draft)
        call_problem_err(c, &err);
    return u->draft != NULL;
}

static bool piece(struct call *c, struct str bytes)
{
    struct upload *u = *call_state(c);
    if (storage_draft_size(u->draft) + (int64_t)bytes.len > u->max_bytes) {
        u->is_too_large = true;
        return false;
    }
    size_t room = sizeof u->head - u->n_head, some = bytes.len < room ? bytes.len : room;
    memcpy(u->head + u->n_head, bytes.ptr, some);
    u->n_head += some;
    return storage_draft_add(u->draft, bytes, &u->err);
}

static void drop(struct call *c)
{
    struct upload *u = *call_state(c);
    if (u && u->draft)
        storage_draft_drop(u->draft);
    if (u)
        u->draft = NULL;
}

/* --- the row ---------------------------------------------------------------------------------- */

static const struct pg_stmt add = {
    "api_media_add",
    "INSERT INTO media AS m (tenant_id, id, name, mime, size_bytes, sha256, created_by, created_at) "
    "VALUES ($1, $2, $3, $4, $5::bigint, decode($6, 'hex'), $7::uuid, " API_AT(
        "$8") ") "
              "RETURNING " API_MS("m.created_at")};

static const struct pg_stmt note = {"api_upload_note",
                                    "INSERT INTO uploads (tenant_id, id) VALUES ($1, $2)"};
static const struct pg_stmt unnote = {"api_upload_unnote",
                                      "DELETE FROM uploads WHERE tenant_id = $1 AND id = $2"};

static void on_added(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    const struct upload *u = *call_state(c);
    struct json_out *o = call_out(c);
    json_open(o, '{');
    json_put_str(o, "id", u->id);
    json_put_str(o, "name", u->name);
    json_put_str(o, "mime", u->mime);
    json_put_int(o, "size_bytes", u->size_bytes);
    json_put_str(o, "sha256", u->sha256);
    json_put_time(o, "created_at", pg_i64(results[0], 0, 0));
    json_close(o, '}');
    call_answer(c, 201);
}

static void on_kept(void *ctx, const struct err *err)
{
    struct call *c = ctx;
    struct upload *u = *call_state(c);
    u->draft = NULL;
    if (err) {
        call_problem_err(c, err);
        return;
    }
    const struct str params[] = {call_who(c)->tenant_id,
                                 u->id,
                                 u->name,
                                 u->mime,
                                 str_fmt(call_arena(c), "%lld", (long long)u->size_bytes),
                                 u->sha256,
                                 call_who(c)->user_id,
                                 str_fmt(call_arena(c), "%lld", (long long)call_now_at_ms(c))};
    call_send(c, &add, params, 8);
    call_send(c, &unnote, params, 2);
    call_commit(c, on_added);
}

/* --- the end of the body ---------------------------------------------------------------------- */

static bool check(struct call *c, struct upload *u)
{
    if (u->is_too_large) {
        refuse_size(c, u->max_bytes);
        return false;
    }
    if (u->err.kind) {
        call_problem_err(c, &u->err);
        return false;
    }
    if (!u->n_head) {
        call_problem(c, 422, "empty_file", STR_NONE, "the file has no bytes");
        return false;
    }
    u->mime = api_sniff((struct str){u->head, u->n_head}, u->name);
    if (u->mime.ptr)
        return true;
    call_problem(c, 415, "unsupported_file_type", STR_NONE,
                 "by its bytes this is no picture, sound, film, document or text that can be sent");
    return false;
}

static void on_noted(struct call *c, struct pg_result *const *results, int n)
{
    (void)results, (void)n;
    struct upload *u = *call_state(c);
    storage_draft_keep(u->draft, storage_media_key(call_arena(c), call_who(c)->tenant_id, u->id),
                       u->mime, on_kept, c);
}

static void upload_media(struct call *c)
{
    struct upload *u = *call_state(c);
    struct arena *a = call_arena(c);
    uint8_t sum[SHA256_BYTES];
    char id[UUID_TEXT + 1];
    if (!u || !u->draft) { // there was no body at all
        call_problem(c, 422, "empty_file", STR_NONE, "the file has no bytes");
        return;
    }
    u->name = call_query(c, "name");
    u->name = u->name.len ? u->name : DEFAULT_NAME;
    if (!check(c, u))
        return;
    uuid_format(uuid_v7(call_now_at_ms(c)), id);
    u->id = str_dup(a, str_of(id));
    u->size_bytes = storage_draft_size(u->draft);
    storage_draft_sha256(u->draft, sum);
    u->sha256 = hex_encode(a, (struct str){(const char *)sum, sizeof sum});
    const struct str params[] = {call_who(c)->tenant_id, u->id};
    call_send(c, &note, params, 2);
    call_commit(c, on_noted);
}

const struct api_handler api_upload_handlers[] = {
    {"uploadMedia", upload_media},
    {0},
};

static const struct api_body bodies[] = {
    {"uploadMedia", begin, piece, drop},
    {"createBulk", api_bulk_begin, api_bulk_piece, api_bulk_drop},
    {0},
};

const struct api_body *api_body_find(const char *operation_id)
{
    const struct api_body *b = bodies;
    while (b->operation_id && strcmp(b->operation_id, operation_id) != 0)
        b++;
    return b->operation_id ? b : NULL;
}
