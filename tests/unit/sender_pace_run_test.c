/* SPDX-License-Identifier: Apache-2.0 */
/* Senders that share an account, on a machine that does not always run them and with a database
 * that takes its time, all in a time of the test's own. The judge is the simulator's count. */
#include <string.h>

#include "engine_impl.h"
#include "mem.h"
#include "quota.h"
#include "test.h"

#define S            INT64_C(1000000)
#define MS           INT64_C(1000)
#define RUN_MS       60000
#define SENDERS_MAX  3
#define STARTS_MAX   4096
#define ARRIVALS_MAX (RUN_MS + 1000)
#define CLAIM_MAX    128

struct world {
    uint64_t seed;
    int64_t tat_us; /* of the account, in the database */
    int stall_ms, database_ms, network_ms;
    uint16_t arrivals[ARRIVALS_MAX]; /* at the provider, in each millisecond */
};

struct sender {
    struct sender_pace pace;
    int64_t awake_until_us, asleep_until_us;
    int64_t answer_us, granted_us; /* of the reservation under way */
    int granted;
    int64_t claimed_us; /* when the claim under way is done */
    int64_t claim[CLAIM_MAX];
    size_t n_claim;
    int64_t starts[STARTS_MAX]; /* in order */
    size_t n_starts;
};

static int64_t up_to(struct world *w, int64_t most)
{
    w->seed = w->seed * 6364136223846793005U + 1442695040888963407U;
    return (int64_t)((w->seed >> 33) % (uint64_t)(most + 1));
}

/* sender_sql_reserve, for one account. */
static void ask(struct world *w, struct sender *s, int64_t now_us)
{
    int n = sender_pace_wants(&s->pace, now_us, 1000000);
    if (!n)
        return;
    int64_t step_us = sender_pace_step_us(&s->pace);
    int64_t from_us = w->tat_us > now_us ? w->tat_us : now_us;
    int64_t fits = (now_us + SENDER_PACE_AHEAD_US - from_us) / step_us + 1;
    s->granted = now_us + SENDER_PACE_AHEAD_US < from_us ? 0 : n < fits ? n : (int)fits;
    s->granted_us = from_us;
    w->tat_us = from_us + s->granted * step_us;
    s->pace.is_asking = true;
    s->answer_us = now_us + MS + up_to(w, w->database_ms * MS);
}

static void put_start(struct sender *s, int64_t at_us)
{
    assert_true(s->n_starts < STARTS_MAX);
    size_t i = s->n_starts++;
    for (; i && s->starts[i - 1] > at_us; i--)
        s->starts[i] = s->starts[i - 1];
    s->starts[i] = at_us;
}

static void claim(struct world *w, struct sender *s, int64_t now_us)
{
    if (s->n_claim && s->claimed_us > now_us)
        return;
    for (size_t i = 0; i < s->n_claim; i++)
        put_start(s, s->claim[i]);
    s->n_claim = 0;
    while (s->n_claim < CLAIM_MAX &&
           sender_pace_take(&s->pace, now_us, SENDER_CLAIM_AHEAD_US, &s->claim[s->n_claim]))
        s->n_claim++;
    s->claimed_us = now_us + MS + up_to(w, w->database_ms * MS);
}

static void start(struct world *w, struct sender *s, int64_t now_us)
{
    while (s->n_starts && s->starts[0] <= now_us) {
        s->n_starts--;
        memmove(s->starts, s->starts + 1, s->n_starts * sizeof s->starts[0]);
        int64_t at_us = sender_pace_start_us(&s->pace, now_us);
        if (at_us > now_us)
            put_start(s, at_us);
        else
            w->arrivals[(now_us + up_to(w, w->network_ms * MS)) / MS]++;
    }
}

static void turn(struct world *w, struct sender *s, int64_t now_us)
{
    if (now_us < s->asleep_until_us)
        return;
    if (now_us >= s->awake_until_us) {
        s->asleep_until_us = now_us + up_to(w, w->stall_ms * MS);
        s->awake_until_us = s->asleep_until_us + 100 * MS + up_to(w, S);
        return;
    }
    if (s->pace.is_asking && now_us >= s->answer_us)
        sender_pace_grant(&s->pace, s->granted_us, s->granted);
    start(w, s, now_us);
    claim(w, s, now_us);
    if (!s->pace.is_asking)
        ask(w, s, now_us);
}

