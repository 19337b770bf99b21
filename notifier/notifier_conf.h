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

/* Set log level and format; ERR_INVALID names the setting. */
bool notifier_conf_start_log(const struct notifier_conf *conf, struct err *err) NODISCARD;
/* "postrider-notifier-<instance>"; without an instance its host name and admin port. Cut at `size`.
 */
void notifier_conf_client_id(const struct notifier_conf *conf, char *out, size_t size);
