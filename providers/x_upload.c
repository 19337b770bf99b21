/* SPDX-License-Identifier: Apache-2.0 */
/* Media are uploaded before the message: an image in one request, a video or gif in pieces, after
 * which X may want time to work on it. X fetches nothing itself. */
#include <inttypes.h>

#include "x_send.h"

#define MB          ((int64_t)1 << 20)
#define PIECE_BYTES (4 * MB)

static const struct media_kind {
    const char *type, *mime; /* mime NULL: any */
    const char *category;
    const char *mime_default; /* NULL: not told, X looks */
    int64_t max;
    bool in_pieces;
} media_kinds[] = {
    {"image", "image/gif", "dm_gif", NULL, 15 * MB, true},
    {"video", "image/gif", "dm_gif", NULL, 15 * MB, true},
    {"image", NULL, "dm_image", NULL, 5 * MB, false},
    // 512 MB are allowed; the pieces that an upload may have here are fewer.
    {"video", NULL, "dm_video", "video/mp4", (SEND_STEPS_MAX - 14) * PIECE_BYTES, true},
};

static const struct media_kind *media_find(const struct send_media *m)
{
    for (size_t i = 0; i < ARRAY_LEN(media_kinds); i++) {
        const struct media_kind *k = &media_kinds[i];
        if (str_eq_c(m->type, k->type) && (!k->mime || str_eq_c(m->mime, k->mime)))
            return k;
    }
    return NULL;
}

bool x_media_valid(const struct send_message *m, struct err *err)
{
    if (!m->n_media)
        return true;
    const struct media_kind *k = media_find(&m->media[0]);
    int64_t size = m->media[0].size_bytes;
    if (m->n_media > 1)
        return err_set(err, ERR_INVALID, "X takes one image or video in a message");
    if (!send_media_valid(&m->media[0], err))
        return false;
    if (!k)
        return err_set(err, ERR_INVALID, "X sends images and videos, and no %.*s",
                       STR_ARG(m->media[0].type));
    if (size > k->max)
        return err_set(err, ERR_INVALID, "X takes at most %" PRId64 " MB of this, and it has more",
                       k->max / MB);
    if (k->in_pieces && size <= 0 && !m->media[0].ref.len)
        return err_set(err, ERR_INVALID, "the size of a video must be known before it is uploaded");
    return true;
}

/* --- steps ------------------------------------------------------------------------------------ */

static size_t pieces(const struct send_media *m)
{
    return (size_t)((m->size_bytes + PIECE_BYTES - 1) / PIECE_BYTES);
}

enum x_step x_step_next(const struct send_call *call)
{
    const struct send_message *m = call->message;
    const struct send_progress *p = call->progress;
    if (!m->n_media || m->media[0].ref.len)
        return X_STEP_MESSAGE;
    const struct media_kind *k = media_find(&m->media[0]);
    if (!k || !k->in_pieces)
        return p->n ? X_STEP_MESSAGE : X_STEP_IMAGE;
    size_t n = pieces(&m->media[0]);
    if (p->n <= n)
        return p->n ? X_STEP_APPEND : X_STEP_INIT;
    if (p->n == n + 1)
        return X_STEP_FINALIZE;
    return str_eq(p->refs[p->n - 1], X_REF_DONE) ? X_STEP_MESSAGE : X_STEP_STATUS;
}

struct str x_media_id(const struct send_call *call)
{
    const struct send_message *m = call->message;
    if (!m->n_media)
        return STR_NONE;
    if (m->media[0].ref.len)
        return m->media[0].ref;
    return call->progress->n ? call->progress->refs[0] : STR_NONE;
}

/* --- requests --------------------------------------------------------------------------------- */

static bool build_image(struct arena *a, const struct send_call *call, struct send_request *r,
                        struct err *err)
{
    const struct send_media *m = &call->message->media[0];
    if (!x_request(a, call->account, METHOD_POST, STR("/media/upload"), r, err))
        return false;
    r->body_kind = BODY_MULTIPART;
    send_part_text(r, "media_category", str_of(media_find(m)->category));
    if (m->mime.len)
        send_part_text(r, "media_type", m->mime);
    send_part_file(r, "media", m);
    return true;
}

static bool build_init(struct arena *a, const struct send_call *call, struct send_request *r,
                       struct err *err)
{
    const struct send_media *m = &call->message->media[0];
    const struct media_kind *k = media_find(m);
    if (!x_request(a, call->account, METHOD_POST, STR("/media/upload/initialize"), r, err))
        return false;
    struct send_json j;
    send_json_begin(&j);
    send_json_text(&j, a, "media_type", m->mime.len ? m->mime : str_of(k->mime_default));
    json_put_int(&j.out, "total_bytes", m->size_bytes);
    send_json_text(&j, a, "media_category", str_of(k->category));
    return send_json_end(&j, a, r, err);
}

static bool build_append(struct arena *a, const struct send_call *call, struct str id,
                         struct send_request *r, struct err *err)
{
    const struct send_media *m = &call->message->media[0];
    size_t piece = call->progress->n - 1;
    struct str path = str_fmt(a, "/media/upload/%.*s/append", STR_ARG(id));
    if (!x_request(a, call->account, METHOD_POST, path, r, err))
        return false;
    r->body_kind = BODY_MULTIPART;
    send_part_text(r, "segment_index", str_fmt(a, "%zu", piece));
    send_part_file(r, "media", m);
    struct send_part *file = &r->parts[r->n_parts - 1];
    int64_t rest = m->size_bytes - (int64_t)piece * PIECE_BYTES;
    file->from = (int64_t)piece * PIECE_BYTES;
    file->length = rest < PIECE_BYTES ? rest : PIECE_BYTES;
    return true;
}

bool x_build_upload(struct arena *a, const struct send_call *call, enum x_step step,
                    struct send_request *r, struct err *err)
{
    struct str id = url_encode(a, x_media_id(call));
    switch (step) {
    case X_STEP_IMAGE:
        return build_image(a, call, r, err);
    case X_STEP_INIT:
        return build_init(a, call, r, err);
    case X_STEP_APPEND:
        return build_append(a, call, id, r, err);
    case X_STEP_FINALIZE:
        return x_request(a, call->account, METHOD_POST,
                         str_fmt(a, "/media/upload/%.*s/finalize", STR_ARG(id)), r, err);
    case X_STEP_STATUS:
        return x_request(a, call->account, METHOD_GET,
                         str_fmt(a, "/media/upload?command=STATUS&media_id=%.*s", STR_ARG(id)), r,
                         err);
    case X_STEP_MESSAGE:
        break;
    }
    return err_set(err, ERR_FAULT, "no step of an upload: %d", (int)step);
}
