/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"
#include "apis.h"

const struct sim_api *const sim_apis[] = {
    &sim_api_instagram,
    &sim_api_messenger,
    &sim_api_telegram,
    &sim_api_unipile,
    &sim_api_whatsapp,
    &sim_api_x,
    NULL,
};
