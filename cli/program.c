/* SPDX-License-Identifier: Apache-2.0 */
#include "program.h"

#include <string.h>

#include "api_main.h"
#include "ingest_main.h"
#include "log.h"
#include "mem.h"
#include "notifier_main.h"
#include "router_main.h"
#include "sender_main.h"
#include "settings.h"
#include "simulator_main.h"

const struct daemon *const program_daemons[] = {&ingest_daemon,   &router_daemon, &sender_daemon,
                                                &notifier_daemon, &api_daemon,    NULL};

#define WORD_MAX 32

const struct daemon *program_daemon(const char *name)
{
    for (size_t i = 0; program_daemons[i]; i++)
        if (strcmp(program_daemons[i]->name, name) == 0)
            return program_daemons[i];
    return NULL;
}

const struct verb *program_verb(int argc, char **argv, int *n_words)
{
    const struct verb *found = NULL;
    *n_words = 0;
    for (const struct verb *v = verbs; v->name; v++) {
        struct str first, second;
        bool two = str_cut(str_of(v->name), ' ', &first, &second);
        int n = two ? 2 : 1;
        if (argc < n || n < *n_words || !str_eq_c(first, argv[0]) ||
            (two && !str_eq_c(second, argv[1])))
            continue;
        found = v;
        *n_words = n;
    }
    return found;
}

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Insertions, deletions and replacements between the two, both at most WORD_MAX long. */
static size_t distance(struct str x, struct str y)
{
    const char *a = x.ptr, *b = y.ptr;
    size_t n_a = x.len, n_b = y.len;
    size_t row[WORD_MAX + 1];
    for (size_t j = 0; j <= n_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            size_t above = row[j];
            row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[n_b];
}

static void consider(const char *typed, const char *name, const char **best, size_t *best_distance)
{
    size_t n_typed = strlen(typed), n_name = strlen(name);
    if (n_typed > WORD_MAX || n_name > WORD_MAX)
        return;
    size_t d = distance(str_of(typed), str_of(name));
    // Half of it typed right is near enough to be meant.
    if (d < *best_distance && d <= (n_name + 1) / 2) {
        *best = name;
        *best_distance = d;
    }
}

const char *program_nearest(const char *typed)
{
    const char *best = NULL;
    size_t best_distance = SIZE_MAX;
    for (size_t i = 0; program_daemons[i]; i++)
        consider(typed, program_daemons[i]->name, &best, &best_distance);
    for (const struct verb *v = verbs; v->name; v++)
        consider(typed, v->name, &best, &best_distance);
    consider(typed, "simulate webhooks", &best, &best_distance);
    consider(typed, "simulate", &best, &best_distance);
    return best;
}

static int print_done(struct buf *text, int status)
{
    bool ok = verb_print(text);
    buf_done(text);
    return ok ? status : EXIT_FAILED;
}

static int help(void)
{
    struct buf text;
    buf_init(&text, VERB_OUT_MAX);
    buf_put_c(&text, "usage: postrider SUBCOMMAND [options]   (postrider SUBCOMMAND --help)\n\n"
                     "Daemons:\n");
    for (size_t i = 0; program_daemons[i]; i++)
        buf_putf(&text, "  %-24s%s\n", program_daemons[i]->name,
                 program_daemons[i]->summary ? program_daemons[i]->summary : "");
    buf_put_c(&text, "\nOperator's verbs:\n");
    for (const struct verb *v = verbs; v->name; v++)
        buf_putf(&text, "  %-24s%s\n", v->name, v->summary);
    buf_putf(&text, "  %-24s%s\n", "simulate", "Serve the providers' APIs, for tests and demos.");
    buf_putf(&text, "  %-24s%s\n", "simulate webhooks",
             "Post signed webhooks as the providers do, and keep a ledger of them.");
    buf_put_c(&text, "\npostrider --version   postrider DAEMON --print-config\n");
    return print_done(&text, EXIT_OK);
}

static int version(void)
{
    struct buf text;
    buf_init(&text, 256);
    buf_put_c(&text, "postrider " POSTRIDER_VERSION "\n");
    return print_done(&text, EXIT_OK);
}

static bool take_flag(int *argc, char **argv, const char *flag)
{
    for (int i = 0; i < *argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], flag) != 0)
            continue;
        memmove(argv + i, argv + i + 1, sizeof *argv * (size_t)(*argc - i - 1));
        (*argc)--;
        return true;
    }
    return false;
}

