/* SPDX-License-Identifier: Apache-2.0 */
/* UniPile's API, version 1: what sends. A key opens all accounts of its workspace. */
#include "unipile_api.h"

#include "apis.h"

#define TEXT_MAX        65536
#define ATTACHMENTS_MAX 10

/* --- errors ----------------------------------------------------------------------------------- */

static const struct {
    int status;
    const char *type, *title;
} errors[] = {
    [SIM_WHY_PATH] = {404, "resource_not_found", "Resource not found"},
    [SIM_WHY_METHOD] = {404, "resource_not_found", "Resource not found"},
    [SIM_WHY_NO_TOKEN] = {401, "missing_credentials", "Missing credentials"},
    [SIM_WHY_BAD_TOKEN] = {401, "insufficient_privileges", "Insufficient privileges"},
    [SIM_WHY_EXPIRED] = {401, "expired_credentials", "Expired credentials"},
    [SIM_WHY_REVOKED] = {401, "disconnected_account", "Disconnected account"},
    [SIM_WHY_TYPE] = {415, "unsupported_media_type", "Unsupported media type"},
    [SIM_WHY_BODY] = {400, "malformed_request", "Malformed request"},
    [SIM_WHY_RATE] = {429, "too_many_requests", "Too many requests"},
    [SIM_WHY_WINDOW] = {422, "cant_send_message", "Can't send message"},
    [SIM_WHY_REFUSED] = {422, "invalid_recipient", "Invalid recipient"},
};

static void put_error(struct sim_call *c, int status, const char *type, const char *title,
                      const char *detail)
{
    struct buf out;
    buf_init(&out, 16384);
    struct json_out o = {.buf = &out};
    json_open(&o, '{');
    json_put_str(&o, "title", str_of(title));
    if (detail)
        json_put_str(&o, "detail", str_utf8(c->a, str_of(detail)));
    json_put_str(&o, "type", str_fmt(c->a, "errors/%s", type));
    json_put_int(&o, "status", status);
    json_close(&o, '}');
    sim_answer(c, status, buf_str(&out));
    buf_done(&out);
}

void sim_unipile_error(struct sim_call *c, int status, const char *type, const char *detail)
{
    put_error(c, status, type, type, detail);
}

static void fail(struct sim_call *c, const struct sim_failure *f)
{
    if (f->why != SIM_WHY_SERVER) {
        put_error(c, errors[f->why].status, errors[f->why].type, errors[f->why].title, f->detail);
        return;
    }
    const char *type = f->status == 503   ? "service_unavailable"
                       : f->status == 504 ? "request_timeout"
                                          : "unexpected_error";
    put_error(c, f->status, type, "Unexpected error", f->detail);
}

static bool admit(struct sim_call *c)
{
    if (str_starts(c->path, STR("/api/v1/accounts/")))
        c->account = c->args[0];
    return sim_token_check(c, http_header(c->http, "X-API-KEY"));
}

/* --- sends ------------------------------------------------------------------------------------ */

struct str sim_unipile_type(const struct sim_known *k)
{
    static const char *const types[] = {"INSTAGRAM", "LINKEDIN", "TELEGRAM", "MESSENGER",
                                        "TWITTER"};
    if (k->type.len)
        return k->type;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct str type = str_of(types[i]);
        for (size_t at = 0; at + type.len <= k->id.len; at++)
            if (str_ieq((struct str){k->id.ptr + at, type.len}, type))
                return type;
    }
    return STR("WHATSAPP");
}

struct str sim_unipile_chat(struct arena *a, struct str account, struct str person)
{
    char *id = arena_alloc(a, SIM_ID);
    uint64_t n = sim_mix(str_hash(account)) ^ str_hash(person);
    sim_id_text(n, sim_mix(n), id);
    return (struct str){id, SIM_ID};
}

/* The fields of a send are those of the API and no others, each of its kind. */
static bool fields_valid(struct sim_call *c, const struct sim_body *b, const char *const *known)
{
    static const char *const files[] = {"attachments", "voice_message", "video_message"};
    const struct sim_field *odd = sim_field_unknown(b, known);
    if (odd) {
        sim_unipile_error(c, 400, "invalid_parameters",
                          str_c(c->a, str_fmt(c->a, "%.*s is not a parameter of this request",
                                              STR_ARG(odd->name))));
        return false;
    }
    for (size_t i = 0; i < b->n; i++) {
        const struct sim_field *f = &b->fields[i];
        bool wants_file = false;
        for (size_t k = 0; k < ARRAY_LEN(files); k++)
            wants_file |= str_eq_c(f->name, files[k]);
        bool repeats = sim_field_count(b, str_c(c->a, f->name)) > 1;
        bool may_repeat = str_eq_c(f->name, "attachments") || str_eq_c(f->name, "attendees_ids");
        if (wants_file == f->is_file && (!repeats || may_repeat) && (f->value.len || wants_file))
            continue;
        if (str_eq_c(f->name, "text") && !f->is_file && !repeats)
            continue; // an empty text may stand beside attachments
        sim_unipile_error(c, 400, "invalid_parameters",
                          str_c(c->a, str_fmt(c->a, "%.*s is not valid", STR_ARG(f->name))));
        return false;
    }
    return true;
}

