/* SPDX-License-Identifier: Apache-2.0 */
#include "notifier_conf.h"

#include <stdio.h>

#include "daemon.h"
#include "mem.h"

static const struct conf_row rows[] = {
#define CONF(name, type, preset, min, max, help) \
    {#name, CONF_##type, offsetof(struct notifier_conf, name), preset, min, max, help},
#include "notifier_conf.def"
#undef CONF
};

const struct conf_table notifier_conf_table = {"notifier", rows, ARRAY_LEN(rows)};

void notifier_conf_client_id(const struct notifier_conf *conf, char *out, size_t size)
{
    char instance[DAEMON_INSTANCE_MAX];
    daemon_instance(conf->instance, conf->admin_port, instance);
    (void)snprintf(out, size, "postrider-notifier-%s", instance);
}
