/* SPDX-License-Identifier: Apache-2.0 */
/* UniPile, version 1, webhooks of source "messaging": one flat object per event, a static secret in
 * a header, no content type unless the owner of the webhook asked for one. */
#include "clock.h"
#include "provider_style.h"
#include "texts.h"

static const char *const event_names[SIM_KINDS] = {
    [SIM_MESSAGE] = "message_received",    [SIM_ECHO] = "message_received",
    [SIM_DELIVERED] = "message_delivered", [SIM_READ] = "message_read",
    [SIM_REACTION] = "message_reaction",   [SIM_EDITED] = "message_edited",
    [SIM_DELETED] = "message_deleted",
};

static void path(struct buf *out, const struct sim_secrets *s, const struct sim_account *a)
{
    (void)a;
    SIM_PUT(out, "/webhooks/unipile/");
    buf_put_str(out, s->tenant_id);
}

static void proof(struct buf *out, const struct sim_secrets *s, struct str body)
{
    (void)body;
    SIM_PUT(out, "Unipile-Auth: ");
    buf_put_str(out, s->tenant_secret);
    SIM_PUT(out, "\r\n");
}

static void message_id(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    char id[SIM_ID];
    sim_message_id(p, e->target, id);
    buf_put(out, id, sizeof id);
}

static void conversation_id(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    uint64_t n = sim_conversation_number(p, e->account, e->conversation);
    char id[SIM_ID];
    sim_id_text(n, sim_mix(n), id);
    buf_put(out, id, sizeof id);
}

/* The id at the network behind UniPile: a telephone number on WhatsApp, a number elsewhere. */
static void network_id(struct buf *out, const struct sim_account *a, uint64_t number)
{
    bool whatsapp = str_eq_c(a->type, "WHATSAPP");
    if (whatsapp)
        buf_putc(out, '1');
    sim_put_number(out, 2000000000u + number % 7999999999u);
    if (whatsapp)
        SIM_PUT(out, "@s.whatsapp.net");
}

static void attendee(struct buf *out, const struct sim_plan *p, const struct sim_event *e, bool own)
{
    const struct sim_account *a = sim_plan_account(p, e->account);
    uint64_t number =
        own ? str_hash(a->id) : sim_conversation_number(p, e->account, e->conversation);
    char id[SIM_ID];
    sim_id_text(number, ~number, id);
    SIM_PUT(out, "{\"attendee_id\":\"");
    buf_put(out, id, sizeof id);
    SIM_PUT(out, "\",\"attendee_provider_id\":\"");
    network_id(out, a, number);
    SIM_PUT(out, "\",\"attendee_name\":\"");
    if (own) {
        SIM_PUT(out, "Shop Example");
    } else {
        sim_put_name(out, number, false);
    }
    SIM_PUT(out, "\",\"attendee_profile_url\":null,\"attendee_specifics\":{\"provider\":\"");
    buf_put_str(out, a->type);
    SIM_PUT(out, "\"},\"attendee_public_identifier\":\"");
    network_id(out, a, number);
    SIM_PUT(out, "\"}");
}

static void head(struct buf *out, const struct sim_plan *p, const struct sim_event *e, bool full)
{
    const struct sim_account *a = sim_plan_account(p, e->account);
    char at[CLOCK_TEXT_MAX];
    size_t at_len = clock_format(e->at_ms, at);
    SIM_PUT(out, "{\"account_id\":\"");
    buf_put_str(out, a->id);
    SIM_PUT(out, "\",\"account_type\":\"");
    buf_put_str(out, a->type);
    if (full) {
        SIM_PUT(out, "\",\"account_info\":{\"type\":\"");
        buf_put_str(out, a->type);
        SIM_PUT(out, "\",\"feature\":\"classic\",\"user_id\":\"");
        network_id(out, a, str_hash(a->id));
        SIM_PUT(out, "\"},\"event\":\"");
    } else {
        SIM_PUT(out, "\",\"event\":\"");
    }
    buf_put_c(out, event_names[e->kind]);
    SIM_PUT(out, "\",\"webhook_name\":\"gateway\",\"chat_id\":\"");
    conversation_id(out, p, e);
    SIM_PUT(out, "\",\"timestamp\":\"");
    buf_put(out, at, at_len);
    SIM_PUT(out, "\",\"message_id\":\"");
    message_id(out, p, e);
    buf_putc(out, '"');
}

/* Text of the message an event is about: its own, or (reaction) the original's. */
static void put_text(struct buf *out, const struct sim_event *e)
{
    if (e->kind != SIM_DELETED)
        sim_put_event_text(out, e, false);
}

static void body(struct buf *out, const struct sim_plan *p, const struct sim_event *e, size_t n)
{
    (void)n; // one event per body: batch_max is 1
    bool full = e->kind != SIM_DELIVERED && e->kind != SIM_READ;
    head(out, p, e, full);
    if (!full) {
        buf_putc(out, '}');
        return;
    }
    const struct sim_account *a = sim_plan_account(p, e->account);
    SIM_PUT(out, ",\"message\":\"");
    put_text(out, e);
    SIM_PUT(out, "\",\"sender\":");
    attendee(out, p, e, e->target_is_out);
    SIM_PUT(out, ",\"attendees\":[");
    attendee(out, p, e, false);
    SIM_PUT(out, "],\"attachments\":[],\"subject\":null,\"is_sender\":");
    buf_put_c(out, e->target_is_out ? "true" : "false");
    SIM_PUT(out, ",\"provider_chat_id\":\"");
    network_id(out, a, sim_conversation_number(p, e->account, e->conversation));
    SIM_PUT(out, "\",\"provider_message_id\":\"3EB0");
    message_id(out, p, e);
    SIM_PUT(out, "\",\"is_event\":0,\"chat_pinned\":0,\"quoted\":null,\"reply_to\":null,"
                 "\"is_forwarded\":null,\"chat_content_type\":null,\"message_type\":\"MESSAGE\","
                 "\"is_group\":false,\"folder\":[\"INBOX\"],\"event_type\":null");
    if (e->kind == SIM_REACTION) {
        SIM_PUT(out, ",\"reaction\":\"");
        if (!e->removes)
            buf_put_str(out, sim_emoji(e->pick));
        SIM_PUT(out, "\",\"reaction_sender\":");
        attendee(out, p, e, !e->target_is_out);
    }
    buf_putc(out, '}');
}

const struct sim_provider sim_unipile = {
    .name = "unipile",
    .default_account = "SimWhatsAppAccount0001",
    .default_type = "WHATSAPP",
    .kinds = sim_all_kinds,
    .tick_ms = 1,
    .app = SIM_APP_NONE,
    .batch_max = 1,
    .path = path,
    .proof = proof,
    .body = body,
    .message_id = message_id,
    .conversation_id = conversation_id,
};
