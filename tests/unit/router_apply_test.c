/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "buf.h"
#include "clock.h"
#include "mem.h"
#include "test.h"

#define ARENA_MAX  (64u << 20)
#define EVENTS_MAX 60
#define CUTS       7

/* --- the property: any order, repetition and cut into batches gives the same objects ---------- */

static uint64_t rng_state;

static uint32_t rnd(uint32_t below)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return (uint32_t)(((rng_state >> 32) * below) >> 32);
}

struct world {
    struct arena *arena;
    struct channel channel;
    struct event events[EVENTS_MAX];
    size_t n;
};

/* Six messages: 0-3 in a 1:1 conversation, 4-5 in a group; even ones come in, odd ones go out. What
 * the provider says of one message is the same in each event that tells of it, but for its text. */
#define MESSAGES 6
static struct str name_of(struct world *w, uint32_t m)
{
    return str_fmt(w->arena, "mid-%u", m);
}

static void random_event(struct world *w, struct event *ev)
{
    static const enum event_kind kinds[] = {EVENT_MESSAGE, EVENT_MESSAGE,   EVENT_EDITED,
                                            EVENT_DELETED, EVENT_REACTION,  EVENT_SENT,
                                            EVENT_READ,    EVENT_DELIVERED, EVENT_DELIVERED,
                                            EVENT_FAILED,  EVENT_PLAYED,    EVENT_ACCOUNT_STATUS};
    uint32_t m = rnd(MESSAGES);
    bool is_group = m >= 4;
    *ev = (struct event){.kind = kinds[rnd(ARRAY_LEN(kinds))]};
    ev->key = str_fmt(w->arena, "key-%u-%zu", rnd(100), (size_t)(ev - w->events)); // each its own
    ev->at_ms = 1000 + 10 * (int64_t)rnd(6); // few times, so that ties come up
    ev->text = str_fmt(w->arena, "text-%u", rnd(4));
    ev->conversation = is_group ? STR("group") : STR("one");
    ev->is_group = is_group;
    ev->contact = is_group ? STR_NONE : STR("alice");
    ev->contact_name = is_group || rnd(2) ? STR_NONE : str_fmt(w->arena, "Alice %u", rnd(3));
    ev->conversation_name = is_group ? str_fmt(w->arena, "Group %u", rnd(3)) : STR_NONE;
    ev->sender = rnd(2) ? STR("alice") : STR("bob");
    ev->reason = str_fmt(w->arena, "reason-%u", rnd(3));
    ev->status = rnd(2) ? STR("ok") : STR("error");
    ev->direction = m % 2 ? DIR_OUT : DIR_IN;
    if (ev->kind == EVENT_ACCOUNT_STATUS) {
        ev->conversation = STR_NONE;
    } else if (ev->kind == EVENT_MESSAGE) {
        ev->external_id = name_of(w, m);
        ev->at_ms = 1000 + 10 * (int64_t)m;
    } else {
        ev->target_id = name_of(w, m);
        if (ev->kind == EVENT_REACTION && rnd(3) == 0)
            ev->text = STR_NONE;
        if ((ev->kind == EVENT_READ || ev->kind == EVENT_DELIVERED) && rnd(3) == 0) {
            ev->target_id = STR_NONE;
            ev->watermark_at_ms = 1000 + 10 * (int64_t)rnd(7);
            ev->direction = rnd(2) ? DIR_IN : DIR_OUT;
        }
    }
}

/* What a database commit and the next batch's load do to the model. */
static void commit(struct model *m)
{
    for (struct conversation *c = m->first_conversation; c; c = c->next) {
        c->unread += c->unread_added;
        if (c->recount) {
            c->unread = 0;
            for (struct message *x = m->first_message; x; x = x->next)
                c->unread += x->conversation == c && str_eq_c(x->direction, "in") &&
                             x->provider_at_ms > c->agent_read_at_ms;
        }
        c->unread_added = 0;
        c->recount = c->is_new = c->changed = false;
        c->publish = CHANGE_NONE;
    }
    for (struct message *x = m->first_message; x; x = x->next) {
        x->is_new = x->changed = false;
        x->publish = CHANGE_NONE;
    }
}

