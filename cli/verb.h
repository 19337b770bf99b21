/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* An operator's verb: one row of the program's table. Its settings are rows of cli_conf.def and of
 * the common groups, chosen by name, so that a verb demands nothing that it does not use. */
#include <stdio.h>

#include "conf.h"

struct cli_conf {
#define CONF(name, type, ...) CONF_C_##type name;
#include "cli_conf.def"
#include "conf_groups.def"
#include "conf_kafka.def"
#undef CONF
};

struct verb {
    const char *name;    /* "tenant create" */
    const char *args;    /* as --help shows them: "NAME" */
    const char *summary; /* one line */
    /* Names of its settings separated by blanks; with a `?` behind it a setting that would be
     * required is not. */
    const char *settings;
    int min_args, max_args;
    int (*run)(const struct cli_conf *conf, int argc, char **argv); /* returns the exit status */
};

#define VERB_KAFKA    "kafka_brokers kafka_properties topic_prefix schema_registry_url "
#define VERB_DATABASE "database_url "

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* The rows; a NULL name ends them. */
extern const struct verb verbs[];

#define VERB_ROWS_MAX 64
/* In the environment a verb's setting is POSTRIDER_CLI_X, else POSTRIDER_X. */
#define VERB_PREFIX "cli"
/* The verb's settings as a table, its rows in `room`. */
struct conf_table verb_table(const struct verb *v, struct conf_row room[VERB_ROWS_MAX]);
/* All settings of all verbs, for docs/config.md. */
struct conf_table verb_table_all(struct conf_row room[VERB_ROWS_MAX]);

/* Load the settings and run; `argv` holds the words after the verb's name. */
int verb_run(const struct verb *v, int argc, char **argv);
void verb_help(const struct verb *v, struct buf *out);

/* "postrider tenant create: msg" on stderr; returns the exit status that fits. */
int verb_fail(const char *name, const struct err *err);
/* Write all of it to stdout; false: nobody reads any more, or it was too long and is not whole. */
bool verb_print(const struct buf *text);
/* Text that a stranger may have written, for a terminal: a control character, which could drive it
 * or break the line, is a space. `keep_lines`: but line ends and tabs stay. */
void verb_put_text(struct buf *out, struct str text, bool keep_lines);
#define VERB_OUT_MAX (16 << 20)

int migrate_run(const struct cli_conf *conf, int argc, char **argv);
int topics_run(const struct cli_conf *conf, int argc, char **argv);
int config_run(const struct cli_conf *conf, int argc, char **argv);
int config_docs_run(const struct cli_conf *conf, int argc, char **argv);
int metrics_docs_run(const struct cli_conf *conf, int argc, char **argv);
int api_docs_run(const struct cli_conf *conf, int argc, char **argv);
int doctor_run(const struct cli_conf *conf, int argc, char **argv);
int tenant_create_run(const struct cli_conf *conf, int argc, char **argv);
int tenant_list_run(const struct cli_conf *conf, int argc, char **argv);
int tenant_token_run(const struct cli_conf *conf, int argc, char **argv);
int tenant_webhook_secret_run(const struct cli_conf *conf, int argc, char **argv);
int channel_connect_run(const struct cli_conf *conf, int argc, char **argv);
int channel_list_run(const struct cli_conf *conf, int argc, char **argv);
int channel_disconnect_run(const struct cli_conf *conf, int argc, char **argv);
int quarantine_list_run(const struct cli_conf *conf, int argc, char **argv);
int quarantine_show_run(const struct cli_conf *conf, int argc, char **argv);
int quarantine_replay_run(const struct cli_conf *conf, int argc, char **argv);
int quarantine_drop_run(const struct cli_conf *conf, int argc, char **argv);
int consistency_run(const struct cli_conf *conf, int argc, char **argv);
int webhooks_register_run(const struct cli_conf *conf, int argc, char **argv);
int keys_generate_run(const struct cli_conf *conf, int argc, char **argv);
int keys_rotate_run(const struct cli_conf *conf, int argc, char **argv);
int keys_status_run(const struct cli_conf *conf, int argc, char **argv);
int tail_run(const struct cli_conf *conf, int argc, char **argv);
int watch_run(const struct cli_conf *conf, int argc, char **argv);
