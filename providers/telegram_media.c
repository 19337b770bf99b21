/* SPDX-License-Identifier: Apache-2.0 */
/* Files: one is sent by the method of its type, several as an album. Telegram fetches a url itself;
 * what the caller has is uploaded in the same request. */
#include "telegram_send.h"

#define MB ((int64_t)1 << 20)

static const struct text_limit caption_limit = {"Telegram", "a caption", 1024, TEXT_UTF16};

/* `member` is Telegram's word for the type, in an album too. What may stand together in an album is
 * of one family. */
static const struct media_kind {
    const char *type, *mime; /* mime NULL: any */
    const char *method, *member;
    int64_t max, max_by_url;
    char family; /* 0: not in an album */
    bool has_caption;
} media_kinds[] = {
    {"image", "image/gif", "sendAnimation", "animation", 50 * MB, 20 * MB, 0, true},
    {"image", NULL, "sendPhoto", "photo", 10 * MB, 5 * MB, 'v', true},
    {"video", "image/gif", "sendAnimation", "animation", 50 * MB, 20 * MB, 0, true},
    {"video", NULL, "sendVideo", "video", 50 * MB, 20 * MB, 'v', true},
    {"audio", NULL, "sendAudio", "audio", 50 * MB, 20 * MB, 'a', true},
    {"voice", NULL, "sendVoice", "voice", 50 * MB, 20 * MB, 0, true},
    {"file", NULL, "sendDocument", "document", 50 * MB, 20 * MB, 'd', true},
    {"sticker", NULL, "sendSticker", "sticker", 50 * MB, 20 * MB, 0, false},
};

static const struct media_kind *media_find(struct telegram_call *c, const struct send_media *m)
{
    if (!send_media_valid(m, c->err))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(media_kinds); i++) {
        const struct media_kind *k = &media_kinds[i];
        if (!str_eq_c(m->type, k->type) || (k->mime && !str_eq_c(m->mime, k->mime)))
            continue;
        int64_t max = m->url.len ? k->max_by_url : k->max;
        if (m->ref.len || m->size_bytes <= max)
            return k;
        (void)err_set(c->err, ERR_INVALID, "Telegram takes at most %d MB of this, %s",
                      (int)(max / MB), m->url.len ? "and more when it is uploaded" : "uploaded");
        return NULL;
    }
    (void)err_set(c->err, ERR_INVALID, "Telegram sends no media of type %.*s", STR_ARG(m->type));
    return NULL;
}

static bool build_one(struct telegram_call *c, const struct send_media *m)
{
    const struct media_kind *k = media_find(c, m);
    struct str caption = c->call->message->text;
    if (!k || !text_fits(caption, &caption_limit, c->err) || !telegram_place_out(c))
        return false;
    if (caption.len && !k->has_caption)
        return err_set(c->err, ERR_INVALID, "a Telegram %s has no caption: send the text by itself",
                       k->type);
    if (m->file.len)
        send_part_file(c->r, k->member, m);
    else
        telegram_text(c, k->member, m->url.len ? m->url : m->ref);
    telegram_text(c, "caption", caption);
    return telegram_finish(c, k->method);
}

/* --- albums ----------------------------------------------------------------------------------- */

static const char *const part_names[SEND_MEDIA_MAX] = {"file0", "file1", "file2", "file3", "file4",
                                                       "file5", "file6", "file7", "file8", "file9"};

static bool item_write(struct telegram_call *c, struct json_out *out, size_t i, char *family)
{
    const struct send_message *m = c->call->message;
    const struct send_media *medium = &m->media[i];
    const struct media_kind *k = media_find(c, medium);
    if (!k)
        return false;
    if (!k->family || (*family && *family != k->family))
        return err_set(c->err, ERR_INVALID,
                       "a Telegram album is of images and videos, of files or of audio: send the "
                       "others by themselves");
    *family = k->family;
    struct str media = medium->url.len ? medium->url : medium->ref;
    if (medium->file.len) {
        send_part_file(c->r, part_names[i], medium);
        media = str_fmt(c->a, "attach://%s", part_names[i]);
    }
    json_open(out, '{');
    json_put_str(out, "type", str_of(k->member));
    json_put_str(out, "media", str_utf8(c->a, media));
    if (i == 0 && m->text.len)
        json_put_str(out, "caption", str_utf8(c->a, m->text));
    json_close(out, '}');
    return true;
}

static bool build_album(struct telegram_call *c)
{
    const struct send_message *m = c->call->message;
    if (!text_fits(m->text, &caption_limit, c->err) || !telegram_place_out(c))
        return false;
    struct buf buf;
    buf_init(&buf, (size_t)64 << 10);
    struct json_out out = {.buf = &buf};
    json_open(&out, '[');
    bool ok = true;
    char family = 0;
    for (size_t i = 0; ok && i < m->n_media; i++)
        ok = item_write(c, &out, i, &family);
    json_close(&out, ']');
    ok = ok && (!buf.overflow || err_set(c->err, ERR_LIMITED, "the album is too large"));
    if (ok)
        telegram_json(c, "media", str_dup(c->a, buf_str(&buf)));
    buf_done(&buf);
    return ok && telegram_finish(c, "sendMediaGroup");
}

bool telegram_build_media(struct telegram_call *c)
{
    const struct send_message *m = c->call->message;
    if (!m->n_media)
        return err_set(c->err, ERR_INVALID, "there is no file: attach one");
    return m->n_media == 1 ? build_one(c, &m->media[0]) : build_album(c);
}
