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
