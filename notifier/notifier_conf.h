/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The settings of the notifier. */
#include "conf.h"

struct notifier_conf {
#define CONF(name, type, ...) CONF_C_##type name;
#include "notifier_conf.def"
#undef CONF
};

extern const struct conf_table notifier_conf_table;

/* "postrider-notifier-<instance>", cut at `size`. */
void notifier_conf_client_id(const struct notifier_conf *conf, char *out, size_t size);
