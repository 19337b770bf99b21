/* SPDX-License-Identifier: Apache-2.0 */
/* WhatsApp Cloud API through Meta's webhooks: object "whatsapp_business_account", account key
 * metadata.phone_number_id (what is about the business account as a whole has its id, entry.id),
 * conversation the group, else the user's number, else the user's business-scoped id. */
#include "whatsapp.h"

#include "adapters.h"
#include "meta_send.h"

static struct str whatsapp_conversation(struct arena *a, const struct meta_item *item)
{
    if (item->list != META_NESTED)
        return STR_NONE;
    struct whatsapp_person p = whatsapp_person_of(a, (enum whatsapp_nest)item->nest, item->value);
    return whatsapp_conversation_of(&p);
}

/* An error that is about no message: told, and the account's status stays. */
static void parse_error(struct arena *a, const struct meta_item *item, struct event *ev)
{
    whatsapp_error_read(a, item->value, &ev->provider_status, &ev->reason);
    if (!ev->provider_status.ptr && !ev->reason.ptr) {
        event_set_unknown(a, ev, item->value->span, "error without code or text", STR_NONE);
        return;
    }
    ev->kind = EVENT_ACCOUNT_STATUS;
    struct str parts[] = {STR("error"), event_key_of_bytes(a, item->value->span, 0)};
    ev->key = event_key(a, "account_status", parts, ARRAY_LEN(parts));
    ev->key_is_weak = true;
}

/* A user stops or resumes what a business may send unasked. */
static bool parse_preference(struct arena *a, const struct meta_item *item, struct event *ev,
                             struct err *err)
{
    struct extra x;
    extra_init(&x);
    struct str category = field_id(a, item->value, "category");
    ev->at_ms = field_time(a, json_get(item->value, "timestamp"));
    ev->payload = field_id(a, item->value, "value");
    if (!whatsapp_people_set(a, item, DIR_IN, ev, &x) || !ev->payload.ptr) {
        event_set_unknown(a, ev, item->value->span, "preference without user or value", STR_NONE);
        return extra_done(&x, a, &ev->extra, err);
    }
    ev->kind = EVENT_OPTIN;
    ev->text = field_id(a, item->value, "detail");
    extra_str(&x, "optin_type", category);
    extra_str(&x, "value", ev->payload);
    struct str parts[] = {ev->sender, category, ev->payload, key_time(a, ev)};
    ev->key = event_key(a, "optin", parts, ARRAY_LEN(parts));
    ev->key_is_weak = ev->at_ms == 0;
    return extra_done(&x, a, &ev->extra, err);
}

static bool parse_nested(struct arena *a, const struct meta_item *item, struct event *ev,
                         struct err *err)
{
    switch ((enum whatsapp_nest)item->nest) {
    case WHATSAPP_MESSAGES:
    case WHATSAPP_ECHOES:
        return whatsapp_parse_message(a, item, ev, err);
    case WHATSAPP_STATUSES:
        return whatsapp_parse_status(a, item, ev, err);
    case WHATSAPP_PREFERENCES:
        return parse_preference(a, item, ev, err);
    case WHATSAPP_ERRORS:
    case WHATSAPP_NESTS:
        break;
    }
    parse_error(a, item, ev);
    return true;
}

static bool parse_item(struct arena *a, const struct meta_item *item, struct event *ev, size_t *n,
                       struct err *err)
{
    struct str business = field_id(a, item->entry, "id");
    if (!str_eq(business, item->account))
        ev->parent = business;
    if (item->list == META_NESTED)
        return parse_nested(a, item, ev, err);
    if (item->list == META_CHANGES)
        return whatsapp_parse_account(a, item, ev, n, err);
    meta_set_unknown(a, item, ev);
    return true;
}

static const char *const shared[] = {"messaging_product", "metadata", NULL};

static const struct meta_dialect dialect = {
    .object = "whatsapp_business_account",
    .conversation = whatsapp_conversation,
    .parse = parse_item,
    .expand = whatsapp_expand,
    .nests = whatsapp_nests,
    .shared = shared,
};

static bool whatsapp_split(struct arena *a, const struct webhook *in, struct units *out,
                           struct err *err)
{
    return meta_split(a, in->body, &dialect, out, err);
}

static bool whatsapp_parse(struct arena *a, const struct unit *unit, struct events *out,
                           struct err *err)
{
    return meta_parse(a, unit->body, &dialect, out, err);
}

static const char *whatsapp_platform(struct str account_type)
{
    (void)account_type;
    return "whatsapp";
}

static struct str whatsapp_normal_type(struct str account_type)
{
    struct str type = STR("whatsapp_business_account");
    return str_ieq(account_type, type) ? type : account_type;
}

/* 80 a second for a number; to one recipient 45, then one each 6 seconds. */
static const struct send_limits limits = {
    .account = {1000000 / 80, 1}, .pair = {6000000, 45}, .slow_from_percent = 80};

static const struct send_limits *whatsapp_limits(struct str account_type)
{
    (void)account_type;
    return &limits;
}

const struct provider whatsapp_provider = {
    .name = "whatsapp",
    .scope = SCOPE_APP,
    .default_account_type = "whatsapp_business_account",
    .app = "meta",
    .verify = meta_verify,
    .handshake = meta_handshake,
    .split = whatsapp_split,
    .parse = whatsapp_parse,
    .platform = whatsapp_platform,
    .normal_type = whatsapp_normal_type,
    .build = whatsapp_build,
    .judge = whatsapp_judge,
    .discover = &whatsapp_discover,
    .webhook = &whatsapp_webhook,
    .limits = whatsapp_limits,
};
