/* SPDX-License-Identifier: Apache-2.0 */
#include "docs.h"

#include "program.h"
#include "simulator_main.h"

#define PAGE_MAX (1 << 20)

static const char license[] = "<!-- SPDX-License-Identifier: Apache-2.0 -->\n";

/* A table of settings under a heading of our own. */
static void put_table(const struct conf_table *t, const char *heading, struct buf *out)
{
    struct buf section;
    buf_init(&section, PAGE_MAX);
    conf_print_docs(t, &section);
    struct str text = buf_str(&section);
    size_t at = 0;
    while (at < text.len && text.ptr[at] != '|')
        at++;
    buf_put_c(out, heading);
    buf_put_str(out, str_skip(text, at));
    buf_done(&section);
}

void docs_config(struct buf *out)
{
    buf_put_c(out, license);
    buf_put_c(
        out,
        "# Settings\n\nWritten by `postrider config docs`; do not edit.\n\n"
        "Order, later wins: default, file (`--config FILE`, lines of `name = value`), "
        "environment, command line (`--name VALUE`; a BOOL may stand alone). A secret is never "
        "taken from the command line; it may be given as the name of a file, "
        "`POSTRIDER_<NAME>_FILE`. `postrider <daemon> --print-config` and `postrider config` "
        "print what is in force.\n\n");
    for (size_t i = 0; program_daemons[i]; i++)
        conf_print_docs(program_daemons[i]->conf, out);
    struct conf_row room[VERB_ROWS_MAX];
    struct conf_table all = verb_table_all(room);
    put_table(&all,
              "## Operator's verbs\n\n"
              "In the environment: `POSTRIDER_CLI_<NAME>`, else `POSTRIDER_<NAME>`. "
              "A verb takes, and "
              "demands, only those that it uses: `postrider <verb> --help`.\n\n",
              out);
    put_table(&simulator_conf,
              "## simulate\n\nIn the environment: `POSTRIDER_SIMULATOR_<NAME>`, else "
              "`POSTRIDER_<NAME>`.\n\n",
              out);
    put_table(&simulator_webhooks_conf,
              "## simulate webhooks\n\nIn the environment: `POSTRIDER_SIMULATE_<NAME>`, else "
              "`POSTRIDER_<NAME>`.\n\n",
              out);
}

void docs_metrics(struct buf *out)
{
    buf_put_c(out, license);
    buf_put_c(out, "# Metrics\n\nWritten by `postrider metrics docs`; do not edit. "
                   "Each daemon serves its "
                   "own at `/metrics` on its admin port.\n\n");
    for (size_t i = 0; program_daemons[i]; i++) {
        const struct daemon *d = program_daemons[i];
        buf_putf(out, "## %s\n\n", d->name);
        metrics_print_docs(d->metrics, d->n_metrics, out);
        buf_putc(out, '\n');
    }
}
