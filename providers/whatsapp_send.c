/* SPDX-License-Identifier: Apache-2.0 */
/* Sending with WhatsApp Cloud: POST /<phone number id>/messages, and /media before it. */
#include "fields.h"
#include "meta_send.h"

#define BUTTONS_MAX 3
#define ROWS_MAX    10
#define REF_BYTES   512

static const struct text_limit limit_text = {"WhatsApp", "a message", 4096, TEXT_CHARACTERS};
static const struct text_limit limit_caption = {"WhatsApp", "a caption", 1024, TEXT_CHARACTERS};
static const struct text_limit limit_body = {"WhatsApp", "a message with buttons", 1024,
                                             TEXT_CHARACTERS};
static const struct text_limit limit_title = {"WhatsApp", "a button", 20, TEXT_CHARACTERS};
static const struct text_limit limit_row = {"WhatsApp", "an entry of a list", 24, TEXT_CHARACTERS};
static const struct text_limit limit_about = {"WhatsApp", "a description in a list", 72,
                                              TEXT_CHARACTERS};
static const struct text_limit limit_payload = {"WhatsApp", "a button's payload", 200,
                                                TEXT_CHARACTERS};

struct writing {
    struct arena *a;
    const struct send_call *call;
    const struct send_message *m;
    struct graph_body *b;
};

/* A kind of message: is it complete, and its member of the body. */
struct kind {
    bool (*check)(const struct send_message *m, struct arena *a, struct err *err);
    const char *type; /* NULL: told by write */
    void (*write)(struct writing *w);
};

/* --- text and media --------------------------------------------------------------------------- */

static bool text_check(const struct send_message *m, struct arena *a, struct err *err)
{
    (void)a;
    if (!m->text.len)
        return err_set(err, ERR_INVALID, "the message is empty: write something");
    return text_fits(m->text, &limit_text, err);
}

static void text_write(struct writing *w)
{
    graph_open(w->b, "text", '{');
    graph_text(w->b, "body", w->m->text);
    json_put_bool(&w->b->out, "preview_url", false);
    graph_close(w->b, '}');
}

static const struct media_type {
    const char *ours, *sent;
    bool has_caption, has_filename;
} media_types[] = {
    {"image", "image", true, false},  {"video", "video", true, false},
    {"audio", "audio", false, false}, {"voice", "audio", false, false},
    {"file", "document", true, true}, {"sticker", "sticker", false, false},
};

static const struct media_type *media_type(const struct send_media *m)
{
    for (size_t i = 0; i < ARRAY_LEN(media_types); i++) {
        if (str_eq_c(m->type, media_types[i].ours))
            return &media_types[i];
    }
    return NULL;
}

static bool media_check(const struct send_message *m, struct arena *a, struct err *err)
{
    (void)a;
    if (!graph_media_check(m, err))
        return false;
    const struct media_type *t = media_type(&m->media[0]);
    if (!t)
        return err_set(err, ERR_INVALID, "WhatsApp takes no attachment of type %.*s",
                       STR_ARG(str_shorten(m->media[0].type, 40)));
    if (m->n_media > 1)
        return err_set(err, ERR_INVALID,
                       "WhatsApp takes one attachment in a message: send the others after it");
    if (m->text.len && !t->has_caption)
        return err_set(err, ERR_INVALID,
                       "WhatsApp takes no text with an attachment of type %s: send it on its own",
                       t->ours);
    return text_fits(m->text, &limit_caption, err);
}

static void media_write(struct writing *w)
{
    const struct send_media *m = &w->m->media[0];
    const struct media_type *t = media_type(m);
    struct str ref = graph_media_ref(w->call, 0);
    graph_open(w->b, t->sent, '{');
    if (ref.len)
        graph_text(w->b, "id", ref);
    else
        graph_text(w->b, "link", m->url);
    if (t->has_filename)
        graph_text(w->b, "filename", m->name);
    graph_text(w->b, "caption", w->m->text);
    graph_close(w->b, '}');
}

/* --- location, reaction, template ------------------------------------------------------------- */

/* A number as JSON has it, so that it goes out digit by digit. */
static bool is_number(struct arena *a, struct str s)
{
    struct err err = {0};
    return s.len && json_is(json_parse(a, s, &err), JSON_NUMBER);
}

