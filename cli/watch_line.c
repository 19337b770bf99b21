/* SPDX-License-Identifier: Apache-2.0 */
#include "watch_line.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "json.h"

#define DIM   "\033[2m"
#define BOLD  "\033[1m"
#define GREEN "\033[32m"
#define RED   "\033[31m"
#define PLAIN "\033[0m"

enum {
    WIDTH_TIME = 14,
    WIDTH_PROVIDER = 11,
    WIDTH_KIND = 11,
    WIDTH_CONVERSATION = 14,
    WIDTH_KAFKA = 12,
    WIDTH_STORED = 22,
    WIDTH_PUSHED = 30
};

/* The cell in ASCII, padded: colours must not count as width. */
static void cell(const struct watch_style *style, const char *colour, const char *text, int width,
                 struct buf *out)
{
    if (style->colours)
        buf_put_c(out, colour);
    buf_put_c(out, text);
    if (style->colours)
        buf_put_c(out, PLAIN);
    for (int i = (int)strlen(text); i < width; i++)
        buf_putc(out, ' ');
}

void watch_head(const struct watch_style *style, struct buf *out)
{
    if (style->json)
        return;
    cell(style, BOLD, "time (UTC)", WIDTH_TIME, out);
    cell(style, BOLD, "provider", WIDTH_PROVIDER, out);
    cell(style, BOLD, "kind", WIDTH_KIND, out);
    cell(style, BOLD, "conversation", WIDTH_CONVERSATION, out);
    cell(style, BOLD, "to Kafka", WIDTH_KAFKA, out);
    cell(style, BOLD, "stored", WIDTH_STORED, out);
    cell(style, BOLD, "pushed", WIDTH_PUSHED, out);
    cell(style, BOLD, "text", 0, out);
    buf_putc(out, '\n');
}

/* The end of an id tells more than its beginning, where ids of one time or kind are alike. */
static void short_id(const char *id, size_t keep, char out[32])
{
    size_t n = strlen(id);
    (void)snprintf(out, 32, "%s%.29s", n > keep ? ".." : "", n > keep ? id + n - keep : id);
}

static void later(const struct journal_entry *e, int64_t at_ms, const char *what, char out[64])
{
    (void)snprintf(out, 64, "%.32s%s+%lld ms", what, what[0] ? " " : "",
                   (long long)(at_ms - e->received_at_ms));
}

static void text_line(const struct watch_style *style, const struct journal_entry *e,
                      struct buf *out)
{
    char at[CLOCK_TEXT_MAX], id[32], text[64];
    (void)clock_format(e->received_at_ms, at);
    at[23] = '\0';
    cell(style, DIM, at + 11, WIDTH_TIME, out);
    cell(style, "", e->provider.s, WIDTH_PROVIDER, out);
    cell(style, BOLD, e->kind.s, WIDTH_KIND, out);
    short_id(e->conversation.s, 10, id);
    cell(style, DIM, id, WIDTH_CONVERSATION, out);
    later(e, e->published_at_ms, "", text);
    cell(style, e->is_own ? DIM : "", e->is_own ? "-" : text, WIDTH_KAFKA, out);
    if (e->has_update) {
        short_id(e->object_id.s, 8, id);
        later(e, e->stored_at_ms, id, text);
        cell(style, "", e->is_own ? id : text, WIDTH_STORED, out);
    } else {
        cell(style, DIM, "nothing new", WIDTH_STORED, out);
    }
    if (e->has_frame) {
        later(e, e->pushed_at_ms, e->update_kind.s, text);
        cell(style, GREEN, text, WIDTH_PUSHED, out);
    } else {
        bool missed = e->has_update && style->has_stream;
        cell(style, missed ? RED : DIM, missed ? "not seen" : "-", WIDTH_PUSHED, out);
    }
    // Last, because a text's width on a screen is anybody's guess.
    buf_put_c(out, e->text.s);
    buf_putc(out, '\n');
}

static void json_line(const struct journal_entry *e, struct buf *out)
{
    struct json_out o = {.buf = out};
    json_open(&o, '{');
    json_put_str(&o, "trace", str_of(e->trace));
    json_put_time(&o, "received_at", e->received_at_ms);
    json_put_str(&o, "provider", str_of(e->provider.s));
    json_put_str(&o, "kind", str_of(e->kind.s));
    json_put_str(&o, "conversation", str_of(e->conversation.s));
    json_put_str(&o, "external_id", str_of(e->external_id.s));
    json_put_str(&o, "text", str_of(e->text.s));
    if (!e->is_own)
        json_put_int(&o, "kafka_ms", e->published_at_ms - e->received_at_ms);
    if (e->has_update) {
        json_put_str(&o, "update", str_of(e->update_kind.s));
        json_put_str(&o, "object_id", str_of(e->object_id.s));
        json_put_int(&o, "stored_ms", e->stored_at_ms - e->received_at_ms);
    }
    if (e->has_frame)
        json_put_int(&o, "pushed_ms", e->pushed_at_ms - e->received_at_ms);
    json_close(&o, '}');
    buf_putc(out, '\n');
}

void watch_line(const struct watch_style *style, const struct journal_entry *e, struct buf *out)
{
    if (style->json)
        json_line(e, out);
    else
        text_line(style, e, out);
}