static int by_line(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *show(const struct model *m, const struct channel *ch, struct arena *a)
{
    char **lines = ARENA_ARRAY(a, char *, 500);
    size_t n = 0;
    for (const struct message *x = m->first_message; x; x = x->next)
        lines[n++] =
            (char *)str_fmt(
                a,
                "message %.*s %.*s %.*s proven=%d body=%.*s src=%.*s at=%ld edit=%ld/%.*s del=%ld err=%.*s%c",
                STR_ARG(x->external_id), STR_ARG(x->direction), STR_ARG(x->status), x->is_proven,
                STR_ARG(x->body), STR_ARG(x->source_key), (long)x->provider_at_ms,
                (long)x->edited_at_ms, STR_ARG(x->edit_key), (long)x->deleted_at_ms,
                STR_ARG(x->error_message), 0)
                .ptr;
    for (const struct conversation *c = m->first_conversation; c; c = c->next)
        lines[n++] =
            (char *)str_fmt(
                a,
                "conversation %.*s name=%.*s contact=%.*s/%.*s last=%.*s@%ld in=%ld unread=%ld "
                "agent=%ld delivered=%ld read=%ld group=%d%c",
                STR_ARG(c->external_id), STR_ARG(c->name), STR_ARG(c->contact_id),
                STR_ARG(c->contact_name), STR_ARG(c->last_message_ext), (long)c->last_message_at_ms,
                (long)c->last_inbound_at_ms, (long)c->unread, (long)c->agent_read_at_ms,
                (long)c->delivered_up_to_ms, (long)c->read_up_to_ms, c->is_group, 0)
                .ptr;
    for (const struct reaction *r = m->first_reaction; r; r = r->next)
        lines[n++] = (char *)str_fmt(a, "reaction %.*s %.*s %.*s@%ld%c", STR_ARG(r->external_id),
                                     STR_ARG(r->sender_id), STR_ARG(r->emoji), (long)r->at_ms, 0)
                         .ptr;
    for (const struct receipt *r = m->first_receipt; r; r = r->next)
        lines[n++] = (char *)str_fmt(a, "receipt %.*s %.*s %.*s@%ld%c", STR_ARG(r->external_id),
                                     STR_ARG(r->participant), STR_ARG(r->status), (long)r->at_ms, 0)
                         .ptr;
    for (const struct early *e = m->first_early; e; e = e->next)
        if (!e->applied)
            lines[n++] = (char *)str_fmt(a, "early %.*s %.*s err=%.*s edit=%ld/%.*s/%.*s del=%ld%c",
                                         STR_ARG(e->external_id), STR_ARG(e->status),
                                         STR_ARG(e->error_message), (long)e->edited_at_ms,
                                         STR_ARG(e->edit_key), STR_ARG(e->edit_body),
                                         (long)e->deleted_at_ms, 0)
                             .ptr;
    lines[n++] =
        (char *)str_fmt(a, "channel %.*s@%ld%c", STR_ARG(ch->status), (long)ch->status_at_ms, 0)
            .ptr;
    qsort(lines, n, sizeof *lines, by_line);
    struct buf b;
    buf_init(&b, 1u << 20);
    for (size_t i = 0; i < n; i++)
        buf_putf(&b, "%s\n", lines[i]);
    char *text = (char *)str_c(a, buf_str(&b));
    buf_done(&b);
    return text;
}

/* Say the first line in which they differ: the whole would be cut off. */
static void assert_same(const char *want, const char *got)
{
    while (*want && *want == *got)
        want++, got++;
    if (*want || *got)
        fail_msg("from here on they differ:\n%.200s\n-- and --\n%.200s", want, got);
}

/* Told of the message by its id: did it fail, did it arrive? */
static bool is_told(const struct world *w, struct str name, bool failed)
{
    for (size_t i = 0; i < w->n; i++) {
        const struct event *ev = &w->events[i];
        bool arrived =
            ev->kind == EVENT_READ || ev->kind == EVENT_PLAYED || ev->kind == EVENT_DELIVERED;
        if (str_eq(ev->target_id, name) && (failed ? ev->kind == EVENT_FAILED : arrived))
            return true;
    }
    return false;
}

/* Whatever watermarks there are, a failure without a proof of the contrary stands. */
static void assert_failures(const struct world *w, const struct model *m)
{
    for (const struct message *x = m->first_message; x; x = x->next) {
        if (!str_eq_c(x->direction, "out"))
            continue;
        bool is_lost = is_told(w, x->external_id, true) && !is_told(w, x->external_id, false);
        assert_int_equal(str_eq_c(x->status, "failed"), is_lost);
    }
}

/* Apply the events in this order, as the router does: a key that has been seen is dropped. */
static char *run_in_order(struct world *w, const size_t *order, size_t n_order)
{
    struct model *m = ARENA_NEW(w->arena, struct model);
    struct channel *ch = ARENA_NEW(w->arena, struct channel);
    struct table seen;
    *ch = w->channel;
    router_model_init(m, w->arena, 5000);
    router_table_init(&seen, w->arena);
    for (size_t i = 0; i < n_order; i++) {
        const struct event *ev = &w->events[order[i]];
        if (router_table_find(&seen, ch, ev->key))
            continue;
        router_table_put(&seen, ch, ev->key, m);
        struct fact f = {.event = ev, .channel = ch, .at_ms = ev->at_ms};
        if (ev->conversation.ptr) {
            f.conversation = router_model_conversation(m, ch, ev->conversation);
            if (!f.conversation) {
                f.conversation = router_model_add_conversation(m, ch, ev->conversation);
                f.conversation->is_new = true;
                f.conversation->id = ev->conversation;
            }
        }
        assert_true(router_apply_wants(ev));
        router_apply_event(m, &f);
        if (rnd(CUTS) == 0)
            commit(m);
    }
    commit(m);
    assert_failures(w, m);
    return show(m, ch, w->arena);
}

/* Each event at least once, some twice, in any order. */
static size_t shuffled(const struct world *w, size_t *order)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++) {
        order[n++] = i;
        if (rnd(5) == 0)
            order[n++] = i;
    }
    for (size_t i = n - 1; i > 0; i--) {
        size_t k = rnd((uint32_t)i + 1), swap = order[i];
        order[i] = order[k];
        order[k] = swap;
    }
    return n;
}

