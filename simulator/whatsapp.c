/* SPDX-License-Identifier: Apache-2.0 */
/* WhatsApp Cloud API: entries of business accounts with changes, whose values hold messages, echoes
 * of the phone's app, or statuses. Times are seconds in text. Signed as all of Meta's. */
#include "meta_style.h"
#include "texts.h"

static void path(struct buf *out, const struct sim_secrets *s, const struct sim_account *a)
{
    (void)s;
    (void)a;
    SIM_PUT(out, "/webhooks/whatsapp");
}

static void put_wamid(struct buf *out, const struct sim_plan *p, uint64_t index)
{
    char id[SIM_ID];
    sim_message_id(p, index, id);
    SIM_PUT(out, "wamid.HBgNNDkxNTUwMTAwMDAyMRUCABIYFj");
    buf_put(out, id, sizeof id);
    SIM_PUT(out, "AA==");
}

static void message_id(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    put_wamid(out, p, e->target);
}

static uint64_t person(const struct sim_plan *p, const struct sim_event *e)
{
    return sim_conversation_number(p, e->account, e->conversation);
}

static void conversation_id(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    SIM_PUT(out, "4915");
    sim_put_number(out, 100000000u + person(p, e) % 899999999u);
}

/* The id of a user that does not show the number. */
static void put_user_id(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    SIM_PUT(out, "DE.");
    sim_put_number(out, 10000000000000000u + person(p, e) % 89999999999999999u);
}

/* --- the lists of a value --------------------------------------------------------------------- */

enum list { MESSAGES, ECHOES, STATUSES };

static const struct {
    const char *field, *name;
} lists[] = {
    [MESSAGES] = {"messages", "messages"},
    [ECHOES] = {"smb_message_echoes", "message_echoes"},
    [STATUSES] = {"messages", "statuses"},
};

static enum list list_of(const struct sim_event *e)
{
    if (e->kind == SIM_DELIVERED || e->kind == SIM_READ)
        return STATUSES;
    return e->kind == SIM_ECHO ? ECHOES : MESSAGES;
}

static void put_original(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    SIM_PUT(out, "{\"original_message_id\":\"");
    message_id(out, p, e);
    buf_putc(out, '"');
}

static void put_text(struct buf *out, const struct sim_event *e)
{
    SIM_PUT(out, "\"type\":\"text\",\"text\":{\"body\":\"");
    sim_put_event_text(out, e, true);
    SIM_PUT(out, "\"}");
}

/* Type and what belongs to it. */
static void put_what(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    switch (e->kind) {
    case SIM_REACTION:
        SIM_PUT(out, "\"type\":\"reaction\",\"reaction\":{\"message_id\":\"");
        message_id(out, p, e);
        buf_putc(out, '"');
        if (!e->removes) {
            SIM_PUT(out, ",\"emoji\":\"");
            sim_put_json(out, sim_emoji(e->pick), true);
            buf_putc(out, '"');
        }
        buf_putc(out, '}');
        break;
    case SIM_EDITED:
        SIM_PUT(out, "\"type\":\"edit\",\"edit\":");
        put_original(out, p, e);
        SIM_PUT(out, ",\"message\":{");
        put_text(out, e);
        SIM_PUT(out, "}}");
        break;
    case SIM_DELETED:
        SIM_PUT(out, "\"type\":\"revoke\",\"revoke\":");
        put_original(out, p, e);
        buf_putc(out, '}');
        break;
    default:
        put_text(out, e);
    }
}

static void put_time(struct buf *out, const struct sim_event *e)
{
    SIM_PUT(out, "\",\"timestamp\":\"");
    sim_put_number(out, (uint64_t)e->at_ms / 1000);
    buf_putc(out, '"');
}

/* Edits, reactions and deletions have ids of their own, too. */
static void put_message(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    if (e->kind == SIM_ECHO) {
        SIM_PUT(out, "{\"from\":\"15550100001\",\"to\":\"");
        conversation_id(out, p, e);
        SIM_PUT(out, "\",\"to_user_id\":\"");
    } else {
        SIM_PUT(out, "{\"from\":\"");
        conversation_id(out, p, e);
        SIM_PUT(out, "\",\"from_user_id\":\"");
    }
    put_user_id(out, p, e);
    SIM_PUT(out, "\",\"id\":\"");
    put_wamid(out, p, e->index);
    put_time(out, e);
    buf_putc(out, ',');
    put_what(out, p, e);
    buf_putc(out, '}');
}

