/* SPDX-License-Identifier: Apache-2.0 */
#include "notifier_conf.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"

static const struct conf_row rows[] = {
#define CONF(name, type, preset, min, max, help) \
    {#name, CONF_##type, offsetof(struct notifier_conf, name), preset, min, max, help},
#include "notifier_conf.def"
#undef CONF
};

const struct conf_table notifier_conf_table = {"notifier", rows, ARRAY_LEN(rows)};

bool notifier_conf_start_log(const struct notifier_conf *conf, struct err *err)
{
    static const char *const formats[] = {
        [LOG_AUTO] = "auto", [LOG_JSON] = "json", [LOG_TEXT] = "text"};
    enum log_level level = LOG_INFO;
    size_t format = 0;
    while (format < ARRAY_LEN(formats) && strcmp(conf->log_format, formats[format]) != 0)
        format++;
    if (!log_level_parse(str_of(conf->log_level), &level))
        return err_set(err, ERR_INVALID, "log_level '%s': want debug, info, warn or error",
                       conf->log_level);
    if (format == ARRAY_LEN(formats))
        return err_set(err, ERR_INVALID, "log_format '%s': want auto, json or text",
                       conf->log_format);
    log_init("notifier", level, (enum log_format)format);
    return true;
}

void notifier_conf_client_id(const struct notifier_conf *conf, char *out, size_t size)
{
    char host[256] = "localhost";
    if (conf->instance[0] != '\0') {
        (void)snprintf(out, size, "postrider-notifier-%s", conf->instance);
        return;
    }
    // On failure the name stays; it is for people who read the broker's logs.
    if (gethostname(host, sizeof host - 1) != 0)
        (void)snprintf(host, sizeof host, "localhost");
    (void)snprintf(out, size, "postrider-notifier-%s-%lld", host, (long long)conf->admin_port);
}