static void any_order_of_the_same_events_ends_in_the_same_objects(void **state)
{
    (void)state;
    const char *given = getenv("POSTRIDER_TEST_SEED"); // NOLINT(concurrency-mt-unsafe): one thread
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)clock_at_ms();
    printf("POSTRIDER_TEST_SEED=%llu\n", (unsigned long long)seed);
    rng_state = seed * 2654435761u + 88172645463325252u;
    for (int trial = 0; trial < 400; trial++) {
        auto_arena a = arena_new(ARENA_MAX);
        struct world *w = ARENA_NEW(a, struct world);
        w->arena = a;
        w->channel = (struct channel){.id = STR("ch"), .tenant_id = STR("t"), .status = STR("ok")};
        w->n = 2 + rnd(EVENTS_MAX - 2);
        for (size_t i = 0; i < w->n; i++)
            random_event(w, &w->events[i]);
        size_t order[2 * EVENTS_MAX] = {0};
        char *first = run_in_order(w, order, shuffled(w, order));
        for (int again = 0; again < 4; again++)
            assert_same(first, run_in_order(w, order, shuffled(w, order)));
    }
}

/* --- single moves ----------------------------------------------------------------------------- */

struct setup {
    struct arena *arena;
    struct model model;
    struct channel channel;
    struct conversation *conversation;
};

