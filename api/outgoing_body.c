/* SPDX-License-Identifier: Apache-2.0 */
#include "outgoing_body.h"

#include "clock.h"
#include "id.h"
#include "outside.h"

#define JSON_MAX       ((size_t)1 << 20)
#define SEND_AT_MAX_MS INT64_C(31622400000) /* a year: later than that is a mistake */

/* --- reading ---------------------------------------------------------------------------------- */

static struct str text_of(struct call *c, const struct json *from, const char *key)
{
    return json_text(call_arena(c), json_get(from, key));
}

/* What a message is made of besides text: one thing, or none. */
static bool read_kind(struct call *c, struct api_outgoing *x)
{
    static const struct {
        const char *member, *kind;
    } kinds[] = {{"media", "media"},
                 {"template", "template"},
                 {"location", "location"},
                 {"choices", "choices"},
                 {"emoji", "reaction"}};
    x->outgoing_kind = "text";
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!json_get(x->body, kinds[i].member))
            continue;
        if (!str_eq_c(str_of(x->outgoing_kind), "text")) {
            call_problem(c, 422, "several_contents",
                         str_fmt(call_arena(c), "#/%s", kinds[i].member),
                         "a message has one of media, template, location, choices and emoji");
            return false;
        }
        x->outgoing_kind = kinds[i].kind;
    }
    x->kind = str_of(x->outgoing_kind);
    bool is_text = str_eq_c(x->kind, "text");
    if (!x->text.len && (is_text || str_eq_c(x->kind, "choices"))) {
        call_problem(c, 422, "empty_message", STR("#/text"), "there is nothing to say");
        return false;
    }
    if (str_eq_c(x->kind, "reaction") && !x->target.ptr) {
        call_problem(c, 422, "no_target", STR("#/target_id"), "a reaction needs a message");
        return false;
    }
    return true;
}

static bool read_medium(struct call *c, struct api_outgoing *x, const struct json *v)
{
    struct arena *a = call_arena(c);
    struct api_medium *m = &x->media[x->n_media];
    struct str at = str_fmt(a, "#/media/%d", x->n_media++);
    struct uuid id;
    struct err err = {0};
    *m = (struct api_medium){.type = text_of(c, v, "type"),
                             .media_id = text_of(c, v, "media_id"),
                             .url = text_of(c, v, "url"),
                             .name = text_of(c, v, "name"),
                             .mime = text_of(c, v, "mime")};
    if (!m->media_id.ptr == !m->url.ptr) {
        call_problem(c, 422, "no_file", at, "a file has either media_id or url");
        return false;
    }
    if (m->url.ptr && !guard_url(call_api(c)->outside->guard, m->url, &err)) {
        call_problem(c, 422, "bad_url", str_fmt(a, "%.*s/url", STR_ARG(at)), "%s", err.msg);
        return false;
    }
    if (m->media_id.ptr && uuid_parse(m->media_id, &id)) {
        char *text = arena_alloc(a, UUID_TEXT + 1);
        uuid_format(id, text);
        m->media_id = str_of(text);
    }
    return true;
}

static bool read_media(struct call *c, struct api_outgoing *x)
{
    const struct json *list = json_get(x->body, "media");
    for (const struct json *v = json_first(list); v && x->n_media < API_MEDIA_MAX;
         v = json_next(list, v))
        if (!read_medium(c, x, v))
            return false;
    if (x->n_media)
        x->kind = str_eq_c(x->media[0].type, "voice") ? STR("audio") : x->media[0].type;
    return true;
}

static bool read_time(struct call *c, struct api_outgoing *x)
{
    struct str at = text_of(c, x->body, "send_at");
    int64_t now_ms = call_now_at_ms(c);
    if (!at.ptr)
        return true;
    if (!clock_parse(at, &x->send_at_ms) || x->send_at_ms > now_ms + SEND_AT_MAX_MS) {
        call_problem(c, 422, "bad_time", STR("#/send_at"), "want a time within a year");
        return false;
    }
    if (x->send_at_ms <= now_ms)
        x->send_at_ms = 0; // at once
    return true;
}

bool api_outgoing_read(struct call *c, const struct json *body, struct api_outgoing *out)
{
    *out = (struct api_outgoing){.body = body,
                                 .text = text_of(c, body, "text"),
                                 .reply_to = text_of(c, body, "reply_to"),
                                 .target = text_of(c, body, "target_id")};
    return read_kind(c, out) && read_media(c, out) && read_time(c, out);
}

/* --- writing ---------------------------------------------------------------------------------- */

struct writing {
    struct call *c;
    struct buf buf;
    struct json_out out;
};

static void begin(struct writing *w, struct call *c, char bracket)
{
    w->c = c;
    buf_init(&w->buf, JSON_MAX);
    w->out = (struct json_out){.buf = &w->buf};
    json_open(&w->out, bracket);
}

