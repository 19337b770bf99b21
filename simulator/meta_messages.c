/* SPDX-License-Identifier: Apache-2.0 */
/* POST /{node}/messages and /{node}/message_attachments of Instagram and Messenger. */
#include "meta_api.h"
#include "server.h"

#define TEXT_BYTES_INSTAGRAM 1000
#define TEXT_MAX_MESSENGER   2000
#define METADATA_MAX         1000
#define QUICK_REPLIES_MAX    13
#define TITLE_MAX            20
#define PAYLOAD_MAX          1000
#define BUTTONS_MAX          3
#define BUTTONS_TEXT_MAX     640
#define ELEMENTS_MAX         10
#define ELEMENT_TITLE_MAX    80
#define IMAGES_MAX           10
#define FILE_MAX             ((size_t)25 << 20)
#define ATTACHMENT_ID_BASE   1500000000000000u

/* --- recipient -------------------------------------------------------------------------------- */

/* The person or comment that is written to. Absent: has failed. */
static struct str recipient_of(struct sim_call *c, const struct json *body)
{
    static const struct graph_member members[] = {
        {"id", GRAPH_ID, false, 0},
        {"comment_id", GRAPH_ID, false, 0},
        {"post_id", GRAPH_ID, false, 0},
        {"user_ref", GRAPH_TEXT, false, 0},
    };
    const struct json *r = json_get(body, "recipient");
    if (!sim_graph_check(c, r, "recipient", members, ARRAY_LEN(members)))
        return STR_NONE;
    if (r->n != 1) {
        (void)sim_graph_invalid(c, "recipient", "must be exactly one of id, comment_id, post_id.");
        return STR_NONE;
    }
    struct str to = json_text(c->a, json_first(r));
    bool is_instagram = sim_is_instagram(c);
    struct graph_error e;
    if (str_starts(to, STR("absent")))
        e = is_instagram ? sim_graph_error(100, 2534014) : sim_graph_error(100, 2018001);
    else if (json_get(r, "comment_id") && str_starts(to, STR("used")))
        e = sim_graph_error(100, 2534025);
    else if (sim_graph_meant_error(c, to))
        return STR_NONE;
    else
        return to;
    (void)sim_graph_refuse(c, &e, NULL);
    return STR_NONE;
}

/* --- attachments ------------------------------------------------------------------------------ */

static bool button_valid(struct sim_call *c, const struct json *button)
{
    static const char *const types[] = {"web_url", "postback", NULL};
    static const struct graph_member members[] = {
        {"type", GRAPH_TEXT, true, 0},
        {"title", GRAPH_TEXT, true, TITLE_MAX},
        {"url", GRAPH_URL, false, 0},
        {"payload", GRAPH_TEXT, false, PAYLOAD_MAX},
    };
    if (!sim_graph_check(c, button, "buttons", members, ARRAY_LEN(members)))
        return false;
    struct str type = json_text(c->a, json_get(button, "type"));
    if (!sim_is_one_of(type, types))
        return sim_graph_invalid(c, "buttons[type]", "must be one of {web_url, postback}.");
    bool is_link = str_eq_c(type, "web_url");
    if (!json_get(button, is_link ? "url" : "payload"))
        return sim_graph_missing(c, is_link ? "buttons[url]" : "buttons[payload]");
    return !json_get(button, is_link ? "payload" : "url") ||
           sim_graph_invalid(c, "buttons", "has a parameter of another type of button.");
}

static bool buttons_valid(struct sim_call *c, const struct json *list)
{
    for (const struct json *v = json_first(list); v; v = json_next(list, v))
        if (!button_valid(c, v))
            return false;
    return true;
}

static bool elements_valid(struct sim_call *c, const struct json *list)
{
    static const struct graph_member members[] = {
        {"title", GRAPH_TEXT, true, ELEMENT_TITLE_MAX},
        {"subtitle", GRAPH_TEXT, false, 80},
        {"image_url", GRAPH_URL, false, 0},
        {"default_action", GRAPH_OBJECT, false, 0},
        {"buttons", GRAPH_ARRAY, false, BUTTONS_MAX},
    };
    for (const struct json *v = json_first(list); v; v = json_next(list, v))
        if (!sim_graph_check(c, v, "elements", members, ARRAY_LEN(members)) ||
            !buttons_valid(c, json_get(v, "buttons")))
            return false;
    return true;
}