static int set_up(void **state)
{
    struct setup *s = xalloc(sizeof *s);
    s->arena = arena_new(ARENA_MAX);
    s->channel = (struct channel){.id = STR("ch"), .tenant_id = STR("t"), .status = STR("ok")};
    router_model_init(&s->model, s->arena, 5000);
    s->conversation = router_model_add_conversation(&s->model, &s->channel, STR("one"));
    s->conversation->id = STR("c1");
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setup *s = *state;
    arena_free(s->arena);
    free(s);
    return 0;
}

static struct fact happen(struct setup *s, struct event ev)
{
    struct event *kept = ARENA_NEW(s->arena, struct event);
    *kept = ev;
    kept->conversation = STR("one");
    if (!kept->key.ptr)
        kept->key = str_fmt(s->arena, "%s:%.*s%.*s:%ld", event_kind_name(ev.kind),
                            STR_ARG(ev.external_id), STR_ARG(ev.target_id), (long)ev.at_ms);
    struct fact f = {
        .event = kept, .channel = &s->channel, .conversation = s->conversation, .at_ms = ev.at_ms};
    router_apply_event(&s->model, &f);
    return f;
}

static struct message *sent(struct setup *s, const char *mid, int64_t at_ms)
{
    struct event ev = {.kind = EVENT_MESSAGE,
                       .direction = DIR_OUT,
                       .external_id = str_of(mid),
                       .text = STR("hi"),
                       .at_ms = at_ms};
    (void)happen(s, ev);
    return router_model_message(&s->model, &s->channel, str_of(mid));
}

static void assert_str(struct str got, const char *want)
{
    if (!str_eq_c(got, want))
        fail_msg("'%.*s' is not '%s'", STR_ARG(got), want);
}

static void status_moves_up_only(void **state)
{
    static const struct {
        enum event_kind kinds[3];
        const char *status;
    } cases[] = {
        {{EVENT_DELIVERED, EVENT_SENT}, "delivered"},
        {{EVENT_READ, EVENT_DELIVERED}, "read"},
        {{EVENT_FAILED, EVENT_SENT}, "failed"},
        {{EVENT_FAILED, EVENT_DELIVERED}, "delivered"},
        {{EVENT_DELIVERED, EVENT_FAILED}, "delivered"},
        {{EVENT_PLAYED}, "read"},
    };
    struct setup *s = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct message *m = sent(s, str_fmt(s->arena, "m%zu%c", i, 0).ptr, 5000 + (int64_t)i);
        for (size_t k = 0; k < 3 && cases[i].kinds[k] != EVENT_MESSAGE; k++)
            (void)happen(s, (struct event){.kind = cases[i].kinds[k],
                                           .target_id = m->external_id,
                                           .at_ms = 10 + (int64_t)k,
                                           .reason = STR("why")});
        assert_str(m->status, cases[i].status);
        assert_true(str_eq_c(m->status, "failed") == (m->error_message.ptr != NULL));
        s->conversation->read_up_to_ms = 0;
    }
}

static void a_read_covers_what_was_sent_before_it(void **state)
{
    struct setup *s = *state;
    struct message *m1 = sent(s, "m1", 100), *m2 = sent(s, "m2", 200), *m3 = sent(s, "m3", 300);
    struct fact f = happen(
        s, (struct event){
               .kind = EVENT_READ, .target_id = STR("m2"), .sender = STR("alice"), .at_ms = 400});
    assert_str(m1->status, "read");
    assert_str(m2->status, "read");
    assert_str(m3->status, "sent");
    assert_ptr_equal(f.message, m2);
    assert_int_equal(f.n_also, 1);
    assert_ptr_equal(f.also[0], m1);
    // One that is told later but was sent before: covered as well.
    assert_str(sent(s, "m0", 50)->status, "read");
}

