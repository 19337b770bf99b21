/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Settings: one table of rows drives the struct, the parser, the checks, --help and docs/config.md.
 *
 * A daemon has `<daemon>_conf.def` with rows
 *
 *   CONF(name, TYPE, "default" or NULL (required), "min" or NULL, "max" or NULL, "help")
 *
 * and may include the groups of common rows (conf_common.def, conf_kafka.def, conf_database.def).
 * Expand it twice:
 *
 *   struct ingest_conf {
 *   #define CONF(name, type, ...) CONF_C_##type name;
 *   #include "ingest_conf.def"
 *   #undef CONF
 *   };
 *   static const struct conf_row rows[] = {
 *   #define CONF(name, type, preset, min, max, help) \
 *       {#name, CONF_##type, offsetof(struct ingest_conf, name), preset, min, max, help},
 *   #include "ingest_conf.def"
 *   #undef CONF
 *   };
 *
 * Order, later wins: default, file, environment, command line. In the environment a setting `x` of
 * the daemon `ingest` is POSTRIDER_INGEST_X, else POSTRIDER_X; on the command line `--x VALUE`,
 * `--x=VALUE`, or `--x` alone for a BOOL, where a dash in a name is as good as an underscore; in
 * the file `x = VALUE`, `#` starts a comment. The file is named by `--config FILE`; there an
 * unknown key is an error (in the environment it is not: other daemons' names stand there).
 *
 * A SECRET is never taken from the command line, where others could read it. Besides its value it
 * can be given as the name of a file: POSTRIDER_X_FILE, or `x_file` in the file. Printed, it is
 * three stars. Names that start with `instagram_` are also read bare, INSTAGRAM_APP_SECRET, below
 * the POSTRIDER_ names. An empty value is a value for TEXT and SECRET only, and never for a
 * required setting. min and max of TEXT and SECRET bound their length in bytes. */
#include <stddef.h>

#include "buf.h"
#include "err.h"

enum conf_type { CONF_BOOL, CONF_INT, CONF_SIZE, CONF_DURATION, CONF_TEXT, CONF_SECRET };

/* The C type of each. TEXT and SECRET are NUL-terminated and owned by the conf; "" when empty. */
typedef bool CONF_C_BOOL;        /* "true", "false" */
typedef int64_t CONF_C_INT;      /* "42" */
typedef int64_t CONF_C_SIZE;     /* bytes: "512", "64KiB", "1MiB" */
typedef int64_t CONF_C_DURATION; /* milliseconds: "250ms", "20s", "5m", "2h", "7d" */
typedef char *CONF_C_TEXT;
typedef char *CONF_C_SECRET;

struct conf_row {
    const char *name;
    enum conf_type type;
    size_t offset;
    const char *preset, *min, *max;
    const char *help;
};

struct conf_table {
    const char *daemon; /* "ingest": prefix in the environment, title in docs */
    const struct conf_row *rows;
    size_t n;
};

/* Fill `conf` (zeroed by the caller) from all sources; on failure it is empty again. `argv` holds
 * the words after the subcommand; words that are no options are refused unless `n_rest` is given,
 * then they are moved to the front of `argv`. On failure `err` names setting, source and what is
 * wanted. */
bool conf_load(const struct conf_table *t, void *conf, int argc, char **argv, int *n_rest,
               struct err *err) NODISCARD;
/* Wipe the secrets and free the texts. */
void conf_done(const struct conf_table *t, void *conf);
void conf_print_help(const struct conf_table *t, struct buf *out);
/* `name = value` lines as they are in force, secrets as ***. */
void conf_print(const struct conf_table *t, const void *conf, struct buf *out);
/* A Markdown section of docs/config.md. */
void conf_print_docs(const struct conf_table *t, struct buf *out);

/* The value parsers, for others who read a duration or a size. */
bool conf_parse_duration(struct str text, int64_t *ms);
bool conf_parse_size(struct str text, int64_t *bytes);
