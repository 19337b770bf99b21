/* SPDX-License-Identifier: Apache-2.0 */
/* What is sent becomes a request to UniPile v1.
 *
 * Sends are multipart forms; nothing is fetched by UniPile, so media are uploaded by us, from the
 * caller's file or from an address that the caller fetches. The account's id goes with each send:
 * the key opens all accounts of a workspace, and UniPile then refuses a chat of another one. */
#include "unipile_send.h"

#include "fields.h"

#define FEATURE_VOICE    1u /* takes voice_message; others take sound as an attachment */
#define FEATURE_REACTION 2u

static const struct {
    const char *type;
    unsigned features;
} networks[] = {
    {"WHATSAPP", FEATURE_VOICE | FEATURE_REACTION},
    {"LINKEDIN", FEATURE_VOICE | FEATURE_REACTION},
    {"INSTAGRAM", 0},
    {"TELEGRAM", 0},
    {"MESSENGER", 0},
    {"TWITTER", 0},
};

/* What UniPile does not say of a network, it is left to refuse. */
static bool has_feature(const struct send_account *account, unsigned feature)
{
    for (size_t i = 0; i < ARRAY_LEN(networks); i++) {
        if (str_eq_c(account->type, networks[i].type))
            return networks[i].features & feature;
    }
    return feature != FEATURE_VOICE;
}

bool unipile_request(struct arena *a, const struct send_account *account, enum send_method method,
                     struct str path, struct send_request *r, struct err *err)
{
    struct str base;
    struct str version = url_encode(a, str_or(account->api_version, STR("v1")));
    *r = (struct send_request){.method = method};
    if (!send_base(account, NULL, &base, err))
        return false;
    if (!is_http_url(base))
        return err_set(err, ERR_INVALID,
                       "the channel has no base address: set it to UniPile's DSN, as "
                       "https://api1.unipile.com:13111");
    r->url = str_fmt(a, "%.*s/api/%.*s%.*s", STR_ARG(base), STR_ARG(version), STR_ARG(path));
    r->url_shown = r->url;
    return send_header_add(r, "Accept", STR("application/json"), err) &&
           send_secret_add(a, r, "X-API-KEY", "", account->token, err);
}

/* --- messages --------------------------------------------------------------------------------- */

static const struct {
    const char *type;
    bool is_voice;
} media_types[] = {
    {"image", false}, {"video", false}, {"audio", false}, {"file", false}, {"voice", true},
};

static bool add_media(const struct send_account *account, const struct send_media *m,
                      struct send_request *r, size_t *voices, struct err *err)
{
    if (!send_media_valid(m, err))
        return false;
    if (m->ref.len)
        return err_set(err, ERR_INVALID, "UniPile keeps no uploads: give the file or its url");
    for (size_t i = 0; i < ARRAY_LEN(media_types); i++) {
        if (!str_eq_c(m->type, media_types[i].type))
            continue;
        bool is_voice = media_types[i].is_voice && has_feature(account, FEATURE_VOICE);
        *voices += is_voice;
        if (*voices > 1)
            return err_set(err, ERR_INVALID, "UniPile takes one voice message at a time");
        send_part_file(r, is_voice ? "voice_message" : "attachments", m);
        return true;
    }
    return err_set(err, ERR_INVALID, "UniPile sends no media of type %.*s", STR_ARG(m->type));
}