/* Text or files, within the limits. */
static bool content_valid(struct sim_call *c, const struct sim_body *b)
{
    size_t n = sim_field_count(b, "attachments");
    struct str text = sim_field_text(b, "text");
    if (text.len > TEXT_MAX)
        sim_unipile_error(c, 400, "too_many_characters", "text is too long");
    else if (!text.len && !n && !sim_field(b, "voice_message") && !sim_field(b, "video_message"))
        sim_unipile_error(c, 400, "missing_parameters", "text or attachments is required");
    else if (n > ATTACHMENTS_MAX)
        sim_unipile_error(c, 400, "invalid_parameters", "too many attachments");
    else
        return true;
    return false;
}

/* An account that is cut off from its network sends nothing. */
static bool account_valid(struct sim_call *c, struct str id)
{
    const struct sim_known *k = sim_account(c, id);
    if (!k || str_starts(id, STR("absent"))) {
        sim_unipile_error(c, 404, "resource_not_found", "Account not found");
        return false;
    }
    if (!k->status.len || str_eq_c(k->status, "OK"))
        return true;
    sim_unipile_error(c, 401, "disconnected_account", "The account appears to be disconnected");
    return false;
}

static struct str kind_of(const struct sim_body *b)
{
    const struct sim_field *f = sim_field(b, "attachments");
    if (sim_field(b, "voice_message"))
        return STR("voice");
    if (!f)
        return STR("text");
    struct str kind, rest;
    (void)str_cut(f->mime.len ? f->mime : STR("file/"), '/', &kind, &rest);
    bool is_own = str_eq_c(kind, "image") || str_eq_c(kind, "video") || str_eq_c(kind, "audio");
    return is_own ? kind : STR("file");
}

/* The files as they came: what arrives can be compared with what was to be sent. */
static struct str files_json(struct sim_call *c, const struct sim_body *b)
{
    struct buf out;
    buf_init(&out, 65536);
    struct json_out o = {.buf = &out};
    json_open(&o, '{');
    json_key_out(&o, "files");
    json_open(&o, '[');
    for (size_t i = 0; i < b->n; i++) {
        const struct sim_field *f = &b->fields[i];
        if (!f->is_file)
            continue;
        json_open(&o, '{');
        json_put_str(&o, "part", str_utf8(c->a, f->name));
        json_put_str(&o, "name", str_utf8(c->a, f->filename));
        json_put_str(&o, "mime", str_utf8(c->a, f->mime));
        json_put_int(&o, "bytes", (int64_t)f->value.len);
        json_close(&o, '}');
    }
    json_close(&o, ']');
    json_close(&o, '}');
    struct str text = str_dup(c->a, buf_str(&out));
    buf_done(&out);
    return text;
}

static void take(struct sim_call *c, const struct sim_body *b, struct str chat, struct str to,
                 struct str id)
{
    bool has_files = sim_field(b, "attachments") || sim_field(b, "voice_message");
    sim_send_accept(c, &(struct sim_send){.kind = kind_of(b),
                                          .to = to,
                                          .conversation = chat,
                                          .text = sim_field_text(b, "text"),
                                          .external_id = id,
                                          .target = sim_field_text(b, "quote_id"),
                                          .detail = has_files ? files_json(c, b) : STR_NONE});
}

static void send_into_chat(struct sim_call *c)
{
    static const char *const known[] = {
        "account_id",    "text",          "quote_id",        "attachments", "thread_id",
        "voice_message", "video_message", "typing_duration", NULL};
    struct sim_body b;
    if (!sim_body(c, SIM_BODY_MULTIPART, &b) || !fields_valid(c, &b, known) ||
        !content_valid(c, &b))
        return;
    struct str chat = c->args[0], account = sim_field_text(&b, "account_id");
    if (str_starts(chat, STR("absent"))) {
        sim_unipile_error(c, 404, "resource_not_found", "Chat not found");
        return;
    }
    if (!account.len)
        account = STR("unnamed");
    if (!account_valid(c, account) || !sim_send_may(c, account, chat))
        return;
    struct str id = sim_unique_id(c);
    take(c, &b, chat, chat, id);
    sim_answer(c, 201,
               str_fmt(c->a, "{\"object\":\"MessageSent\",\"message_id\":\"%.*s\"}", STR_ARG(id)));
}

