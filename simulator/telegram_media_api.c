/* SPDX-License-Identifier: Apache-2.0 */
/* Telegram's Bot API: files, given as an upload, an address, or the id of one that it has. */
#include "telegram_api.h"

#define MB          ((size_t)1 << 20)
#define CAPTION_MAX 1024
#define FILE_ID_MIN 10
#define ALBUM_MIN   2
#define ALBUM_MAX   10

static bool is_address(struct str s)
{
    return str_starts(s, STR("https://")) || str_starts(s, STR("http://"));
}

static bool is_file_id(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char k = s.ptr[i];
        if (!((k >= '0' && k <= '9') || (k >= 'A' && k <= 'Z') || (k >= 'a' && k <= 'z') ||
              k == '_' || k == '-'))
            return false;
    }
    return s.len >= FILE_ID_MIN;
}

/* What a parameter (or "attach://<part>") names. False: has failed. */
static bool file_valid(struct sim_tg *t, const char *what, const struct sim_field *upload,
                       struct str given, size_t max_bytes)
{
    struct sim_call *c = t->c;
    if (str_starts(given, STR("attach://")))
        upload = sim_field(&t->body, str_c(c->a, str_skip(given, 9)));
    if (upload && upload->is_file) {
        if (!upload->value.len)
            return sim_tg_error(c, 400, "Bad Request: file must be non-empty");
        return upload->value.len <= max_bytes || sim_tg_error(c, 413, "Request Entity Too Large");
    }
    if (!given.len)
        return sim_tg_error(
            c, 400, str_c(c->a, str_fmt(c->a, "Bad Request: there is no %s in the request", what)));
    return is_address(given) || is_file_id(given) ||
           sim_tg_error(c, 400,
                        "Bad Request: wrong remote file identifier specified: Wrong string length");
}

/* How it came, for the ledger. */
static struct str source_json(struct sim_tg *t, const struct sim_field *f)
{
    struct arena *a = t->c->a;
    struct buf out;
    buf_init(&out, 65536);
    struct json_out o = {.buf = &out};
    json_open(&o, '{');
    if (f && f->is_file) {
        json_put_str(&o, "name", str_utf8(a, f->filename));
        json_put_str(&o, "mime", str_utf8(a, f->mime));
        json_put_int(&o, "bytes", (int64_t)f->value.len);
    } else if (f) {
        json_put_str(&o, is_address(f->value) ? "url" : "file_id", str_utf8(a, f->value));
    }
    json_close(&o, '}');
    struct str text = str_dup(a, buf_str(&out));
    buf_done(&out);
    return text;
}

static void send_file(struct sim_tg *t, const char *kind, const char *what, size_t max_bytes,
                      bool has_caption)
{
    struct sim_call *c = t->c;
    struct str caption = has_caption ? sim_tg_text(t, "caption") : STR_NONE;
    const struct sim_field *f = sim_field(&t->body, what);
    if (!sim_tg_place(t) || !file_valid(t, what, f, sim_tg_text(t, what), max_bytes) ||
        !sim_tg_fits(c, caption, CAPTION_MAX, "Bad Request: message caption is too long"))
        return;
    struct str id = sim_unique_id(c);
    bool is_photo = str_eq_c(str_of(what), "photo");
    struct str member =
        str_fmt(c->a, "\"%s\":%s{\"file_id\":\"%.*s\",\"file_unique_id\":\"%.*s\"}%s", what,
                is_photo ? "[" : "", STR_ARG(id), STR_ARG(id), is_photo ? "]" : "");
    sim_tg_sent(t, kind, caption, &member, 1, source_json(t, f));
}

void sim_tg_photo(struct sim_tg *t)
{
    send_file(t, "image", "photo", 10 * MB, true);
}

void sim_tg_video(struct sim_tg *t)
{
    send_file(t, "video", "video", 50 * MB, true);
}

void sim_tg_audio(struct sim_tg *t)
{
    send_file(t, "audio", "audio", 50 * MB, true);
}

void sim_tg_voice(struct sim_tg *t)
{
    send_file(t, "voice", "voice", 50 * MB, true);
}

void sim_tg_document(struct sim_tg *t)
{
    send_file(t, "file", "document", 50 * MB, true);
}

void sim_tg_animation(struct sim_tg *t)
{
    send_file(t, "image", "animation", 50 * MB, true);
}

void sim_tg_sticker(struct sim_tg *t)
{
    send_file(t, "sticker", "sticker", 50 * MB, false);
}

/* --- albums ----------------------------------------------------------------------------------- */

/* Photos and videos go together; audio and documents each with their like. 0: no such type. */
static char family(struct str type)
{
    if (str_eq_c(type, "photo") || str_eq_c(type, "video"))
        return 'v';
    return str_eq_c(type, "audio") ? 'a' : str_eq_c(type, "document") ? 'd' : 0;
}

static bool item_valid(struct sim_tg *t, const struct json *v, char *of_all)
{
    struct sim_call *c = t->c;
    struct str type = json_text(c->a, json_get(v, "type"));
    struct str caption = json_text(c->a, json_get(v, "caption"));
    char own = family(type);
    *of_all = *of_all ? *of_all : own;
    if (!own || own != *of_all)
        return sim_tg_error(c, 400, "Bad Request: message with the media type can't be mixed");
    return file_valid(t, "media", NULL, json_text(c->a, json_get(v, "media")), 50 * MB) &&
           sim_tg_fits(c, caption, CAPTION_MAX, "Bad Request: message caption is too long");
}

void sim_tg_album(struct sim_tg *t)
{
    struct sim_call *c = t->c;
    struct str members[ALBUM_MAX], caption = STR_NONE;
    size_t n = 0;
    char of_all = 0;
    if (!sim_tg_place(t))
        return;
    const struct json *list = sim_tg_json(t, "media");
    if (!json_is(list, JSON_ARRAY) || list->n < ALBUM_MIN || list->n > ALBUM_MAX) {
        sim_tg_error(c, 400, "Bad Request: group send failed: 2 to 10 media are expected");
        return;
    }
    struct str group = sim_unique_id(c);
    for (const struct json *v = json_first(list); v; v = json_next(list, v)) {
        if (!item_valid(t, v, &of_all))
            return;
        struct str own = json_text(c->a, json_get(v, "caption"));
        caption = caption.len ? caption : own;
        members[n++] = str_fmt(c->a, "\"media_group_id\":\"%.*s\"", STR_ARG(group));
    }
    sim_tg_sent(t, "album", caption, members, n, list->span);
}
