/* SPDX-License-Identifier: Apache-2.0 */
/* Sending on Instagram and Messenger: POST /<account>/messages, and uploads before it. The two
 * differ in hosts, limits, and what a reaction may be. */
#include "fields.h"
#include "meta_send.h"

#define CHOICES_MAX    13
#define BUTTONS_MAX    3
#define METADATA_BYTES 1000

struct dialect {
    const char *name;
    struct text_limit text, buttons_text, title, payload;
    size_t images_max;    /* in one message */
    bool has_type;        /* messaging_type is required */
    bool has_metadata;    /* the echo returns it */
    bool has_tags;        /* others than HUMAN_AGENT */
    const char *platform; /* of uploads; NULL: none */
    bool is_love_only;    /* reactions: only the heart */
};

static const struct dialect instagram = {
    .name = "Instagram",
    .text = {"Instagram", "a message", 1000, TEXT_BYTES},
    .buttons_text = {"Instagram", "a message with buttons", 640, TEXT_CHARACTERS},
    .title = {"Instagram", "a button", 20, TEXT_CHARACTERS},
    .payload = {"Instagram", "a button's payload", 1000, TEXT_CHARACTERS},
    .images_max = SEND_MEDIA_MAX,
    .platform = "instagram",
    .is_love_only = true,
};
static const struct dialect messenger = {
    .name = "Messenger",
    .text = {"Messenger", "a message", 2000, TEXT_CHARACTERS},
    .buttons_text = {"Messenger", "a message with buttons", 640, TEXT_CHARACTERS},
    .title = {"Messenger", "a button", 20, TEXT_CHARACTERS},
    .payload = {"Messenger", "a button's payload", 1000, TEXT_CHARACTERS},
    .images_max = 1,
    .has_type = true,
    .has_metadata = true,
    .has_tags = true,
};

/* One message while it is written. */
struct writing {
    struct arena *a;
    const struct dialect *d;
    const struct send_call *call;
    const struct send_message *m;
    struct graph_body *b;
};

/* --- media ------------------------------------------------------------------------------------ */

static const struct {
    const char *ours, *sent;
} media_types[] = {
    {"image", "image"}, {"video", "video"}, {"audio", "audio"},
    {"voice", "audio"}, {"file", "file"},
};

static const char *media_type(const struct send_media *m)
{
    for (size_t i = 0; i < ARRAY_LEN(media_types); i++) {
        if (str_eq_c(m->type, media_types[i].ours))
            return media_types[i].sent;
    }
    return NULL;
}

/* Stickers are named, not loaded: Instagram's one by its name, Messenger's by a number. */
static bool is_sticker(const struct send_media *m)
{
    return str_eq_c(m->type, "sticker");
}

static bool sticker_check(const struct dialect *d, const struct send_message *m, struct err *err)
{
    int64_t id = 0;
    bool known = d->is_love_only ? str_eq_c(m->media[0].ref, "like_heart")
                                 : str_i64(m->media[0].ref, &id) && id > 0 &&
                                       m->media[0].ref.ptr[0] != '0'; // it goes out as it is
    if (m->n_media != 1 || !known)
        return err_set(err, ERR_INVALID, "%s has no such sticker: send it as an image", d->name);
    return true;
}

static bool media_check(const struct dialect *d, const struct send_message *m, struct err *err)
{
    if (!graph_media_check(m, err))
        return false;
    if (m->text.len)
        return err_set(err, ERR_INVALID,
                       "%s takes no text with an attachment: send the text as a message of its own",
                       d->name);
    if (is_sticker(&m->media[0]))
        return sticker_check(d, m, err);
    size_t n_images = 0;
    for (size_t i = 0; i < m->n_media; i++) {
        if (!media_type(&m->media[i]))
            return err_set(err, ERR_INVALID, "%s takes no attachment of type %.*s", d->name,
                           STR_ARG(str_shorten(m->media[i].type, 40)));
        n_images += str_eq_c(m->media[i].type, "image");
    }
    if (m->n_media > 1 && (n_images != m->n_media || n_images > d->images_max))
        return err_set(err, ERR_INVALID, "%s takes %s in one message: send the others after it",
                       d->name,
                       d->images_max > 1 ? "one attachment, or several images" : "one attachment");
    return true;
}

