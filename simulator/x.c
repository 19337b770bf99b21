/* SPDX-License-Identifier: Apache-2.0 */
/* X: direct messages and read marks, in the shape of Account Activity and, every third one, of its
 * successor X Activity. Signed with the app's consumer secret, in base64. Ids hold their time. */
#include <string.h>

#include "provider_style.h"

/* Ids are milliseconds from this moment on, above 22 other bits. */
#define ID_EPOCH_MS 1288834974657LL
#define ID_BITS     22

static void path(struct buf *out, const struct sim_secrets *s, const struct sim_account *a)
{
    (void)s;
    (void)a;
    SIM_PUT(out, "/webhooks/x");
}

static void proof(struct buf *out, const struct sim_secrets *s, struct str body)
{
    uint8_t mac[SHA256_BYTES];
    auto_arena a = arena_new(4096);
    hmac_sha256(s->app, body, mac);
    SIM_PUT(out, "Content-Type: application/json\r\nx-twitter-webhooks-signature: sha256=");
    buf_put_str(out, base64_encode(a, (struct str){(const char *)mac, sizeof mac}));
    SIM_PUT(out, "\r\n");
}

static uint64_t person(const struct sim_plan *p, const struct sim_event *e)
{
    return sim_conversation_number(p, e->account, e->conversation);
}

static void message_id(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    int64_t ms = sim_message_at_ms(p, e) - ID_EPOCH_MS;
    uint64_t low = (e->target ^ sim_plan_salt(p)) & ((1u << ID_BITS) - 1);
    sim_put_number(out, (uint64_t)(ms > 0 ? ms : 0) << ID_BITS | low);
}

static void put_person_id(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    sim_put_number(out, 1400000000000000000u + person(p, e) % 99999999999999999u);
}

/* The smaller id first, as numbers. */
static void conversation_id(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    char room[20];
    struct buf other = {.ptr = room, .cap = sizeof room, .max = sizeof room};
    put_person_id(&other, p, e);
    struct str a = sim_plan_account(p, e->account)->id, b = buf_str(&other);
    bool a_first = a.len != b.len ? a.len < b.len : memcmp(a.ptr, b.ptr, a.len) <= 0;
    buf_put_str(out, a_first ? a : b);
    buf_putc(out, '-');
    buf_put_str(out, a_first ? b : a);
}

static void put_id(struct buf *out, const struct sim_plan *p, const struct sim_event *e, bool ours)
{
    if (ours)
        buf_put_str(out, sim_plan_account(p, e->account)->id);
    else
        put_person_id(out, p, e);
}

/* Text with three characters written as in HTML. */
static void put_text(struct buf *out, const struct sim_event *e)
{
    char room[SIM_TEXT_MAX], escaped[2 * SIM_TEXT_MAX];
    struct buf text = {.ptr = room, .cap = sizeof room, .max = sizeof room};
    struct buf html = {.ptr = escaped, .cap = sizeof escaped, .max = sizeof escaped};
    sim_event_text(&text, e);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '&')
            SIM_PUT(&html, "&amp;");
        else if (c == '<')
            SIM_PUT(&html, "&lt;");
        else if (c == '>')
            SIM_PUT(&html, "&gt;");
        else
            buf_putc(&html, c);
    }
    sim_put_json(out, buf_str(&html), false);
}

static void put_message(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    SIM_PUT(out, "\"direct_message_events\":[{\"type\":\"message_create\",\"id\":\"");
    message_id(out, p, e);
    SIM_PUT(out, "\",\"created_timestamp\":\"");
    sim_put_number(out, (uint64_t)e->at_ms);
    SIM_PUT(out, "\",\"message_create\":{\"target\":{\"recipient_id\":\"");
    put_id(out, p, e, !e->target_is_out);
    SIM_PUT(out, "\"},\"sender_id\":\"");
    put_id(out, p, e, e->target_is_out);
    SIM_PUT(out, "\",\"message_data\":{\"text\":\"");
    put_text(out, e);
    SIM_PUT(
        out,
        "\",\"entities\":{\"hashtags\":[],\"symbols\":[],\"user_mentions\":[],\"urls\":[]}}}}]");
}

static void put_read(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    SIM_PUT(out, "\"direct_message_mark_read_events\":[{\"created_timestamp\":\"");
    sim_put_number(out, (uint64_t)e->at_ms);
    SIM_PUT(out, "\",\"sender_id\":\"");
    put_person_id(out, p, e);
    SIM_PUT(out, "\",\"target\":{\"recipient_id\":\"");
    put_id(out, p, e, true);
    SIM_PUT(out, "\"},\"last_read_event_id\":\"");
    message_id(out, p, e);
    SIM_PUT(out, "\"}]");
}

/* One of the two in "users"; X Activity has what is said about them in "data". */
static void put_user(struct buf *out, const struct sim_plan *p, const struct sim_event *e,
                     bool ours, bool is_new)
{
    buf_putc(out, '"');
    put_id(out, p, e, ours);
    buf_put_c(out, is_new ? "\":{\"data\":{\"id\":\"" : "\":{\"id\":\"");
    put_id(out, p, e, ours);
    SIM_PUT(out, "\",\"name\":\"");
    if (ours)
        SIM_PUT(out, "Shop Example");
    else
        sim_put_name(out, person(p, e), false);
    buf_put_c(out, is_new ? "\",\"username\":\"" : "\",\"screen_name\":\"");
    buf_put_c(out, ours ? "shop_example" : "user_");
    if (!ours)
        sim_put_number(out, person(p, e) % 1000000);
    buf_put_c(out, is_new ? "\"}}" : "\"}");
}

static const char *new_type(const struct sim_event *e)
{
    if (e->kind == SIM_READ)
        return "dm.read";
    return e->target_is_out ? "dm.sent" : "dm.received";
}

static void body(struct buf *out, const struct sim_plan *p, const struct sim_event *e, size_t n)
{
    (void)n; // a body belongs to one user: batch_max is 1
    bool is_new = e->index % 3 == 0;
    SIM_PUT(out, "{");
    if (is_new) {
        SIM_PUT(out, "\"data\":{\"event_uuid\":\"");
        sim_put_number(out, sim_mix(e->index ^ sim_plan_salt(p)) >> 1);
        SIM_PUT(out, "\",\"filter\":{\"user_id\":\"");
        put_id(out, p, e, true);
        SIM_PUT(out, "\"},\"event_type\":\"");
        buf_put_c(out, new_type(e));
        SIM_PUT(out, "\",\"payload\":{");
    } else {
        SIM_PUT(out, "\"for_user_id\":\"");
        put_id(out, p, e, true);
        SIM_PUT(out, "\",");
    }
    if (e->kind == SIM_READ)
        put_read(out, p, e);
    else
        put_message(out, p, e);
    SIM_PUT(out, ",\"users\":{");
    put_user(out, p, e, true, is_new);
    buf_putc(out, ',');
    put_user(out, p, e, false, is_new);
    buf_put_c(out, is_new ? "}}}}" : "}}");
}

static unsigned kinds_of(uint32_t conversation)
{
    (void)conversation;
    return SIM_BIT(SIM_MESSAGE) | SIM_BIT(SIM_ECHO) | SIM_BIT(SIM_READ);
}

const struct sim_provider sim_x = {
    .name = "x",
    .default_account = "1500000000000000701",
    .default_type = "user",
    .kinds = kinds_of,
    .tick_ms = 1,
    .app = SIM_APP_X,
    .batch_max = 1,
    .path = path,
    .proof = proof,
    .body = body,
    .message_id = message_id,
    .conversation_id = conversation_id,
};