static bool template_valid(struct sim_call *c, const struct json *payload)
{
    static const struct graph_member button[] = {
        {"template_type", GRAPH_TEXT, true, 0},
        {"text", GRAPH_TEXT, true, BUTTONS_TEXT_MAX},
        {"buttons", GRAPH_ARRAY, true, BUTTONS_MAX},
        {"sharable", GRAPH_BOOL, false, 0},
    };
    static const struct graph_member generic[] = {
        {"template_type", GRAPH_TEXT, true, 0},
        {"elements", GRAPH_ARRAY, true, ELEMENTS_MAX},
    };
    struct str type = json_text(c->a, json_get(payload, "template_type"));
    if (str_eq_c(type, "button"))
        return sim_graph_check(c, payload, "payload", button, ARRAY_LEN(button)) &&
               buttons_valid(c, json_get(payload, "buttons"));
    if (str_eq_c(type, "generic"))
        return sim_graph_check(c, payload, "payload", generic, ARRAY_LEN(generic)) &&
               elements_valid(c, json_get(payload, "elements"));
    return sim_graph_invalid(c, "payload[template_type]", "must be one of {button, generic}.");
}

static bool file_valid(struct sim_call *c, const struct json *payload)
{
    static const struct graph_member members[] = {
        {"url", GRAPH_URL, false, 0},
        {"attachment_id", GRAPH_ID, false, 0},
        {"is_reusable", GRAPH_BOOL, false, 0},
    };
    if (!sim_graph_check(c, payload, "payload", members, ARRAY_LEN(members)))
        return false;
    struct str url = json_text(c->a, json_get(payload, "url"));
    struct str id = json_text(c->a, json_get(payload, "attachment_id"));
    if ((url.len > 0) == (id.len > 0))
        return sim_graph_invalid(c, "payload", "must have exactly one of url and attachment_id.");
    if (id.len && !sim_is_digits(id))
        return sim_graph_invalid(c, "payload[attachment_id]", "must be the id of an upload.");
    struct str rest = url;
    while (rest.len && !str_starts(rest, STR("/absent")))
        rest = str_skip(rest, 1);
    struct graph_error e = sim_graph_error(100, 2018008);
    return !rest.len || sim_graph_refuse(c, &e, NULL);
}

static bool attachment_valid(struct sim_call *c, const struct json *v)
{
    static const char *const files[] = {"image", "video", "audio", "file", NULL};
    static const struct graph_member members[] = {
        {"type", GRAPH_TEXT, true, 0},
        {"payload", GRAPH_OBJECT, false, 0},
    };
    if (!sim_graph_check(c, v, "message[attachment]", members, ARRAY_LEN(members)))
        return false;
    struct str type = json_text(c->a, json_get(v, "type"));
    const struct json *payload = json_get(v, "payload");
    if (sim_is_instagram(c) && str_eq_c(type, "like_heart"))
        return !payload || sim_graph_invalid(c, "payload", "has no place with like_heart.");
    if (!sim_is_one_of(type, files) && !str_eq_c(type, "template"))
        return sim_graph_invalid(c, "message[attachment][type]",
                                 "must be one of {image, video, audio, file, template}.");
    if (!payload)
        return sim_graph_missing(c, "message[attachment][payload]");
    return str_eq_c(type, "template") ? template_valid(c, payload) : file_valid(c, payload);
}

/* Several images in one message, on Instagram. */
static bool attachments_valid(struct sim_call *c, const struct json *list)
{
    for (const struct json *v = json_first(list); v; v = json_next(list, v)) {
        if (!attachment_valid(c, v))
            return false;
        if (!str_eq_c(json_text(c->a, json_get(v, "type")), "image"))
            return sim_graph_invalid(c, "message[attachments]", "must be images.");
    }
    return true;
}

/* --- message ---------------------------------------------------------------------------------- */

static bool quick_replies_valid(struct sim_call *c, const struct json *list)
{
    static const char *const types[] = {"text", "user_phone_number", "user_email", NULL};
    static const struct graph_member members[] = {
        {"content_type", GRAPH_TEXT, true, 0},
        {"title", GRAPH_TEXT, false, TITLE_MAX},
        {"payload", GRAPH_TEXT, false, PAYLOAD_MAX},
        {"image_url", GRAPH_URL, false, 0},
    };
    for (const struct json *v = json_first(list); v; v = json_next(list, v)) {
        if (!sim_graph_check(c, v, "quick_replies", members, ARRAY_LEN(members)))
            return false;
        struct str type = json_text(c->a, json_get(v, "content_type"));
        if (!sim_is_one_of(type, types))
            return sim_graph_invalid(c, "quick_replies[content_type]", "is not valid.");
        if (str_eq_c(type, "text") && (!json_get(v, "title") || !json_get(v, "payload")))
            return sim_graph_missing(c, "quick_replies[title] and [payload]");
    }
    return true;
}

