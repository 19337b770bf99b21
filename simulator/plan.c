/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <assert.h>
#include <stdlib.h>

#include "mem.h"
#include "provider_style.h"

/* Messages of an account that later events may be about. Old ones fall out at random: a provider's
 * receipts and reactions are mostly about what was written lately. */
#define POOL_MAX 64

struct target {
    uint64_t index;
    int64_t at_ms; /* of the last event about it: the next one comes later */
    uint32_t conversation, number, pick;
    bool is_out;
};

struct pool {
    struct target items[POOL_MAX];
    uint32_t n;
};

enum { POOL_UNDELIVERED, POOL_UNREAD, POOL_REACT, POOL_EDIT, POOL_DELETE, POOLS };

struct sim_plan {
    struct sim_plan_opts opts;
    struct sim_random random;
    uint64_t next;
    uint32_t weight;
    struct pool (*pools)[POOLS]; /* per account */
    uint64_t *account_hash;
    int64_t *read_at_ms; /* per account: of its last read */
};

static const struct {
    const char *option, *name;
    int pool; /* where its target comes from; -1: it is a message itself */
} kinds[SIM_KINDS] = {
    [SIM_MESSAGE] = {"message", "message", -1},
    [SIM_ECHO] = {"echo", "message", -1},
    [SIM_DELIVERED] = {"delivered", "delivered", POOL_UNDELIVERED},
    [SIM_READ] = {"read", "read", POOL_UNREAD},
    [SIM_REACTION] = {"reaction", "reaction", POOL_REACT},
    [SIM_EDITED] = {"edited", "edited", POOL_EDIT},
    [SIM_DELETED] = {"deleted", "deleted", POOL_DELETE},
};

const char *sim_kind_option(enum sim_kind k)
{
    return kinds[k].option;
}

const char *sim_kind_name(enum sim_kind k)
{
    return kinds[k].name;
}

struct sim_plan *sim_plan_new(const struct sim_plan_opts *opts)
{
    assert(opts->n_accounts > 0 && opts->conversations > 0);
    struct sim_plan *p = xalloc(sizeof *p);
    p->opts = *opts;
    p->random.state = sim_mix(opts->seed);
    for (int k = 0; k < SIM_KINDS; k++)
        p->weight += opts->mix[k];
    assert(p->weight > 0);
    p->pools = xalloc(sizeof *p->pools * opts->n_accounts);
    p->account_hash = xalloc(sizeof *p->account_hash * opts->n_accounts);
    p->read_at_ms = xalloc(sizeof *p->read_at_ms * opts->n_accounts);
    for (uint32_t i = 0; i < opts->n_accounts; i++)
        p->account_hash[i] = sim_mix(str_hash(opts->accounts[i].id));
    return p;
}

void sim_plan_free(struct sim_plan *p)
{
    if (!p)
        return;
    free(p->pools);
    free(p->account_hash);
    free(p->read_at_ms);
    free(p);
}

const struct sim_account *sim_plan_account(const struct sim_plan *p, uint32_t account)
{
    return &p->opts.accounts[account];
}

static void pool_put(struct pool *pool, struct sim_random *r, const struct target *t)
{
    uint32_t slot = pool->n < POOL_MAX ? pool->n++ : sim_random_below(r, POOL_MAX);
    pool->items[slot] = *t;
}

static enum sim_kind draw_kind(struct sim_plan *p)
{
    uint32_t x = sim_random_below(&p->random, p->weight);
    int k = 0;
    while (x >= p->opts.mix[k])
        x -= p->opts.mix[k++];
    return (enum sim_kind)k;
}

static const struct sim_provider *provider_of(const struct sim_plan *p, uint32_t account)
{
    return p->opts.accounts[account].provider;
}

/* Does it happen in any of the account's conversations? */
static bool has_kind(const struct sim_plan *p, uint32_t account, enum sim_kind k)
{
    const struct sim_provider *provider = provider_of(p, account);
    unsigned has = provider->kinds(0);
    return ((p->opts.conversations > 1 ? has | provider->kinds(1) : has) & SIM_BIT(k)) != 0;
}

/* A kind that the provider does not have, or whose target is not there yet, becomes the nearest
 * that can be. */
static enum sim_kind settle_kind(const struct sim_plan *p, enum sim_kind k, uint32_t account)
{
    if (k == SIM_DELIVERED && !has_kind(p, account, k))
        k = SIM_READ;
    int pool = kinds[k].pool;
    if (pool >= 0 && p->pools[account][pool].n == 0)
        k = k == SIM_DELIVERED || k == SIM_READ ? SIM_ECHO : SIM_MESSAGE;
    return has_kind(p, account, k) ? k : SIM_MESSAGE;
}

static int64_t aligned(const struct sim_plan *p, uint32_t account, uint64_t index)
{
    int64_t at_ms = p->opts.start_at_ms + (int64_t)index * p->opts.step_us / 1000;
    return at_ms - at_ms % provider_of(p, account)->tick_ms;
}

int64_t sim_message_at_ms(const struct sim_plan *p, const struct sim_event *e)
{
    return aligned(p, e->account, e->target);
}

uint64_t sim_plan_salt(const struct sim_plan *p)
{
    return sim_mix(p->opts.seed);
}

