/* SPDX-License-Identifier: Apache-2.0 */
#include "serve.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon.h"
#include "log.h"
#include "mem.h"
#include "server.h"
#include "simulator_main.h"

static const struct conf_row rows[] = {
#define CONF(name, type, preset, min, max, help) \
    {#name, CONF_##type, offsetof(struct sim_serve_conf, name), preset, min, max, help},
#include "serve_conf.def"
#undef CONF
};

const struct conf_table simulator_conf = {
    .daemon = "simulator", .rows = rows, .n = ARRAY_LEN(rows)};

struct serve {
    uv_loop_t loop;
    uv_signal_t signals[2];
    struct sim_server *server;
};

static void on_signal(uv_signal_t *signal, int number)
{
    struct serve *s = signal->data;
    (void)number;
    sim_server_close(s->server);
    for (size_t i = 0; i < ARRAY_LEN(s->signals); i++)
        uv_close((uv_handle_t *)&s->signals[i], NULL);
}

static void take_signals(struct serve *s)
{
    static const int numbers[ARRAY_LEN(s->signals)] = {SIGTERM, SIGINT};
    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ARRAY_LEN(s->signals); i++) {
        (void)uv_signal_init(&s->loop, &s->signals[i]);
        s->signals[i].data = s;
        (void)uv_signal_start(&s->signals[i], on_signal, numbers[i]);
    }
}

static int run(const struct sim_serve_conf *conf, struct err *err)
{
    struct serve s = {0};
    (void)uv_loop_init(&s.loop);
    s.server = sim_server_new(&s.loop, conf, err);
    if (!s.server) {
        (void)uv_loop_close(&s.loop);
        return 1;
    }
    take_signals(&s);
    log_info("the providers' APIs are simulated", kv_c("host", conf->listen_host),
             kv_int("port", sim_server_port(s.server)));
    (void)uv_run(&s.loop, UV_RUN_DEFAULT);
    sim_server_free(s.server);
    (void)uv_loop_close(&s.loop);
    return 0;
}

int sim_serve(int argc, char **argv)
{
    struct sim_serve_conf conf = {0};
    struct err err = {0};
    int status = 2;
    if (conf_load(&simulator_conf, &conf, argc, argv, NULL, &err) &&
        daemon_start_log("simulator", conf.log_level, conf.log_format, &err))
        status = run(&conf, &err);
    if (status)
        (void)fprintf(stderr, "postrider simulate: %s\n", err.msg);
    conf_done(&simulator_conf, &conf);
    return status;
}
