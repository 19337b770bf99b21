/* SPDX-License-Identifier: Apache-2.0 */
#include "compose.h"

#include "json.h"

#define PLACEHOLDER    STR("to:")
#define READ_BYTES_MAX ((size_t)64 << 10)

struct composing {
    struct arena *a;
    const struct send_row *row;
    const struct json *root;  /* NULL: plain text */
    const struct json *files; /* NULL: no uploaded file */
    struct send_message *out;
};

static struct str text_of(const struct composing *c, const struct json *from, const char *key)
{
    return json_text(c->a, json_get(from, key));
}

static struct str raw_of(const struct json *v)
{
    return v ? v->span : STR_NONE;
}

/* Kinds as people know them; all sorts of files are one kind to the adapters. */
static bool kind_of(struct str name, enum send_kind *out)
{
    static const struct {
        const char *name;
        enum send_kind kind;
    } kinds[] = {
        {"text", SEND_TEXT},       {"media", SEND_MEDIA},       {"image", SEND_MEDIA},
        {"video", SEND_MEDIA},     {"audio", SEND_MEDIA},       {"voice", SEND_MEDIA},
        {"file", SEND_MEDIA},      {"sticker", SEND_MEDIA},     {"template", SEND_TEMPLATE},
        {"choices", SEND_CHOICES}, {"location", SEND_LOCATION}, {"reaction", SEND_REACTION},
        {"read", SEND_READ},       {"typing", SEND_TYPING},
    };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!str_eq_c(name, kinds[i].name))
            continue;
        *out = kinds[i].kind;
        return true;
    }
    return false;
}

/* A conversation that we began has no name at the provider before its first answer. */
static void address(const struct composing *c)
{
    const struct send_row *row = c->row;
    struct str person = text_of(c, c->root, "to_person"),
               comment = text_of(c, c->root, "to_comment");
    bool is_placeholder = str_starts(row->conversation, PLACEHOLDER);
    c->out->is_group = row->is_group;
    c->out->to_kind = TO_CONVERSATION;
    c->out->to = row->conversation;
    if (comment.len) {
        c->out->to_kind = TO_COMMENT;
        c->out->to = comment;
    } else if (is_placeholder) {
        c->out->to_kind = TO_PERSON;
        c->out->to = person.len            ? person
                     : row->contact_id.len ? row->contact_id
                                           : str_skip(row->conversation, PLACEHOLDER.len);
    }
}

static bool add_medium(const struct composing *c, const struct json *v, struct err *err)
{
    if (c->out->n_media == SEND_MEDIA_MAX)
        return err_set(err, ERR_INVALID, "A message may have %d files.", SEND_MEDIA_MAX);
    struct send_media *m = &c->out->media[c->out->n_media++];
    struct str id = text_of(c, v, "media_id");
    *m = (struct send_media){.type = text_of(c, v, "type"),
                             .url = text_of(c, v, "url"),
                             .ref = text_of(c, v, "ref"),
                             .name = text_of(c, v, "name"),
                             .mime = text_of(c, v, "mime")};
    if (!id.len)
        return true;
    const struct json *file = json_get(c->files, str_c(c->a, id));
    if (!file)
        return err_set(err, ERR_INVALID, "A file of this message is not there any more.");
    (void)json_i64(json_get(file, "size"), &m->size_bytes);
    m->file = str_fmt(c->a, "%.*s/%.*s/%lld", STR_ARG(c->row->tenant_id), STR_ARG(id),
                      (long long)m->size_bytes);
    m->name = m->name.len ? m->name : text_of(c, file, "name");
    m->mime = m->mime.len ? m->mime : text_of(c, file, "mime");
    return true;
}

static bool add_media(const struct composing *c, struct err *err)
{
    const struct json *list = json_get(c->root, "media");
    for (const struct json *v = json_first(list); v; v = json_next(list, v))
        if (!add_medium(c, v, err))
            return false;
    return true;
}

static bool add_choices(const struct composing *c, struct err *err)
{
    const struct json *list = json_get(c->root, "choices");
    for (const struct json *v = json_first(list); v; v = json_next(list, v)) {
        if (c->out->n_choices == SEND_CHOICES_MAX)
            return err_set(err, ERR_INVALID, "A message may have %d choices.", SEND_CHOICES_MAX);
        struct str url = text_of(c, v, "url");
        c->out->choices[c->out->n_choices++] =
            (struct send_choice){.style = url.len ? CHOICE_URL : CHOICE_REPLY,
                                 .title = text_of(c, v, "title"),
                                 .payload = text_of(c, v, "payload"),
                                 .url = url,
                                 .description = text_of(c, v, "description")};
    }
    return true;
}

static void add_rest(const struct composing *c)
{
    const struct json *template = json_get(c->root, "template");
    const struct json *location = json_get(c->root, "location");
    c->out->template =
        (struct send_template){.name = text_of(c, template, "name"),
                               .language = text_of(c, template, "language"),
                               .components = raw_of(json_get(template, "components"))};
    c->out->location = (struct send_location){.latitude = text_of(c, location, "latitude"),
                                              .longitude = text_of(c, location, "longitude"),
                                              .name = text_of(c, location, "name"),
                                              .address = text_of(c, location, "address")};
    c->out->choices_title = text_of(c, c->root, "choices_title");
    c->out->emoji = text_of(c, c->root, "emoji");
    c->out->target_id = text_of(c, c->root, "target_id");
    c->out->tag = text_of(c, c->root, "tag");
    c->out->is_human_agent = json_truthy(json_get(c->root, "human_agent"));
    c->out->is_off = json_truthy(json_get(c->root, "off"));
}

static bool read_json(struct arena *a, struct str text, const struct json **out, struct err *err)
{
    if (!text.len)
        return true;
    *out = json_parse(a, text, err);
    return *out || err_wrap(err, "reading what is to be sent");
}

bool send_compose(struct arena *a, const struct send_row *row, struct send_message *out,
                  struct err *err)
{
    struct composing c = {.a = a, .row = row, .out = out};
    *out = (struct send_message){0};
    if (!read_json(a, row->outgoing, &c.root, err) || !read_json(a, row->media, &c.files, err))
        return false;
    struct str kind = text_of(&c, c.root, "kind");
    if (!kind_of(kind.len ? kind : row->kind, &out->kind))
        return err_set(err, ERR_INVALID, "Messages of the kind '%.*s' cannot be sent.",
                       STR_ARG(kind.len ? kind : row->kind));
    address(&c);
    struct str text = text_of(&c, c.root, "text");
    out->text = text.len ? text : row->body;
    out->reply_to = row->reply_to;
    out->client_ref = row->client_ref;
    add_rest(&c);
    return add_media(&c, err) && add_choices(&c, err);
}

struct str send_read_outgoing(struct arena *a, struct str target)
{
    struct buf text;
    buf_init(&text, READ_BYTES_MAX);
    struct json_out o = {.buf = &text};
    json_open(&o, '{');
    json_put_str(&o, "target_id", str_utf8(a, target));
    json_close(&o, '}');
    struct str out = str_dup(a, buf_str(&text));
    buf_done(&text);
    return out;
}
