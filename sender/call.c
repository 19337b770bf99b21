/* SPDX-License-Identifier: Apache-2.0 */
#include "call.h"

#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "mem.h"

/* Our own columns are bounded by the api to far less. */
#define ROW_BYTES_MAX     ((size_t)1 << 20)
#define ARENA_BYTES       ((size_t)96 << 20)
#define UNSEALED_LATER_MS 60000

static void read_row(struct sender_call *c, const struct sender_claim *claim)
{
    char tenant[UUID_TEXT + 1];
    struct arena *a = c->arena;
    uuid_format(c->conversation->channel->tenant->id, tenant);
    c->row = (struct send_row){.tenant_id = str_dup(a, str_of(tenant)),
                               .kind = str_dup(a, claim->kind),
                               .body = str_dup(a, claim->body),
                               .reply_to = str_dup(a, claim->reply_to),
                               .client_ref = str_dup(a, claim->client_ref),
                               .outgoing = str_dup(a, claim->outgoing),
                               .media = str_dup(a, claim->media),
                               .conversation = str_dup(a, claim->conversation),
                               .contact_id = str_dup(a, claim->contact_id),
                               .is_group = claim->is_group};
}

static void read_channel(struct sender_call *c, const struct sender_channel_row *row)
{
    struct arena *a = c->arena;
    c->account = (struct send_account){.external_id = str_dup(a, row->external_id),
                                       .type = str_dup(a, row->account_type),
                                       .base_url = str_dup(a, row->base_url)};
    c->sealed_hex = str_dup(a, row->credentials);
    c->key_id = str_dup(a, row->credentials_key_id);
}

struct sender_call *sender_call_new(const struct sender_caller *by,
                                    struct sender_conversation *conversation,
                                    const struct sender_claim *claim, int64_t claimed_ms,
                                    int64_t slot_us)
{
    struct sender_call *c = xalloc(sizeof *c);
    c->by = by;
    c->conversation = conversation;
    c->arena = arena_new(ARENA_BYTES);
    c->message_id = str_dup(c->arena, claim->message_id);
    c->attempt = claim->attempt;
    c->n_failed = (int)claim->n_failed;
    c->n_limited = (int)claim->n_limited;
    c->accepted_at_ms = claim->accepted_at_ms;
    c->has_more = claim->has_more;
    c->slot_us = slot_us;
    sender_call_renewed(c, claimed_ms);
    if (claim->body.len + claim->outgoing.len + claim->media.len <= ROW_BYTES_MAX)
        read_row(c, claim);
    if (claim->channel)
        read_channel(c, claim->channel);
    return c;
}

void sender_call_renewed(struct sender_call *c, int64_t at_ms)
{
    c->leased_ms = at_ms;
    c->last_start_ms = at_ms + c->by->lease_ms - c->by->exchange.timeout_ms - SENDER_CALL_MARGIN_MS;
}

void sender_call_lost(struct sender_call *c)
{
    c->leased_ms = INT64_MAX;
    c->last_start_ms = INT64_MIN;
}

void sender_call_free(struct sender_call *c)
{
    if (!c)
        return;
    sender_credentials_wipe(&c->credentials, &c->account);
    arena_free(c->arena);
    free(c);
}

/* --- the answer ----------------------------------------------------------------------------- */

static struct sender_try try_of(const struct sender_call *c)
{
    return (struct sender_try){.now_at_ms = clock_at_ms(),
                               .accepted_at_ms = c->accepted_at_ms,
                               .n_failed = c->n_failed,
                               .n_limited = c->n_limited,
                               .status = c->status,
                               .was_late = c->was_late};
}

/* The database takes only UTF-8, and what the answer points into is gone after this. */
static struct str keep(struct sender_call *c, struct str s)
{
    return s.len ? str_dup(c->arena, str_utf8(c->arena, s)) : STR_NONE;
}

static void answered(struct sender_call *c)
{
    struct sender_answer *a = &c->answer;
    a->external_id = keep(c, a->external_id);
    a->conversation = keep(c, a->conversation);
    a->code = keep(c, a->code);
    a->message = keep(c, a->message);
    sender_credentials_wipe(&c->credentials, &c->account);
    c->by->on_answer(c->by->ctx, c);
}