static bool location_check(const struct send_message *m, struct arena *a, struct err *err)
{
    if (!is_number(a, m->location.latitude) || !is_number(a, m->location.longitude))
        return err_set(err, ERR_INVALID, "a location needs latitude and longitude as numbers");
    return true;
}

static void location_write(struct writing *w)
{
    graph_open(w->b, "location", '{');
    json_put_raw(&w->b->out, "latitude", str_trim(w->m->location.latitude));
    json_put_raw(&w->b->out, "longitude", str_trim(w->m->location.longitude));
    graph_text(w->b, "name", w->m->location.name);
    graph_text(w->b, "address", w->m->location.address);
    graph_close(w->b, '}');
}

static bool reaction_check(const struct send_message *m, struct arena *a, struct err *err)
{
    (void)a;
    if (!m->target_id.len)
        return err_set(err, ERR_INVALID, "a reaction needs the message that it is on");
    return true;
}

static void reaction_write(struct writing *w)
{
    graph_open(w->b, "reaction", '{');
    graph_text(w->b, "message_id", w->m->target_id);
    json_put_str(&w->b->out, "emoji", str_utf8(w->a, str_or(w->m->emoji, STR(""))));
    graph_close(w->b, '}');
}

static bool template_check(const struct send_message *m, struct arena *a, struct err *err)
{
    const struct send_template *t = &m->template;
    if (!t->name.len || !t->language.len)
        return err_set(err, ERR_INVALID, "a template needs its name and its language");
    struct err why = {0};
    if (t->components.len && !json_is(json_parse(a, t->components, &why), JSON_ARRAY))
        return err_set(err, ERR_INVALID, "the components of a template are a JSON array");
    return true;
}

static void template_write(struct writing *w)
{
    const struct send_template *t = &w->m->template;
    graph_open(w->b, "template", '{');
    graph_text(w->b, "name", t->name);
    graph_open(w->b, "language", '{');
    graph_text(w->b, "code", t->language);
    graph_close(w->b, '}');
    if (t->components.len)
        json_put_raw(&w->b->out, "components", str_utf8(w->a, t->components));
    graph_close(w->b, '}');
}

/* --- choices ---------------------------------------------------------------------------------- */

enum shape { SHAPE_BUTTONS, SHAPE_LIST, SHAPE_LINK };

static enum shape shape_of(const struct send_message *m)
{
    bool is_list = m->n_choices > BUTTONS_MAX || m->choices_title.len;
    for (size_t i = 0; i < m->n_choices; i++) {
        if (m->choices[i].style == CHOICE_URL)
            return SHAPE_LINK;
        is_list |= m->choices[i].description.len > 0;
    }
    return is_list ? SHAPE_LIST : SHAPE_BUTTONS;
}

static bool choice_check(const struct send_choice *c, enum shape shape, struct err *err)
{
    if (!c->title.len || (shape == SHAPE_LINK ? !is_http_url(c->url) : !c->payload.len))
        return err_set(err, ERR_INVALID, "a button needs a title and a payload or an address");
    return text_fits(c->title, shape == SHAPE_LIST ? &limit_row : &limit_title, err) &&
           text_fits(c->description, &limit_about, err) &&
           text_fits(c->payload, &limit_payload, err);
}

static bool choices_check(const struct send_message *m, struct arena *a, struct err *err)
{
    (void)a;
    static const struct {
        size_t max;
        const char *what;
    } shapes[] = {{BUTTONS_MAX, "buttons"}, {ROWS_MAX, "entries of a list"}, {1, "link"}};
    enum shape shape = shape_of(m);
    if (!m->text.len || !m->n_choices || m->n_choices > shapes[shape].max)
        return err_set(err, ERR_INVALID, "WhatsApp needs a text and takes 1 to %zu %s with it",
                       shapes[shape].max, shapes[shape].what);
    for (size_t i = 0; i < m->n_choices; i++) {
        if (!choice_check(&m->choices[i], shape, err))
            return false;
    }
    if (shape == SHAPE_LIST && !m->choices_title.len)
        return err_set(err, ERR_INVALID, "a list needs a title for the button that opens it");
    return text_fits(m->choices_title, &limit_title, err) &&
           text_fits(m->text, shape == SHAPE_LIST ? &limit_text : &limit_body, err);
}

