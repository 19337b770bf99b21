/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger.h"

#include <string.h>

#include "json.h"
#include "mem.h"
#include "post.h"
#include "texts.h"

#define LINE_MAX 4096

void sim_ledger_line(struct buf *out, const struct sim_plan *plan, const struct sim_post *p,
                     const struct sim_event *e)
{
    char room[3 * SIM_TEXT_MAX];
    struct buf field = {.ptr = room, .cap = sizeof room, .max = sizeof room};
    struct json_out o = {.buf = out};
    const struct sim_account *account = sim_plan_account(plan, e->account);
    const struct sim_provider *provider = account->provider;
    bool is_message = e->kind == SIM_MESSAGE || e->kind == SIM_ECHO;

    json_open(&o, '{');
    json_put_int(&o, "event", (int64_t)e->index);
    json_put_str(&o, "provider", str_of(provider->name));
    json_put_str(&o, "account", account->id);
    provider->conversation_id(&field, plan, e);
    json_put_str(&o, "conversation", buf_str(&field));
    json_put_str(&o, "kind", str_of(sim_kind_name(e->kind)));
    if (is_message)
        json_put_str(&o, "direction", e->target_is_out ? STR("out") : STR("in"));
    buf_clear(&field);
    provider->message_id(&field, plan, e);
    if (e->kind == SIM_READ && provider->reads_by_time)
        json_put_int(&o, "up_to_ms", e->at_ms);
    else
        json_put_str(&o, is_message ? "external_id" : "target", buf_str(&field));
    buf_clear(&field);
    if (is_message || e->kind == SIM_EDITED) {
        sim_event_text(&field, e);
        json_put_str(&o, "text", buf_str(&field));
    }
    if (e->kind == SIM_REACTION)
        json_put_str(&o, "emoji", e->removes ? STR("") : sim_emoji(e->pick));
    json_put_int(&o, "at_ms", e->at_ms);
    json_put_int(&o, "sent", p->sent);
    json_put_bool(&o, "acknowledged", p->acknowledged > 0);
    json_close(&o, '}');
    buf_putc(out, '\n');
}

void sim_ledger_settle(struct sim_totals *t, FILE *file, const struct sim_cast *cast,
                       const struct sim_plan *plan, const struct sim_post *p)
{
    if (p->sent == 0)
        return;
    for (size_t i = 0; i < p->n_events; i++) {
        const struct sim_event *e = &p->events[i];
        size_t provider = sim_cast_find(cast, sim_plan_account(plan, e->account)->provider);
        t->events[provider][e->kind]++;
        if (p->acknowledged)
            t->acknowledged++;
        else
            t->unacknowledged++;
        if (!file)
            continue;
        char room[LINE_MAX];
        struct buf line = {.ptr = room, .cap = sizeof room, .max = sizeof room};
        sim_ledger_line(&line, plan, p, e);
        // A short write leaves the stream's error flag, which is looked at when the file is closed.
        (void)fwrite(line.ptr, 1, line.len, file);
    }
}

static uint64_t count(const struct sim_totals *t, size_t provider, const char *name)
{
    uint64_t n = 0;
    for (int k = 0; k < SIM_KINDS; k++)
        if (strcmp(sim_kind_name((enum sim_kind)k), name) == 0)
            n += t->events[provider][k];
    return n;
}

/* The echo is a message to whoever receives it, and is counted with the messages. */
static bool is_counted(int kind)
{
    return kind != SIM_ECHO;
}

void sim_totals_json(const struct sim_totals *t, const struct sim_cast *cast, struct buf *out)
{
    struct json_out o = {.buf = out};
    double seconds = (double)t->elapsed_us / 1e6;
    json_open(&o, '{');
    json_put_int(&o, "events", (int64_t)(t->acknowledged + t->unacknowledged));
    json_put_int(&o, "acknowledged", (int64_t)t->acknowledged);
    json_put_int(&o, "unacknowledged", (int64_t)t->unacknowledged);
    json_key_out(&o, "by_provider");
    json_open(&o, '{');
    for (size_t i = 0; i < cast->n_providers; i++) {
        json_key_out(&o, cast->providers[i]->name);
        json_open(&o, '{');
        for (int k = 0; k < SIM_KINDS; k++)
            if (is_counted(k))
                json_put_int(&o, sim_kind_name((enum sim_kind)k),
                             (int64_t)count(t, i, sim_kind_name((enum sim_kind)k)));
        json_close(&o, '}');
    }
    json_close(&o, '}');
    json_put_int(&o, "posts", (int64_t)t->posts);
    json_put_int(&o, "duplicates", (int64_t)t->duplicates);
    json_put_int(&o, "tries", (int64_t)t->tries);
    json_key_out(&o, "statuses");
    json_open(&o, '{');
    for (int s = 0; s < SIM_STATUSES; s++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%d", s);
        if (t->statuses[s])
            json_put_int(&o, s ? name : "no_answer", (int64_t)t->statuses[s]);
    }
    json_close(&o, '}');
    json_put_int(&o, "elapsed_ms", t->elapsed_us / 1000);
    json_put_int(&o, "posts_per_second", seconds > 0 ? (int64_t)((double)t->posts / seconds) : 0);
    json_put_int(&o, "latency_p50_us", sim_latency_at(&t->latency, 50));
    json_put_int(&o, "latency_p99_us", sim_latency_at(&t->latency, 99));
    json_put_int(&o, "latency_max_us", t->latency.max_us);
    json_close(&o, '}');
    buf_putc(out, '\n');
}

void sim_totals_text(const struct sim_totals *t, const struct sim_cast *cast, struct buf *out)
{
    double seconds = (double)t->elapsed_us / 1e6;
    buf_putf(out,
             "%llu events, %llu acknowledged, %llu not; %llu webhooks (%llu of them repeated) in "
             "%.1f s, %.0f/s\n",
             (unsigned long long)t->acknowledged + (unsigned long long)t->unacknowledged,
             (unsigned long long)t->acknowledged, (unsigned long long)t->unacknowledged,
             (unsigned long long)t->posts, (unsigned long long)t->duplicates, seconds,
             seconds > 0 ? (double)t->posts / seconds : 0);
    for (size_t i = 0; i < cast->n_providers; i++) {
        buf_putf(out, "%-10s", cast->providers[i]->name);
        for (int k = 0; k < SIM_KINDS; k++)
            if (is_counted(k))
                buf_putf(out, "  %s %llu", sim_kind_name((enum sim_kind)k),
                         (unsigned long long)count(t, i, sim_kind_name((enum sim_kind)k)));
        buf_putc(out, '\n');
    }
    buf_putf(out, "answers   ");
    for (int s = 0; s < SIM_STATUSES; s++)
        if (t->statuses[s])
            buf_putf(out, s ? "  %d: %llu" : "  none%.0d: %llu", s,
                     (unsigned long long)t->statuses[s]);
    buf_putf(out, "\nlatency     p50 %.1f ms, p99 %.1f ms, most %.1f ms\n",
             (double)sim_latency_at(&t->latency, 50) / 1000,
             (double)sim_latency_at(&t->latency, 99) / 1000, (double)t->latency.max_us / 1000);
}
