/* SPDX-License-Identifier: Apache-2.0 */
#include "meta.h"

#define SIGNATURE_PREFIX STR("sha256=")
#define SIGNATURE_LEN    (7 + 2 * SHA256_BYTES)

/* --- proof ------------------------------------------------------------------------------------ */

bool meta_verify(const struct webhook *in, const struct secrets *s, struct err *err)
{
    struct str given = in->header(in->http, "X-Hub-Signature-256");
    if (!given.len)
        return err_set(err, ERR_UNPROVEN, "no X-Hub-Signature-256 header");
    uint8_t claimed[SHA256_BYTES], digest[SHA256_BYTES];
    if (given.len != SIGNATURE_LEN || !str_starts(given, SIGNATURE_PREFIX) ||
        !hex_decode(str_skip(given, SIGNATURE_PREFIX.len), claimed, sizeof claimed))
        return err_set(err, ERR_DENIED, "X-Hub-Signature-256 is not sha256= and 64 hex digits");

    // Every active secret is tried, so that the time does not tell which one signed.
    bool ours = false;
    for (size_t i = 0; i < s->n_keys; i++) {
        hmac_sha256(s->keys[i], in->body, digest);
        ours |= crypto_eq((struct str){(const char *)digest, sizeof digest},
                          (struct str){(const char *)claimed, sizeof claimed});
    }
    return ours || err_set(err, ERR_DENIED,
                           "the body is not signed by any of the %zu app secrets in force: "
                           "compare meta_app_secret with the app's dashboard",
                           s->n_keys);
}

bool meta_handshake(struct arena *a, const struct webhook *in, const struct secrets *s,
                    struct str *answer, const char **content_type, struct err *err)
{
    (void)a;
    struct str mode = in->query(in->http, "hub.mode");
    struct str token = in->query(in->http, "hub.verify_token");
    struct str challenge = in->query(in->http, "hub.challenge");
    if (!mode.ptr || !challenge.ptr)
        return err_set(err, ERR_INVALID, "no handshake: hub.mode or hub.challenge is missing");
    if (!token.len)
        return err_set(err, ERR_UNPROVEN, "handshake without hub.verify_token");
    bool ours = false;
    for (size_t i = 0; i < s->n_plain; i++)
        ours |= crypto_eq(token, s->plain[i]);
    if (!ours)
        return err_set(err, ERR_DENIED,
                       "hub.verify_token is none of ours: compare meta_verify_token with the "
                       "app's dashboard");
    if (!str_eq_c(mode, "subscribe"))
        return err_set(err, ERR_DENIED, "hub.mode is not subscribe");
    *answer = challenge;
    *content_type = "text/plain";
    return true;
}

/* --- the walk --------------------------------------------------------------------------------- */

#define N_LISTS META_OTHER

/* What the members of an entry are. Those that are known and neither lists nor id mean nothing to
 * an inbox. */
enum member { MEMBER_ID = N_LISTS, MEMBER_USELESS, MEMBER_UNKNOWN };
static const struct {
    const char *name;
    int member; /* an enum meta_list, or an enum member */
} members[] = {
    {"messaging", META_MESSAGING},   {"standby", META_STANDBY},
    {"changes", META_CHANGES},       {"id", MEMBER_ID},
    {"time", MEMBER_USELESS},        {"uid", MEMBER_USELESS},
    {"hop_context", MEMBER_USELESS},
};

static int member_of(struct arena *a, const struct json *v)
{
    struct str key = json_text(a, json_key(v));
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (str_eq_c(key, members[i].name))
            return members[i].member;
    }
    return MEMBER_UNKNOWN;
}

/* An entry after one look at each of its members. */
struct view {
    const struct json *entry;
    struct str account;
    const struct json *lists[N_LISTS]; /* the last of that name */
    size_t n_items, n_other;
};

static void view_read(struct arena *a, const struct json *entry, struct view *view)
{
    const struct json *id = NULL;
    *view = (struct view){.entry = entry};
    for (const struct json *v = json_first(entry); v; v = json_next(entry, v)) {
        int member = member_of(a, v);
        if (member < N_LISTS)
            view->lists[member] = v;
        else if (member == MEMBER_ID)
            id = v;
        else if (member == MEMBER_UNKNOWN && !json_is(v, JSON_NULL))
            view->n_other++;
    }
    for (size_t i = 0; i < N_LISTS; i++) {
        // A list that is none is a thing we do not know.
        const struct json *list = view->lists[i];
        if (list && list->type == JSON_ARRAY)
            view->n_items += list->n;
        else if (list && list->type != JSON_NULL)
            view->n_other++;
    }
    view->n_items += view->n_other;
    view->account = json_text(a, id);
    if (!view->account.ptr)
        view->account = STR("");
}

static void view_items(struct arena *a, const struct view *view, struct meta_items *out)
{
    struct meta_item item = {.entry = view->entry, .account = view->account};
    for (size_t i = 0; i < N_LISTS; i++) {
        const struct json *list = view->lists[i];
        if (!json_is(list, JSON_ARRAY))
            continue;
        item.list = (enum meta_list)i;
        for (item.value = json_first(list); item.value; item.value = json_next(list, item.value))
            out->items[out->n++] = item;
    }
    item.list = META_OTHER;
    const struct json *v = view->n_other ? json_first(view->entry) : NULL;
    for (; v; v = json_next(view->entry, v)) {
        int member = member_of(a, v);
        bool is_other = member == MEMBER_UNKNOWN ||
                        (member < N_LISTS && view->lists[member] == v && !json_is(v, JSON_ARRAY));
        item.value = v;
        if (is_other && !json_is(v, JSON_NULL))
            out->items[out->n++] = item;
    }
}

