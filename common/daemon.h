/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the postrider program knows of each daemon: how to run it, its settings, its metrics. */
#include "conf.h"
#include "metric.h"

struct daemon {
    const char *name;                   /* subcommand, and part of POSTRIDER_<NAME>_X */
    const char *summary;                /* one line for --help */
    int (*main)(int argc, char **argv); /* argv: the words after the subcommand */
    const struct conf_table *conf;
    const struct metric_row *metrics;
    size_t n_metrics;
};

/* The log as the settings log_level and log_format want it. False: one of them is neither. */
bool daemon_start_log(const char *name, const char *level, const char *format,
                      struct err *err) NODISCARD;

/* The setting `instance`, or where it is empty the host's name and the admin port: unique among the
 * processes of a host, and the same after a restart. */
#define DAEMON_INSTANCE_MAX 256
void daemon_instance(const char *setting, int64_t admin_port, char out[DAEMON_INSTANCE_MAX]);