static void buttons_write(struct writing *w)
{
    graph_open(w->b, "buttons", '[');
    for (size_t i = 0; i < w->m->n_choices; i++) {
        graph_open(w->b, NULL, '{');
        graph_text(w->b, "type", STR("reply"));
        graph_open(w->b, "reply", '{');
        graph_text(w->b, "id", w->m->choices[i].payload);
        graph_text(w->b, "title", w->m->choices[i].title);
        graph_close(w->b, '}');
        graph_close(w->b, '}');
    }
    graph_close(w->b, ']');
}

static void list_write(struct writing *w)
{
    graph_text(w->b, "button", w->m->choices_title);
    graph_open(w->b, "sections", '[');
    graph_open(w->b, NULL, '{');
    graph_open(w->b, "rows", '[');
    for (size_t i = 0; i < w->m->n_choices; i++) {
        graph_open(w->b, NULL, '{');
        graph_text(w->b, "id", w->m->choices[i].payload);
        graph_text(w->b, "title", w->m->choices[i].title);
        graph_text(w->b, "description", w->m->choices[i].description);
        graph_close(w->b, '}');
    }
    graph_close(w->b, ']');
    graph_close(w->b, '}');
    graph_close(w->b, ']');
}

static void link_write(struct writing *w)
{
    graph_text(w->b, "name", STR("cta_url"));
    graph_open(w->b, "parameters", '{');
    graph_text(w->b, "display_text", w->m->choices[0].title);
    graph_text(w->b, "url", w->m->choices[0].url);
    graph_close(w->b, '}');
}

static void choices_write(struct writing *w)
{
    static const struct {
        const char *type;
        void (*write)(struct writing *w);
    } shapes[] = {{"button", buttons_write}, {"list", list_write}, {"cta_url", link_write}};
    enum shape shape = shape_of(w->m);
    graph_open(w->b, "interactive", '{');
    graph_text(w->b, "type", str_of(shapes[shape].type));
    graph_open(w->b, "body", '{');
    graph_text(w->b, "text", w->m->text);
    graph_close(w->b, '}');
    graph_open(w->b, "action", '{');
    shapes[shape].write(w);
    graph_close(w->b, '}');
    graph_close(w->b, '}');
}

/* --- read marks ------------------------------------------------------------------------------- */

/* Both are on a message of the other side; typing also marks it as read. */
static bool status_check(const struct send_message *m, struct arena *a, struct err *err)
{
    (void)a;
    if (!m->target_id.len)
        return err_set(err, ERR_INVALID,
                       "WhatsApp needs the message that is read, or that is being answered");
    if (m->is_off)
        return err_set(err, ERR_INVALID,
                       "WhatsApp ends typing by itself, after 25 seconds or with the message");
    return true;
}

static void status_write(struct writing *w)
{
    graph_text(w->b, "status", STR("read"));
    graph_text(w->b, "message_id", w->m->target_id);
    if (w->m->kind != SEND_TYPING)
        return;
    graph_open(w->b, "typing_indicator", '{');
    graph_text(w->b, "type", STR("text"));
    graph_close(w->b, '}');
}

/* --- requests --------------------------------------------------------------------------------- */

static const struct kind kinds[SEND_KINDS] = {
    [SEND_TEXT] = {text_check, "text", text_write},
    [SEND_MEDIA] = {media_check, NULL, media_write},
    [SEND_REACTION] = {reaction_check, "reaction", reaction_write},
    [SEND_READ] = {status_check, NULL, status_write},
    [SEND_TYPING] = {status_check, NULL, status_write},
    [SEND_TEMPLATE] = {template_check, "template", template_write},
    [SEND_CHOICES] = {choices_check, "interactive", choices_write},
    [SEND_LOCATION] = {location_check, "location", location_write},
};

/* Business-scoped ids are a country and a dot before digits: "US.9000". */
static bool is_scoped_id(struct str to)
{
    return to.len > 3 && to.ptr[2] == '.' && to.ptr[0] >= 'A' && to.ptr[0] <= 'Z';
}