/* What the provider says of the message itself stands against a watermark, whichever comes first.
 */
static void a_failure_stands_against_a_watermark(void **state)
{
    struct setup *s = *state;
    const struct event read = {.kind = EVENT_READ, .watermark_at_ms = 500, .at_ms = 500};
    struct message *before = sent(s, "before", 100);
    (void)happen(s, read);
    assert_str(before->status, "read");
    (void)happen(
        s, (struct event){.kind = EVENT_FAILED, .target_id = STR("before"), .reason = STR("why")});
    assert_str(before->status, "failed");
    assert_str(before->error_message, "why");

    struct message *after = sent(s, "after", 700);
    (void)happen(
        s, (struct event){.kind = EVENT_FAILED, .target_id = STR("after"), .reason = STR("why")});
    (void)happen(s, (struct event){.kind = EVENT_READ, .watermark_at_ms = 800, .at_ms = 800});
    assert_str(after->status, "failed");
    assert_false(after->is_proven);

    (void)happen(s,
                 (struct event){.kind = EVENT_DELIVERED, .target_id = STR("after"), .at_ms = 801});
    assert_str(after->status, "read"); // delivered after all, so the watermark holds for it
    assert_null(after->error_message.ptr);
    assert_true(after->is_proven);
}

static void a_read_waits_for_its_message(void **state)
{
    struct setup *s = *state;
    struct message *m1 = sent(s, "m1", 100);
    (void)happen(
        s, (struct event){
               .kind = EVENT_READ, .target_id = STR("m2"), .sender = STR("alice"), .at_ms = 400});
    assert_str(m1->status, "sent");
    assert_str(sent(s, "m2", 200)->status, "read");
    assert_str(m1->status, "read");
}

static void a_deleted_message_keeps_no_content(void **state)
{
    struct setup *s = *state;
    struct message *m = sent(s, "m1", 100);
    (void)happen(s, (struct event){.kind = EVENT_DELETED, .target_id = STR("m1"), .at_ms = 300});
    (void)happen(
        s, (struct event){
               .kind = EVENT_EDITED, .target_id = STR("m1"), .text = STR("later"), .at_ms = 400});
    assert_null(m->body.ptr);
    assert_int_equal(m->deleted_at_ms, 300);
    assert_int_equal(m->publish, CHANGE_CREATED);
}

static void a_provider_does_not_connect_what_the_tenant_disconnected(void **state)
{
    struct setup *s = *state;
    s->channel.status = STR("disconnected");
    (void)happen(s,
                 (struct event){.kind = EVENT_ACCOUNT_STATUS, .status = STR("ok"), .at_ms = 300});
    assert_str(s->channel.status, "disconnected");
}

/* --- results ---------------------------------------------------------------------------------- */

static struct message *claimed(struct setup *s, int64_t attempt)
{
    struct message *m = router_model_add_message(&s->model, &s->channel, STR_NONE, STR("api-1"));
    m->direction = STR("out");
    m->status = STR("sending");
    m->attempt = attempt;
    m->provider_at_ms = 100;
    m->body = STR("hi");
    router_model_attach(m, s->conversation);
    return m;
}

static void result(struct setup *s, struct message *m, const char *outcome, const char *external_id,
                   int64_t attempt)
{
    struct fact f = {.channel = &s->channel, .conversation = s->conversation};
    struct send_result r = {.outcome = str_of(outcome),
                            .external_id = str_of(external_id),
                            .attempt = attempt,
                            .error_message = STR("why"),
                            .retry_at_ms = 900};
    router_apply_send_result(&s->model, &f, m, &r);
}

