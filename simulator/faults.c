/* SPDX-License-Identifier: Apache-2.0 */
#include "faults.h"

#include "json.h"

#define ARENA_MAX ((size_t)4 << 20)

static const char *const names[SIM_FAULTS] = {
    [SIM_FAULT_RATE_LIMIT] = "rate_limit",
    [SIM_FAULT_ERROR] = "error",
    [SIM_FAULT_SLOW] = "slow",
    [SIM_FAULT_DROP_BEFORE] = "drop_before",
    [SIM_FAULT_DROP_AFTER] = "drop_after",
    [SIM_FAULT_EXPIRED] = "expired",
    [SIM_FAULT_REVOKED] = "revoked",
    [SIM_FAULT_WINDOW] = "window",
    [SIM_FAULT_REFUSED] = "refused",
    [SIM_FAULT_MOVED] = "moved",
    [SIM_FAULT_MALFORMED] = "malformed",
};

const char *sim_fault_name(enum sim_fault f)
{
    return names[f];
}

void sim_faults_init(struct sim_faults *f, uint64_t seed)
{
    *f = (struct sim_faults){.arena = arena_new(ARENA_MAX), .random = {seed}};
}

void sim_faults_done(struct sim_faults *f)
{
    arena_free(f->arena);
    f->arena = NULL;
}

void sim_faults_clear(struct sim_faults *f)
{
    arena_reset(f->arena);
    f->n = 0;
    for (size_t i = 0; i < SIM_FAULTS; i++)
        f->struck[i] = 0;
}

/* --- rules from JSON -------------------------------------------------------------------------- */

static bool read_number(const struct json *v, const char *name, int64_t min, int64_t max,
                        int64_t *out, struct err *err)
{
    const struct json *member = json_get(v, name);
    if (!member)
        return true;
    if (!json_is(member, JSON_NUMBER) || !json_i64(member, out) || *out < min || *out > max)
        return err_set(err, ERR_INVALID, "%s: want a whole number from %lld to %lld", name,
                       (long long)min, (long long)max);
    return true;
}

/* "0.25" in thousandths; digits behind the third are dropped. */
static bool read_probability(struct arena *a, const struct json *v, int64_t *permille,
                             struct err *err)
{
    const struct json *member = json_get(v, "probability");
    struct str text = json_text(a, member), whole, rest;
    int64_t ones = 0, thousandths = 0;
    if (!member)
        return true;
    bool ok = json_is(member, JSON_NUMBER);
    if (str_cut(text, '.', &whole, &rest)) {
        for (size_t i = 0; i < 3; i++)
            thousandths = thousandths * 10 + (i < rest.len ? rest.ptr[i] - '0' : 0);
        for (size_t i = 0; i < rest.len; i++)
            ok = ok && rest.ptr[i] >= '0' && rest.ptr[i] <= '9';
    }
    if (!ok || !str_i64(whole, &ones) || ones < 0 || ones * 1000 + thousandths > 1000)
        return err_set(err, ERR_INVALID, "probability: want a number from 0 to 1, as 0.25");
    *permille = ones * 1000 + thousandths;
    return true;
}

static bool read_words(struct arena *a, const struct json *v, struct sim_rule *r, struct err *err)
{
    struct {
        const char *name;
        struct str *to;
    } texts[] = {{"provider", &r->provider},
                 {"account", &r->account},
                 {"to", &r->to},
                 {"path", &r->path},
                 {"moved_to", &r->moved_to}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const struct json *member = json_get(v, texts[i].name);
        if (member && !json_is(member, JSON_STRING))
            return err_set(err, ERR_INVALID, "%s: want a text", texts[i].name);
        if (member)
            *texts[i].to = str_dup(a, json_text(a, member));
    }
    struct str on = json_text(a, json_get(v, "on"));
    // A token that has expired has done so for every call.
    r->all = r->fault == SIM_FAULT_EXPIRED || r->fault == SIM_FAULT_REVOKED;
    if (on.len)
        r->all = str_eq_c(on, "all");
    return !on.len || r->all || str_eq_c(on, "sends") ||
           err_set(err, ERR_INVALID, "on: want sends or all");
}

