/* SPDX-License-Identifier: Apache-2.0 */
#include "decide.h"

#include "backoff.h"

#define LIMITED_FIRST_MS 1000 /* where the provider names no wait */
#define LIMITED_MOST_MS  60000

static struct str first_of(struct str a, const char *b)
{
    return a.len ? a : str_of(b);
}

static int64_t backoff_ms(int64_t first_ms, int64_t longest_ms, int n)
{
    struct backoff b = {.base_ms = first_ms, .cap_ms = longest_ms, .attempt = n};
    return backoff_next_ms(&b);
}

static bool is_too_old(const struct sender_retry_opts *o, const struct sender_try *t)
{
    return t->now_at_ms - t->accepted_at_ms >= o->age_ms;
}

static void fail(struct sender_answer *out)
{
    out->to = STATE_FAILED;
    out->retry_at_ms = 0;
}

static void try_again(const struct sender_retry_opts *o, const struct sender_try *t,
                      const struct judgement *j, struct sender_answer *out)
{
    int most = o->attempts;
    if (j->attempts_max && (int)j->attempts_max < most)
        most = (int)j->attempts_max;
    out->to = STATE_RETRY;
    if (t->n_failed + 1 >= most || is_too_old(o, t)) {
        fail(out);
        return;
    }
    int64_t wait_ms = backoff_ms(o->first_ms, o->longest_ms, t->n_failed);
    out->retry_at_ms = t->now_at_ms + (wait_ms > j->wait_ms ? wait_ms : j->wait_ms);
}

static void wait_for_limit(const struct sender_retry_opts *o, const struct sender_try *t,
                           const struct judgement *j, struct sender_answer *out)
{
    int64_t wait_ms = j->wait_ms > 0 ? j->wait_ms
                                     : LIMITED_FIRST_MS + backoff_ms(LIMITED_FIRST_MS,
                                                                     LIMITED_MOST_MS, t->n_limited);
    out->to = STATE_RETRY;
    out->retry_at_ms = t->now_at_ms + wait_ms;
    out->pause_scope = j->scope;
    out->pause_ms = wait_ms;
    if (is_too_old(o, t))
        fail(out);
}

static enum sender_host host_of(const struct sender_try *t, const struct judgement *j)
{
    if (t->status >= 500)
        return HOST_FAILED;
    if (t->status > 0)
        return HOST_ANSWERED;
    bool is_silent = j->outcome == OUTCOME_RETRY || j->outcome == OUTCOME_AMBIGUOUS;
    return is_silent ? HOST_FAILED : HOST_NOT_ASKED;
}

/* What the answer says beside its verdict: a limit that is used up. */
static void heed_pace(const struct judgement *j, struct sender_answer *out)
{
    if (j->pace.used_percent < 100 || j->pace.wait_ms <= out->pause_ms)
        return;
    out->pause_scope = j->pace.scope;
    out->pause_ms = j->pace.wait_ms;
}

void sender_decide(const struct sender_retry_opts *o, const struct sender_try *t,
                   const struct judgement *j, struct sender_answer *out)
{
    *out = (struct sender_answer){.class = outcome_name(j->outcome),
                                  .external_id = j->external_id,
                                  .conversation = j->moved_to.len ? j->moved_to : j->conversation,
                                  .host = host_of(t, j)};
    if (t->was_late) {
        out->to = STATE_RETRY;
        out->class = "late";
        out->retry_at_ms = t->now_at_ms;
        out->host = HOST_NOT_ASKED;
        return;
    }
    if (j->outcome != OUTCOME_SENT) {
        out->code = first_of(j->code, outcome_name(j->outcome));
        out->message = first_of(j->reason, outcome_reason(j->outcome));
    }
    switch (j->outcome) {
    case OUTCOME_SENT:
        out->to = STATE_SENT;
        break;
    case OUTCOME_RATE_LIMITED:
        wait_for_limit(o, t, j, out);
        break;
    case OUTCOME_RETRY:
        try_again(o, t, j, out);
        break;
    case OUTCOME_AUTH:
        // Due at once, but its channel is not sent for until somebody mended it.
        out->to = STATE_RETRY;
        out->retry_at_ms = t->now_at_ms;
        out->is_refused_account = true;
        out->is_expired = j->is_expired;
        break;
    case OUTCOME_AMBIGUOUS:
    case OUTCOME_NEXT: // after the last step: no adapter says so, and if one did, who knows
        out->to = STATE_UNCERTAIN;
        break;
    case OUTCOME_WINDOW:
    case OUTCOME_PERMANENT:
        fail(out);
        break;
    }
    heed_pace(j, out);
}

void sender_decide_unbuilt(const struct sender_retry_opts *o, const struct sender_try *t,
                           const struct err *err, struct sender_answer *out)
{
    struct judgement j = {.outcome = OUTCOME_RETRY, .pace.used_percent = -1};
    *out = (struct sender_answer){.class = outcome_name(OUTCOME_PERMANENT), .host = HOST_NOT_ASKED};
    out->message = str_of(err->msg);
    out->code = STR("unsupported");
    fail(out);
    if (err->kind == ERR_INVALID || err->kind == ERR_ABSENT || err->kind == ERR_LIMITED)
        return;
    out->class = SENDER_CLASS_FAILED;
    out->code = STR("internal");
    try_again(o, t, &j, out);
}