static bool text_valid(struct sim_call *c, const struct json *message)
{
    if (!json_get(message, "text"))
        return true;
    struct str text = json_text(c->a, json_get(message, "text"));
    bool fits = sim_is_instagram(c) ? text.len <= TEXT_BYTES_INSTAGRAM
                                    : sim_characters(text) <= TEXT_MAX_MESSENGER;
    if (text.len && fits)
        return true;
    return sim_graph_invalid(
        c, "message[text]",
        !text.len
            ? "must be a non-empty string."
            : str_c(c->a, str_fmt(c->a, "must be no longer than %d %s.",
                                  sim_is_instagram(c) ? TEXT_BYTES_INSTAGRAM : TEXT_MAX_MESSENGER,
                                  sim_is_instagram(c) ? "bytes" : "characters")));
}

static bool message_valid(struct sim_call *c, const struct json *m)
{
    static const struct graph_member instagram[] = {
        {"text", GRAPH_TEXT, false, 0},
        {"attachment", GRAPH_OBJECT, false, 0},
        {"attachments", GRAPH_ARRAY, false, IMAGES_MAX},
        {"quick_replies", GRAPH_ARRAY, false, QUICK_REPLIES_MAX},
    };
    static const struct graph_member messenger[] = {
        {"text", GRAPH_TEXT, false, 0},
        {"attachment", GRAPH_OBJECT, false, 0},
        {"sticker_id", GRAPH_NUMBER, false, 0},
        {"quick_replies", GRAPH_ARRAY, false, QUICK_REPLIES_MAX},
        {"metadata", GRAPH_TEXT, false, METADATA_MAX},
    };
    bool ok = sim_is_instagram(c)
                  ? sim_graph_check(c, m, "message", instagram, ARRAY_LEN(instagram))
                  : sim_graph_check(c, m, "message", messenger, ARRAY_LEN(messenger));
    if (!ok)
        return false;
    const struct json *one = json_get(m, "attachment"), *list = json_get(m, "attachments");
    size_t n = (json_get(m, "text") != NULL) + (one != NULL) + (list != NULL) +
               (json_get(m, "sticker_id") != NULL);
    if (n != 1)
        return sim_graph_invalid(c, "message", "must have exactly one of text and attachment.");
    return text_valid(c, m) && (!one || attachment_valid(c, one)) &&
           (!list || attachments_valid(c, list)) &&
           quick_replies_valid(c, json_get(m, "quick_replies"));
}

static bool type_valid(struct sim_call *c, const struct json *body)
{
    static const char *const types[] = {"RESPONSE", "UPDATE", "MESSAGE_TAG", "UTILITY", NULL};
    static const char *const tags[] = {"HUMAN_AGENT", "CONFIRMED_EVENT_UPDATE",
                                       "POST_PURCHASE_UPDATE", "ACCOUNT_UPDATE", NULL};
    static const char *const only[] = {"HUMAN_AGENT", NULL};
    struct str type = json_text(c->a, json_get(body, "messaging_type"));
    struct str tag = json_text(c->a, json_get(body, "tag"));
    if (!type.len && !sim_is_instagram(c))
        return sim_graph_missing(c, "messaging_type");
    if (type.len && !sim_is_one_of(type, types))
        return sim_graph_invalid(c, "messaging_type",
                                 "must be one of {RESPONSE, UPDATE, MESSAGE_TAG, UTILITY}.");
    bool is_tagged = str_eq_c(type, "MESSAGE_TAG");
    if (is_tagged != (tag.len > 0))
        return is_tagged ? sim_graph_missing(c, "tag")
                         : sim_graph_invalid(c, "tag", "needs messaging_type MESSAGE_TAG.");
    return !is_tagged || sim_is_one_of(tag, sim_is_instagram(c) ? only : tags) ||
           sim_graph_invalid(c, "tag", "is not a tag that may be used.");
}

