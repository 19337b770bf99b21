/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The tables of handlers, one for each area of schemas/openapi.yaml, in the file of that area. */
#include "call.h"

extern const struct api_handler api_description_handlers[];
extern const struct api_handler api_identity_handlers[];
extern const struct api_handler api_conversations_handlers[];
extern const struct api_handler api_notes_handlers[];
extern const struct api_handler api_history_handlers[];
extern const struct api_handler api_send_handlers[];
extern const struct api_handler api_upload_handlers[], api_media_handlers[];
extern const struct api_handler api_stream_handlers[];
extern const struct api_handler api_bulk_handlers[];
extern const struct api_handler api_bulks_handlers[];
extern const struct api_handler api_users_handlers[];
extern const struct api_handler api_credentials_handlers[];
extern const struct api_handler api_channel_handlers[], api_channel_connect_handlers[];
extern const struct api_handler api_instagram_handlers[];
extern const struct api_handler api_webhook_health_handlers[];
extern const struct api_handler api_quarantine_handlers[];
extern const struct api_handler api_consistency_handlers[];
extern const struct api_handler api_operator_handlers[];
extern const struct api_handler api_debug_handlers[];

/* Who takes the body of an operation with x-stream-body. */
const struct api_body *api_body_find(const char *operation_id);

/* All of them; NULL ends. */
extern const struct api_handler *const api_handler_tables[];
