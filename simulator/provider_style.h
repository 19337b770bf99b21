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

/* Whose app secret signs; none: a secret of the tenant in path and proof. */
enum sim_app { SIM_APP_NONE, SIM_APP_META, SIM_APP_INSTAGRAM, SIM_APP_X };

#define SIM_BIT(kind) (1u << (kind))

struct sim_provider {
    const char *name;
    const char *default_account, *default_type;
    /* Kinds of events that happen in the account's conversation of this number, as SIM_BIT()s.
     * Even conversations are alike, and odd ones; messages come in both. */
    unsigned (*kinds)(uint32_t conversation);
    unsigned timeless;  /* kinds whose webhook carries no time, as SIM_BIT()s */
    bool reads_by_time; /* a read names no message: all up to its time are read */
    int64_t tick_ms;    /* how fine its times are: 1 or 1000 */
    enum sim_app app;
    size_t batch_max; /* events in one body */
                      /* Path of the webhook for an account, appended. */
    void (*path)(struct buf *out, const struct sim_secrets *s, const struct sim_account *a);
    /* Header lines that prove the body, each ended by CRLF, appended. */
    void (*proof)(struct buf *out, const struct sim_secrets *s, struct str body);
    /* JSON of n events (n <= batch_max), appended. */
    void (*body)(struct buf *out, const struct sim_plan *p, const struct sim_event *events,
                 size_t n);
    /* The provider's ids as a router sees them, appended. */
    void (*message_id)(struct buf *out, const struct sim_plan *p, const struct sim_event *e);
    void (*conversation_id)(struct buf *out, const struct sim_plan *p, const struct sim_event *e);
};

unsigned sim_all_kinds(uint32_t conversation); /* where every conversation has all */

const struct sim_provider *sim_provider_find(struct str name); /* NULL: not simulated */
const struct sim_provider *sim_provider_at(size_t i);          /* NULL: past the end */

/* Text of a message or an edit as its recipient is to read it, appended; it differs from event to
 * event. Of a reaction: the text of the message reacted to, as it was written first. */
#define SIM_TEXT_MAX 512
void sim_event_text(struct buf *out, const struct sim_event *e);
/* The same, escaped for a JSON string. */
void sim_put_event_text(struct buf *out, const struct sim_event *e, bool ascii_only);
/* Escaped for a JSON string: as UTF-8, or with \uXXXX for all that is not ASCII, as Meta does. */
void sim_put_json(struct buf *out, struct str text, bool ascii_only);
void sim_put_number(struct buf *out, uint64_t n);
#define SIM_PUT(out, literal) buf_put((out), "" literal, sizeof(literal) - 1)

/* Names, as the providers that tell them have them in messages. */
void sim_put_name(struct buf *out, uint64_t number, bool ascii_only);

extern const struct sim_provider sim_unipile, sim_instagram, sim_messenger, sim_whatsapp,
    sim_telegram, sim_x;
