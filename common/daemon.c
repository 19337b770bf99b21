/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"

bool daemon_start_log(const char *name, const char *level, const char *format, struct err *err)
{
    static const char *const formats[] = {
        [LOG_AUTO] = "auto", [LOG_JSON] = "json", [LOG_TEXT] = "text"};
    enum log_level found = LOG_INFO;
    size_t i = 0;
    while (i < ARRAY_LEN(formats) && strcmp(format, formats[i]) != 0)
        i++;
    if (!log_level_parse(str_of(level), &found))
        return err_set(err, ERR_INVALID, "log_level '%s': want debug, info, warn or error", level);
    if (i == ARRAY_LEN(formats))
        return err_set(err, ERR_INVALID, "log_format '%s': want auto, json or text", format);
    log_init(name, found, (enum log_format)i);
    return true;
}

void daemon_instance(const char *setting, int64_t admin_port, char out[DAEMON_INSTANCE_MAX])
{
    char host[DAEMON_INSTANCE_MAX - 32] = "localhost";
    if (setting[0]) {
        (void)snprintf(out, DAEMON_INSTANCE_MAX, "%s", setting);
        return;
    }
    if (gethostname(host, sizeof host - 1) != 0)
        log_warn("the host has no name, localhost is taken");
    (void)snprintf(out, DAEMON_INSTANCE_MAX, "%s-%lld", host, (long long)admin_port);
}
