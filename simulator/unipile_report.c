/* SPDX-License-Identifier: Apache-2.0 */
/* What was sent through UniPile's API comes back as its webhooks say it: as any message of the
 * chat, with is_sender, then delivered, then read. */
#include "clock.h"
#include "unipile_api.h"

#define NETWORK_NUMBERS 7999999999u

void sim_unipile_put_network_id(struct buf *out, struct str type, struct str id)
{
    bool is_whatsapp = str_eq_c(type, "WHATSAPP");
    for (size_t i = 0; i < id.len; i++)
        if (id.ptr[i] == '@') {
            buf_put_str(out, id); // it is one
            return;
        }
    if (is_whatsapp)
        buf_putc(out, '1');
    sim_put_number(out, 2000000000u + str_hash(id) % NETWORK_NUMBERS);
    if (is_whatsapp)
        buf_put_c(out, "@s.whatsapp.net");
}

static void put_network(struct json_out *o, const char *key, struct str type, struct str id)
{
    char room[256];
    struct buf text = {.ptr = room, .cap = sizeof room, .max = sizeof room};
    sim_unipile_put_network_id(&text, type, id);
    json_put_str(o, key, buf_str(&text));
}

static void put_attendee(struct json_out *o, const char *key, const struct sim_report *r,
                         struct str id, const char *name)
{
    char text[SIM_ID];
    sim_id_text(str_hash(id), ~str_hash(id), text);
    if (key)
        json_key_out(o, key);
    json_open(o, '{');
    json_put_str(o, "attendee_id", (struct str){text, SIM_ID});
    put_network(o, "attendee_provider_id", r->type, id);
    json_put_str(o, "attendee_name", str_of(name));
    json_put_str(o, "attendee_profile_url", STR_NONE);
    json_close(o, '}');
}

static void put_message(struct json_out *o, const struct sim_report *r)
{
    struct str person = r->send.to;
    json_key_out(o, "account_info");
    json_open(o, '{');
    json_put_str(o, "type", r->type);
    json_put_str(o, "feature", STR("classic"));
    put_network(o, "user_id", r->type, r->account);
    json_close(o, '}');
    json_put_str(o, "message", r->send.text.ptr ? r->send.text : STR(""));
    put_attendee(o, "sender", r, r->account, "Shop Example");
    json_key_out(o, "attendees");
    json_open(o, '[');
    put_attendee(o, NULL, r, person, "Customer Example");
    json_close(o, ']');
    json_put_raw(o, "attachments", STR("[]"));
    json_put_str(o, "subject", STR_NONE);
    json_put_bool(o, "is_sender", true);
    put_network(o, "provider_chat_id", r->type, person);
    json_put_raw(o, "is_event", STR("0"));
    json_put_str(o, "quoted", STR_NONE);
    json_put_str(o, "message_type", STR("MESSAGE"));
    json_put_bool(o, "is_group", false);
}

void sim_unipile_report(struct buf *out, const struct sim_report *r, size_t n)
{
    static const char *const events[SIM_KINDS] = {[SIM_ECHO] = "message_received",
                                                  [SIM_DELIVERED] = "message_delivered",
                                                  [SIM_READ] = "message_read"};
    struct json_out o = {.buf = out};
    char at[CLOCK_TEXT_MAX];
    struct sim_report typed = *r;
    typed.type = sim_unipile_type(&(struct sim_known){.id = r->account, .type = r->type});
    r = &typed;
    (void)n; // one event per body: batch_max is 1
    json_open(&o, '{');
    json_put_str(&o, "account_id", r->account);
    json_put_str(&o, "account_type", r->type);
    json_put_str(&o, "event", str_of(events[r->kind]));
    json_put_str(&o, "webhook_name", STR("gateway"));
    json_put_str(&o, "chat_id", r->send.conversation);
    json_put_str(&o, "timestamp", (struct str){at, clock_format(r->at_ms, at)});
    json_put_str(&o, "message_id", r->send.external_id);
    if (r->kind == SIM_ECHO)
        put_message(&o, r);
    json_close(&o, '}');
}
