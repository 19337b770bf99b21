/* SPDX-License-Identifier: Apache-2.0 */
#include "quota.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "mem.h"
#include "table.h"

#define MINUTE_MS      60000
#define NAMES_MAX      1000000 /* accounts, and pairs */
#define LIMITS_MAX     10000
#define NAME_MAX_BYTES 1024

/* Thousandths of a send, so that slow rates fill up too. */
struct bucket {
    int64_t milli, at_ms;
    bool is_begun;
};

struct account {
    struct bucket bucket;
    int64_t accepted, refused, too_early;
    int64_t wait_until_ms; /* the provider said so */
    int64_t second, in_second, busiest;
    size_t provider_len;
};

struct pair {
    struct bucket bucket;
};

struct sim_quotas {
    struct sim_table *accounts, *pairs, *limits;
};

struct sim_quotas *sim_quotas_new(void)
{
    struct sim_quotas *q = xalloc(sizeof *q);
    q->accounts = sim_table_new(sizeof(struct account), NAMES_MAX);
    q->pairs = sim_table_new(sizeof(struct pair), NAMES_MAX);
    q->limits = sim_table_new(sizeof(struct sim_limit), LIMITS_MAX);
    return q;
}

void sim_quotas_free(struct sim_quotas *q)
{
    if (!q)
        return;
    sim_table_free(q->accounts);
    sim_table_free(q->pairs);
    sim_table_free(q->limits);
    free(q);
}

void sim_quotas_clear(struct sim_quotas *q)
{
    sim_table_clear(q->accounts);
    sim_table_clear(q->pairs);
}

void sim_quotas_unlimit(struct sim_quotas *q)
{
    sim_table_clear(q->limits);
}

/* Parts with a byte between them that no id has. Ids are bounded by the requests that name them;
 * what is longer than the room shares a name with what begins alike. */
// NOLINTNEXTLINE(readability-non-const-parameter): written through the buf
static struct str name_of(char room[NAME_MAX_BYTES], struct str a, struct str b, struct str c)
{
    struct buf out = {.ptr = room, .cap = NAME_MAX_BYTES, .max = NAME_MAX_BYTES};
    buf_put_str(&out, a);
    buf_putc(&out, '\n');
    buf_put_str(&out, b);
    if (c.ptr) {
        buf_putc(&out, '\n');
        buf_put_str(&out, c);
    }
    return buf_str(&out);
}

static struct account *account_of(struct sim_quotas *q, struct str provider, struct str account)
{
    char room[NAME_MAX_BYTES];
    struct account *s =
        sim_table_get(q->accounts, name_of(room, provider, account, STR_NONE), true);
    if (s)
        s->provider_len = provider.len;
    return s;
}

void sim_quotas_limit(struct sim_quotas *q, struct str provider, struct str account,
                      const struct sim_limit *limit)
{
    char room[NAME_MAX_BYTES];
    struct sim_limit *l =
        sim_table_get(q->limits, name_of(room, provider, account, STR_NONE), true);
    if (l)
        *l = *limit;
}

static const struct sim_limit *limit_of(struct sim_quotas *q, struct str provider,
                                        struct str account)
{
    char room[NAME_MAX_BYTES];
    const struct sim_limit *l =
        sim_table_get(q->limits, name_of(room, provider, account, STR_NONE), false);
    return l ? l : sim_table_get(q->limits, name_of(room, provider, STR(""), STR_NONE), false);
}

/* --- buckets ---------------------------------------------------------------------------------- */

static void refill(struct bucket *b, const struct sim_bucket_size *size, int64_t now_ms)
{
    int64_t full = size->burst * 1000;
    if (!b->is_begun) {
        *b = (struct bucket){full, now_ms, true};
        return;
    }
    if (size->window_ms) {
        if (now_ms - b->at_ms >= size->window_ms)
            *b = (struct bucket){full, now_ms, true};
        return;
    }
    int64_t came = (now_ms - b->at_ms) * size->per_minute * 1000 / MINUTE_MS;
    if (came <= 0)
        return;
    b->milli = b->milli + came < full ? b->milli + came : full;
    b->at_ms = now_ms;
}