static void attachment_write(struct writing *w, const char *key, size_t i)
{
    const struct send_media *m = &w->m->media[i];
    struct str ref = graph_media_ref(w->call, i);
    graph_open(w->b, key, '{');
    graph_text(w->b, "type", str_of(media_type(m)));
    graph_open(w->b, "payload", '{');
    if (ref.len)
        graph_text(w->b, "attachment_id", ref);
    else
        graph_text(w->b, "url", m->url);
    if (!ref.len && w->d->has_type)
        json_put_bool(&w->b->out, "is_reusable", false);
    graph_close(w->b, '}');
    graph_close(w->b, '}');
}

static void media_write(struct writing *w)
{
    if (is_sticker(&w->m->media[0]) && w->d->is_love_only) {
        graph_open(w->b, "attachment", '{');
        graph_text(w->b, "type", STR("like_heart"));
        graph_close(w->b, '}');
    } else if (is_sticker(&w->m->media[0])) {
        json_put_raw(&w->b->out, "sticker_id", w->m->media[0].ref);
    } else if (w->m->n_media == 1) {
        attachment_write(w, "attachment", 0);
    } else {
        graph_open(w->b, "attachments", '[');
        for (size_t i = 0; i < w->m->n_media; i++)
            attachment_write(w, NULL, i);
        graph_close(w->b, ']');
    }
}

/* --- choices ---------------------------------------------------------------------------------- */

static bool has_links(const struct send_message *m)
{
    bool found = false;
    for (size_t i = 0; i < m->n_choices; i++)
        found |= m->choices[i].style == CHOICE_URL;
    return found;
}

static bool choices_check(const struct dialect *d, const struct send_message *m, struct err *err)
{
    size_t max = has_links(m) ? BUTTONS_MAX : CHOICES_MAX;
    if (!m->n_choices || m->n_choices > max || !m->text.len)
        return err_set(err, ERR_INVALID, "%s needs a text and takes 1 to %zu %s with it", d->name,
                       max, has_links(m) ? "buttons, when one opens a page" : "quick replies");
    for (size_t i = 0; i < m->n_choices; i++) {
        const struct send_choice *c = &m->choices[i];
        if (!c->title.len || (c->style == CHOICE_URL ? !is_http_url(c->url) : !c->payload.len))
            return err_set(err, ERR_INVALID, "button %zu needs a title and a payload or an address",
                           i + 1);
        if (!text_fits(c->title, &d->title, err) || !text_fits(c->payload, &d->payload, err))
            return false;
    }
    return text_fits(m->text, has_links(m) ? &d->buttons_text : &d->text, err);
}

static void buttons_write(struct writing *w)
{
    graph_open(w->b, "attachment", '{');
    graph_text(w->b, "type", STR("template"));
    graph_open(w->b, "payload", '{');
    graph_text(w->b, "template_type", STR("button"));
    graph_text(w->b, "text", w->m->text);
    graph_open(w->b, "buttons", '[');
    for (size_t i = 0; i < w->m->n_choices; i++) {
        const struct send_choice *c = &w->m->choices[i];
        graph_open(w->b, NULL, '{');
        graph_text(w->b, "type", c->style == CHOICE_URL ? STR("web_url") : STR("postback"));
        graph_text(w->b, "title", c->title);
        if (c->style == CHOICE_URL)
            graph_text(w->b, "url", c->url);
        else
            graph_text(w->b, "payload", c->payload);
        graph_close(w->b, '}');
    }
    graph_close(w->b, ']');
    graph_close(w->b, '}');
    graph_close(w->b, '}');
}

