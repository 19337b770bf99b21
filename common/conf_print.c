/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "conf.h"
#include "conf_value.h"

static const char *const type_words[] = {
    [CONF_BOOL] = "BOOL",         [CONF_INT] = "NUMBER", [CONF_SIZE] = "SIZE",
    [CONF_DURATION] = "DURATION", [CONF_TEXT] = "TEXT",  [CONF_SECRET] = "SECRET",
};

static void put_upper(struct buf *out, const char *s)
{
    for (; *s != '\0'; s++)
        buf_putc(out, (char)(*s >= 'a' && *s <= 'z' ? *s - 'a' + 'A' : *s == '-' ? '_' : *s));
}

static void pad_to(struct buf *out, size_t start, size_t width)
{
    do
        buf_putc(out, ' ');
    while (!out->overflow && out->len - start < width);
}

static void put_range(struct buf *out, const struct conf_row *row)
{
    const char *unit = (row->type == CONF_TEXT || row->type == CONF_SECRET) ? " bytes" : "";
    if (row->min && row->max)
        buf_putf(out, "%s to %s%s", row->min, row->max, unit);
    else if (row->min)
        buf_putf(out, "at least %s%s", row->min, unit);
    else if (row->max)
        buf_putf(out, "at most %s%s", row->max, unit);
}

static void put_help_row(const struct conf_row *row, struct buf *out)
{
    size_t start = out->len;
    if (row->type == CONF_SECRET) {
        buf_put_c(out, "  POSTRIDER_");
        put_upper(out, row->name);
    } else {
        buf_putf(out, "  --%s %s", row->name, type_words[row->type]);
    }
    pad_to(out, start, 38);
    buf_put_c(out, row->help);
    if (!row->preset)
        buf_put_c(out, " (required");
    else
        buf_putf(out, " (default %s", row->preset[0] != '\0' ? row->preset : "empty");
    if (row->min || row->max)
        buf_put_c(out, "; ");
    put_range(out, row);
    buf_put_c(out, ")\n");
}

void conf_print_help(const struct conf_table *t, struct buf *out)
{
    buf_put_c(
        out,
        "Settings: --config FILE names a file of `name = value` lines; above it the environment, "
        "POSTRIDER_");
    put_upper(out, t->daemon);
    buf_put_c(out, "_<NAME>\nor POSTRIDER_<NAME>; above that these options:\n");
    bool secrets = false;
    for (size_t i = 0; i < t->n; i++) {
        secrets |= t->rows[i].type == CONF_SECRET;
        if (t->rows[i].type != CONF_SECRET)
            put_help_row(&t->rows[i], out);
    }
    if (!secrets)
        return;
    buf_put_c(out,
              "Secrets, from the environment (with _FILE after the name: from the file named) or "
              "the file of --config only:\n");
    for (size_t i = 0; i < t->n; i++) {
        if (t->rows[i].type == CONF_SECRET)
            put_help_row(&t->rows[i], out);
    }
}

static void put_text(const struct conf_row *row, const char *at, struct buf *out)
{
    char *text;
    memcpy(&text, at, sizeof(text));
    if (!text)
        text = "";
    // An empty secret is shown as empty: that it is missing is what one looks for here.
    buf_put_c(out, row->type == CONF_SECRET && text[0] != '\0' ? "***" : text);
}

static void put_number(const struct conf_row *row, const char *at, struct buf *out)
{
    int64_t v;
    bool yes;
    char text[CONF_NUMBER_MAX];
    if (row->type == CONF_BOOL) {
        memcpy(&yes, at, sizeof(yes));
        v = yes;
    } else {
        memcpy(&v, at, sizeof(v));
    }
    conf_format_number(row->type, v, text);
    buf_put_c(out, text);
}

void conf_print(const struct conf_table *t, const void *conf, struct buf *out)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct conf_row *row = &t->rows[i];
        const char *at = (const char *)conf + row->offset;
        buf_putf(out, "%s = ", row->name);
        if (conf_is_text(row->type))
            put_text(row, at, out);
        else
            put_number(row, at, out);
        buf_putc(out, '\n');
    }
}

/* A bar would end the cell. */
static void put_cell(struct buf *out, const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '|')
            buf_putc(out, '\\');
        buf_putc(out, *s);
    }
}

void conf_print_docs(const struct conf_table *t, struct buf *out)
{
    buf_putf(out, "## %s\n\nIn the environment: `POSTRIDER_", t->daemon);
    put_upper(out, t->daemon);
    buf_put_c(out,
              "_<NAME>`, else `POSTRIDER_<NAME>`.\n\n| Setting | Type | Default | Range | Meaning "
              "|\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < t->n; i++) {
        const struct conf_row *row = &t->rows[i];
        buf_putf(out, "| `%s` | %s | ", row->name, type_words[row->type]);
        if (!row->preset)
            buf_put_c(out, "required");
        else if (row->preset[0] == '\0')
            buf_put_c(out, "empty");
        else
            buf_putf(out, "`%s`", row->preset);
        buf_put_c(out, " | ");
        put_range(out, row);
        buf_put_c(out, " | ");
        put_cell(out, row->help);
        buf_put_c(out, " |\n");
    }
    buf_putc(out, '\n');
}
