/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The APIs that are simulated, one module each. */
#include "api.h"

extern const struct sim_api sim_api_instagram, sim_api_messenger, sim_api_telegram, sim_api_unipile,
    sim_api_whatsapp, sim_api_x;