/* --- actions ---------------------------------------------------------------------------------- */

static bool action_valid(struct sim_call *c, const struct json *body)
{
    static const char *const actions[] = {"typing_on", "typing_off", "mark_seen",
                                          "react",     "unreact",    NULL};
    static const struct graph_member members[] = {
        {"message_id", GRAPH_ID, true, 0},
        {"reaction", GRAPH_TEXT, false, 0},
    };
    struct str action = json_text(c->a, json_get(body, "sender_action"));
    const struct json *payload = json_get(body, "payload");
    if (!sim_is_one_of(action, actions))
        return sim_graph_invalid(
            c, "sender_action",
            "must be one of {typing_on, typing_off, mark_seen, react, unreact}.");
    bool is_on = str_eq_c(action, "react"), is_reaction = is_on || str_eq_c(action, "unreact");
    if (is_reaction != (payload != NULL))
        return is_reaction ? sim_graph_missing(c, "payload")
                           : sim_graph_invalid(c, "payload", "has no place in this action.");
    if (!is_reaction)
        return true;
    if (!sim_graph_check(c, payload, "payload", members, ARRAY_LEN(members)))
        return false;
    struct str reaction = json_text(c->a, json_get(payload, "reaction"));
    if (is_on && !reaction.len)
        return sim_graph_missing(c, "payload[reaction]");
    return !is_on || !sim_is_instagram(c) || str_eq_c(reaction, "love") ||
           sim_graph_invalid(c, "payload[reaction]", "must be one of {love}.");
}

static void act(struct sim_call *c, const struct json *body, struct str account, struct str to)
{
    const struct json *payload = json_get(body, "payload");
    struct str action = json_text(c->a, json_get(body, "sender_action"));
    if (!sim_send_may(c, account, to))
        return;
    struct str kind = str_eq_c(action, "mark_seen") ? STR("read")
                      : payload                     ? STR("reaction")
                                                    : STR("typing");
    sim_send_accept(c,
                    &(struct sim_send){.kind = kind,
                                       .to = to,
                                       .conversation = to,
                                       .text = json_text(c->a, json_get(payload, "reaction")),
                                       .target = json_text(c->a, json_get(payload, "message_id")),
                                       .detail = body->span});
    sim_answer(c, 200, str_fmt(c->a, "{\"recipient_id\":\"%.*s\"}", STR_ARG(to)));
}

/* --- the request ------------------------------------------------------------------------------ */

static const struct graph_member instagram_body[] = {
    {"recipient", GRAPH_OBJECT, true, 0},     {"message", GRAPH_OBJECT, false, 0},
    {"sender_action", GRAPH_TEXT, false, 0},  {"payload", GRAPH_OBJECT, false, 0},
    {"messaging_type", GRAPH_TEXT, false, 0}, {"tag", GRAPH_TEXT, false, 0},
    {"reply_to", GRAPH_OBJECT, false, 0},
};
static const struct graph_member messenger_body[] = {
    {"recipient", GRAPH_OBJECT, true, 0},     {"message", GRAPH_OBJECT, false, 0},
    {"sender_action", GRAPH_TEXT, false, 0},  {"payload", GRAPH_OBJECT, false, 0},
    {"messaging_type", GRAPH_TEXT, false, 0}, {"tag", GRAPH_TEXT, false, 0},
    {"reply_to", GRAPH_OBJECT, false, 0},     {"notification_type", GRAPH_TEXT, false, 0},
    {"persona_id", GRAPH_ID, false, 0},
};

static bool body_valid(struct sim_call *c, const struct json *body)
{
    static const struct graph_member reply[] = {{"mid", GRAPH_ID, true, 0}};
    bool ok = sim_is_instagram(c)
                  ? sim_graph_check(c, body, NULL, instagram_body, ARRAY_LEN(instagram_body))
                  : sim_graph_check(c, body, NULL, messenger_body, ARRAY_LEN(messenger_body));
    if (!ok)
        return false;
    const struct json *reply_to = json_get(body, "reply_to");
    bool acts = json_get(body, "sender_action") != NULL;
    if (acts == (json_get(body, "message") != NULL))
        return acts ? sim_graph_invalid(c, "sender_action", "must stand without message.")
                    : sim_graph_missing(c, "message");
    if (acts)
        return action_valid(c, body);
    if (json_get(body, "payload"))
        return sim_graph_invalid(c, "payload", "needs sender_action.");
    return type_valid(c, body) && message_valid(c, json_get(body, "message")) &&
           (!reply_to || sim_graph_check(c, reply_to, "reply_to", reply, ARRAY_LEN(reply)));
}