static bool build_message(struct arena *a, const struct send_call *call, struct send_request *r,
                          struct err *err)
{
    const struct send_message *m = call->message;
    bool is_new = m->to_kind == TO_PERSON;
    size_t voices = 0;
    if (m->to_kind == TO_COMMENT)
        return err_set(err, ERR_INVALID, "UniPile has no private replies to comments");
    if (!m->text.len && !m->n_media)
        return err_set(err, ERR_INVALID, "the message is empty: write a text or attach a file");
    if (is_new && m->reply_to.len)
        return err_set(err, ERR_INVALID, "the first message to a person answers no other message");
    struct str path =
        is_new ? STR("/chats") : str_fmt(a, "/chats/%.*s/messages", STR_ARG(url_encode(a, m->to)));
    if (!unipile_request(a, call->account, METHOD_POST, path, r, err))
        return false;
    r->is_final = true;
    r->body_kind = BODY_MULTIPART;
    send_part_text(r, "account_id", call->account->external_id);
    if (is_new)
        send_part_text(r, "attendees_ids", m->to);
    if (m->text.len || !m->n_media)
        send_part_text(r, "text", str_utf8(a, m->text));
    if (m->reply_to.len)
        send_part_text(r, "quote_id", m->reply_to);
    for (size_t i = 0; i < m->n_media; i++) {
        if (!add_media(call->account, &m->media[i], r, &voices, err))
            return false;
    }
    return true;
}

/* --- the rest --------------------------------------------------------------------------------- */

static bool build_reaction(struct arena *a, const struct send_call *call, struct send_request *r,
                           struct err *err)
{
    const struct send_message *m = call->message;
    struct send_json j;
    if (!has_feature(call->account, FEATURE_REACTION))
        return err_set(err, ERR_INVALID, "UniPile reacts on WhatsApp and LinkedIn only");
    if (!m->target_id.len)
        return err_set(err, ERR_INVALID, "a reaction names the message that it is on");
    if (!m->emoji.len)
        return err_set(err, ERR_INVALID, "UniPile cannot take a reaction away");
    struct str path = str_fmt(a, "/messages/%.*s/reaction", STR_ARG(url_encode(a, m->target_id)));
    if (!unipile_request(a, call->account, METHOD_POST, path, r, err))
        return false;
    r->is_final = true;
    send_json_begin(&j);
    send_json_text(&j, a, "reaction", m->emoji);
    return send_json_end(&j, a, r, err);
}

static bool build_read(struct arena *a, const struct send_call *call, struct send_request *r,
                       struct err *err)
{
    struct send_json j;
    if (call->message->to_kind != TO_CONVERSATION)
        return err_set(err, ERR_INVALID, "UniPile marks conversations as read");
    struct str path = str_fmt(a, "/chats/%.*s", STR_ARG(url_encode(a, call->message->to)));
    if (!unipile_request(a, call->account, METHOD_PATCH, path, r, err))
        return false;
    r->is_final = true;
    send_json_begin(&j);
    send_json_text(&j, a, "action", STR("setReadStatus"));
    json_put_bool(&j.out, "value", true);
    return send_json_end(&j, a, r, err);
}

/* NULL: refused, with the sentence. */
static const struct {
    bool (*build)(struct arena *a, const struct send_call *call, struct send_request *r,
                  struct err *err);
    const char *refusal;
} kinds[SEND_KINDS] = {
    [SEND_TEXT] = {build_message, NULL},
    [SEND_MEDIA] = {build_message, NULL},
    [SEND_REACTION] = {build_reaction, NULL},
    [SEND_READ] = {build_read, NULL},
    [SEND_TYPING] = {NULL, "UniPile cannot show that someone types"},
    [SEND_TEMPLATE] = {NULL, "UniPile has no templates"},
    [SEND_CHOICES] = {NULL, "UniPile has no quick replies or buttons"},
    [SEND_LOCATION] = {NULL, "UniPile sends no locations"},
};

bool unipile_build(struct arena *a, const struct send_call *call, struct send_request *out,
                   struct err *err)
{
    enum send_kind kind = call->message->kind;
    *out = (struct send_request){0};
    if ((size_t)kind >= ARRAY_LEN(kinds))
        return err_set(err, ERR_INVALID, "no such kind of message: %d", (int)kind);
    if (!kinds[kind].build)
        return err_set(err, ERR_INVALID, "%s", kinds[kind].refusal);
    if (!call->account->external_id.len)
        return err_set(err, ERR_INVALID, "the channel has no account id: connect it again");
    if (kind != SEND_REACTION && !call->message->to.len)
        return err_set(err, ERR_INVALID, "the message has no recipient");
    return kinds[kind].build(a, call, out, err);
}
