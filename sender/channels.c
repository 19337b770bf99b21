/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "engine_impl.h"
#include "mem.h"

#define HOSTS_MAX            4096
#define BREAKER_PAUSE_MAX_MS 60000
#define SOON_US              1000

/* --- hosts ---------------------------------------------------------------------------------- */

/* "https://api1.unipile.com:13111" of a base URL; without one the provider has one host. */
static struct str host_name(const struct sender_channel *ch, struct str base_url)
{
    if (!base_url.len)
        return str_of(ch->provider->name);
    size_t n = 0;
    for (int slashes = 0; n < base_url.len; n++)
        if (base_url.ptr[n] == '/' && ++slashes == 3)
            break;
    return (struct str){base_url.ptr, n};
}

static struct sender_breaker *breaker_of(struct sender_engine *e, const struct sender_channel *ch,
                                         struct str name)
{
    if (ch->breaker && str_eq_c(name, RING_OF(ch->breaker, struct sender_peer, breaker)->name))
        return ch->breaker;
    struct sender_peer *h = e->hosts;
    while (h && !str_eq_c(name, h->name))
        h = h->next;
    if (!h && e->n_hosts == HOSTS_MAX)
        h = e->hosts; // too many to tell apart: they share one
    if (h)
        return &h->breaker;
    h = xalloc(sizeof *h + name.len + 1);
    memcpy(h->name, name.ptr, name.len);
    const struct sender_conf *conf = e->opts.conf;
    sender_breaker_init(&h->breaker,
                        &(struct sender_breaker_opts){.failures = (int)conf->breaker_failures,
                                                      .pause_us = conf->breaker_pause * 1000,
                                                      .pause_max_us = BREAKER_PAUSE_MAX_MS * 1000});
    h->next = e->hosts;
    e->hosts = h;
    e->n_hosts++;
    return &h->breaker;
}

void sender_hosts_free(struct sender_engine *e)
{
    while (e->hosts) {
        struct sender_peer *h = e->hosts;
        e->hosts = h->next;
        free(h);
    }
}

/* --- pauses of apps ------------------------------------------------------------------------- */

void sender_channel_app_key(const struct sender_channel *ch, char out[SENDER_APP_KEY_MAX])
{
    char tenant[UUID_TEXT + 1];
    uuid_format(ch->tenant->id, tenant);
    bool is_ours = ch->provider->scope == SCOPE_APP;
    (void)snprintf(out, SENDER_APP_KEY_MAX, "app:%s%s%s", ch->provider->name, is_ours ? "" : ":",
                   is_ours ? "" : tenant);
}

static int64_t *app_pause(struct sender_engine *e, struct sender_channel *ch)
{
    if (ch->provider->scope == SCOPE_TENANT)
        return &ch->tenant->paused_until_us;
    size_t i = 0;
    while (i < ARRAY_LEN(e->app_paused_until_us) - 1 && provider_at(i) != ch->provider)
        i++;
    return &e->app_paused_until_us[i];
}

/* --- lines ---------------------------------------------------------------------------------- */

void sender_line_add(struct sender_line *l, struct sender_channel *ch)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        l->channels = xrealloc(l->channels, l->cap * sizeof(struct sender_channel *));
    }
    l->channels[l->n++] = ch;
}

void sender_channel_wake_at(struct sender_engine *e, struct sender_channel *ch, int64_t at_us)
{
    if (ch->is_timed)
        return;
    ch->is_timed = true;
    sender_heap_put(&e->wakes, at_us, ch);
}

/* Slots for all that wait, if it is time to ask. */
static bool ask(struct sender_engine *e, struct sender_channel *ch, int64_t now_us)
{
    if (!ch->pace.is_asking && sender_pace_wants(&ch->pace, now_us, sender_queue_waiting(ch))) {
        ch->pace.is_asking = true;
        sender_line_add(&e->asks, ch);
    }
    return ch->pace.is_asking;
}

bool sender_channel_may(struct sender_engine *e, struct sender_channel *ch, int64_t now_us,
                        int64_t *slot_us)
{
    if (!ch->is_known) {
        if (!ch->is_loading)
            sender_line_add(&e->loads, ch);
        ch->is_loading = true;
        return false;
    }
    if (ch->n_in_flight >= e->opts.conf->per_channel)
        return false; // an answer unblocks it
    int64_t paused_until_us = *app_pause(e, ch);
    if (paused_until_us > now_us) {
        sender_channel_wake_at(e, ch, paused_until_us);
        return false;
    }
    if (!sender_breaker_may(ch->breaker, now_us)) {
        sender_channel_wake_at(e, ch, sender_breaker_next_us(ch->breaker, now_us));
        return false;
    }
    if (sender_pace_take(&ch->pace, now_us, SENDER_CLAIM_AHEAD_US, slot_us)) {
        (void)ask(e, ch, now_us); // for those behind it, in time
        return true;
    }
    sender_breaker_unused(ch->breaker);
    if (!ask(e, ch, now_us)) {
        int64_t at_us = sender_pace_next_us(&ch->pace, now_us) - SENDER_CLAIM_AHEAD_US;
        sender_channel_wake_at(e, ch, at_us > now_us + SOON_US ? at_us : now_us + SOON_US);
    }
    return false;
}

void sender_channel_unused(struct sender_engine *e, struct sender_channel *ch, int64_t slot_us)
{
    (void)e;
    sender_pace_give_back(&ch->pace, slot_us);
    sender_breaker_unused(ch->breaker);
}

void sender_channel_know(struct sender_engine *e, struct sender_channel *ch,
                         const struct sender_channel_row *row)
{
    static const struct send_limits unlimited = {.slow_from_percent = 0};
    const struct send_limits *limits =
        ch->provider->limits ? ch->provider->limits(row->account_type) : &unlimited;
    if (ch->is_known)
        sender_pace_change(&ch->pace, limits, row->per_minute, row->pair_per_minute);
    else
        sender_pace_init(&ch->pace, limits, row->per_minute, row->pair_per_minute);
    ch->is_known = true;
    ch->breaker = breaker_of(e, ch, host_name(ch, row->base_url));
}

void sender_channel_answered(struct sender_engine *e, struct sender_channel *ch,
                             const struct sender_answer *a)
{
    int64_t now_us = clock_us();
    if (a->host == HOST_NOT_ASKED)
        sender_breaker_unused(ch->breaker);
    else
        sender_breaker_tell(ch->breaker, a->host == HOST_FAILED, now_us);
    if (!a->pause_ms)
        return;
    int64_t until_us = now_us + a->pause_ms * 1000;
    if (a->pause_scope == SEND_SCOPE_ACCOUNT) {
        sender_pace_pause(&ch->pace, until_us);
    } else if (a->pause_scope == SEND_SCOPE_APP) {
        int64_t *paused_until_us = app_pause(e, ch);
        if (until_us > *paused_until_us)
            *paused_until_us = until_us;
    }
}
