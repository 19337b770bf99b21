/* SPDX-License-Identifier: Apache-2.0 */
#include "handlers.h"

#include <stddef.h>

// A row each, so that two who add one do not meet.
// clang-format off
const struct api_handler *const api_handler_tables[] = {
    api_description_handlers,
    api_identity_handlers,
    api_users_handlers,
    api_credentials_handlers,
    api_channel_handlers,
    api_channel_connect_handlers,
    api_instagram_handlers,
    api_conversations_handlers,
    api_notes_handlers,
    api_history_handlers,
    api_send_handlers,
    api_upload_handlers,
    api_media_handlers,
    api_stream_handlers,
    api_webhook_health_handlers,
    api_bulk_handlers,
    api_bulks_handlers,
    api_quarantine_handlers,
    api_consistency_handlers,
    api_operator_handlers,
    api_debug_handlers,
    NULL,
};
// clang-format on
