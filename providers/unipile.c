/* SPDX-License-Identifier: Apache-2.0 */
/* UniPile v1: one API in front of WhatsApp, Instagram, LinkedIn, Telegram, Messenger and X
 * accounts.
 *
 * One event per body. Deliveries carry no signature but a static secret in the header Unipile-Auth,
 * which is derived per tenant. Three forms come: {"event": ...}, {"AccountStatus": {...}}, and the
 * hosted-auth notification {"status", "account_id", "name"}. */
#include "unipile.h"

#include "adapters.h"
#include "unipile_send.h"

/* --- verify ----------------------------------------------------------------------------------- */

static bool unipile_verify(const struct webhook *in, const struct secrets *s, struct err *err)
{
    struct str given = in->header(in->http, "Unipile-Auth");
    if (!given.len)
        return err_set(err, ERR_UNPROVEN,
                       "no Unipile-Auth header: give the webhook the header at UniPile");
    // Every active secret is compared, so that the time does not tell which one came close.
    bool known = false;
    for (size_t i = 0; i < s->n_plain; i++)
        known |= crypto_eq(given, s->plain[i]);
    return known || err_set(err, ERR_DENIED,
                            "Unipile-Auth is not a secret of this tenant: compare the webhook's "
                            "header at UniPile with the tenant's webhook secret");
}

/* --- account types ---------------------------------------------------------------------------- */

static const struct {
    const char *type; /* as sent */
    struct str normal;
    const char *platform;
} account_types[] = {
    {"WHATSAPP", {"WHATSAPP", 8}, "whatsapp"},    {"INSTAGRAM", {"INSTAGRAM", 9}, "instagram"},
    {"LINKEDIN", {"LINKEDIN", 8}, "linkedin"},    {"TELEGRAM", {"TELEGRAM", 8}, "telegram"},
    {"MESSENGER", {"MESSENGER", 9}, "messenger"}, {"TWITTER", {"TWITTER", 7}, "x"},
    {"X_TWITTER", {"TWITTER", 7}, "x"},
};

struct str unipile_normal_type(struct str type)
{
    for (size_t i = 0; i < ARRAY_LEN(account_types); i++) {
        if (str_ieq(type, str_of(account_types[i].type)))
            return account_types[i].normal;
    }
    return type;
}

static const char *unipile_platform(struct str type)
{
    for (size_t i = 0; i < ARRAY_LEN(account_types); i++) {
        if (str_ieq(type, str_of(account_types[i].type)))
            return account_types[i].platform;
    }
    return "other";
}

/* --- the three forms of a body ---------------------------------------------------------------- */

/* False: none of them. `u` is filled from the members that say whose body it is. */
static bool envelope_read(struct arena *a, const struct json *root, struct unipile_envelope *e,
                          struct err *err)
{
    const struct json *status = json_get(root, "AccountStatus");
    const struct json *owner = json_is(status, JSON_OBJECT) ? status : root;
    *e = (struct unipile_envelope){
        .root = root,
        .account = field_id(a, owner, "account_id"),
        .account_type = unipile_normal_type(field_id(a, owner, "account_type")),
    };
    if (!json_is(root, JSON_OBJECT))
        return err_set(err, ERR_INVALID, "UniPile body is not a JSON object");
    if (!e->account.ptr)
        return err_set(err, ERR_INVALID, "UniPile body without account_id");
    if (owner == status) {
        e->form = UNIPILE_ACCOUNT_STATUS;
        e->status = field_id(a, status, "message");
        return true;
    }
    e->event = field_id(a, root, "event");
    if (e->event.ptr) {
        e->form = UNIPILE_EVENT;
        e->chat = field_id(a, root, "chat_id");
        return true;
    }
    e->form = UNIPILE_HOSTED_AUTH;
    e->status = field_id(a, root, "status");
    return e->status.ptr || err_set(err, ERR_INVALID, "UniPile body without event");
}

