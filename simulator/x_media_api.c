/* SPDX-License-Identifier: Apache-2.0 */
/* X's API, version 2: files that are uploaded before the message, in one request or in pieces. A
 * video is worked on for two questions about it. */
#include <inttypes.h>

#include "x_api.h"

#define MB            ((int64_t)1 << 20)
#define PIECE_MAX     (5 * MB)
#define PIECES_MAX    1000
#define EXPIRES_S     86400
#define QUESTIONS_MAX 2

static const struct {
    const char *name;
    int64_t max;
    bool is_video;
} categories[] = {{"dm_image", 5 * MB, false},   {"dm_gif", 15 * MB, false},
                  {"dm_video", 512 * MB, true},  {"tweet_image", 5 * MB, false},
                  {"tweet_gif", 15 * MB, false}, {"tweet_video", 512 * MB, true}};

/* Index of a category; -1: has failed. */
static int category(struct sim_call *c, struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(categories); i++)
        if (str_eq_c(name, categories[i].name))
            return (int)i;
    (void)sim_x_invalid(c, "media_category: is not one of the known");
    return -1;
}

static bool type_valid(struct sim_call *c, struct str type)
{
    static const char *const types[] = {
        "image/jpeg",  "image/png", "image/gif",       "image/webp", "image/bmp", "image/tiff",
        "image/pjpeg", "video/mp4", "video/quicktime", "video/webm", "video/mp2t"};
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_eq_c(type, types[i]))
            return true;
    return !type.ptr || sim_x_invalid(c, "media_type: is not one of the known");
}

static void answer(struct sim_call *c, struct str id, const struct sim_upload *u, bool with_state)
{
    const char *state = "";
    if (with_state && u->is_video)
        state = u->asked == 0
                    ? ",\"processing_info\":{\"state\":\"pending\",\"check_after_secs\":1}"
                : u->asked < QUESTIONS_MAX
                    ? ",\"processing_info\":{\"state\":\"in_progress\",\"check_after_secs\":1,"
                      "\"progress_percent\":50}"
                    : ",\"processing_info\":{\"state\":\"succeeded\",\"progress_percent\":100}";
    sim_x_data(c, 200,
               str_fmt(c->a,
                       "{\"id\":\"%.*s\",\"media_key\":\"%d_%.*s\",\"expires_after_secs\":%d,"
                       "\"size\":%lld%s}",
                       STR_ARG(id), u->is_video ? 7 : 3, STR_ARG(id), EXPIRES_S,
                       (long long)u->bytes, state));
}

static struct sim_upload *make(struct sim_call *c, struct str *id)
{
    *id = str_fmt(c->a, "%" PRIu64, UINT64_C(1800000000000000000) + sim_unique(c));
    struct sim_upload *u = sim_upload(c, *id, true);
    if (u)
        u->at_ms = c->at_ms;
    else
        sim_x_problem(c, 503, "Service Unavailable", "too many uploads");
    return u;
}

void sim_x_upload(struct sim_call *c)
{
    struct sim_body b;
    struct str id;
    if (!sim_body(c, SIM_BODY_MULTIPART, &b) || !type_valid(c, sim_field_text(&b, "media_type")))
        return;
    const struct sim_field *media = sim_field(&b, "media");
    int which = category(c, sim_field_text(&b, "media_category"));
    if (which < 0)
        return;
    if (!media || !media->is_file || !media->value.len) {
        (void)sim_x_invalid(c, "media: a file is expected");
        return;
    }
    if ((int64_t)media->value.len > categories[which].max || categories[which].is_video) {
        (void)sim_x_invalid(c, "media: is too large, or of a kind that is uploaded in pieces");
        return;
    }
    struct sim_upload *u = make(c, &id);
    if (!u)
        return;
    u->bytes = u->total_bytes = (int64_t)media->value.len;
    u->is_done = true;
    answer(c, id, u, true);
}

void sim_x_upload_begin(struct sim_call *c)
{
    struct sim_body b;
    struct str id;
    int64_t total = 0;
    if (!sim_body(c, SIM_BODY_JSON, &b) || !type_valid(c, sim_field_text(&b, "media_type")))
        return;
    int which = category(c, sim_field_text(&b, "media_category"));
    if (which < 0)
        return;
    const struct json *size = json_get(b.json, "total_bytes");
    if (!json_is(size, JSON_NUMBER) || !json_i64(size, &total) || total < 1 ||
        total > categories[which].max) {
        (void)sim_x_invalid(c, "total_bytes: is not a size that this category may have");
        return;
    }
    struct sim_upload *u = make(c, &id);
    if (!u)
        return;
    u->total_bytes = total;
    u->is_video = categories[which].is_video;
    answer(c, id, u, false);
}

/* NULL: has failed. */
static struct sim_upload *begun(struct sim_call *c, struct str id)
{
    struct sim_upload *u = sim_upload(c, id, false);
    if (!u)
        sim_x_problem(c, 404, "Not Found", "no upload of this id");
    return u;
}

void sim_x_upload_piece(struct sim_call *c)
{
    struct sim_body b;
    int64_t index;
    if (!sim_body(c, SIM_BODY_MULTIPART, &b))
        return;
    struct sim_upload *u = begun(c, c->args[0]);
    if (!u)
        return;
    const struct sim_field *media = sim_field(&b, "media");
    if (!str_i64(sim_field_text(&b, "segment_index"), &index) || index < 0 || index >= PIECES_MAX) {
        (void)sim_x_invalid(c, "segment_index: 0 to 999 is expected");
        return;
    }
    if (!media || !media->is_file || !media->value.len || (int64_t)media->value.len > PIECE_MAX) {
        (void)sim_x_invalid(c, "media: a file of at most 5 MB is expected");
        return;
    }
    // A piece that comes again takes the place of the one before.
    if (index == u->pieces) {
        u->pieces++;
        u->bytes += (int64_t)media->value.len;
    }
    sim_x_data(c, 200, str_fmt(c->a, "{\"expires_at\":%" PRId64 "}", c->at_ms / 1000 + EXPIRES_S));
}

void sim_x_upload_end(struct sim_call *c)
{
    struct sim_upload *u = begun(c, c->args[0]);
    if (!u)
        return;
    if (u->bytes != u->total_bytes) {
        (void)sim_x_invalid(c, "the pieces are not as many bytes as were announced");
        return;
    }
    u->is_done = !u->is_video;
    answer(c, c->args[0], u, true);
}

void sim_x_upload_state(struct sim_call *c)
{
    struct str id = http_query(c->http, "media_id");
    if (!str_eq_c(http_query(c->http, "command"), "STATUS") || !sim_x_is_id(id)) {
        (void)sim_x_invalid(c, "command STATUS and media_id are expected");
        return;
    }
    struct sim_upload *u = begun(c, id);
    if (!u)
        return;
    u->asked++;
    u->is_done = u->is_done || (u->bytes == u->total_bytes && u->asked >= QUESTIONS_MAX);
    answer(c, id, u, true);
}
