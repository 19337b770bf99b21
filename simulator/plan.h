/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What happens at the simulated providers: an endless series of distinct events, the same for the
 * same options. Pure: no clock, no I/O.
 *
 * Receipts, reactions, edits and deletes are about messages of the same run. An event's ids follow
 * from seed and index, so nothing has to be remembered of it but where to find its target. */
#include "arena.h"
#include "err.h"
#include "random.h"
#include "str.h"

enum sim_kind {
    SIM_MESSAGE, /* a contact writes */
    SIM_ECHO,    /* our side wrote, on its phone or through the api */
    SIM_DELIVERED,
    SIM_READ,
    SIM_REACTION,
    SIM_EDITED,
    SIM_DELETED,
    SIM_KINDS
};
const char *sim_kind_option(enum sim_kind k); /* name in --mix: "message", "echo", ... */
const char *
sim_kind_name(enum sim_kind k); /* event kind that a router sees: an echo is a "message" */

struct sim_provider;

struct sim_account {
    const struct sim_provider *provider;
    struct str id;   /* the provider's id of our side */
    struct str type; /* as the webhook says it */
};

struct sim_plan_opts {
    uint64_t seed;
    const struct sim_account *accounts; /* borrowed as long as the plan */
    uint32_t n_accounts;
    uint32_t conversations;  /* per account */
    uint32_t mix[SIM_KINDS]; /* weights */
    int64_t start_at_ms;
    int64_t step_us; /* provider time from one event to the next */
};

struct sim_event {
    uint64_t index;  /* 0, 1, ...: names the event */
    uint64_t target; /* index of the message it is about; a message: its own */
    int64_t at_ms;
    enum sim_kind kind;
    uint32_t account;      /* index into accounts */
    uint32_t conversation; /* number within the account */
    uint32_t pick;         /* chooses text or emoji */
    uint32_t target_pick;  /* what the message that it is about chose */
    uint32_t number;       /* edit: 1, 2, ... of this message */
    bool target_is_out;    /* that message was written by our side */
    bool removes;          /* reaction: taken away */
};

struct sim_plan;
struct sim_plan *sim_plan_new(const struct sim_plan_opts *opts); /* returns owned */
void sim_plan_free(struct sim_plan *p);
void sim_plan_next(struct sim_plan *p, struct sim_event *out);
const struct sim_account *sim_plan_account(const struct sim_plan *p, uint32_t account);

/* Provider time of the message that an event is about. */
int64_t sim_message_at_ms(const struct sim_plan *p, const struct sim_event *e);
/* Mixed out of the run's seed: ids that are plain numbers start from it. */
uint64_t sim_plan_salt(const struct sim_plan *p);

/* "message=70,delivered=10": kinds that are not named have weight 0. */
bool sim_mix_parse(struct str text, uint32_t mix[SIM_KINDS], struct err *err) NODISCARD;

/* 22 characters of base64url that name message `index` of this run. */
#define SIM_ID 22
void sim_message_id(const struct sim_plan *p, uint64_t index, char out[SIM_ID]);
/* A number that names a conversation, whatever the seed: contacts stay the same between runs. */
uint64_t sim_conversation_number(const struct sim_plan *p, uint32_t account, uint32_t conversation);
/* Base64url of two numbers. */
void sim_id_text(uint64_t a, uint64_t b, char out[SIM_ID]);