/* The provider's bucket holds `burst`; what was refused. `used`: of the rate, in the inner time. */
static int judge(const struct world *w, int per_second, int burst, double *used)
{
    struct sim_quotas *q = sim_quotas_new();
    struct sim_limit limit = {.account = {burst, per_second * INT64_C(60), 0}};
    struct str provider = STR("telegram"), account = STR("1");
    int refused = 0, inner = 0;
    sim_quotas_limit(q, provider, account, &limit);
    for (int ms = 0; ms < ARRIVALS_MAX; ms++) {
        for (int i = 0; i < w->arrivals[ms]; i++) {
            bool is_refused = sim_quotas_take(q, provider, account, STR("2"), ms).is_refused;
            refused += is_refused;
            inner += !is_refused && ms >= 1000 && ms < RUN_MS - 1000;
        }
    }
    sim_quotas_free(q);
    *used = inner / (per_second * (RUN_MS - 2000) / 1000.0);
    return refused;
}

static void run(struct world *w, int n_senders, int per_second)
{
    static struct sender senders[SENDERS_MAX];
    struct send_limits limits = {.account = {S / per_second, 1}};
    memset(senders, 0, sizeof senders);
    for (int i = 0; i < n_senders; i++)
        sender_pace_init(&senders[i].pace, &limits, -1, -1);
    for (int64_t ms = 0; ms < RUN_MS; ms++)
        for (int i = 0; i < n_senders; i++)
            turn(w, &senders[i], ms * MS);
}

static void expect(struct world w, int n_senders, int per_second, int burst)
{
    double used;
    run(&w, n_senders, per_second);
    int refused = judge(&w, per_second, burst, &used);
    print_message("%d senders, %d/s, bucket %d, stalls to %d ms: %.1f %% used, %d refused\n",
                  n_senders, per_second, burst, w.stall_ms, 100 * used, refused);
    assert_int_equal(refused, 0);
    assert_true(used >= 0.98);
}

/* Little may come at once, and little is late. */
static void a_quiet_machine_needs_next_to_no_room(void **state)
{
    (void)state;
    static const int rates[] = {20, 30, 50, 80, 300};
    for (size_t i = 0; i < ARRAY_LEN(rates); i++)
        for (int n = 1; n <= SENDERS_MAX; n++)
            expect((struct world){.seed = i, .stall_ms = 5, .database_ms = 5, .network_ms = 5}, n,
                   rates[i], rates[i] / 20 + 2);
}

/* As the providers publish it: so many in a second. */
static void a_busy_machine_keeps_and_uses_the_rate_of_a_second(void **state)
{
    (void)state;
    static const int rates[] = {20, 30, 50, 80, 300};
    for (size_t i = 0; i < ARRAY_LEN(rates); i++)
        for (int n = 1; n <= SENDERS_MAX; n++)
            expect((struct world){.seed = i, .stall_ms = 100, .database_ms = 60, .network_ms = 50},
                   n, rates[i], rates[i]);
}

/* Without what keeps senders apart the judge sees it. */
static void two_that_do_not_share_are_caught(void **state)
{
    (void)state;
    struct world w = {.seed = 1, .stall_ms = 5, .database_ms = 5, .network_ms = 5}, other = w;
    double used;
    run(&w, 1, 50);
    run(&other, 1, 50);
    for (int i = 0; i < ARRIVALS_MAX; i++)
        w.arrivals[i] = (uint16_t)(w.arrivals[i] + other.arrivals[i]);
    assert_true(judge(&w, 50, 50, &used) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quiet_machine_needs_next_to_no_room),
        cmocka_unit_test(a_busy_machine_keeps_and_uses_the_rate_of_a_second),
        cmocka_unit_test(two_that_do_not_share_are_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
