/* SPDX-License-Identifier: Apache-2.0 */
/* Instagram: Meta's envelope with several accounts in one body, signed with the app secret. */
#include "meta_style.h"

static void path(struct buf *out, const struct sim_secrets *s, const struct sim_account *a)
{
    (void)s;
    (void)a;
    SIM_PUT(out, "/webhooks/instagram");
}

/* Real ids are about 160 characters long, mostly the same ones. */
static void message_id(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    char id[SIM_ID];
    sim_message_id(p, e->target, id);
    SIM_PUT(out, "aWdfZAG1faXRlbTox");
    buf_put(out, id, sizeof id);
    SIM_PUT(out,
            "OklHTWVzc2FnZAUlEOjE3ODQxNDAwMDAwMDAwMDAxOjM0MDI4MjM2Njg0MTcxMDMwMTI0NDI1OTY5NzE4MTgx"
            "NjI5NzMxMjozMTQ1Njc4OTAxMjM0NTY3ODkwZDZD");
}

static void conversation_id(struct buf *out, const struct sim_plan *p, const struct sim_event *e)
{
    // Contacts' ids have 16 digits.
    sim_put_number(out,
                   1000000000000000u +
                       sim_conversation_number(p, e->account, e->conversation) % 8999999999999999u);
}

static void body(struct buf *out, const struct sim_plan *p, const struct sim_event *e, size_t n)
{
    sim_meta_body(out, p, e, n, "instagram", sim_meta_put_what);
}

static unsigned kinds_of(uint32_t conversation)
{
    (void)conversation;
    return (SIM_BIT(SIM_KINDS) - 1) & ~SIM_BIT(SIM_DELIVERED);
}

const struct sim_provider sim_instagram = {
    .name = "instagram",
    .default_account = "17841400000000001",
    .default_type = "instagram",
    .kinds = kinds_of,
    .tick_ms = 1,
    .app = SIM_APP_INSTAGRAM,
    .batch_max = 1000,
    .path = path,
    .proof = sim_meta_proof,
    .body = body,
    .message_id = message_id,
    .conversation_id = conversation_id,
};
