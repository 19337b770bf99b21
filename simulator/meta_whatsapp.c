/* SPDX-License-Identifier: Apache-2.0 */
/* POST /{phone number id}/messages and /media of the WhatsApp Cloud API. */
#include "meta_api.h"
#include "server.h"

#define REF_MAX       512
#define MEDIA_ID_BASE 8800000000000000u
#define MIB           ((size_t)1 << 20)

/* --- the message ------------------------------------------------------------------------------ */

/* The members that any message may have; that of its type comes on top. */
static const struct graph_member head[] = {
    {"messaging_product", GRAPH_TEXT, true, 0},
    {"recipient_type", GRAPH_TEXT, false, 0},
    {"to", GRAPH_ID, false, 0},
    {"recipient", GRAPH_TEXT, false, 0},
    {"type", GRAPH_TEXT, false, 0},
    {"context", GRAPH_OBJECT, false, 0},
    {"biz_opaque_callback_data", GRAPH_TEXT, false, REF_MAX},
};

static const struct whatsapp_type *type_of(struct sim_call *c, const struct json *body)
{
    struct str name = json_text(c->a, json_get(body, "type"));
    const struct whatsapp_type *type = sim_whatsapp_type(name.ptr ? name : STR("text"));
    if (!type)
        (void)sim_graph_invalid(c, "type",
                                "must be one of {AUDIO, CONTACTS, DOCUMENT, IMAGE, INTERACTIVE, "
                                "LOCATION, REACTION, STICKER, TEMPLATE, TEXT, VIDEO}.");
    return type;
}

static bool message_valid(struct sim_call *c, const struct json *body,
                          const struct whatsapp_type *type)
{
    static const struct graph_member context[] = {{"message_id", GRAPH_ID, true, 0}};
    struct graph_member members[ARRAY_LEN(head) + 1];
    for (size_t i = 0; i < ARRAY_LEN(head); i++)
        members[i] = head[i];
    members[ARRAY_LEN(head)] =
        (struct graph_member){type->name, type->is_array ? GRAPH_ARRAY : GRAPH_OBJECT, true, 0};
    if (!sim_graph_check(c, body, NULL, members, ARRAY_LEN(members)))
        return false;
    const struct json *reply = json_get(body, "context");
    return (!reply || sim_graph_check(c, reply, "context", context, ARRAY_LEN(context))) &&
           type->valid(c, json_get(body, type->name));
}

static bool is_group(struct sim_call *c, const struct json *body)
{
    return str_eq_c(json_text(c->a, json_get(body, "recipient_type")), "group");
}

/* Number, business-scoped id or group. Absent: has failed. */
static struct str recipient_of(struct sim_call *c, const struct json *body,
                               const struct whatsapp_type *type)
{
    static const char *const kinds[] = {"individual", "group", NULL};
    struct str kind = json_text(c->a, json_get(body, "recipient_type"));
    struct str to = json_text(c->a, json_get(body, "to"));
    struct graph_error e = sim_graph_error(131026, 0), no_type = sim_graph_error(131051, 0);
    bool has_number = to.len > 0;
    if (!has_number)
        to = json_text(c->a, json_get(body, "recipient"));
    struct str digits = str_starts(to, STR("+")) ? str_skip(to, 1) : to;
    if (kind.len && !sim_is_one_of(kind, kinds))
        (void)sim_graph_invalid(c, "recipient_type", "must be one of {individual, group}.");
    else if (!to.len)
        (void)sim_graph_missing(c, "to");
    else if (str_starts(to, STR("absent")))
        (void)sim_graph_refuse(c, &e, "Message undeliverable.");
    else if (sim_graph_meant_error(c, to))
        return STR_NONE;
    else if (is_group(c, body) && !type->in_groups)
        (void)sim_graph_refuse(c, &no_type, "This message type is not supported in groups.");
    else if (has_number && !is_group(c, body) && (!sim_is_digits(digits) || digits.len > 20))
        (void)sim_graph_invalid(c, "to", "is not a valid phone number.");
    else
        return has_number && !is_group(c, body) ? digits : to;
    return STR_NONE;
}

static void send_message(struct sim_call *c, const struct json *body)
{
    const struct whatsapp_type *type = type_of(c, body);
    if (!type || !message_valid(c, body, type))
        return;
    struct str to = recipient_of(c, body, type);
    if (!to.len || !sim_send_may(c, c->args[1], to))
        return;
    const struct json *what = json_get(body, type->name);
    struct str text = str_eq_c(str_of(type->name), "text")
                          ? json_text(c->a, json_get(what, "body"))
                          : json_text(c->a, json_get(what, "caption"));
    struct str reacted = json_text(c->a, json_get(what, "message_id"));
    struct str answered = json_text(c->a, json_get(json_get(body, "context"), "message_id"));
    struct str id =
        str_fmt(c->a, "wamid.HBgNNDkxNTUwMTAwMDAyMRUCABIYFj%.*sAA==", STR_ARG(sim_unique_id(c)));
    sim_send_accept(c,
                    &(struct sim_send){
                        .kind = str_of(type->name),
                        .to = to,
                        .conversation = to,
                        .text = reacted.len ? json_text(c->a, json_get(what, "emoji")) : text,
                        .client_ref = json_text(c->a, json_get(body, "biz_opaque_callback_data")),
                        .external_id = id,
                        .target = reacted.len ? reacted : answered,
                        .detail = body->span});
    struct str contact =
        is_group(c, body)
            ? str_fmt(c->a, "{\"input\":\"%.*s\"}", STR_ARG(to))
            : str_fmt(c->a, "{\"input\":\"%.*s\",\"wa_id\":\"%.*s\"}", STR_ARG(to), STR_ARG(to));
    sim_answer(c, 200,
               str_fmt(c->a,
                       "{\"messaging_product\":\"whatsapp\",\"contacts\":[%.*s],\"messages\":[{"
                       "\"id\":\"%.*s\",\"message_status\":\"accepted\"}]}",
                       STR_ARG(contact), STR_ARG(id)));
}