static struct str kind_of(struct sim_call *c, const struct json *message)
{
    const struct json *list = json_get(message, "attachments");
    const struct json *v = list ? json_first(list) : json_get(message, "attachment");
    struct str type = json_text(c->a, json_get(v, "type"));
    if (json_get(message, "sticker_id") || str_eq_c(type, "like_heart"))
        return STR("sticker");
    return type.len ? type : STR("text");
}

static struct str new_mid(struct sim_call *c)
{
    struct str id = sim_unique_id(c);
    return sim_is_instagram(c)
               ? str_fmt(c->a, "aWdfZAG1faXRlbTox%.*sOklHTWVzc2FnZAUlEOjE3ODQxNDAwMDAwMDAwMDAx",
                         STR_ARG(id))
               : str_fmt(c->a, "m_%.*s3uWYlUvIEgYkAOyGGDvMjVkbSVrHVRHSmLOWc9cAnMWi", STR_ARG(id));
}

void sim_meta_send(struct sim_call *c)
{
    const struct json *body = sim_graph_body(c);
    if (!body || !body_valid(c, body))
        return;
    struct str to = recipient_of(c, body), account = sim_meta_account(c);
    if (!to.len)
        return;
    if (json_get(body, "sender_action")) {
        act(c, body, account, to);
        return;
    }
    const struct json *message = json_get(body, "message");
    if (!sim_send_may(c, account, to))
        return;
    struct str mid = new_mid(c);
    sim_send_accept(c, &(struct sim_send){
                           .kind = kind_of(c, message),
                           .to = to,
                           .conversation = to,
                           .text = json_text(c->a, json_get(message, "text")),
                           .client_ref = json_text(c->a, json_get(message, "metadata")),
                           .external_id = mid,
                           .target = json_text(c->a, json_get(json_get(body, "reply_to"), "mid")),
                           .detail = body->span});
    sim_answer(c, 200,
               str_fmt(c->a, "{\"recipient_id\":\"%.*s\",\"message_id\":\"%.*s\"}", STR_ARG(to),
                       STR_ARG(mid)));
}

/* --- upload ----------------------------------------------------------------------------------- */

static bool upload_valid(struct sim_call *c, const struct sim_body *b)
{
    static const char *const known[] = {"platform", "message", "filedata", NULL};
    static const char *const types[] = {"image", "video", "audio", "file", NULL};
    const struct sim_field *odd = sim_field_unknown(b, known), *file = sim_field(b, "filedata");
    if (odd)
        return sim_graph_invalid(c, str_c(c->a, str_utf8(c->a, odd->name)),
                                 "is not a known parameter.");
    const struct json *message = sim_field_json(c->a, sim_field(b, "message"));
    const struct json *attachment = json_get(message, "attachment");
    struct str type = json_text(c->a, json_get(attachment, "type"));
    if (!json_is(attachment, JSON_OBJECT))
        return sim_graph_missing(c, "message");
    if (!sim_is_one_of(type, types))
        return sim_graph_invalid(c, "message[attachment][type]",
                                 "must be one of {image, video, audio, file}.");
    if (sim_is_instagram(c) && !str_eq_c(sim_field_text(b, "platform"), "instagram"))
        return sim_graph_invalid(c, "platform", "must be instagram.");
    struct str url = json_text(c->a, json_get(json_get(attachment, "payload"), "url"));
    if (!file && !url.len)
        return sim_graph_missing(c, "filedata");
    if (file && (!file->is_file || !file->mime.len || !file->value.len))
        return sim_graph_invalid(c, "filedata", "must be a file with a content type.");
    struct graph_error large = sim_graph_error(36000, 0);
    return !file || file->value.len <= FILE_MAX || sim_graph_refuse(c, &large, NULL);
}

void sim_meta_upload(struct sim_call *c)
{
    struct sim_body b;
    c->account = sim_meta_account(c);
    if (!sim_body(c, SIM_BODY_MULTIPART, &b) || !upload_valid(c, &b))
        return;
    unsigned long long id = ATTACHMENT_ID_BASE + sim_unique(c);
    sim_answer(c, 200, str_fmt(c->a, "{\"attachment_id\":\"%llu\"}", id));
}