static bool entries_find(struct arena *a, const struct json *root, const char *object,
                         const struct json **entries, struct err *err)
{
    if (!json_is(root, JSON_OBJECT))
        return err_set(err, ERR_INVALID, "body is not a JSON object");
    struct str name = str_shorten(json_text(a, json_get(root, "object")), 80);
    *entries = json_get(root, "entry");
    if (!name.ptr)
        return err_set(err, ERR_INVALID, "body names no object");
    if (*entries && !json_is(*entries, JSON_ARRAY))
        return err_set(err, ERR_INVALID, "entry is not an array");
    if (!str_eq_c(name, object) && *entries && (*entries)->n)
        return err_set(
            err, ERR_INVALID,
            "body of object '%.*s', wanted '%s': does the app send another webhook here?",
            STR_ARG(name), object);
    return true;
}

static bool entries_walk(struct arena *a, const struct json *root, const char *object,
                         struct meta_items *out, struct err *err)
{
    const struct json *entries = NULL;
    if (!entries_find(a, root, object, &entries, err))
        return false;
    size_t n_entries = entries ? entries->n : 0, n_items = 0;
    struct view *views = unit_array(a, n_entries, UNIT_ITEMS_MAX, sizeof *views, "entries", err);
    if (!views)
        return false;
    const struct json *entry = json_first(entries);
    for (size_t i = 0; i < n_entries; i++, entry = json_next(entries, entry)) {
        if (!json_is(entry, JSON_OBJECT))
            return err_set(err, ERR_INVALID, "an entry is not an object");
        view_read(a, entry, &views[i]);
        n_items += views[i].n_items;
    }

    *out = (struct meta_items){0};
    out->items = unit_array(a, n_items, UNIT_ITEMS_MAX, sizeof *out->items, "items", err);
    if (!out->items)
        return false;
    for (size_t i = 0; i < n_entries; i++)
        view_items(a, &views[i], out);
    return true;
}

bool meta_items(struct arena *a, const struct json *root, const struct meta_dialect *d,
                struct meta_items *out, struct err *err)
{
    struct meta_items walked = {0};
    if (!entries_walk(a, root, d->object, &walked, err))
        return false;
    if (d->expand)
        return d->expand(a, &walked, out, err);
    *out = walked;
    return true;
}

/* --- parse ------------------------------------------------------------------------------------ */

void meta_set_unknown(struct arena *a, const struct meta_item *item, struct event *ev)
{
    static const char *const lists[] = {[META_MESSAGING] = "messaging", [META_STANDBY] = "standby"};
    if (item->list == META_CHANGES)
        event_set_unknown(a, ev, item->value->span, "field",
                          str_or(field_id(a, item->value, "field"), STR("that is absent")));
    else
        event_set_unknown(a, ev, item->value->span, "entry member",
                          item->list == META_OTHER ? json_text(a, json_key(item->value))
                                                   : str_of(lists[item->list]));
}

bool meta_parse(struct arena *a, struct str body, const struct meta_dialect *d, struct events *out,
                struct err *err)
{
    const struct json *root = json_parse(a, body, err);
    struct meta_items items = {0};
    if (!root || !meta_items(a, root, d, &items, err))
        return false;
    *out = (struct events){0};
    size_t max = 0;
    for (size_t i = 0; i < items.n; i++)
        max += d->max_events ? d->max_events(&items.items[i]) : 1;
    if (!max)
        return true;
    struct event *events = unit_array(a, max, UNIT_ITEMS_MAX, sizeof *events, "events", err);
    if (!events)
        return false;
    size_t n = 0;
    for (size_t i = 0; i < items.n; i++) {
        const struct meta_item *item = &items.items[i];
        size_t added = 1;
        events[n] = (struct event){.account = item->account, .account_type = str_of(d->object)};
        if (!d->parse(a, item, &events[n], &added, err))
            return false;
        n += added;
    }
    *out = (struct events){events, n};
    return true;
}

struct str meta_contact(struct arena *a, struct str account, const struct json *value)
{
    struct str sender = field_id(a, json_get(value, "sender"), "id");
    struct str recipient = field_id(a, json_get(value, "recipient"), "id");
    bool sender_is_us = str_eq(sender, account), recipient_is_us = str_eq(recipient, account);
    if (sender_is_us && recipient_is_us)
        return account; // a note to oneself
    if (sender_is_us || !sender.ptr)
        return recipient_is_us ? STR_NONE : recipient;
    // Neither is the account in dashboard tests: then an echo's contact is whom it went to.
    bool is_echo = json_truthy(json_get(json_get(value, "message"), "is_echo"));
    return !recipient_is_us && recipient.ptr && is_echo ? recipient : sender;
}

bool meta_is_messaging(const struct json *value)
{
    return json_get(value, "sender") || json_get(value, "recipient");
}