static void start_chat(struct sim_call *c)
{
    static const char *const known[] = {"account_id",    "attendees_ids", "text",
                                        "attachments",   "title",         "subject",
                                        "voice_message", "video_message", NULL};
    struct sim_body b;
    if (!sim_body(c, SIM_BODY_MULTIPART, &b) || !fields_valid(c, &b, known))
        return;
    struct str account = sim_field_text(&b, "account_id");
    struct str person = sim_field_text(&b, "attendees_ids");
    if (!account.len || !person.len) {
        sim_unipile_error(c, 400, "missing_parameters",
                          account.len ? "attendees_ids is required" : "account_id is required");
        return;
    }
    if (!content_valid(c, &b) || !account_valid(c, account))
        return;
    if (str_starts(person, STR("absent"))) {
        sim_unipile_error(c, 422, "invalid_recipient", "The recipient appears not to be valid");
        return;
    }
    if (!sim_send_may(c, account, person))
        return;
    struct str id = sim_unique_id(c), chat = sim_unipile_chat(c->a, account, person);
    take(c, &b, chat, person, id);
    sim_answer(c, 201,
               str_fmt(c->a,
                       "{\"object\":\"ChatStarted\",\"chat_id\":\"%.*s\",\"message_id\":\"%.*s\"}",
                       STR_ARG(chat), STR_ARG(id)));
}

/* --- what makes no message -------------------------------------------------------------------- */

static void react(struct sim_call *c)
{
    static const char *const known[] = {"reaction", "account_id", NULL};
    struct sim_body b;
    if (!sim_body(c, SIM_BODY_JSON, &b) || !fields_valid(c, &b, known))
        return;
    const struct json *emoji = json_get(b.json, "reaction");
    const struct sim_sent *on = sim_sends_find(c->server->sends, c->api, c->args[0]);
    if (!json_is(emoji, JSON_STRING) || !json_text(c->a, emoji).len) {
        sim_unipile_error(c, 400, emoji ? "invalid_parameters" : "missing_parameters",
                          "reaction is required");
        return;
    }
    if (str_starts(c->args[0], STR("absent"))) {
        sim_unipile_error(c, 404, "resource_not_found", "Message not found");
        return;
    }
    if (!sim_send_may(c, on ? on->account : STR("unnamed"), c->args[0]))
        return;
    sim_send_accept(c, &(struct sim_send){.kind = STR("reaction"),
                                          .text = json_text(c->a, emoji),
                                          .target = c->args[0]});
    sim_answer(c, 201, STR("{\"object\":\"MessageReactionAdded\"}"));
}

static void patch_chat(struct sim_call *c)
{
    static const char *const known[] = {"action", "value", NULL};
    struct sim_body b;
    if (!sim_body(c, SIM_BODY_JSON, &b) || !fields_valid(c, &b, known))
        return;
    struct str action = sim_field_text(&b, "action");
    const struct json *value = json_get(b.json, "value");
    bool is_read = str_eq_c(action, "setReadStatus") &&
                   (json_is(value, JSON_TRUE) || json_is(value, JSON_FALSE));
    if (!is_read) {
        sim_unipile_error(c, 400, action.len && value ? "invalid_parameters" : "missing_parameters",
                          "action is setReadStatus, value is true or false");
        return;
    }
    if (str_starts(c->args[0], STR("absent"))) {
        sim_unipile_error(c, 404, "resource_not_found", "Chat not found");
        return;
    }
    if (!sim_send_may(c, STR("unnamed"), c->args[0]))
        return;
    sim_send_accept(
        c, &(struct sim_send){.kind = STR("read"), .to = c->args[0], .conversation = c->args[0]});
    sim_answer(c, 200, STR("{\"object\":\"ChatPatched\"}"));
}

/* --- the API ---------------------------------------------------------------------------------- */

static const struct sim_route routes[] = {
    {HTTP_POST, "/api/v1/chats/*/messages", send_into_chat},
    {HTTP_GET, "/api/v1/chats/*/messages", sim_unipile_messages},
    {HTTP_POST, "/api/v1/chats", start_chat},
    {HTTP_GET, "/api/v1/chats", sim_unipile_chats},
    {HTTP_GET, "/api/v1/chats/*", sim_unipile_chat_get},
    {HTTP_PATCH, "/api/v1/chats/*", patch_chat},
    {HTTP_POST, "/api/v1/messages/*/reaction", react},
    {HTTP_GET, "/api/v1/messages/*", sim_unipile_message},
    {HTTP_GET, "/api/v1/messages/*/attachments/*", sim_unipile_attachment},
    {HTTP_GET, "/api/v1/accounts", sim_unipile_accounts},
    {HTTP_GET, "/api/v1/accounts/*", sim_unipile_account},
    {HTTP_GET, "/api/v1/webhooks", sim_unipile_webhooks},
    {HTTP_POST, "/api/v1/webhooks", sim_unipile_webhook_create},
    {HTTP_DELETE, "/api/v1/webhooks/*", sim_unipile_webhook_delete},
};

const struct sim_api sim_api_unipile = {
    .name = "unipile",
    .routes = routes,
    .n_routes = ARRAY_LEN(routes),
    .admit = admit,
    .fail = fail,
    .style = &sim_unipile,
    .has_echo = true,
    .has_delivered = true,
    .has_read = true,
    .report = sim_unipile_report,
};
