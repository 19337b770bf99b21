/* SPDX-License-Identifier: Apache-2.0 */
/* Telegram: one update per body, a static secret in a header, the bot named by the path alone.
 * Every second conversation is one of a business account behind the bot: only there are echoes and
 * deletions, and only in the others reactions. Times are seconds; a deletion has none. */
#include "provider_style.h"
#include "texts.h"

static bool is_business(uint32_t conversation)
{
    return conversation % 2 == 1;
}

static void path(struct buf *out, const struct sim_secrets *s, const struct sim_account *a)
{
    SIM_PUT(out, "/webhooks/telegram/");
    buf_put_str(out, s->tenant_id);
    buf_putc(out, '/');
    buf_put_str(out, a->id);
}

static void proof(struct buf *out, const struct sim_secrets *s, struct str body)
{
    (void)body;
    SIM_PUT(out, "Content-Type: application/json\r\nX-Telegram-Bot-Api-Secret-Token: ");
    buf_put_str(out, s->tenant_secret);
    SIM_PUT(out, "\r\n");
}

static uint64_t person(const struct sim_plan *p, const struct sim_event *e)
{
    return sim_conversation_number(p, e->account, e->conversation);
}

static void put_person_id(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    sim_put_number(out, 500000000u + person(p, e) % 6499999999u);
}

static void put_connection(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    uint64_t n = str_hash(sim_plan_account(p, e->account)->id);
    char id[SIM_ID];
    sim_id_text(n, ~n, id);
    buf_put(out, id, sizeof id);
}

static void conversation_id(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    if (is_business(e->conversation)) {
        put_connection(out, p, e);
        buf_putc(out, ':');
    }
    put_person_id(out, p, e);
}

/* A number that counts up in its chat; runs of other seeds start elsewhere. */
static void put_number(struct buf *out, const struct sim_plan *p, uint64_t index)
{
    sim_put_number(out, 1 + index + sim_plan_salt(p) % 1000 * 1000000);
}

static void message_id(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    conversation_id(out, p, e);
    buf_putc(out, ':');
    put_number(out, p, e->target);
}

static void put_who(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    put_person_id(out, p, e);
    SIM_PUT(out, ",\"first_name\":\"");
    sim_put_json(out, sim_first_name(person(p, e)), true);
    SIM_PUT(out, "\",\"last_name\":\"");
    sim_put_json(out, sim_last_name(person(p, e)), true);
    buf_putc(out, '"');
}

static void put_user(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    SIM_PUT(out, "{\"is_bot\":false,\"language_code\":\"en\",\"id\":");
    put_who(out, p, e);
    buf_putc(out, '}');
}

static void put_owner(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    SIM_PUT(out, "{\"is_bot\":false,\"first_name\":\"Shop Example\",\"id\":");
    sim_put_number(out, 400000000u + str_hash(sim_plan_account(p, e->account)->id) % 99999999u);
    buf_putc(out, '}');
}

static void put_chat(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    if (is_business(e->conversation)) {
        SIM_PUT(out, "\"business_connection_id\":\"");
        put_connection(out, p, e);
        SIM_PUT(out, "\",");
    }
    SIM_PUT(out, "\"chat\":{\"type\":\"private\",\"id\":");
    put_who(out, p, e);
    buf_putc(out, '}');
}

static void put_seconds(struct buf *out, const char *key, int64_t at_ms)
{
    buf_put_c(out, key);
    sim_put_number(out, (uint64_t)at_ms / 1000);
}

static void put_emoji(struct buf *out, uint32_t pick)
{
    SIM_PUT(out, "{\"type\":\"emoji\",\"emoji\":\"");
    sim_put_json(out, sim_emoji(pick), true);
    SIM_PUT(out, "\"}");
}

static void put_reaction(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    SIM_PUT(out, "\"message_reaction\":{\"user\":");
    put_user(out, p, e);
    SIM_PUT(out, ",\"message_id\":");
    put_number(out, p, e->target);
    put_seconds(out, ",\"date\":", e->at_ms);
    SIM_PUT(out, ",\"old_reaction\":[");
    if (e->number > 1)
        put_emoji(out, e->pick + 1);
    SIM_PUT(out, "],\"new_reaction\":[");
    if (!e->removes)
        put_emoji(out, e->pick);
    SIM_PUT(out, "],");
    put_chat(out, p, e);
    buf_putc(out, '}');
}

static void put_deleted(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    SIM_PUT(out, "\"deleted_business_messages\":{\"message_ids\":[");
    put_number(out, p, e->target);
    SIM_PUT(out, "],");
    put_chat(out, p, e);
    buf_putc(out, '}');
}

static void put_message(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    static const char *const names[2][2] = {{"message", "edited_message"},
                                            {"business_message", "edited_business_message"}};
    bool edited = e->kind == SIM_EDITED;
    buf_putc(out, '"');
    buf_put_c(out, names[is_business(e->conversation)][edited]);
    SIM_PUT(out, "\":{\"message_id\":");
    put_number(out, p, e->target);
    SIM_PUT(out, ",\"from\":");
    if (e->target_is_out)
        put_owner(out, p, e);
    else
        put_user(out, p, e);
    put_seconds(out, ",\"date\":", sim_message_at_ms(p, e));
    if (edited)
        put_seconds(out, ",\"edit_date\":", e->at_ms);
    buf_putc(out, ',');
    put_chat(out, p, e);
    SIM_PUT(out, ",\"text\":\"");
    sim_put_event_text(out, e, true);
    SIM_PUT(out, "\"}");
}

static void body(struct buf *out, const struct sim_plan *p, const struct sim_event *e, size_t n)
{
    (void)n; // one update per body: batch_max is 1
    SIM_PUT(out, "{\"update_id\":");
    put_number(out, p, e->index);
    buf_putc(out, ',');
    if (e->kind == SIM_REACTION)
        put_reaction(out, p, e);
    else if (e->kind == SIM_DELETED)
        put_deleted(out, p, e);
    else
        put_message(out, p, e);
    buf_putc(out, '}');
}

static unsigned kinds_of(uint32_t conversation)
{
    unsigned both = SIM_BIT(SIM_MESSAGE) | SIM_BIT(SIM_EDITED);
    return is_business(conversation) ? both | SIM_BIT(SIM_ECHO) | SIM_BIT(SIM_DELETED)
                                     : both | SIM_BIT(SIM_REACTION);
}

const struct sim_provider sim_telegram = {
    .name = "telegram",
    .default_account = "500000601",
    .default_type = "bot",
    .kinds = kinds_of,
    .timeless = SIM_BIT(SIM_DELETED),
    .tick_ms = 1000,
    .app = SIM_APP_NONE,
    .batch_max = 1,
    .path = path,
    .proof = proof,
    .body = body,
    .message_id = message_id,
    .conversation_id = conversation_id,
};