static int daemon_help(const struct daemon *d)
{
    struct buf text;
    buf_init(&text, VERB_OUT_MAX);
    buf_putf(&text, "usage: postrider %s [options]\n\n%s\n\n", d->name, d->summary);
    conf_print_help(d->conf, &text);
    buf_put_c(&text, "\n  --print-config  print the settings in force and end\n");
    return print_done(&text, EXIT_OK);
}

static int daemon_print_config(const struct daemon *d, int argc, char **argv)
{
    struct buf text;
    struct err err = {0};
    buf_init(&text, VERB_OUT_MAX);
    bool ok = settings_print(d->conf, argc, argv, &text, &err);
    if (!ok)
        (void)fprintf(stderr, "postrider %s\n", err.msg);
    return print_done(&text, ok ? EXIT_OK : EXIT_USAGE);
}

static int run_daemon(const struct daemon *d, int argc, char **argv)
{
    if (take_flag(&argc, argv, "--help") || take_flag(&argc, argv, "-h"))
        return daemon_help(d);
    if (take_flag(&argc, argv, "--print-config"))
        return daemon_print_config(d, argc, argv);
    return d->main(argc, argv);
}

static int run_verb(const struct verb *v, int argc, char **argv)
{
    if (take_flag(&argc, argv, "--help") || take_flag(&argc, argv, "-h")) {
        struct buf text;
        buf_init(&text, VERB_OUT_MAX);
        verb_help(v, &text);
        return print_done(&text, EXIT_OK);
    }
    // Verbs speak to people: what their libraries log is for them too.
    log_init("postrider", LOG_WARN, LOG_AUTO);
    return verb_run(v, argc, argv);
}

/* A word that begins two-word verbs, alone or with a wrong second word: their list. False: none. */
static bool list_group(int argc, char **argv, FILE *to)
{
    bool found = false;
    for (const struct verb *v = verbs; v->name; v++) {
        struct str first, second;
        if (!str_cut(str_of(v->name), ' ', &first, &second) || !str_eq_c(first, argv[0]))
            continue;
        if (!found && argc > 1 && argv[1][0] != '-')
            (void)fprintf(to, "postrider: '%s %s' is no subcommand; these are:\n", argv[0],
                          argv[1]);
        else if (!found)
            (void)fprintf(to, "'postrider %s' takes one more word:\n", argv[0]);
        (void)fprintf(to, "  postrider %s%s%s\n      %s\n", v->name, v->args[0] ? " " : "", v->args,
                      v->summary);
        found = true;
    }
    return found;
}

static int unknown(int argc, char **argv)
{
    if (take_flag(&argc, argv, "--help") && list_group(argc, argv, stdout))
        return EXIT_OK;
    if (list_group(argc, argv, stderr))
        return EXIT_USAGE;
    char typed[2 * WORD_MAX + 2];
    bool two = argc > 1 && argv[1][0] != '-';
    (void)snprintf(typed, sizeof typed, "%.32s%s%.32s", argv[0], two ? " " : "",
                   two ? argv[1] : "");
    const char *near = program_nearest(typed);
    near = near ? near : program_nearest(argv[0]);
    (void)fprintf(stderr, "postrider: there is no subcommand '%.64s'", argv[0]);
    if (near)
        (void)fprintf(stderr, "; did you mean '%s'?\n", near);
    else
        (void)fprintf(stderr, ": see `postrider --help` for all of them\n");
    return EXIT_USAGE;
}

int program_run(int argc, char **argv)
{
    if (argc < 2) {
        (void)help();
        return EXIT_USAGE;
    }
    argc--;
    argv++;
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0 ||
        strcmp(argv[0], "help") == 0)
        return help();
    if (strcmp(argv[0], "--version") == 0)
        return version();
    if (strcmp(argv[0], "simulate") == 0)
        return simulator_main(argc - 1, argv + 1);
    // Verbs first: `api docs` is one, `api` a daemon.
    int n_words;
    const struct verb *v = program_verb(argc, argv, &n_words);
    const struct daemon *d = v ? NULL : program_daemon(argv[0]);
    if (d)
        return run_daemon(d, argc - 1, argv + 1);
    return v ? run_verb(v, argc - n_words, argv + n_words) : unknown(argc, argv);
}
