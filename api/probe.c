/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include "exchange.h"
#include "outside.h"
#include "way.h"

static struct str kept(struct api_probe *p, struct str s)
{
    return s.ptr ? str_dup(call_arena(p->call), s) : s;
}

/* What came lives only until its callback returns. */
static struct found_account keep_account(struct api_probe *p, const struct found_account *f)
{
    return (struct found_account){
        .external_id = kept(p, f->external_id),
        .type = kept(p, f->type),
        .name = kept(p, f->name),
        .username = kept(p, f->username),
        .status = kept(p, f->status),
        .provider_status = kept(p, f->provider_status),
        .parent_id = kept(p, f->parent_id),
        .token = kept(p, f->token),
    };
}

static void keep_list(struct api_probe *p, const struct found_accounts *from)
{
    p->list.items = ARENA_ARRAY(call_arena(p->call), struct found_account, from->n + 1);
    p->list.n = from->n;
    p->list.cursor = kept(p, from->cursor);
    for (size_t i = 0; i < from->n; i++)
        p->list.items[i] = keep_account(p, &from->items[i]);
}

static void finish(struct api_probe *p, bool is_ok)
{
    p->is_ok = is_ok;
    p->then(p->call, p);
}

static void refuse(struct api_probe *p, const char *reason)
{
    p->why = (struct judgement){.outcome = OUTCOME_PERMANENT, .reason = str_of(reason)};
    finish(p, false);
}

static void take(struct api_probe *p, const struct found_account *f)
{
    p->found = *f;
    p->account.external_id = f->external_id;
    p->account.type = api_found_type(p->provider, f);
    if (f->parent_id.len)
        p->account.parent_id = f->parent_id;
    // A page has a token of its own, and what a person's token opens is sent by that.
    if (f->token.len)
        p->account.token = f->token;
    finish(p, true);
}

static void choose(struct api_probe *p)
{
    struct str wanted = p->account.external_id;
    for (size_t i = 0; wanted.len && i < p->list.n; i++) {
        if (str_eq(p->list.items[i].external_id, wanted)) {
            take(p, &p->list.items[i]);
            return;
        }
    }
    if (wanted.len)
        refuse(p, "This access does not open that account.");
    else if (p->list.n == 1 && !p->list.cursor.len)
        take(p, &p->list.items[0]);
    else if (p->list.n == 0)
        refuse(p, "This access opens no account.");
    else
        refuse(p, "This access opens several accounts: name one by external_account_id.");
}

static void ask(struct api_probe *p, enum discover_what what, struct str cursor);

static void on_done(void *ctx, const struct exchange_done *d)
{
    struct api_probe *p = ctx;
    p->status = d->status;
    if (d->judgement.outcome == OUTCOME_SENT) {
        keep_list(p, &d->accounts);
        if (p->is_list_wanted)
            finish(p, true);
        else if (p->what == DISCOVER_VALIDATE && p->list.n == 1)
            take(p, &p->list.items[0]);
        else
            choose(p);
        return;
    }
    p->why = d->judgement;
    p->why.reason = kept(p, d->judgement.reason);
    p->why.code = kept(p, d->judgement.code);
    p->why.detail = STR_NONE;
    // A person's token is not the page's, and yet may open it.
    if (p->what == DISCOVER_VALIDATE && p->why.outcome == OUTCOME_PERMANENT &&
        !api_way_is_shared(p->provider)) {
        ask(p, DISCOVER_LIST, STR_NONE);
        return;
    }
    finish(p, false);
}

static void ask(struct api_probe *p, enum discover_what what, struct str cursor)
{
    struct err err = {0};
    struct api_outside *o = call_api(p->call)->outside;
    p->what = what;
    if (exchange_discover(&o->exchange, p->provider, what, &p->account, cursor, on_done, p, &err))
        return;
    refuse(p, str_c(call_arena(p->call), str_of(err.msg)));
}

void api_probe_account(struct call *c, struct api_probe *p,
                       void (*then)(struct call *c, struct api_probe *p))
{
    p->call = c;
    p->then = then;
    ask(p, p->account.external_id.len ? DISCOVER_VALIDATE : DISCOVER_LIST, STR_NONE);
}

void api_probe_list(struct call *c, struct api_probe *p, struct str cursor,
                    void (*then)(struct call *c, struct api_probe *p))
{
    p->call = c;
    p->then = then;
    p->is_list_wanted = true;
    ask(p, DISCOVER_LIST, cursor);
}

/* --- what is told of it ----------------------------------------------------------------------- */

static const char *code_of(enum outcome o)
{
    switch (o) {
    case OUTCOME_AUTH:
        return "credentials_refused";
    case OUTCOME_RATE_LIMITED:
        return "provider_limits";
    case OUTCOME_RETRY:
    case OUTCOME_AMBIGUOUS:
        return "provider_unreachable";
    default:
        return "provider_refused";
    }
}

void api_probe_problem(struct call *c, const struct api_probe *p)
{
    struct str reason = p->why.reason.len ? p->why.reason : STR("The provider refused it.");
    call_problem(c, 422, code_of(p->why.outcome), STR_NONE, "%.*s", STR_ARG(reason));
}

struct str api_probe_health(const struct api_probe *p)
{
    if (p->is_ok)
        return STR("valid");
    if (p->why.outcome != OUTCOME_AUTH)
        return STR_NONE;
    return p->why.is_expired ? STR("expired") : STR("revoked");
}

struct str api_found_type(const struct provider *p, const struct found_account *f)
{
    return f->type.len ? p->normal_type(f->type) : str_of(p->default_account_type);
}

void api_put_found(struct call *c, const struct provider *p, const struct found_account *f,
                   struct str channel_id)
{
    struct json_out *o = call_out(c);
    struct str type = api_found_type(p, f);
    json_open(o, '{');
    json_put_str(o, "external_account_id", str_utf8(call_arena(c), f->external_id));
    json_put_str(o, "account_type", str_utf8(call_arena(c), type));
    json_put_str(o, "provider", str_of(p->name));
    json_put_str(o, "platform", str_of(p->platform(type)));
    json_put_str(o, "name", f->name);
    json_put_str(o, "username", f->username);
    json_put_str(o, "status", f->status.len ? f->status : STR("ok"));
    json_put_str(o, "parent_id", f->parent_id);
    json_put_str(o, "channel_id", channel_id);
    json_close(o, '}');
}