static bool read_rule(struct arena *a, const struct json *v, struct sim_rule *r, struct err *err)
{
    static const char *const members[] = {
        "fault", "moved_to", "provider", "account",     "to", "path",        "count",
        "skip",  "ms",       "status",   "retry_after", "on", "probability", "struck"};
    struct str name = json_text(a, json_get(v, "fault"));
    *r = (struct sim_rule){
        .count = -1, .permille = 1000, .ms = 1000, .status = 503, .retry_after_s = 1};
    size_t fault = 0;
    while (fault < SIM_FAULTS && !str_eq_c(name, names[fault]))
        fault++;
    if (fault == SIM_FAULTS)
        return err_set(err, ERR_INVALID, "fault '%.*s' is not known", STR_ARG(name));
    for (const struct json *m = json_first(v); m; m = json_next(v, m)) {
        size_t i = 0;
        while (i < ARRAY_LEN(members) && !str_eq_c(json_text(a, json_key(m)), members[i]))
            i++;
        if (i == ARRAY_LEN(members))
            return err_set(err, ERR_INVALID, "'%.*s' is nothing that a fault has",
                           STR_ARG(json_text(a, json_key(m))));
    }
    r->fault = (enum sim_fault)fault;
    return read_words(a, v, r, err) && read_probability(a, v, &r->permille, err) &&
           read_number(v, "count", -1, INT32_MAX, &r->count, err) &&
           read_number(v, "skip", 0, INT32_MAX, &r->skip, err) &&
           read_number(v, "ms", 0, 600000, &r->ms, err) &&
           read_number(v, "status", 500, 599, &r->status, err) &&
           read_number(v, "retry_after", 0, 86400, &r->retry_after_s, err);
}

bool sim_faults_set(struct sim_faults *f, struct str text, struct err *err)
{
    struct arena *a = arena_new(ARENA_MAX);
    const struct json *root = json_parse(a, text, err);
    const struct json *list = json_get(root, "faults");
    struct sim_rule rules[SIM_RULES_MAX];
    size_t n = 0;
    bool ok = root != NULL;
    if (ok && !json_is(list, JSON_ARRAY))
        ok = err_set(err, ERR_INVALID, "want {\"faults\": [...]}");
    for (const struct json *v = json_first(list); ok && v; v = json_next(list, v)) {
        ok = n < SIM_RULES_MAX ||
             err_set(err, ERR_LIMITED, "more than %d faults at once", SIM_RULES_MAX);
        ok = ok && read_rule(a, v, &rules[n++], err);
    }
    if (!ok) {
        arena_free(a);
        return false;
    }
    arena_free(f->arena);
    f->arena = a;
    f->n = n;
    for (size_t i = 0; i < n; i++)
        f->rules[i] = rules[i];
    return true;
}

/* --- JSON out --------------------------------------------------------------------------------- */

static void put_rule(struct json_out *o, const struct sim_rule *r)
{
    const struct {
        const char *name;
        struct str text;
    } texts[] = {
        {"provider", r->provider}, {"account", r->account}, {"to", r->to}, {"path", r->path}};
    json_open(o, '{');
    json_put_str(o, "fault", str_of(names[r->fault]));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (texts[i].text.len)
            json_put_str(o, texts[i].name, texts[i].text);
    json_put_str(o, "on", r->all ? STR("all") : STR("sends"));
    json_put_int(o, "skip", r->skip);
    json_put_int(o, "count", r->count);
    json_put_int(o, "struck", r->struck);
    json_close(o, '}');
}

void sim_faults_json(const struct sim_faults *f, struct buf *out)
{
    struct json_out o = {.buf = out};
    json_open(&o, '{');
    json_key_out(&o, "faults");
    json_open(&o, '[');
    for (size_t i = 0; i < f->n; i++)
        put_rule(&o, &f->rules[i]);
    json_close(&o, ']');
    json_key_out(&o, "struck");
    json_open(&o, '{');
    for (size_t i = 0; i < SIM_FAULTS; i++)
        json_put_int(&o, names[i], f->struck[i]);
    json_close(&o, '}');
    json_close(&o, '}');
}

/* --- striking --------------------------------------------------------------------------------- */

/* A call is looked at when it comes, by the rules for all calls; and a send once more, by those for
 * sends, and by those for all calls of an account which it did not name until then. */
static bool is_its_time(const struct sim_rule *r, const struct sim_target *t)
{
    return r->all ? !t->is_send || (t->was_nobody && r->account.len) : t->is_send;
}

static bool is_for(const struct sim_rule *r, const struct sim_target *t)
{
    return is_its_time(r, t) && (!r->provider.len || str_eq(r->provider, t->provider)) &&
           (!r->account.len || str_eq(r->account, t->account)) &&
           (!r->to.len || str_eq(r->to, t->to)) && (!r->path.len || str_ends(t->path, r->path));
}

const struct sim_rule *sim_faults_strike(struct sim_faults *f, enum sim_fault fault,
                                         const struct sim_target *t)
{
    for (size_t i = 0; i < f->n; i++) {
        struct sim_rule *r = &f->rules[i];
        if (r->fault != fault || !is_for(r, t) || r->count == 0)
            continue;
        if (r->skip > 0) {
            r->skip--;
            continue;
        }
        if (r->permille < 1000 && sim_random_below(&f->random, 1000) >= (uint32_t)r->permille)
            continue;
        r->count -= r->count > 0;
        r->struck++;
        f->struck[fault]++;
        return r;
    }
    return NULL;
}