/* --- read marks and typing -------------------------------------------------------------------- */

static void mark(struct sim_call *c, const struct json *body)
{
    static const struct graph_member members[] = {
        {"messaging_product", GRAPH_TEXT, true, 0},
        {"status", GRAPH_TEXT, true, 0},
        {"message_id", GRAPH_ID, true, 0},
        {"typing_indicator", GRAPH_OBJECT, false, 0},
    };
    static const struct graph_member typing[] = {{"type", GRAPH_TEXT, true, 0}};
    const struct json *indicator = json_get(body, "typing_indicator");
    struct str target = json_text(c->a, json_get(body, "message_id"));
    if (!sim_graph_check(c, body, NULL, members, ARRAY_LEN(members)) ||
        (indicator &&
         !sim_graph_check(c, indicator, "typing_indicator", typing, ARRAY_LEN(typing))))
        return;
    if (!str_eq_c(json_text(c->a, json_get(body, "status")), "read")) {
        (void)sim_graph_invalid(c, "status", "must be one of {read}.");
        return;
    }
    if (indicator && !str_eq_c(json_text(c->a, json_get(indicator, "type")), "text")) {
        (void)sim_graph_invalid(c, "typing_indicator[type]", "must be one of {text}.");
        return;
    }
    struct graph_error gone = sim_graph_error(131009, 0);
    if (str_starts(target, STR("absent"))) {
        (void)sim_graph_refuse(c, &gone, "Invalid message id");
        return;
    }
    if (!sim_send_may(c, c->args[1], target))
        return;
    sim_send_accept(
        c, &(struct sim_send){.kind = indicator ? STR("typing") : STR("read"), .target = target});
    sim_answer(c, 200, STR("{\"success\":true}"));
}

void sim_whatsapp_send(struct sim_call *c)
{
    struct graph_error e = sim_graph_error(100, 33);
    const struct json *body = sim_graph_body(c);
    if (!body)
        return;
    if (!sim_is_digits(c->args[1])) {
        (void)sim_graph_refuse(c, &e, NULL);
        return;
    }
    c->account = c->args[1];
    struct str product = json_text(c->a, json_get(body, "messaging_product"));
    if (!product.len)
        (void)sim_graph_missing(c, "messaging_product");
    else if (!str_eq_c(product, "whatsapp"))
        (void)sim_graph_invalid(c, "messaging_product", "must be one of {whatsapp}.");
    else if (json_get(body, "status"))
        mark(c, body);
    else
        send_message(c, body);
}

/* --- media ------------------------------------------------------------------------------------ */

static const struct {
    const char *mime;
    size_t max;
} media_types[] = {
    {"image/webp", 500 << 10},
    {"image/jpeg", 5 * MIB},
    {"image/png", 5 * MIB},
    {"video/mp4", 16 * MIB},
    {"video/3gpp", 16 * MIB},
    {"audio/aac", 16 * MIB},
    {"audio/amr", 16 * MIB},
    {"audio/mpeg", 16 * MIB},
    {"audio/mp4", 16 * MIB},
    {"audio/ogg", 16 * MIB},
    {"text/plain", 100 * MIB},
    {"application/pdf", 100 * MIB},
    {"application/msword", 100 * MIB},
    {"application/vnd.ms-excel", 100 * MIB},
    {"application/vnd.ms-powerpoint", 100 * MIB},
    {"application/vnd.openxmlformats-officedocument.wordprocessingml.document", 100 * MIB},
    {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", 100 * MIB},
    {"application/vnd.openxmlformats-officedocument.presentationml.presentation", 100 * MIB},
};

static bool upload_valid(struct sim_call *c, const struct sim_body *b)
{
    static const char *const known[] = {"messaging_product", "type", "file", NULL};
    const struct sim_field *odd = sim_field_unknown(b, known), *file = sim_field(b, "file");
    if (odd)
        return sim_graph_invalid(c, str_c(c->a, str_utf8(c->a, odd->name)),
                                 "is not a known parameter.");
    if (!str_eq_c(sim_field_text(b, "messaging_product"), "whatsapp"))
        return sim_graph_missing(c, "messaging_product");
    if (!file || !file->is_file || !file->value.len)
        return sim_graph_missing(c, "file");
    struct str mime, rest, type = sim_field_text(b, "type");
    (void)str_cut(file->mime, ';', &mime, &rest);
    if (!type.len)
        return sim_graph_missing(c, "type");
    size_t i = 0;
    while (i < ARRAY_LEN(media_types) && !str_eq_c(str_trim(mime), media_types[i].mime))
        i++;
    if (i == ARRAY_LEN(media_types))
        return sim_graph_invalid(c, "file", "must be a file of a supported type.");
    struct graph_error large = sim_graph_error(131053, 0);
    return file->value.len <= media_types[i].max ||
           sim_graph_refuse(c, &large, "The file is larger than its type may be.");
}

void sim_whatsapp_upload(struct sim_call *c)
{
    struct sim_body b;
    c->account = c->args[1];
    if (!sim_body(c, SIM_BODY_MULTIPART, &b) || !upload_valid(c, &b))
        return;
    unsigned long long id = MEDIA_ID_BASE + sim_unique(c);
    sim_answer(c, 200, str_fmt(c->a, "{\"id\":\"%llu\"}", id));
}
