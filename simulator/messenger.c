/* SPDX-License-Identifier: Apache-2.0 */
/* Facebook Messenger: the envelope of Instagram with pages as accounts. Deliveries are told by
 * message, reads up to a time. */
#include "meta_style.h"

static void path(struct buf *out, const struct sim_secrets *s, const struct sim_account *a)
{
    (void)s;
    (void)a;
    SIM_PUT(out, "/webhooks/messenger");
}

/* Real ids are about 90 characters long. */
static void message_id(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    char id[SIM_ID];
    sim_message_id(p, e->target, id);
    SIM_PUT(out, "m_");
    buf_put(out, id, sizeof id);
    SIM_PUT(out, "3uWYlUvIEgYkAOyGGDvMjVkbSVrHVRHSmLOWc9cAnMWiC9fyuQFR");
}

static void conversation_id(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    // Page-scoped ids have 16 digits.
    sim_put_number(out,
                   2000000000000000u +
                       sim_conversation_number(p, e->account, e->conversation) % 7999999999999999u);
}

static void put_watermark(struct buf *out, const struct sim_event *e)
{
    SIM_PUT(out, "\"watermark\":");
    sim_put_number(out, (uint64_t)e->at_ms);
    buf_putc(out, '}');
}

static void put_what(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    if (e->kind == SIM_DELIVERED) {
        SIM_PUT(out, "\"delivery\":{\"mids\":[\"");
        message_id(out, p, e);
        SIM_PUT(out, "\"],");
        put_watermark(out, e);
    } else if (e->kind == SIM_READ) {
        SIM_PUT(out, "\"read\":{");
        put_watermark(out, e);
    } else {
        sim_meta_put_what(out, p, e);
    }
}

static void body(struct buf *out, const struct sim_plan *p, const struct sim_event *e, size_t n)
{
    sim_meta_body(out, p, e, n, "page", put_what);
}

const struct sim_provider sim_messenger = {
    .name = "messenger",
    .default_account = "100000000000201",
    .default_type = "page",
    .kinds = sim_all_kinds,
    .reads_by_time = true,
    .tick_ms = 1,
    .app = SIM_APP_META,
    .batch_max = 1000,
    .path = path,
    .proof = sim_meta_proof,
    .body = body,
    .message_id = message_id,
    .conversation_id = conversation_id,
};
