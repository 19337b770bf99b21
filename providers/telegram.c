/* SPDX-License-Identifier: Apache-2.0 */
/* Telegram's Bot API: one update per body. Nothing in it names the bot, so the webhook's path does,
 * and the unit carries it. A delivery is proven by a static secret in a header, which is derived
 * per tenant. */
#include "telegram.h"

#include "adapters.h"
#include "telegram_send.h"

#define BOT_ID_MAX 19 /* digits of 64 bits */

/* --- verify ----------------------------------------------------------------------------------- */

/* A bot has one spelling: digits, and no zero before them. */
static bool is_bot_id(struct str s)
{
    if (!s.len || s.len > BOT_ID_MAX || s.ptr[0] == '0')
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    }
    return true;
}

static bool bot_missing(struct err *err, enum err_kind kind)
{
    return err_set(err, kind,
                   "the path ends in no bot id: set the webhook to "
                   "/webhooks/telegram/{tenant_id}/{bot_id}");
}

static bool telegram_verify(const struct webhook *in, const struct secrets *s, struct err *err)
{
    struct str given = in->header(in->http, "X-Telegram-Bot-Api-Secret-Token");
    if (!given.len)
        return err_set(err, ERR_UNPROVEN,
                       "no X-Telegram-Bot-Api-Secret-Token header: give setWebhook the "
                       "secret_token of this tenant");
    // Every active secret is compared, so that the time does not tell which one came close.
    bool known = false;
    for (size_t i = 0; i < s->n_plain; i++)
        known |= crypto_eq(given, s->plain[i]);
    if (!known)
        return err_set(err, ERR_DENIED,
                       "X-Telegram-Bot-Api-Secret-Token is not a secret of this tenant: call "
                       "setWebhook with the tenant's webhook secret");
    // Telegram keeps what is refused and shows why in getWebhookInfo, so nothing is lost by it.
    return is_bot_id(in->path_rest) || bot_missing(err, ERR_ABSENT);
}

/* --- split and parse -------------------------------------------------------------------------- */

static bool telegram_split(struct arena *a, const struct webhook *in, struct units *out,
                           struct err *err)
{
    if (!is_bot_id(in->path_rest))
        return bot_missing(err, ERR_INVALID);
    const struct json *root = json_parse(a, in->body, err);
    struct telegram_update update;
    if (!root || !telegram_update_read(a, root, &update, err))
        return false;
    struct unit unit = {in->path_rest, STR("bot"), update.place.conversation, in->body};
    return units_single(a, &unit, out);
}

static bool parse_one(const struct telegram_update *u, struct telegram_reading *r)
{
    struct extra x;
    extra_init(&x);
    r->extra = &x;
    bool ok = u->kind->read(r);
    return extra_done(&x, r->a, &r->ev->extra, r->err) && ok;
}

static bool telegram_parse(struct arena *a, const struct unit *unit, struct events *out,
                           struct err *err)
{
    const struct json *root = json_parse(a, unit->body, err);
    struct telegram_update u;
    if (!root || !telegram_update_read(a, root, &u, err))
        return false;
    *out = (struct events){0};
    if (u.kind && !u.kind->read)
        return true;
    const struct json *list = telegram_update_list(&u);
    size_t n = list ? list->n : 1;
    struct event *events = unit_array(a, n, UNIT_ITEMS_MAX, sizeof *events, "events", err);
    if (!events)
        return false;
    struct telegram_reading r = {.a = a,
                                 .bot = unit->account,
                                 .update_id = u.id,
                                 .what = u.what,
                                 .item = json_first(list),
                                 .place = u.place,
                                 .err = err};
    for (size_t i = 0; i < n; i++, r.item = json_next(list, r.item)) {
        r.ev = &events[i];
        *r.ev = (struct event){.account = unit->account,
                               .account_type = STR("bot"),
                               .conversation = u.place.conversation,
                               .is_group = u.place.is_group};
        if (!u.kind)
            telegram_update_unknown(&u, unit->body, &r);
        else if (!parse_one(&u, &r))
            return false;
    }
    *out = (struct events){events, n};
    return true;
}

static const char *telegram_platform(struct str account_type)
{
    (void)account_type;
    return "telegram";
}

static struct str telegram_normal_type(struct str account_type)
{
    return str_ieq(account_type, STR("bot")) ? STR("bot") : account_type;
}

/* 30 a second for a bot, one a second to a chat, 20 a minute to a group. */
static const struct send_limits limits = {
    .account = {1000000 / 30, 1}, .pair = {1000000, 1}, .group = {3000000, 1}};

static const struct send_limits *telegram_limits(struct str account_type)
{
    (void)account_type;
    return &limits;
}

const struct provider telegram_provider = {
    .name = "telegram",
    .scope = SCOPE_TENANT,
    .secret_header = "X-Telegram-Bot-Api-Secret-Token",
    .path_names_account = true,
    .default_account_type = "bot",
    .verify = telegram_verify,
    .split = telegram_split,
    .parse = telegram_parse,
    .platform = telegram_platform,
    .normal_type = telegram_normal_type,
    .build = telegram_build,
    .judge = telegram_judge,
    .discover = &telegram_discover,
    .webhook = &telegram_webhook,
    .limits = telegram_limits,
};