/* A conversation in which messages of this kind are written. */
static uint32_t draw_conversation(struct sim_plan *p, const struct sim_event *e)
{
    uint32_t c = sim_random_below(&p->random, p->opts.conversations);
    if (provider_of(p, e->account)->kinds(c) & SIM_BIT(e->kind))
        return c;
    return c > 0 ? c - 1 : c + 1; // even and odd ones are of two sorts
}

static void new_message(struct sim_plan *p, struct sim_event *e)
{
    static const struct {
        enum sim_kind kind;
        int of; /* whose messages it is about: 0 the contact's, 1 ours, 2 both */
    } followers[] = {
        {SIM_DELIVERED, 1}, {SIM_READ, 1}, {SIM_REACTION, 2}, {SIM_EDITED, 0}, {SIM_DELETED, 0}};
    e->conversation = draw_conversation(p, e);
    e->target = e->index;
    e->target_is_out = e->kind == SIM_ECHO;
    e->target_pick = e->pick;
    struct target t = {.index = e->index,
                       .at_ms = e->at_ms,
                       .conversation = e->conversation,
                       .pick = e->pick,
                       .is_out = e->target_is_out};
    unsigned possible = provider_of(p, e->account)->kinds(e->conversation);
    for (size_t i = 0; i < ARRAY_LEN(followers); i++) {
        enum sim_kind k = followers[i].kind;
        bool fits = followers[i].of == 2 || followers[i].of == (int)t.is_out;
        if (fits && possible & SIM_BIT(k))
            pool_put(&p->pools[e->account][kinds[k].pool], &p->random, &t);
    }
}

static void about_message(struct sim_plan *p, struct sim_event *e)
{
    struct pool *pool = &p->pools[e->account][kinds[e->kind].pool];
    uint32_t slot = sim_random_below(&p->random, pool->n);
    struct target *t = &pool->items[slot];
    const struct sim_provider *provider = provider_of(p, e->account);

    // Each event about a message has a time of its own: providers' event keys are made of it.
    int64_t after = t->at_ms;
    if (e->kind == SIM_READ && provider->reads_by_time && after < p->read_at_ms[e->account])
        after = p->read_at_ms[e->account];
    t->at_ms = e->at_ms = e->at_ms > after ? e->at_ms : after + provider->tick_ms;
    if (e->kind == SIM_READ)
        p->read_at_ms[e->account] = e->at_ms;
    e->conversation = t->conversation;
    e->target = t->index;
    e->target_is_out = t->is_out;
    e->target_pick = t->pick;
    e->number = ++t->number;
    e->removes = e->kind == SIM_REACTION && e->number > 1 && e->pick % 4 == 0;

    // A message is delivered, read and deleted once; it may be edited and reacted to again.
    bool again = e->kind == SIM_EDITED || e->kind == SIM_REACTION;
    if (!again || e->number == 5 || e->pick % 2 == 0)
        *t = pool->items[--pool->n];
}

void sim_plan_next(struct sim_plan *p, struct sim_event *out)
{
    struct sim_event e = {.index = p->next++};
    e.account = sim_random_below(&p->random, p->opts.n_accounts);
    e.at_ms = aligned(p, e.account, e.index);
    e.kind = settle_kind(p, draw_kind(p), e.account);
    e.pick = (uint32_t)(sim_random_next(&p->random) >> 32);
    if (kinds[e.kind].pool < 0)
        new_message(p, &e);
    else
        about_message(p, &e);
    *out = e;
}

bool sim_mix_parse(struct str text, uint32_t mix[SIM_KINDS], struct err *err)
{
    uint32_t out[SIM_KINDS] = {0}, sum = 0;
    struct str rest = text;
    while (rest.len) {
        struct str item, name, weight;
        int64_t n = -1;
        (void)str_cut(rest, ',', &item, &rest);
        int k = 0;
        if (!str_cut(str_trim(item), '=', &name, &weight) || !str_i64(weight, &n) || n < 0 ||
            n > 10000)
            return err_set(err, ERR_INVALID,
                           "mix: '%.*s' is not KIND=WEIGHT with a weight from 0 to 10000",
                           STR_ARG(item));
        while (k < SIM_KINDS && !str_eq_c(name, kinds[k].option))
            k++;
        if (k == SIM_KINDS)
            return err_set(err, ERR_INVALID,
                           "mix: unknown kind '%.*s'; known are message, echo, delivered, read, "
                           "reaction, edited, deleted",
                           STR_ARG(name));
        out[k] = (uint32_t)n;
    }
    for (int k = 0; k < SIM_KINDS; k++)
        sum += out[k];
    if (sum == 0)
        return err_set(err, ERR_INVALID, "mix: all weights are 0");
    for (int k = 0; k < SIM_KINDS; k++)
        mix[k] = out[k];
    return true;
}

void sim_id_text(uint64_t a, uint64_t b, char out[SIM_ID])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (int i = 0; i < SIM_ID; i++) {
        uint64_t x = i < 11 ? a : b;
        out[i] = digits[x >> (6 * (i % 11)) & 63];
    }
}

void sim_message_id(const struct sim_plan *p, uint64_t index, char out[SIM_ID])
{
    // The index itself stays in the id (mixing is a bijection), so that ids of a run cannot
    // collide.
    sim_id_text(sim_mix(index ^ p->opts.seed), sim_mix(p->opts.seed) ^ sim_mix(~index), out);
}

uint64_t sim_conversation_number(const struct sim_plan *p, uint32_t account, uint32_t conversation)
{
    return sim_mix(p->account_hash[account] + conversation);
}
