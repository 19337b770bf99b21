/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Meta's Graph API, as Instagram, Messenger and WhatsApp share it: versions in the path, errors
 * with code, subcode and trace id, usage headers, nodes and their fields, subscriptions.
 *
 * Stricter than Meta in one point: a parameter that is not in the documentation is refused, where
 * Meta would overlook it, so that a misspelt one is noticed.
 *
 * Ids with a meaning: what begins with "absent" does not exist; a recipient "error-<code>" or
 * "error-<code>-<subcode>" is answered with that error. */
#include "api.h"

#define GRAPH_LIST_MAX 50
/* The one app there is; as a token "<id>|<its secret>". */
#define SIM_META_APP "111000000000001"

/* --- errors ---------------------------------------------------------------------------------- */

struct graph_error {
    int64_t code, subcode; /* subcode 0: none */
    int status;
    const char *type; /* NULL: OAuthException */
    const char *message;
};
/* The error of this code and subcode; of a code that is unknown one without a message of its own.
 */
struct graph_error sim_graph_error(int64_t code, int64_t subcode);
/* False. `details`: what WhatsApp has in error_data, others at the end of the message; NULL: none.
 */
bool sim_graph_refuse(struct sim_call *c, const struct graph_error *e, const char *details);
/* The body of that answer. */
struct str sim_graph_error_body(struct arena *a, const struct sim_api *api,
                                const struct graph_error *e, const char *details, struct str trace);
/* (#100); false. */
bool sim_graph_missing(struct sim_call *c, const char *parameter);
bool sim_graph_invalid(struct sim_call *c, const char *parameter, const char *why);
/* Is `to` one of the recipients that stand for an error? True: it was answered. */
bool sim_graph_meant_error(struct sim_call *c, struct str to);

/* As sim_api.admit, fail and finish. */
bool sim_graph_admit(struct sim_call *c);
void sim_graph_fail(struct sim_call *c, const struct sim_failure *f);
void sim_graph_finish(struct sim_call *c);

/* --- checks ----------------------------------------------------------------------------------- */

enum graph_want {
    GRAPH_TEXT,
    GRAPH_ID, /* a string, or a number, that is not empty */
    GRAPH_BOOL,
    GRAPH_NUMBER,
    GRAPH_OBJECT,
    GRAPH_ARRAY,
    GRAPH_URL,
};
struct graph_member {
    const char *name;
    enum graph_want want;
    bool is_required;
    size_t max; /* characters of a text, elements of an array; 0: any */
};
/* The members of an object are those of the table, each of its kind. `where`: its name, for the
 * error; NULL: the body itself. False: has failed. */
bool sim_graph_check(struct sim_call *c, const struct json *object, const char *where,
                     const struct graph_member *members, size_t n);
size_t sim_characters(struct str text);
bool sim_is_digits(struct str s);
/* One of `words`, ended by NULL. */
bool sim_is_one_of(struct str s, const char *const *words);
/* JSON of a JSON body. NULL: has failed. */
const struct json *sim_graph_body(struct sim_call *c);

/* --- what all three serve: meta_nodes.c, meta_hooks.c ----------------------------------------- */

/* The value of a field of a node, appended as JSON. False: it has no such field. */
typedef bool graph_field(struct sim_call *c, struct json_out *o, struct str id, struct str field,
                         struct str inner);
/* "a,b{c,d},e": cut off the first, with what stands in its braces. False: nothing is left. */
bool sim_graph_field_next(struct str *rest, struct str *name, struct str *inner);
/* The node with the fields of `fields`, else of `preset`, written. False: has failed. */
bool sim_graph_node(struct sim_call *c, struct buf *out, struct str id, const char *preset,
                    graph_field *field);
/* {"data":[...],"paging":...} of the nodes that `fields` names. */
void sim_graph_list(struct sim_call *c, const struct str *ids, size_t n, const char *preset,
                    graph_field *field);

void sim_meta_me(struct sim_call *c);
void sim_meta_node(struct sim_call *c);
void sim_meta_accounts(struct sim_call *c);
void sim_meta_numbers(struct sim_call *c);
void sim_meta_debug_token(struct sim_call *c);
void sim_meta_permissions(struct sim_call *c);

void sim_meta_apps(struct sim_call *c); /* subscribed_apps, three methods */
void sim_meta_apps_subscribe(struct sim_call *c);
void sim_meta_apps_unsubscribe(struct sim_call *c);
void sim_meta_subscriptions(struct sim_call *c);
void sim_meta_subscribe(struct sim_call *c);
void sim_meta_unsubscribe(struct sim_call *c);

/* --- sending ---------------------------------------------------------------------------------- */

void sim_meta_send(struct sim_call *c); /* meta_messages.c: Instagram and Messenger */
void sim_meta_upload(struct sim_call *c);
void sim_meta_conversations(struct sim_call *c); /* meta_conversations.c */
void sim_whatsapp_send(struct sim_call *c);      /* meta_whatsapp.c */
void sim_whatsapp_upload(struct sim_call *c);

/* A type of WhatsApp's messages, and what stands in the member of its name. */
typedef bool whatsapp_check(struct sim_call *c, const struct json *v);
struct whatsapp_type {
    const char *name;
    whatsapp_check *valid; /* false: has failed */
    bool is_array, in_groups;
};
const struct whatsapp_type *sim_whatsapp_type(struct str name); /* NULL: no such type */

/* As sim_api.report: meta_reports.c. */
void sim_meta_report(struct buf *out, const struct sim_report *reports, size_t n);
void sim_whatsapp_report(struct buf *out, const struct sim_report *reports, size_t n);

bool sim_is_instagram(const struct sim_call *c);
/* The account of ours behind the node in the path: "me", the account itself, or the page that an
 * Instagram account belongs to. */
struct str sim_meta_account(struct sim_call *c);
