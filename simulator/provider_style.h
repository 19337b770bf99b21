/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How one provider's webhooks look to who receives them: path, proof, body. The counterpart of
 * providers/, written apart from it so that a test of one against the other means something. */
#include "buf.h"
#include "crypto.h"
#include "plan.h"

struct sim_secrets {
    struct str tenant_id;     /* "" where no tenant is needed */
    struct str tenant_secret; /* derived for this provider and tenant */
    struct hmac *app;         /* keyed with the app secret */
};

struct sim_provider {
    const char *name;
    const char *default_account, *default_type;
    bool has_delivered;     /* reports that a message reached the device */
    bool has_tenant_secret; /* path and proof belong to a tenant; else to the app */
    size_t batch_max;       /* events in one body */
    /* Path of the webhook, appended. */
    void (*path)(struct buf *out, const struct sim_secrets *s);
    /* Header lines that prove the body, each ended by CRLF, appended. */
    void (*proof)(struct buf *out, const struct sim_secrets *s, struct str body);
    /* JSON of n events (n <= batch_max), appended. */
    void (*body)(struct buf *out, const struct sim_plan *p, const struct sim_event *events,
                 size_t n);
    /* The provider's ids as a router sees them, appended. */
    void (*message_id)(struct buf *out, const struct sim_plan *p, const struct sim_event *e);
    void (*conversation_id)(struct buf *out, const struct sim_plan *p, const struct sim_event *e);
};

const struct sim_provider *sim_provider_find(struct str name); /* NULL: not simulated */
const struct sim_provider *sim_provider_at(size_t i);          /* NULL: past the end */

/* Text of a message or an edit as its recipient is to read it, appended; it differs from event to
 * event. Of a reaction: the text of the message reacted to, as it was written first. */
#define SIM_TEXT_MAX 512
void sim_event_text(struct buf *out, const struct sim_event *e);
/* Escaped for a JSON string: as UTF-8, or with \uXXXX for all that is not ASCII, as Meta does. */
void sim_put_json(struct buf *out, struct str text, bool ascii_only);
void sim_put_number(struct buf *out, uint64_t n);

extern const struct sim_provider sim_unipile, sim_instagram;
