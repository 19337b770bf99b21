/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The adapters, a line each. registry.c lists them; others ask provider_find(). */
#include "provider.h"

extern const struct provider unipile_provider;
extern const struct provider instagram_provider;
extern const struct provider messenger_provider;
extern const struct provider whatsapp_provider;
extern const struct provider telegram_provider;
extern const struct provider x_provider;