static void judged(struct sender_call *c, const struct judgement *j)
{
    struct sender_try t = try_of(c);
    sender_decide(&c->by->retry, &t, j, &c->answer);
    struct sender_channel *ch = c->conversation->channel;
    sender_pace_learn(&ch->pace, j->outcome, j->scope, &j->pace);
    if (c->answer.to != STATE_SENT)
        log_debug("a provider did not take a message", kv_c("provider", ch->provider->name),
                  kv_str("message_id", c->message_id), kv_str("tenant", c->row.tenant_id),
                  kv_c("class", c->answer.class), kv_str("code", j->code),
                  kv_int("status", c->status), kv_str("detail", j->detail));
    answered(c);
}

static void unbuilt(struct sender_call *c, const struct err *err)
{
    struct sender_try t = try_of(c);
    sender_decide_unbuilt(&c->by->retry, &t, err, &c->answer);
    answered(c);
}

static void on_done(void *ctx, const struct exchange_done *d)
{
    struct sender_call *c = ctx;
    c->status = d->status;
    judged(c, &d->judgement);
}

static bool may_start(void *ctx)
{
    struct sender_call *c = ctx;
    c->was_late = clock_ms() > c->last_start_ms;
    return !c->was_late;
}

/* --- the credentials ------------------------------------------------------------------------ */

/* Nobody's fault but the operator's: the message waits, and somebody is told. */
static void not_opened(struct sender_call *c, const struct err *err)
{
    log_error("a channel's credentials cannot be opened: is the key ring complete?",
              kv_str("tenant", c->row.tenant_id), kv_str("key_id", c->key_id),
              kv_c("why", err->msg));
    c->answer =
        (struct sender_answer){.to = STATE_RETRY,
                               .class = "internal",
                               .retry_at_ms = clock_at_ms() + UNSEALED_LATER_MS,
                               .code = STR("internal"),
                               .message = STR("The credentials of the channel cannot be opened."),
                               .pause_scope = SEND_SCOPE_ACCOUNT,
                               .pause_ms = UNSEALED_LATER_MS,
                               .host = HOST_NOT_ASKED};
    answered(c);
}

static void no_credentials(struct sender_call *c)
{
    struct judgement j = {.outcome = OUTCOME_AUTH,
                          .scope = SEND_SCOPE_ACCOUNT,
                          .code = STR("no_credentials"),
                          .reason = STR("The channel has no credentials: connect it again."),
                          .pace.used_percent = -1};
    judged(c, &j);
}

static bool open_credentials(struct sender_call *c)
{
    struct err err = {0};
    switch (sender_credentials_open(c->by->vault, c->arena, c->row.tenant_id, c->key_id,
                                    c->sealed_hex, &c->credentials, &c->account, &err)) {
    case OPENED:
        return true;
    case OPEN_NONE:
        no_credentials(c);
        return false;
    case OPEN_SEALED:
        break;
    }
    not_opened(c, &err);
    return false;
}

/* False: answered. */
static bool prepare(struct sender_call *c)
{
    struct err err = {0};
    if (!c->row.kind.len) {
        (void)err_set(&err, ERR_INVALID, "The message is too large.");
        unbuilt(c, &err);
        return false;
    }
    if (!open_credentials(c))
        return false;
    if (!send_compose(c->arena, &c->row, &c->message, &err)) {
        unbuilt(c, &err);
        return false;
    }
    return true;
}

void sender_call_start(struct sender_call *c)
{
    struct err err = {0};
    c->started_us = clock_us();
    if (!prepare(c))
        return;
    if (!exchange_send(&c->by->exchange, c->conversation->channel->provider, &c->account,
                       &c->message, (unsigned)c->attempt, may_start, on_done, c, &err))
        unbuilt(c, &err);
}

void sender_call_give_up(struct sender_call *c)
{
    struct judgement j = {.outcome = OUTCOME_RETRY, .pace.used_percent = -1};
    c->was_late = true;
    judged(c, &j);
}
