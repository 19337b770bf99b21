/* SPDX-License-Identifier: Apache-2.0 */
#include "meta_style.h"

#include "texts.h"

void sim_meta_proof(struct buf *out, const struct sim_secrets *s, struct str body)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t mac[SHA256_BYTES];
    char text[2 * SHA256_BYTES];
    hmac_sha256(s->app, body, mac);
    for (size_t i = 0; i < sizeof mac; i++) {
        text[2 * i] = hex[mac[i] >> 4];
        text[2 * i + 1] = hex[mac[i] & 15];
    }
    SIM_PUT(out, "Content-Type: application/json\r\nX-Hub-Signature-256: sha256=");
    buf_put(out, text, sizeof text);
    SIM_PUT(out, "\r\n");
}

static void put_text(struct buf *out, const struct sim_event *e)
{
    SIM_PUT(out, ",\"text\":\"");
    sim_put_event_text(out, e, true);
    buf_putc(out, '"');
}

static void put_mid(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    SIM_PUT(out, "{\"mid\":\"");
    sim_plan_account(p, e->account)->provider->message_id(out, p, e);
    buf_putc(out, '"');
}

static void put_reaction(struct buf *out, const struct sim_event *e)
{
    if (e->removes) {
        SIM_PUT(out, ",\"action\":\"unreact\"}");
        return;
    }
    SIM_PUT(out, ",\"action\":\"react\",\"reaction\":\"other\",\"emoji\":\"");
    sim_put_json(out, sim_emoji(e->pick), true);
    SIM_PUT(out, "\"}");
}

void sim_meta_put_what(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    switch (e->kind) {
    case SIM_REACTION:
        SIM_PUT(out, "\"reaction\":");
        put_mid(out, p, e);
        put_reaction(out, e);
        return;
    case SIM_READ:
        SIM_PUT(out, "\"read\":");
        put_mid(out, p, e);
        break;
    case SIM_EDITED:
        SIM_PUT(out, "\"message_edit\":");
        put_mid(out, p, e);
        put_text(out, e);
        SIM_PUT(out, ",\"num_edit\":");
        sim_put_number(out, e->number);
        break;
    case SIM_DELETED:
        SIM_PUT(out, "\"message\":");
        put_mid(out, p, e);
        SIM_PUT(out, ",\"is_deleted\":true");
        break;
    default:
        SIM_PUT(out, "\"message\":");
        put_mid(out, p, e);
        put_text(out, e);
        if (e->kind == SIM_ECHO)
            SIM_PUT(out, ",\"is_echo\":true");
    }
    buf_putc(out, '}');
}

static void put_item(struct buf *out, const struct sim_plan *p, const struct sim_event *e,
                     sim_meta_what *what)
{
    bool from_us = e->kind == SIM_ECHO;
    struct str account = sim_plan_account(p, e->account)->id;
    const struct sim_provider *provider = sim_plan_account(p, e->account)->provider;
    SIM_PUT(out, "{\"sender\":{\"id\":\"");
    if (from_us)
        buf_put_str(out, account);
    else
        provider->conversation_id(out, p, e);
    SIM_PUT(out, "\"},\"recipient\":{\"id\":\"");
    if (from_us)
        provider->conversation_id(out, p, e);
    else
        buf_put_str(out, account);
    SIM_PUT(out, "\"},\"timestamp\":");
    sim_put_number(out, (uint64_t)e->at_ms);
    buf_putc(out, ',');
    what(out, p, e);
    buf_putc(out, '}');
}

void sim_meta_body(struct buf *out, const struct sim_plan *p, const struct sim_event *e, size_t n,
                   const char *object, sim_meta_what *what)
{
    SIM_PUT(out, "{\"object\":\"");
    buf_put_c(out, object);
    SIM_PUT(out, "\",\"entry\":[");
    for (size_t i = 0; i < n; i++) {
        bool first = i == 0 || e[i].account != e[i - 1].account;
        bool last = i + 1 == n || e[i].account != e[i + 1].account;
        if (i > 0)
            buf_putc(out, ',');
        if (first) {
            SIM_PUT(out, "{\"id\":\"");
            buf_put_str(out, sim_plan_account(p, e[i].account)->id);
            SIM_PUT(out, "\",\"time\":");
            sim_put_number(out, (uint64_t)e[i].at_ms + 200);
            SIM_PUT(out, ",\"messaging\":[");
        }
        put_item(out, p, &e[i], what);
        if (last)
            SIM_PUT(out, "]}");
    }
    SIM_PUT(out, "]}");
}
