/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "serve.h"
#include "simulator_main.h"
#include "webhooks.h"

static int fail(const struct err *err)
{
    (void)fprintf(stderr, "postrider simulate webhooks: %s\n", err->msg);
    return err->kind == ERR_INVALID ? 2 : 1;
}

static void print(const struct buf *text)
{
    (void)fwrite(text->ptr, 1, text->len, stdout);
    (void)fflush(stdout);
}

static bool plan_opts(const struct sim_conf *conf, const struct sim_cast *cast,
                      struct sim_plan_opts *out, struct err *err)
{
    struct sim_plan_opts o = {.seed = (uint64_t)conf->seed,
                              .accounts = cast->accounts,
                              .n_accounts = cast->n_accounts,
                              .conversations = (uint32_t)conf->conversations,
                              .start_at_ms = clock_at_ms(),
                              .step_us = conf->rate ? 1000000 / conf->rate : 1000};
    if (!sim_mix_parse(str_of(conf->mix), o.mix, err))
        return false;
    // At full speed the events' times end at now, not ahead of it.
    if (conf->rate == 0)
        o.start_at_ms -= conf->count;
    if (conf->start[0] && !clock_parse(str_of(conf->start), &o.start_at_ms))
        return err_set(err, ERR_INVALID, "start '%s': want a time like 2026-01-02T03:04:05Z",
                       conf->start);
    *out = o;
    return true;
}

/* SIGINT and SIGTERM as a descriptor; `before` gets the mask to restore. */
static int take_signals(sigset_t *before)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &set, before);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int run(const struct sim_conf *conf, const struct sim_cast *cast, struct sim_plan *plan,
               FILE *ledger)
{
    struct err err = {0};
    struct sim_run *r = sim_run_new(conf, cast, plan, ledger, &err);
    if (!r)
        return fail(&err);
    sigset_t before;
    int signals = take_signals(&before);
    sim_run_loop(r, signals);
    if (signals >= 0)
        (void)close(signals);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);

    struct buf text;
    buf_init(&text, 64 << 10);
    const struct sim_totals *t = sim_run_totals(r);
    if (conf->json)
        sim_totals_json(t, cast, &text);
    else
        sim_totals_text(t, cast, &text);
    print(&text);
    buf_done(&text);
    int status = t->unacknowledged ? 1 : 0;
    sim_run_free(r);
    return status;
}

static int with_ledger(const struct sim_conf *conf, const struct sim_cast *cast)
{
    struct err err = {0};
    struct sim_plan_opts opts;
    if (!plan_opts(conf, cast, &opts, &err))
        return fail(&err);
    FILE *ledger = NULL;
    if (conf->ledger[0] && !(ledger = fopen(conf->ledger, "we"))) {
        err_set(&err, ERR_DENIED, "cannot write the ledger %s: errno %d", conf->ledger, errno);
        return fail(&err);
    }
    struct sim_plan *plan = sim_plan_new(&opts);
    int status = run(conf, cast, plan, ledger);
    sim_plan_free(plan);
    if (ledger) {
        bool bad = ferror(ledger) != 0;
        if (fclose(ledger) != 0 || bad) {
            err_set(&err, ERR_LIMITED, "the ledger %s is not complete: errno %d", conf->ledger,
                    errno);
            return fail(&err);
        }
    }
    return status;
}

/* `--url` is what people type; the setting has its name from the environment. */
static void spell_out_url(int argc, char **argv, struct arena *a)
{
    for (int i = 0; i < argc; i++) {
        struct str word = str_of(argv[i]);
        if (str_eq_c(word, "--url"))
            argv[i] = (char *)"--ingest_url";
        else if (str_starts(word, STR("--url=")))
            argv[i] = (char *)str_c(a, str_fmt(a, "--ingest_url=%s", argv[i] + 6));
    }
}

static int webhooks(int argc, char **argv)
{
    const struct conf_table *table = &simulator_webhooks_conf;
    struct sim_conf conf = {0};
    struct sim_cast cast;
    struct err err = {0};
    auto_arena a = arena_new(8 << 20);
    spell_out_url(argc, argv, a);
    if (!conf_load(table, &conf, argc, argv, NULL, &err)) {
        conf_done(table, &conf);
        return fail(&err);
    }
    int status = 2;
    if (sim_cast_init(&cast, a, &conf, &err)) {
        status = with_ledger(&conf, &cast);
        sim_cast_done(&cast);
    } else {
        (void)fail(&err);
    }
    conf_done(table, &conf);
    return status;
}

static void help_serve(struct buf *text)
{
    buf_put_c(text,
              "usage: postrider simulate [options]\n\n"
              "Serve the providers' APIs, each under its name: a channel's base address is\n"
              "http://127.0.0.1:8090/unipile and the like. /_sim/ledger tells what was sent,\n"
              "/_sim/faults makes things go wrong. Until Ctrl-C.\n\n");
    conf_print_help(&simulator_conf, text);
    buf_put_c(text, "\nThe other way round: postrider simulate webhooks --help\n");
}

static void help_webhooks(struct buf *text)
{
    buf_put_c(
        text,
        "usage: postrider simulate webhooks [options]\n\n"
        "Post correctly signed webhooks, as the providers do: over keep-alive connections,\n"
        "each again until it is acknowledged. Ends with a summary; status 0 when every event\n"
        "was acknowledged.\n\n");
    conf_print_help(&simulator_webhooks_conf, text);
}

static int help(FILE *to, void (*write)(struct buf *text))
{
    struct buf text;
    buf_init(&text, 64 << 10);
    write(&text);
    (void)fwrite(text.ptr, 1, text.len, to);
    buf_done(&text);
    return to == stdout ? 0 : 2;
}

static bool asks_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int simulator_main(int argc, char **argv)
{
    bool is_webhooks = argc > 0 && strcmp(argv[0], "webhooks") == 0;
    if (asks_help(argc, argv))
        return help(stdout, is_webhooks ? help_webhooks : help_serve);
    if (is_webhooks)
        return webhooks(argc - 1, argv + 1);
    if (argc > 0 && argv[0][0] != '-')
        return help(stderr, help_serve);
    return sim_serve(argc, argv);
}