/* As jsonb takes it: what has an escape in it that PostgreSQL refuses is mended. */
static struct str end(struct writing *w, char bracket)
{
    struct arena *a = call_arena(w->c);
    json_close(&w->out, bracket);
    struct str json = json_storable(a, str_dup(a, buf_str(&w->buf)));
    buf_done(&w->buf);
    return json;
}

static void put_some(struct json_out *o, const char *key, struct str v)
{
    if (v.len)
        json_put_str(o, key, v);
}

static bool copy(struct writing *w, const struct json *body, const char *key)
{
    const struct json *v = json_get(body, key);
    if (v)
        json_put_raw(&w->out, key, v->span);
    return v != NULL;
}

static void put_media(struct writing *w, const struct api_outgoing *x)
{
    struct json_out *o = &w->out;
    json_key_out(o, "media");
    json_open(o, '[');
    for (int i = 0; i < x->n_media; i++) {
        const struct api_medium *m = &x->media[i];
        json_open(o, '{');
        json_put_str(o, "type", m->type);
        put_some(o, "media_id", m->media_id);
        put_some(o, "url", m->url);
        put_some(o, "name", m->name);
        put_some(o, "mime", m->mime);
        json_close(o, '}');
    }
    json_close(o, ']');
}

struct str api_outgoing_json(struct call *c, const struct api_outgoing *x)
{
    static const char *const copied[] = {"choices", "choices_title", "template",   "location",
                                         "emoji",   "tag",           "human_agent"};
    struct writing w;
    bool is_plain = str_eq_c(str_of(x->outgoing_kind), "text") && !x->to_person.ptr;
    begin(&w, c, '{');
    json_put_str(&w.out, "kind", str_of(x->outgoing_kind));
    if (x->n_media)
        put_media(&w, x);
    for (size_t i = 0; i < ARRAY_LEN(copied); i++)
        if (copy(&w, x->body, copied[i]))
            is_plain = false;
    put_some(&w.out, "target_id", x->target_ext);
    put_some(&w.out, "to_person", x->to_person);
    struct str json = end(&w, '}');
    return is_plain ? STR_NONE : json;
}

struct str api_outgoing_content(struct call *c, const struct api_outgoing *x)
{
    static const char *const copied[] = {"choices", "choices_title", "template", "location",
                                         "emoji"};
    struct writing w;
    bool is_empty = !x->target_ext.len;
    begin(&w, c, '{');
    for (size_t i = 0; i < ARRAY_LEN(copied); i++)
        if (copy(&w, x->body, copied[i]))
            is_empty = false;
    put_some(&w.out, "target_id", x->target_ext);
    struct str json = end(&w, '}');
    return is_empty ? STR_NONE : json;
}

struct str api_outgoing_attachments(struct call *c, const struct api_outgoing *x)
{
    struct writing w;
    begin(&w, c, '[');
    for (int i = 0; i < x->n_media; i++) {
        const struct api_medium *m = &x->media[i];
        json_open(&w.out, '{');
        json_put_int(&w.out, "position", i);
        json_put_str(&w.out, "type", m->type);
        put_some(&w.out, "url", m->url);
        put_some(&w.out, "name", m->name);
        put_some(&w.out, "mime", m->mime);
        if (m->size_bytes)
            json_put_int(&w.out, "size_bytes", m->size_bytes);
        if (m->media_id.len) {
            json_key_out(&w.out, "extra");
            json_open(&w.out, '{');
            json_put_str(&w.out, "media_id", m->media_id);
            json_close(&w.out, '}');
        }
        json_close(&w.out, '}');
    }
    return end(&w, ']');
}

struct str api_outgoing_files(struct call *c, const struct api_outgoing *x)
{
    struct writing w;
    begin(&w, c, '{');
    for (int i = 0; i < x->n_media; i++) {
        const struct api_medium *m = &x->media[i];
        if (!m->media_id.len)
            continue;
        json_key_out(&w.out, str_c(call_arena(c), m->media_id));
        json_open(&w.out, '{');
        json_put_str(&w.out, "name", m->name);
        json_put_str(&w.out, "mime", m->mime);
        json_put_int(&w.out, "size", m->size_bytes);
        json_close(&w.out, '}');
    }
    return end(&w, '}');
}

struct str api_outgoing_media_ids(struct call *c, const struct api_outgoing *x)
{
    struct str all = STR_NONE;
    for (int i = 0; i < x->n_media; i++)
        if (x->media[i].media_id.len)
            all = str_fmt(call_arena(c), "%.*s%s%.*s", STR_ARG(all), all.ptr ? "," : "{",
                          STR_ARG(x->media[i].media_id));
    return all.ptr ? str_fmt(call_arena(c), "%.*s}", STR_ARG(all)) : STR_NONE;
}