static void choices_write(struct writing *w)
{
    if (has_links(w->m)) {
        buttons_write(w);
        return;
    }
    graph_text(w->b, "text", w->m->text);
    graph_open(w->b, "quick_replies", '[');
    for (size_t i = 0; i < w->m->n_choices; i++) {
        graph_open(w->b, NULL, '{');
        graph_text(w->b, "content_type", STR("text"));
        graph_text(w->b, "title", w->m->choices[i].title);
        graph_text(w->b, "payload", w->m->choices[i].payload);
        graph_close(w->b, '}');
    }
    graph_close(w->b, ']');
}

/* --- the message ------------------------------------------------------------------------------ */

static bool message_check(const struct dialect *d, const struct send_message *m, struct err *err)
{
    if (m->tag.len && !d->has_tags)
        return err_set(err, ERR_INVALID, "%s has no message tags but that for a person's answer",
                       d->name);
    if (d->has_metadata && m->client_ref.len >= METADATA_BYTES)
        return err_set(err, ERR_INVALID, "the reference of a message is below %d bytes",
                       METADATA_BYTES);
    if (m->kind == SEND_MEDIA)
        return media_check(d, m, err);
    if (m->kind == SEND_CHOICES)
        return choices_check(d, m, err);
    if (!m->text.len)
        return err_set(err, ERR_INVALID, "the message is empty: write something");
    return text_fits(m->text, &d->text, err);
}

static void message_write(struct writing *w)
{
    bool is_tagged = w->m->is_human_agent || w->m->tag.len;
    if (is_tagged) {
        graph_text(w->b, "messaging_type", STR("MESSAGE_TAG"));
        graph_text(w->b, "tag", str_or(w->m->tag, STR("HUMAN_AGENT")));
    } else if (w->d->has_type) {
        graph_text(w->b, "messaging_type", STR("RESPONSE"));
    }
    graph_open(w->b, "message", '{');
    if (w->m->kind == SEND_MEDIA)
        media_write(w);
    else if (w->m->kind == SEND_CHOICES)
        choices_write(w);
    else
        graph_text(w->b, "text", w->m->text);
    if (w->d->has_metadata)
        graph_text(w->b, "metadata", w->m->client_ref);
    graph_close(w->b, '}');
    if (w->m->reply_to.len) {
        graph_open(w->b, "reply_to", '{');
        graph_text(w->b, "mid", w->m->reply_to);
        graph_close(w->b, '}');
    }
}

/* --- actions ---------------------------------------------------------------------------------- */

/* U+2764, with or without the selector that colours it. */
static bool is_heart(struct str emoji)
{
    return str_eq_c(emoji, "\xE2\x9D\xA4") || str_eq_c(emoji, "\xE2\x9D\xA4\xEF\xB8\x8F") ||
           str_eq_c(emoji, "love");
}

static bool action_check(const struct dialect *d, const struct send_message *m, struct err *err)
{
    if (m->kind != SEND_REACTION)
        return true;
    if (!m->target_id.len)
        return err_set(err, ERR_INVALID, "a reaction needs the message that it is on");
    if (d->is_love_only && m->emoji.len && !is_heart(m->emoji))
        return err_set(err, ERR_INVALID, "%s takes no other reaction from a business than a heart",
                       d->name);
    return true;
}

static void action_write(struct writing *w)
{
    if (w->m->kind == SEND_READ) {
        graph_text(w->b, "sender_action", STR("mark_seen"));
        return;
    }
    if (w->m->kind == SEND_TYPING) {
        graph_text(w->b, "sender_action", w->m->is_off ? STR("typing_off") : STR("typing_on"));
        return;
    }
    graph_text(w->b, "sender_action", w->m->emoji.len ? STR("react") : STR("unreact"));
    graph_open(w->b, "payload", '{');
    graph_text(w->b, "message_id", w->m->target_id);
    graph_text(w->b, "reaction", w->d->is_love_only && w->m->emoji.len ? STR("love") : w->m->emoji);
    graph_close(w->b, '}');
}