static void put_status(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    SIM_PUT(out, "{\"id\":\"");
    message_id(out, p, e);
    SIM_PUT(out, "\",\"status\":\"");
    buf_put_c(out, e->kind == SIM_READ ? "read" : "delivered");
    put_time(out, e);
    SIM_PUT(out, ",\"recipient_id\":\"");
    conversation_id(out, p, e);
    SIM_PUT(out,
            "\",\"pricing\":{\"billable\":false,\"pricing_model\":\"PMP\",\"category\":\"service\","
            "\"type\":\"free_customer_service\"}}");
}

static void put_contact(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    SIM_PUT(out, "{\"profile\":{\"name\":\"");
    sim_put_name(out, person(p, e), true);
    SIM_PUT(out, "\"},\"wa_id\":\"");
    conversation_id(out, p, e);
    SIM_PUT(out, "\",\"user_id\":\"");
    put_user_id(out, p, e);
    SIM_PUT(out, "\"}");
}

/* --- the body --------------------------------------------------------------------------------- */

typedef void put_one(struct buf *out, const struct sim_plan *p, const struct sim_event *e);

static void put_list(struct buf *out, const char *name, const struct sim_plan *p,
                     const struct sim_event *e, size_t n, put_one *put)
{
    SIM_PUT(out, ",\"");
    buf_put_c(out, name);
    SIM_PUT(out, "\":[");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_putc(out, ',');
        put(out, p, &e[i]);
    }
    buf_putc(out, ']');
}

/* One change of n events of one account and one list. */
static void put_change(struct buf *out, const struct sim_plan *p, const struct sim_event *e,
                       size_t n)
{
    enum list list = list_of(e);
    SIM_PUT(out, "{\"value\":{\"messaging_product\":\"whatsapp\",\"metadata\":{"
                 "\"display_phone_number\":\"15550100001\",\"phone_number_id\":\"");
    buf_put_str(out, sim_plan_account(p, e->account)->id);
    SIM_PUT(out, "\"}");
    if (list != STATUSES)
        put_list(out, "contacts", p, e, n, put_contact);
    put_list(out, lists[list].name, p, e, n, list == STATUSES ? put_status : put_message);
    SIM_PUT(out, "},\"field\":\"");
    buf_put_c(out, lists[list].field);
    SIM_PUT(out, "\"}");
}

/* Events from the first on that go into one change. */
static size_t run_of(const struct sim_event *e, size_t n)
{
    size_t k = 1;
    while (k < n && e[k].account == e->account && list_of(&e[k]) == list_of(e))
        k++;
    return k;
}

static void body(struct buf *out, const struct sim_plan *p, const struct sim_event *e, size_t n)
{
    SIM_PUT(out, "{\"object\":\"whatsapp_business_account\",\"entry\":[");
    for (size_t i = 0, k; i < n; i += k) {
        bool same_entry = i > 0 && e[i].account == e[i - 1].account;
        k = run_of(&e[i], n - i);
        if (i > 0 && !same_entry)
            SIM_PUT(out, "]},");
        if (same_entry) {
            buf_putc(out, ',');
        } else {
            SIM_PUT(out, "{\"id\":\"");
            sim_put_number(out, 200000000000000u +
                                    str_hash(sim_plan_account(p, e[i].account)->id) % 99999999u);
            SIM_PUT(out, "\",\"changes\":[");
        }
        put_change(out, p, &e[i], k);
    }
    SIM_PUT(out, "]}]}");
}

const struct sim_provider sim_whatsapp = {
    .name = "whatsapp",
    .default_account = "300000000000501",
    .default_type = "whatsapp_business_account",
    .kinds = sim_all_kinds,
    .tick_ms = 1000,
    .app = SIM_APP_META,
    .batch_max = 1000,
    .path = path,
    .proof = sim_meta_proof,
    .body = body,
    .message_id = message_id,
    .conversation_id = conversation_id,
};
