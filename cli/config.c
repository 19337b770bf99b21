/* SPDX-License-Identifier: Apache-2.0 */
/* `postrider config`, `config docs`, `metrics docs`, `api docs`. */
#include "docs.h"
#include "json.h"
#include "program.h"
#include "settings.h"

/* `name = value` lines as members of an object. */
static void put_members(struct json_out *o, struct str rest)
{
    struct str line, name, value;
    while (rest.len) {
        char key[128];
        (void)str_cut(rest, '\n', &line, &rest);
        if (!str_cut(line, '=', &name, &value))
            continue;
        (void)snprintf(key, sizeof key, "%.*s", STR_ARG(str_trim(name)));
        json_put_str(o, key, str_trim(value));
    }
}

static bool put_daemon(const struct daemon *d, struct json_out *json, struct buf *out)
{
    struct buf lines;
    struct err err = {0};
    buf_init(&lines, VERB_OUT_MAX);
    bool ok = settings_print(d->conf, 0, NULL, &lines, &err);
    if (json) {
        json_key_out(json, d->name);
        json_open(json, '{');
        if (ok)
            put_members(json, buf_str(&lines));
        else
            json_put_str(json, "error", str_of(err.msg));
        json_close(json, '}');
    } else if (ok) {
        buf_putf(out, "[%s]\n", d->name);
        buf_put_str(out, buf_str(&lines));
        buf_putc(out, '\n');
    } else {
        buf_putf(out, "[%s]\n# %s\n\n", d->name, err.msg);
    }
    buf_done(&lines);
    return ok;
}

int config_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)argc, (void)argv;
    struct buf out;
    bool ok = true;
    buf_init(&out, VERB_OUT_MAX);
    struct json_out json = {.buf = &out};
    if (conf->json)
        json_open(&json, '{');
    for (size_t i = 0; program_daemons[i]; i++)
        ok &= put_daemon(program_daemons[i], conf->json ? &json : NULL, &out);
    if (conf->json) {
        json_close(&json, '}');
        buf_putc(&out, '\n');
    }
    ok &= verb_print(&out);
    buf_done(&out);
    return ok ? EXIT_OK : EXIT_FAILED;
}

static int print_page(void (*page)(struct buf *out))
{
    struct buf out;
    buf_init(&out, VERB_OUT_MAX);
    page(&out);
    bool ok = verb_print(&out);
    buf_done(&out);
    return ok ? EXIT_OK : EXIT_FAILED;
}

int config_docs_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)conf, (void)argc, (void)argv;
    return print_page(docs_config);
}

int metrics_docs_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)conf, (void)argc, (void)argv;
    return print_page(docs_metrics);
}

int api_docs_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)conf, (void)argc, (void)argv;
    return print_page(docs_api);
}
