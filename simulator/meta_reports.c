/* SPDX-License-Identifier: Apache-2.0 */
/* What was sent through the Graph API comes back: on Instagram and Messenger as an echo, then
 * delivered and read; on WhatsApp as statuses. */
#include <string.h>

#include "meta_api.h"

#define ARENA_MAX ((size_t)1 << 20)

/* --- Instagram and Messenger ------------------------------------------------------------------ */

static bool is_page(const struct sim_report *r)
{
    return r->send.external_id.len > 2 && str_starts(r->send.external_id, STR("m_"));
}

static void put_attachment(struct json_out *o, const struct sim_report *r, struct arena *a)
{
    struct err err = {0};
    const struct json *message = json_get(json_parse(a, r->send.detail, &err), "message");
    const struct json *one = json_get(message, "attachment");
    json_key_out(o, "attachments");
    json_open(o, '[');
    json_open(o, '{');
    json_put_str(o, "type", str_eq_c(r->send.kind, "sticker") ? STR("image") : r->send.kind);
    json_key_out(o, "payload");
    json_open(o, '{');
    struct str url = json_text(a, json_get(json_get(one, "payload"), "url"));
    json_put_str(o, "url", url.len ? url : STR("https://scontent.example/upload"));
    json_close(o, '}');
    json_close(o, '}');
    json_close(o, ']');
}

static void put_echo(struct json_out *o, const struct sim_report *r, struct arena *a)
{
    json_key_out(o, "message");
    json_open(o, '{');
    json_put_str(o, "mid", r->send.external_id);
    json_put_bool(o, "is_echo", true);
    if (is_page(r)) {
        json_put_raw(o, "app_id", STR(SIM_META_APP));
        if (r->send.client_ref.len)
            json_put_str(o, "metadata", r->send.client_ref);
    }
    if (r->send.text.len)
        json_put_str(o, "text", r->send.text);
    if (!str_eq_c(r->send.kind, "text"))
        put_attachment(o, r, a);
    if (r->send.target.len) {
        json_key_out(o, "reply_to");
        json_open(o, '{');
        json_put_str(o, "mid", r->send.target);
        json_close(o, '}');
    }
    json_close(o, '}');
}

static void put_receipt(struct json_out *o, const struct sim_report *r)
{
    json_key_out(o, r->kind == SIM_READ ? "read" : "delivery");
    json_open(o, '{');
    if (!is_page(r)) {
        json_put_str(o, "mid", r->send.external_id);
    } else {
        if (r->kind == SIM_DELIVERED) {
            json_key_out(o, "mids");
            json_open(o, '[');
            json_str(o, r->send.external_id);
            json_close(o, ']');
        }
        json_put_int(o, "watermark", r->at_ms);
    }
    json_close(o, '}');
}

static void put_side(struct json_out *o, const char *side, struct str id)
{
    json_key_out(o, side);
    json_open(o, '{');
    json_put_str(o, "id", id);
    json_close(o, '}');
}

void sim_meta_report(struct buf *out, const struct sim_report *reports, size_t n)
{
    auto_arena a = arena_new(ARENA_MAX);
    struct json_out o = {.buf = out};
    json_open(&o, '{');
    json_put_str(&o, "object", is_page(reports) ? STR("page") : STR("instagram"));
    json_key_out(&o, "entry");
    json_open(&o, '[');
    for (size_t i = 0; i < n; i++) {
        const struct sim_report *r = &reports[i];
        bool is_ours = r->kind == SIM_ECHO;
        arena_reset(a);
        json_open(&o, '{');
        json_put_str(&o, "id", r->account);
        json_put_int(&o, "time", r->at_ms);
        json_key_out(&o, "messaging");
        json_open(&o, '[');
        json_open(&o, '{');
        put_side(&o, "sender", is_ours ? r->account : r->send.to);
        put_side(&o, "recipient", is_ours ? r->send.to : r->account);
        json_put_int(&o, "timestamp", r->at_ms);
        if (is_ours)
            put_echo(&o, r, a);
        else
            put_receipt(&o, r);
        json_close(&o, '}');
        json_close(&o, ']');
        json_close(&o, '}');
    }
    json_close(&o, ']');
    json_close(&o, '}');
}

/* --- WhatsApp --------------------------------------------------------------------------------- */

static void put_status(struct json_out *o, const struct sim_report *r, struct arena *a)
{
    struct err err = {0};
    const struct json *sent = json_parse(a, r->send.detail, &err);
    bool is_group = str_eq_c(json_text(a, json_get(sent, "recipient_type")), "group");
    static const char *const names[SIM_KINDS] = {
        [SIM_ECHO] = "sent", [SIM_DELIVERED] = "delivered", [SIM_READ] = "read"};
    json_open(o, '{');
    json_put_str(o, "id", r->send.external_id);
    json_put_str(o, "status", str_of(names[r->kind]));
    json_put_str(o, "timestamp", str_fmt(a, "%lld", (long long)(r->at_ms / 1000)));
    json_put_str(o, "recipient_id", r->send.to);
    if (is_group)
        json_put_str(o, "recipient_type", STR("group"));
    if (r->send.client_ref.len)
        json_put_str(o, "biz_opaque_callback_data", r->send.client_ref);
    json_put_raw(o, "pricing",
                 STR("{\"billable\":false,\"pricing_model\":\"PMP\",\"category\":\"service\","
                     "\"type\":\"free_customer_service\"}"));
    json_close(o, '}');
}

void sim_whatsapp_report(struct buf *out, const struct sim_report *reports, size_t n)
{
    auto_arena a = arena_new(ARENA_MAX);
    struct json_out o = {.buf = out};
    json_open(&o, '{');
    json_put_str(&o, "object", STR("whatsapp_business_account"));
    json_key_out(&o, "entry");
    json_open(&o, '[');
    for (size_t i = 0; i < n; i++) {
        arena_reset(a);
        json_open(&o, '{');
        json_put_str(&o, "id", STR("200000000000401"));
        json_key_out(&o, "changes");
        json_open(&o, '[');
        json_open(&o, '{');
        json_put_str(&o, "field", STR("messages"));
        json_key_out(&o, "value");
        json_open(&o, '{');
        json_put_str(&o, "messaging_product", STR("whatsapp"));
        json_key_out(&o, "metadata");
        json_open(&o, '{');
        json_put_str(&o, "display_phone_number", STR("15550100001"));
        json_put_str(&o, "phone_number_id", reports[i].account);
        json_close(&o, '}');
        json_key_out(&o, "statuses");
        json_open(&o, '[');
        put_status(&o, &reports[i], a);
        json_close(&o, ']');
        json_close(&o, '}');
        json_close(&o, '}');
        json_close(&o, ']');
        json_close(&o, '}');
    }
    json_close(&o, ']');
    json_close(&o, '}');
}