static bool unipile_split(struct arena *a, const struct webhook *in, struct units *out,
                          struct err *err)
{
    const struct json *root = json_parse(a, in->body, err);
    struct unipile_envelope e;
    if (!root || !envelope_read(a, root, &e, err))
        return false;
    struct unit unit = {e.account, e.account_type, e.chat, in->body};
    return units_single(a, &unit, out);
}

/* --- account status --------------------------------------------------------------------------- */

static const struct {
    const char *sent, *status;
} statuses[] = {
    {"OK", "ok"},
    {"RECONNECTED", "ok"},
    {"SYNC_SUCCESS", "ok"},
    {"CREATION_SUCCESS", "created"},
    {"CONNECTING", "connecting"},
    {"CREDENTIALS", "auth_required"},
    {"PERMISSIONS", "auth_required"},
    {"ERROR", "error"},
    {"STOPPED", "stopped"},
    {"DELETED", "deleted"},
};

struct str unipile_status(struct str sent)
{
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        if (str_eq_c(sent, statuses[i].sent))
            return str_of(statuses[i].status);
    }
    return STR_NONE;
}

/* UniPile gives an account's status neither id nor time, so ERROR, OK, ERROR is told apart from a
 * second delivery by nothing: the key is weak. */
static bool parse_status(struct arena *a, const struct unipile_envelope *e, struct str body,
                         struct event *ev, struct err *err)
{
    ev->key = event_key_of_bytes(a, body, 0);
    ev->provider_status = e->status;
    ev->status = unipile_status(e->status);
    if (ev->status.ptr) {
        ev->kind = EVENT_ACCOUNT_STATUS;
        ev->key_is_weak = true;
        // `name` is the reference that was put into the hosted-auth link.
        struct extra x;
        extra_init(&x);
        if (e->form == UNIPILE_HOSTED_AUTH)
            extra_str(&x, "tenant_ref", field_text(a, e->root, "name"));
        return extra_done(&x, a, &ev->extra, err);
    }
    event_set_unknown(a, ev, body, "account status", str_or(e->status, STR("that is absent")));
    return true;
}

/* --- parse ------------------------------------------------------------------------------------ */

static bool unipile_parse(struct arena *a, const struct unit *unit, struct events *out,
                          struct err *err)
{
    const struct json *root = json_parse(a, unit->body, err);
    struct unipile_envelope e;
    if (!root || !envelope_read(a, root, &e, err))
        return false;

    // Someone accepted an invitation: known, and nothing for an inbox.
    if (e.form == UNIPILE_EVENT && str_eq_c(e.event, "new_relation")) {
        *out = (struct events){0};
        return true;
    }
    struct event *ev = ARENA_NEW(a, struct event);
    ev->account = e.account;
    ev->account_type = e.account_type;
    bool ok = e.form == UNIPILE_EVENT ? unipile_parse_event(a, &e, unit->body, ev, err)
                                      : parse_status(a, &e, unit->body, ev, err);
    if (ok)
        *out = (struct events){ev, 1};
    return ok;
}

/* UniPile names no figure but "10 to 20 seconds between WhatsApp messages"; the networks look for
 * senders that no person could be. */
static const struct send_limits whatsapp_limits = {.account = {10 * INT64_C(1000000), 1}};
static const struct send_limits other_limits = {.account = {2 * INT64_C(1000000), 1}};

static const struct send_limits *unipile_limits(struct str account_type)
{
    return str_eq_c(account_type, "WHATSAPP") ? &whatsapp_limits : &other_limits;
}

const struct provider unipile_provider = {
    .name = "unipile",
    .scope = SCOPE_TENANT,
    .secret_header = "Unipile-Auth",
    .verify = unipile_verify,
    .split = unipile_split,
    .parse = unipile_parse,
    .platform = unipile_platform,
    .normal_type = unipile_normal_type,
    .build = unipile_build,
    .judge = unipile_judge,
    .discover = &unipile_discover,
    .webhook = &unipile_webhook,
    .list = &unipile_list,
    .limits = unipile_limits,
};