static void head_write(struct writing *w)
{
    const struct send_message *m = w->m;
    const char *type = kinds[m->kind].type;
    graph_text(w->b, "recipient_type", m->is_group ? STR("group") : STR("individual"));
    graph_text(w->b, is_scoped_id(m->to) ? "recipient" : "to", m->to);
    graph_text(w->b, "type", str_of(type ? type : media_type(&m->media[0])->sent));
    if (m->reply_to.len) {
        graph_open(w->b, "context", '{');
        graph_text(w->b, "message_id", m->reply_to);
        graph_close(w->b, '}');
    }
    graph_text(w->b, "biz_opaque_callback_data", m->client_ref);
}

static bool check(struct arena *a, const struct send_message *m, struct err *err)
{
    bool is_status = m->kind == SEND_READ || m->kind == SEND_TYPING;
    if (m->kind >= SEND_KINDS)
        return err_set(err, ERR_INVALID, "WhatsApp knows no such kind of message");
    if (m->to_kind == TO_COMMENT)
        return err_set(err, ERR_INVALID, "WhatsApp has no comments to reply to");
    if (!m->to.len && !is_status)
        return err_set(err, ERR_INVALID, "the message has no recipient");
    if (m->is_human_agent || m->tag.len)
        return err_set(err, ERR_INVALID,
                       "WhatsApp has no message tags: after 24 hours send a template");
    if (m->client_ref.len > REF_BYTES)
        return err_set(err, ERR_INVALID, "the reference of a message has at most %d bytes",
                       REF_BYTES);
    return kinds[m->kind].check(m, a, err);
}

static bool upload(struct arena *a, const struct send_call *call, struct str node,
                   const struct send_media *m, struct send_request *out, struct err *err)
{
    struct str path = str_fmt(a, "%.*s/media", STR_ARG(node));
    if (!m->mime.len)
        return err_set(err, ERR_INVALID,
                       "WhatsApp needs the media type of a file: image/jpeg, ...");
    if (!graph_request(a, call->account, GRAPH_HOST, METHOD_POST, path, out, err))
        return false;
    send_part_text(out, "messaging_product", STR("whatsapp"));
    send_part_text(out, "type", m->mime);
    send_part_file(out, "file", m);
    out->body_kind = BODY_MULTIPART;
    return true;
}

bool whatsapp_build(struct arena *a, const struct send_call *call, struct send_request *out,
                    struct err *err)
{
    const struct send_message *m = call->message;
    if (!check(a, m, err))
        return false;
    if (!call->account->external_id.len)
        return err_set(err, ERR_INVALID, "the channel has no phone number id: connect it again");
    struct str node = url_encode(a, call->account->external_id);
    const struct send_media *file = m->kind == SEND_MEDIA ? graph_next_upload(call) : NULL;
    if (file)
        return upload(a, call, node, file, out, err);
    struct str path = str_fmt(a, "%.*s/messages", STR_ARG(node));
    if (!graph_request(a, call->account, GRAPH_HOST, METHOD_POST, path, out, err))
        return false;
    out->is_final = true;
    struct graph_body b;
    struct writing w = {a, call, m, &b};
    graph_body_init(&b, a);
    graph_text(&b, "messaging_product", STR("whatsapp"));
    if (m->kind != SEND_READ && m->kind != SEND_TYPING)
        head_write(&w);
    kinds[m->kind].write(&w);
    return graph_body_done(&b, out, err);
}

static struct str message_id(struct arena *a, const struct json *root)
{
    const struct json *list = json_get(root, "messages");
    return json_is(list, JSON_ARRAY) ? field_id(a, json_first(list), "id") : STR_NONE;
}

/* The number may be written in another way than ours (Brazil, Mexico): webhooks will name this. */
static struct str contact_id(struct arena *a, const struct json *root)
{
    const struct json *list = json_get(root, "contacts");
    return json_is(list, JSON_ARRAY) ? field_id(a, json_first(list), "wa_id") : STR_NONE;
}

void whatsapp_judge(struct arena *a, const struct send_call *call, const struct send_reply *reply,
                    struct judgement *out)
{
    static const struct graph_dialect d = {&graph_codes_whatsapp, message_id, "id"};
    graph_judge(a, call, reply, &d, out);
    struct err err = {0};
    if (out->outcome == OUTCOME_SENT && !call->message->is_group)
        out->conversation = contact_id(a, json_parse(a, reply->body, &err));
}
