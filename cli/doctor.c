/* SPDX-License-Identifier: Apache-2.0 */
/* `postrider doctor`: settings of this machine, and then each thing we depend on. */
#include <sys/resource.h>

#include "check.h"
#include "clock.h"
#include "mem.h"

#define FILES_ENOUGH 8192
/* 2024-01-01: before it the clock was certainly never set. */
#define CLOCK_EARLIEST_AT_MS 1704067200000

static void secrets(struct checks *c, const struct cli_conf *conf)
{
    const struct {
        const char *name, *value;
        size_t least;
        bool required;
        const char *mend;
    } rows[] = {
        {"webhook_master_key", conf->webhook_master_key, 32, true,
         "set POSTRIDER_WEBHOOK_MASTER_KEY to 32 random bytes or more (openssl rand -base64 36)"},
        {"jwt_secret", conf->jwt_secret, 32, true,
         "set POSTRIDER_JWT_SECRET to 32 random bytes or more (openssl rand -base64 36)"},
        {"meta_app_secret", conf->meta_app_secret, 16, false,
         "set POSTRIDER_META_APP_SECRET to the app's secret if Instagram, Messenger or WhatsApp is "
         "to deliver here"},
        {"meta_verify_token", conf->meta_verify_token, 8, false,
         "set POSTRIDER_META_VERIFY_TOKEN to the word entered in Meta's dashboard"},
        {"x_consumer_secret", conf->x_consumer_secret, 16, false,
         "set POSTRIDER_X_CONSUMER_SECRET if X is to deliver here"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *said;
        enum check_level level =
            check_secret(str_of(rows[i].value), rows[i].least, rows[i].required, &said);
        check_add(c, level, rows[i].name, level == CHECK_OK ? NULL : rows[i].mend, "%s", said);
    }
}

static void machine(struct checks *c)
{
    bool clock_ok = clock_at_ms() > CLOCK_EARLIEST_AT_MS;
    check_add(c, clock_ok ? CHECK_OK : CHECK_FAIL, "clock",
              clock_ok ? NULL : "set the machine's clock (NTP)",
              clock_ok ? "is plausible" : "stands before 2024");
    struct rlimit files = {0};
    (void)getrlimit(RLIMIT_NOFILE, &files);
    bool enough = files.rlim_cur >= FILES_ENOUGH;
    check_add(c, enough ? CHECK_OK : CHECK_WARN, "open files",
              enough ? NULL
                     : "raise it to 65536 (ulimit -n; LimitNOFILE= in a unit): each client of the "
                       "stream takes one",
              "at most %llu", (unsigned long long)files.rlim_cur);
}

int doctor_run(const struct cli_conf *conf, int argc, char **argv)
{
    (void)argc, (void)argv;
    struct checks c;
    checks_init(&c, conf->json);
    machine(&c);
    secrets(&c, conf);
    doctor_kafka(&c, conf);
    doctor_registry(&c, conf);
    doctor_database(&c, conf);
    doctor_daemons(&c);
    return checks_done(&c);
}