/* --- requests --------------------------------------------------------------------------------- */

static bool check(const struct dialect *d, const struct send_message *m, struct err *err)
{
    if (!m->to.len)
        return err_set(err, ERR_INVALID, "the message has no recipient");
    switch (m->kind) {
    case SEND_TEXT:
    case SEND_MEDIA:
    case SEND_CHOICES:
        return message_check(d, m, err);
    case SEND_REACTION:
    case SEND_READ:
    case SEND_TYPING:
        return action_check(d, m, err);
    case SEND_TEMPLATE:
    case SEND_LOCATION:
    case SEND_KINDS:
        break;
    }
    return err_set(err, ERR_INVALID, "%s cannot send a %s: send it as text", d->name,
                   send_kind_name(m->kind));
}

/* POST /<account>/message_attachments: a form whose `message` says what the file is. */
static void upload_write(const struct dialect *d, struct arena *a, const struct send_media *m,
                         struct send_request *out)
{
    struct str message = str_fmt(
        a, "{\"attachment\":{\"type\":\"%s\",\"payload\":{\"is_reusable\":true}}}", media_type(m));
    if (d->platform)
        send_part_text(out, "platform", str_of(d->platform));
    send_part_text(out, "message", message);
    send_part_file(out, "filedata", m);
    out->body_kind = BODY_MULTIPART;
}

static bool build(struct arena *a, const struct dialect *d, const char *host, struct str node,
                  const struct send_call *call, struct send_request *out, struct err *err)
{
    const struct send_message *m = call->message;
    if (!check(d, m, err))
        return false;
    const struct send_media *upload = m->kind == SEND_MEDIA ? graph_next_upload(call) : NULL;
    struct str path = str_fmt(a, "%.*s/%s", STR_ARG(url_encode(a, node)),
                              upload ? "message_attachments" : "messages");
    if (!graph_request(a, call->account, host, METHOD_POST, path, out, err))
        return false;
    if (upload) {
        upload_write(d, a, upload, out);
        return true;
    }
    out->is_final = true;
    struct graph_body b;
    struct writing w = {a, d, call, m, &b};
    graph_body_init(&b, a);
    graph_open(&b, "recipient", '{');
    graph_text(&b, m->to_kind == TO_COMMENT ? "comment_id" : "id", m->to);
    graph_close(&b, '}');
    if (send_makes_message(m->kind))
        message_write(&w);
    else
        action_write(&w);
    return graph_body_done(&b, out, err);
}

/* A page's token speaks for its Instagram account, too, on the page's own node. */
bool instagram_build(struct arena *a, const struct send_call *call, struct send_request *out,
                     struct err *err)
{
    const struct send_account *account = call->account;
    if (str_eq_c(account->login, "page"))
        return build(a, &instagram, GRAPH_HOST, str_or(account->parent_id, STR("me")), call, out,
                     err);
    return build(a, &instagram, GRAPH_HOST_INSTAGRAM, str_or(account->external_id, STR("me")), call,
                 out, err);
}

bool messenger_build(struct arena *a, const struct send_call *call, struct send_request *out,
                     struct err *err)
{
    return build(a, &messenger, GRAPH_HOST, str_or(call->account->external_id, STR("me")), call,
                 out, err);
}

static struct str message_id(struct arena *a, const struct json *root)
{
    return field_id(a, root, "message_id");
}

void messenger_judge(struct arena *a, const struct send_call *call, const struct send_reply *reply,
                     struct judgement *out)
{
    static const struct graph_dialect d = {NULL, message_id, "attachment_id"};
    struct err err = {0};
    graph_judge(a, call, reply, &d, out);
    // Conversations have the other side's id, also those that the answer to a comment begins.
    if (out->outcome == OUTCOME_SENT && send_makes_message(call->message->kind))
        out->conversation = field_id(a, json_parse(a, reply->body, &err), "recipient_id");
}
