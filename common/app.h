/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The frame of a daemon's process: the main thread's libuv loop, signals, and the admin port.
 *
 * SIGTERM and SIGINT call `on_stop` once: stop intake, finish what is in flight, then call
 * app_quit(). A second signal, or `stop_timeout_ms` passed before app_free() is done, ends the
 * process at once with status 1 (by SIGALRM: the loop need not turn for it). The admin port serves
 * /metrics, /healthz (200 while the loop turns) and /readyz (200, or 503 and the reasons, one a
 * line). */
#include <uv.h>

#include "err.h"
#include "metric.h"

struct app;

struct app_opts {
    const char *name; /* "ingest" */
    const char *admin_host;
    int admin_port;
    int64_t stop_timeout_ms;
    /* False: a crash leaves no core file, and no process but root's reads this one's memory, where
     * the secrets of the settings are as long as it runs. */
    bool core_dumps;
    struct metrics *metrics; /* borrowed */
    /* Why the daemon is not ready, one reason a line into `why`; nothing written: ready. Truthful
     * at the moment of the call: not what was true at start. Runs on the loop thread. */
    void (*not_ready)(void *ctx, struct buf *why);
    void (*on_stop)(void *ctx);
    void *ctx;
};

/* Bind the admin port, take the signals, ignore SIGPIPE, raise the soft limit of open files to the
 * hard one. NULL: err. Returns owned. */
struct app *app_new(const struct app_opts *opts, struct err *err);
uv_loop_t *app_loop(struct app *app);
int app_admin_port(const struct app *app); /* the bound one, when admin_port is 0 */
/* Run until app_quit(); returns the process's exit status. */
int app_run(struct app *app);
/* Loop thread. */
void app_quit(struct app *app, int status);
/* Close the port, run the loop's remaining closes. */
void app_free(struct app *app);

/* Other threads post work to a loop. */
struct mailbox;
/* `on_mail` runs on the loop thread some time after mailbox_ring(), at least once per ring batch.
 */
struct mailbox *mailbox_new(uv_loop_t *loop, void (*on_mail)(void *ctx), void *ctx);
void mailbox_ring(struct mailbox *m); /* any thread */
void mailbox_free(struct mailbox *m); /* loop thread; freed after the loop closed the handle */
