/* SPDX-License-Identifier: Apache-2.0 */
#include "handlers.h"

#include <stddef.h>

const struct api_handler *const api_handler_tables[] = {
    api_identity_handlers, api_conversations_handlers, api_notes_handlers, api_users_handlers, NULL,
};