static void a_result_counts_for_its_attempt_and_a_proof_for_any(void **state)
{
    struct setup *s = *state;
    struct message *m = claimed(s, 2);
    result(s, m, "retry", NULL, 1);
    assert_str(m->status, "sending");
    result(s, m, "retry", NULL, 2);
    assert_str(m->status, "retry");
    assert_int_equal(m->next_attempt_at_ms, 900);
    result(s, m, "sent", "x1", 1);
    assert_str(m->status, "sent");
    assert_str(m->external_id, "x1");
    result(s, m, "failed", NULL, 2);
    assert_str(m->status, "sent");
}

static void an_echo_that_came_first_is_merged_into_the_apis_row(void **state)
{
    struct setup *s = *state;
    struct message *m = claimed(s, 1), *echo = sent(s, "x1", 100);
    echo->external_alias = STR("network-1");
    (void)happen(s, (struct event){.kind = EVENT_DELIVERED, .target_id = STR("x1"), .at_ms = 300});
    assert_str(echo->status, "delivered");
    result(s, m, "sent", "x1", 1);
    assert_true(echo->removed);
    assert_str(m->external_alias, "network-1");
    assert_true(m->alias_changed);
    assert_str(m->status, "delivered");
    assert_ptr_equal(router_model_message(&s->model, &s->channel, STR("x1")), m);
    assert_str(s->conversation->last_message_id, "api-1");
}

static struct conversation *begun(struct setup *s, const char *external_id, const char *id)
{
    struct conversation *c =
        router_model_add_conversation(&s->model, &s->channel, str_of(external_id));
    c->id = str_of(id);
    c->is_there = true;
    return c;
}

static struct message *waiting(struct setup *s, struct conversation *c, const char *id,
                               const char *status)
{
    struct message *m = router_model_add_message(&s->model, &s->channel, STR_NONE, str_of(id));
    m->direction = STR("out");
    m->status = str_of(status);
    m->attempt = 1;
    m->conversation_id = c->id;
    m->provider_at_ms = 100;
    router_model_attach(m, c);
    return m;
}

static void told_where(struct setup *s, struct message *m, struct conversation *c,
                       struct conversation *place)
{
    struct fact f = {.channel = &s->channel, .conversation = c, .place = place};
    struct send_result r = {.outcome = STR("sent"), .external_id = STR("mid"), .attempt = 1};
    router_apply_send_result(&s->model, &f, m, &r);
}

static void a_conversation_that_we_began_gets_the_name_that_the_provider_gives_it(void **state)
{
    struct setup *s = *state;
    struct conversation *c = begun(s, "to:alice", "c2");
    struct conversation *place =
        router_model_add_conversation(&s->model, &s->channel, STR("thread"));
    struct message *m = waiting(s, c, "m1", "sending");
    told_where(s, m, c, place);
    assert_str(c->external_id, "thread");
    assert_true(c->publish == CHANGE_UPDATED && c->changed);
    assert_ptr_equal(router_model_conversation(&s->model, &s->channel, STR("thread")), c);
    assert_false(place->changed || place->publish);
    assert_str(m->status, "sent");
    told_where(s, m, c, place); // and once more
    assert_str(c->external_id, "thread");
    assert_null(c->merged_into);
}

static void a_conversation_that_is_there_already_takes_the_messages(void **state)
{
    struct setup *s = *state;
    struct conversation *c = begun(s, "to:alice", "c2"), *place = begun(s, "thread", "c3");
    struct message *first = waiting(s, c, "m1", "sending"), *second = waiting(s, c, "m2", "queued");
    place->read_up_to_ms = 50;
    first->provider_at_ms = 40;
    c->last_message_id = STR("m2");
    c->last_message_at_ms = 60;
    told_where(s, first, c, place);
    assert_ptr_equal(c->merged_into, place);
    assert_true(c->publish == CHANGE_DELETED);
    assert_str(first->conversation_id, "c3");
    assert_str(second->conversation_id, "c3");
    assert_true(second->publish == CHANGE_UPDATED);
    assert_str(place->last_message_id, "m2");
    assert_str(first->status, "read"); // the watermark of where it is covers it
    assert_str(second->status, "queued");
}

