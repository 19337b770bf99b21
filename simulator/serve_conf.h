/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Settings of `postrider simulate`: the providers' APIs. */
#include "conf.h"

struct sim_serve_conf {
#define CONF(name, type, ...) CONF_C_##type name;
#include "serve_conf.def"
#undef CONF
};