/* Until `milli` more are there. */
static int64_t until_ms(const struct bucket *b, const struct sim_bucket_size *size, int64_t milli,
                        int64_t now_ms)
{
    if (milli <= b->milli)
        return 0;
    if (size->window_ms)
        return b->at_ms + size->window_ms - now_ms;
    if (size->per_minute <= 0)
        return INT32_MAX;
    int64_t rate = size->per_minute * 1000;
    return ((milli - b->milli) * MINUTE_MS + rate - 1) / rate;
}

/* NULL: there is no limit, or no room. */
static struct bucket *fill(struct bucket *b, const struct sim_bucket_size *size, int64_t now_ms)
{
    if (!size->burst || !b)
        return NULL;
    refill(b, size, now_ms);
    return b;
}

/* Both buckets have one, or none gives one. */
static void take_both(struct bucket *account, struct bucket *pair, const struct sim_limit *limit,
                      int64_t now_ms, struct sim_quota *out)
{
    out->is_pair = pair && pair->milli < 1000;
    out->is_refused = out->is_pair || (account && account->milli < 1000);
    if (out->is_pair)
        out->wait_ms = until_ms(pair, &limit->pair, 1000, now_ms);
    else if (out->is_refused)
        out->wait_ms = until_ms(account, &limit->account, 1000, now_ms);
    if (pair && !out->is_refused)
        pair->milli -= 1000;
    if (!account)
        return;
    account->milli -= out->is_refused ? 0 : 1000;
    out->is_limited = true;
    out->limit = limit->account.burst;
    out->remaining = account->milli / 1000;
    out->reset_ms = until_ms(account, &limit->account, limit->account.burst * 1000, now_ms);
}

struct sim_quota sim_quotas_take(struct sim_quotas *q, struct str provider, struct str account,
                                 struct str to, int64_t now_ms)
{
    char room[NAME_MAX_BYTES];
    struct sim_quota out = {0};
    struct account *s = account_of(q, provider, account);
    const struct sim_limit *limit = limit_of(q, provider, account);
    if (!s)
        return out;
    s->too_early += now_ms < s->wait_until_ms;
    if (!limit)
        return out;
    struct pair *p = NULL;
    if (limit->pair.burst)
        p = sim_table_get(q->pairs, name_of(room, provider, account, to), true);
    take_both(fill(&s->bucket, &limit->account, now_ms),
              fill(p ? &p->bucket : NULL, &limit->pair, now_ms), limit, now_ms, &out);
    s->refused += out.is_refused;
    if (out.is_refused && !out.is_pair && s->wait_until_ms < now_ms + out.wait_ms)
        s->wait_until_ms = now_ms + out.wait_ms;
    return out;
}

void sim_quotas_told_to_wait(struct sim_quotas *q, struct str provider, struct str account,
                             int64_t until)
{
    struct account *s = account_of(q, provider, account);
    if (!s)
        return;
    s->refused++;
    if (s->wait_until_ms < until)
        s->wait_until_ms = until;
}

void sim_quotas_count(struct sim_quotas *q, struct str provider, struct str account, int64_t now_ms)
{
    struct account *s = account_of(q, provider, account);
    if (!s)
        return;
    s->accepted++;
    if (s->second != now_ms / 1000) {
        s->second = now_ms / 1000;
        s->in_second = 0;
    }
    s->in_second++;
    if (s->in_second > s->busiest)
        s->busiest = s->in_second;
}

void sim_quotas_json(const struct sim_quotas *q, struct buf *out)
{
    struct json_out o = {.buf = out};
    json_open(&o, '[');
    for (size_t i = 0; i < sim_table_n(q->accounts); i++) {
        struct str name;
        const struct account *s = sim_table_at(q->accounts, i, &name);
        json_open(&o, '{');
        json_put_str(&o, "provider", (struct str){name.ptr, s->provider_len});
        json_put_str(&o, "account", str_skip(name, s->provider_len + 1));
        json_put_int(&o, "accepted", s->accepted);
        json_put_int(&o, "refused", s->refused);
        json_put_int(&o, "too_early", s->too_early);
        json_put_int(&o, "busiest_second", s->busiest);
        json_close(&o, '}');
    }
    json_close(&o, ']');
}