static void an_older_conversation_is_not_renamed(void **state)
{
    struct setup *s = *state;
    struct conversation *place = begun(s, "other", "c3");
    struct message *m = waiting(s, s->conversation, "m1", "sending");
    told_where(s, m, s->conversation, place);
    assert_str(m->conversation_id, "c1");
    assert_null(s->conversation->merged_into);
}

static void an_echo_that_comes_second_finds_the_apis_row(void **state)
{
    struct setup *s = *state;
    struct message *m = claimed(s, 1);
    result(s, m, "sent", "x1", 1);
    struct message *same = sent(s, "x1", 110);
    assert_ptr_equal(same, m);
    assert_int_equal(s->model.n_messages, 1);
}

static struct message *echo_with_ref(struct setup *s, const char *mid, const char *ref)
{
    struct event ev = {.kind = EVENT_MESSAGE,
                       .direction = DIR_OUT,
                       .external_id = str_of(mid),
                       .client_ref = str_of(ref),
                       .text = STR("hi"),
                       .at_ms = 110};
    (void)happen(s, ev);
    return router_model_message(&s->model, &s->channel, str_of(mid));
}

static void an_echo_finds_the_apis_row_by_our_reference(void **state)
{
    struct setup *s = *state;
    struct message *m = claimed(s, 1);
    router_table_put(&s->model.messages_by_ref, &s->channel, STR("ref-1"), m);
    assert_ptr_equal(echo_with_ref(s, "x1", "ref-1"), m);
    assert_str(m->status, "sent");
    // Sent twice after all: the second is a message of its own.
    assert_ptr_not_equal(echo_with_ref(s, "x2", "ref-1"), m);
    assert_str(m->external_id, "x1");
}

/* Another app of the same account puts what it likes where our reference would be. */
static void messages_of_another_app_with_one_reference_stay_two(void **state)
{
    struct setup *s = *state;
    struct message *m1 = echo_with_ref(s, "x1", "their app");
    router_table_put(&s->model.messages_by_ref, &s->channel, STR("their app"), m1);
    struct message *m2 = echo_with_ref(s, "x2", "their app");
    assert_ptr_not_equal(m1, m2);
    assert_null(m1->client_ref.ptr); // it is unique in the database, and not ours
    assert_null(m2->client_ref.ptr);
}

static void a_reference_reaches_no_other_channel(void **state)
{
    struct setup *s = *state;
    struct channel other = {.id = STR("ch2"), .tenant_id = STR("t2")};
    struct message *m = claimed(s, 1);
    m->channel = &other;
    router_table_put(&s->model.messages_by_ref, &other, STR("ref-1"), m);
    assert_ptr_not_equal(echo_with_ref(s, "x1", "ref-1"), m);
    assert_ptr_not_equal(echo_with_ref(s, "x2", "api-1"), m); // nor its id
    assert_null(m->external_id.ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_of_the_same_events_ends_in_the_same_objects),
        cmocka_unit_test_setup_teardown(status_moves_up_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_read_covers_what_was_sent_before_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failure_stands_against_a_watermark, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_conversation_that_we_began_gets_the_name_that_the_provider_gives_it, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(a_conversation_that_is_there_already_takes_the_messages,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_older_conversation_is_not_renamed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_read_waits_for_its_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_deleted_message_keeps_no_content, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_provider_does_not_connect_what_the_tenant_disconnected,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_result_counts_for_its_attempt_and_a_proof_for_any, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_echo_that_came_first_is_merged_into_the_apis_row, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_echo_that_comes_second_finds_the_apis_row, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_echo_finds_the_apis_row_by_our_reference, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(messages_of_another_app_with_one_reference_stay_two, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_reference_reaches_no_other_channel, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
