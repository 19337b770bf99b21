/* SPDX-License-Identifier: Apache-2.0 */
#include "whatsapp.h"

/* --- what sets an account's status ------------------------------------------------------------ */

static const struct {
    const char *sent, *status; /* NULL: worth telling, and the account works as before */
} states[] = {
    {"ACCOUNT_DELETED", "deleted"},
    {"ACCOUNT_OFFBOARDED", "stopped"},
    {"ACCOUNT_RECONNECTED", "ok"},
    {"ACCOUNT_RESTRICTION", "error"},
    {"PARTNER_REMOVED", "auth_required"},
    {"PARTNER_APP_UNINSTALLED", "auth_required"},
    // ban_info.waba_ban_state of DISABLED_UPDATE
    {"DISABLE", "stopped"},
    {"SCHEDULE_FOR_DISABLE", NULL},
    {"REINSTATE", "ok"},
    // decision of account_review_update
    {"APPROVED", "ok"},
    {"REJECTED", "error"},
};

static struct str state_of(struct str sent)
{
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (str_eq_c(sent, states[i].sent))
            return str_of(states[i].status);
    }
    return STR_NONE;
}

/* The element of a list, or the value itself where it is none. */
static const struct json *first_of(const struct json *v)
{
    return json_is(v, JSON_ARRAY) ? json_first(v) : v;
}

static void details_read(struct arena *a, const struct json *value, struct extra *x)
{
    static const char *const members[] = {
        "display_phone_number",
        "phone_number",
        "current_limit",
        "old_limit",
        "requested_verified_name",
        "rejection_reason",
        "entity_type",
        "entity_id",
        "alert_severity",
        "alert_type",
        "alert_description",
        "alert_status",
        "message_template_id",
        "message_template_name",
        "message_template_language",
        "reason",
    };
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        extra_str(x, members[i], field_id(a, value, members[i]));
    extra_copy(x, a, "restriction_info", json_get(value, "restriction_info"));
    extra_copy(x, a, "ban_info", json_get(value, "ban_info"));
    extra_copy(x, a, "violation_info", json_get(value, "violation_info"));
}

/* `told`: the member of the value that says what happened. */
static void status_set(struct arena *a, const struct meta_item *item, const char *told,
                       bool is_decisive, struct event *ev)
{
    const struct json *value = json_get(item->value, "value");
    struct str field = field_text(a, item->value, "field");
    struct str what = field_id(a, value, told);
    struct str ban =
        json_text(a, first_of(json_get(json_get(value, "ban_info"), "waba_ban_state")));
    struct str state = str_eq_c(what, "DISABLED_UPDATE") && ban.len ? ban : what;
    ev->kind = EVENT_ACCOUNT_STATUS;
    ev->provider_status = what;
    ev->status = is_decisive ? state_of(state) : STR_NONE;
    struct str violation = field_id(a, json_get(value, "violation_info"), "violation_type");
    const struct json *restriction = first_of(json_get(value, "restriction_info"));
    ev->reason = str_or(violation, field_id(a, restriction, "restriction_type"));
    if (!ev->reason.ptr && ban.len)
        ev->reason = ban;
    // Several of a kind may come in one second, so what they say is part of the key.
    struct str parts[] = {field, what, key_time(a, ev),
                          event_key_of_bytes(a, item->value->span, 0)};
    ev->key = event_key(a, "account_status", parts, ARRAY_LEN(parts));
    ev->key_is_weak = ev->at_ms == 0;
}

/* --- fields ----------------------------------------------------------------------------------- */

static const struct {
    const char *field, *told; /* told NULL: nothing for an inbox */
    bool is_decisive;         /* may set the account's status */
} fields[] = {
    {"account_update", "event", true},
    {"account_review_update", "decision", true},
    {"account_alerts", "alert_type", false},
    {"phone_number_quality_update", "event", false},
    {"phone_number_name_update", "decision", false},
    {"business_capability_update", NULL, false},
    {"business_status_update", NULL, false},
    {"flows", NULL, false},
    {"message_template_components_update", NULL, false},
    {"message_template_quality_update", NULL, false},
    {"message_template_status_update", "event", false},
    {"partner_solutions", NULL, false},
    {"payment_configuration_update", NULL, false},
    {"security", NULL, false},
    {"smb_app_state_sync", NULL, false},
    {"template_category_update", NULL, false},
    {"tracking_events", NULL, false},
};

bool whatsapp_parse_account(struct arena *a, const struct meta_item *item, struct event *ev,
                            size_t *n, struct err *err)
{
    ev->at_ms = field_time(a, json_get(item->entry, "time"));
    struct str field = field_text(a, item->value, "field");
    size_t i = 0;
    while (i < ARRAY_LEN(fields) && !str_eq_c(field, fields[i].field))
        i++;
    const struct json *value = json_get(item->value, "value");
    if (i == ARRAY_LEN(fields) || (fields[i].told && !field_id(a, value, fields[i].told).ptr)) {
        meta_set_unknown(a, item, ev);
        return true;
    }
    if (!fields[i].told) {
        *n = 0;
        return true;
    }
    status_set(a, item, fields[i].told, fields[i].is_decisive, ev);
    struct extra x;
    extra_init(&x);
    extra_str(&x, "field", field);
    details_read(a, value, &x);
    return extra_done(&x, a, &ev->extra, err);
}
