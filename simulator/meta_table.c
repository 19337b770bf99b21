/* SPDX-License-Identifier: Apache-2.0 */
/* Paths, limits and reports of Meta's three APIs. */
#include "apis.h"
#include "meta_api.h"

/* Specific paths come before those with a star in the same place. */
#define ROUTES_OF_ALL                                                                     \
    {HTTP_GET, "/*/debug_token", sim_meta_debug_token}, {HTTP_GET, "/*/me", sim_meta_me}, \
        {HTTP_GET, "/*/me/permissions", sim_meta_permissions},                            \
        {HTTP_GET, "/*/*/subscribed_apps", sim_meta_apps},                                \
        {HTTP_POST, "/*/*/subscribed_apps", sim_meta_apps_subscribe},                     \
        {HTTP_DELETE, "/*/*/subscribed_apps", sim_meta_apps_unsubscribe},                 \
        {HTTP_GET, "/*/*/subscriptions", sim_meta_subscriptions},                         \
        {HTTP_POST, "/*/*/subscriptions", sim_meta_subscribe},                            \
        {HTTP_DELETE, "/*/*/subscriptions", sim_meta_unsubscribe},                        \
    {                                                                                     \
        HTTP_GET, "/*/*", sim_meta_node                                                   \
    }

static const struct sim_route message_routes[] = {
    {HTTP_POST, "/*/*/messages", sim_meta_send},
    {HTTP_POST, "/*/*/message_attachments", sim_meta_upload},
    {HTTP_GET, "/*/*/conversations", sim_meta_conversations},
    {HTTP_GET, "/*/me/accounts", sim_meta_accounts},
    ROUTES_OF_ALL,
};

static const struct sim_route whatsapp_routes[] = {
    {HTTP_POST, "/*/*/messages", sim_whatsapp_send},
    {HTTP_POST, "/*/*/media", sim_whatsapp_upload},
    {HTTP_GET, "/*/*/phone_numbers", sim_meta_numbers},
    ROUTES_OF_ALL,
};

/* 300 a second for an account; 80 a second for a number, and for a pair 45 at once and then one in
 * six seconds. */
const struct sim_api sim_api_instagram = {
    .name = "instagram",
    .routes = message_routes,
    .n_routes = ARRAY_LEN(message_routes),
    .limit = {.account = {300, 18000, 0}},
    .admit = sim_graph_admit,
    .fail = sim_graph_fail,
    .finish = sim_graph_finish,
    .style = &sim_instagram,
    .has_echo = true,
    .has_read = true,
    .report = sim_meta_report,
};

const struct sim_api sim_api_messenger = {
    .name = "messenger",
    .routes = message_routes,
    .n_routes = ARRAY_LEN(message_routes),
    .limit = {.account = {300, 18000, 0}},
    .admit = sim_graph_admit,
    .fail = sim_graph_fail,
    .finish = sim_graph_finish,
    .style = &sim_messenger,
    .has_echo = true,
    .has_delivered = true,
    .has_read = true,
    .report = sim_meta_report,
};

const struct sim_api sim_api_whatsapp = {
    .name = "whatsapp",
    .routes = whatsapp_routes,
    .n_routes = ARRAY_LEN(whatsapp_routes),
    .limit = {.account = {80, 4800, 0}, .pair = {45, 10, 0}},
    .admit = sim_graph_admit,
    .fail = sim_graph_fail,
    .finish = sim_graph_finish,
    .style = &sim_whatsapp,
    .has_echo = true, // the status "sent"
    .has_delivered = true,
    .has_read = true,
    .report = sim_whatsapp_report,
};
