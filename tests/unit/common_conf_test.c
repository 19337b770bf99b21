/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "mem.h"
#include "test.h"

struct settings {
    bool verbose;
    int64_t listen_port;
    int64_t body_max;
    int64_t ack_timeout;
    char *name;
    char *brokers;
    char *master_key;
    char *instagram_app_secret;
};

#define ROW(name, type, preset, min, max, help)                                     \
    {                                                                               \
#name, CONF_##type, offsetof(struct settings, name), preset, min, max, help \
    }

static const struct conf_row rows[] = {
    ROW(verbose, BOOL, "false", NULL, NULL, "Say more."),
    ROW(listen_port, INT, "8080", "0", "65535", "Port."),
    ROW(body_max, SIZE, "1MiB", "1KiB", NULL, "Largest body."),
    ROW(ack_timeout, DURATION, "10s", "1ms", "2m", "Wait."),
    ROW(name, TEXT, "", NULL, "8", "A name | or none."),
    ROW(brokers, TEXT, NULL, NULL, NULL, "Brokers."),
    ROW(master_key, SECRET, NULL, "4", NULL, "Key."),
    ROW(instagram_app_secret, SECRET, "", NULL, NULL, "App secret."),
};
static const struct conf_table table = {"ingest", rows, ARRAY_LEN(rows)};

static const char *const variables[] = {
    "POSTRIDER_INGEST_LISTEN_PORT",
    "POSTRIDER_LISTEN_PORT",
    "LISTEN_PORT",
    "POSTRIDER_VERBOSE",
    "POSTRIDER_NAME",
    "POSTRIDER_BROKERS",
    "POSTRIDER_MASTER_KEY",
    "POSTRIDER_MASTER_KEY_FILE",
    "POSTRIDER_INGEST_MASTER_KEY",
    "INSTAGRAM_APP_SECRET",
    "POSTRIDER_INSTAGRAM_APP_SECRET",
    "INSTAGRAM_APP_SECRET_FILE",
    "POSTRIDER_ACK_TIMEOUT",
};

static struct settings conf;
static struct err err;
static char path[] = "/tmp/postrider-conf-test-XXXXXX";

static void set_env(const char *name, const char *value)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): a test has one thread
    assert_int_equal(value ? setenv(name, value, 1) : unsetenv(name), 0);
}

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        set_env(variables[i], NULL);
    // What is required and not what a test is about.
    set_env("POSTRIDER_BROKERS", "b:9092");
    set_env("POSTRIDER_MASTER_KEY", "key!");
    memset(&conf, 0, sizeof(conf));
    memset(&err, 0, sizeof(err));
    int fd = mkstemp(path);
    if (fd < 0)
        return -1;
    return close(fd);
}

static int teardown(void **state)
{
    (void)state;
    conf_done(&table, &conf);
    unlink(path);
    memset(path + sizeof(path) - 7, 'X', 6);
    return 0;
}

/* Loads with up to four words on the command line. */
static bool load(const char *a, const char *b, const char *c, const char *d)
{
    char *argv[] = {(char *)a, (char *)b, (char *)c, (char *)d};
    int argc = 0;
    while (argc < 4 && argv[argc])
        argc++;
    conf_done(&table, &conf);
    return conf_load(&table, &conf, argc, argv, NULL, &err);
}

static void refused(bool ok, const char *message)
{
    assert_false(ok);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_string_equal(err.msg, message);
    assert_null(conf.name);
    assert_null(conf.master_key);
}

static void defaults_fill_what_nobody_set(void **state)
{
    (void)state;
    assert_true(load(NULL, NULL, NULL, NULL));
    assert_false(conf.verbose);
    assert_int_equal(conf.listen_port, 8080);
    assert_int_equal(conf.body_max, 1 << 20);
    assert_int_equal(conf.ack_timeout, 10000);
    assert_string_equal(conf.name, "");
    assert_string_equal(conf.brokers, "b:9092");
    assert_string_equal(conf.master_key, "key!");
    assert_string_equal(conf.instagram_app_secret, "");
}

static void later_sources_win(void **state)
{
    (void)state;
    write_file("# settings\nlisten_port = 1\n  verbose=true # yes\n\nname = a#b");
    assert_true(load("--config", path, NULL, NULL));
    assert_int_equal(conf.listen_port, 1);
    assert_true(conf.verbose);
    assert_string_equal(conf.name, "a#b");

    set_env("LISTEN_PORT", "9"); // not ours
    assert_true(load("--config", path, NULL, NULL));
    assert_int_equal(conf.listen_port, 1);
    set_env("POSTRIDER_LISTEN_PORT", "2");
    assert_true(load("--config", path, NULL, NULL));
    assert_int_equal(conf.listen_port, 2);
    set_env("POSTRIDER_INGEST_LISTEN_PORT", "3");
    assert_true(load("--config", path, NULL, NULL));
    assert_int_equal(conf.listen_port, 3);
    assert_true(load("--listen_port", "4", "--config", path));
    assert_int_equal(conf.listen_port, 4);
    assert_true(load("--listen-port=5", NULL, NULL, NULL));
    assert_int_equal(conf.listen_port, 5);
    assert_true(load("--listen_port=5", "--listen_port=6", "--name=", NULL));
    assert_int_equal(conf.listen_port, 6);
}

static void a_switch_may_stand_alone(void **state)
{
    (void)state;
    assert_true(load("--verbose", NULL, NULL, NULL));
    assert_true(conf.verbose);
    assert_true(load("--verbose", "--listen_port", "1", NULL));
    assert_true(conf.verbose);
    assert_int_equal(conf.listen_port, 1);
    assert_true(load("--verbose", "--verbose", "false", NULL));
    assert_false(conf.verbose);
    assert_true(load("--verbose", "true", "--listen_port=2", NULL));
    assert_int_equal(conf.listen_port, 2);
}

static void errors_name_setting_source_and_what_is_wanted(void **state)
{
    (void)state;
    refused(load("--listen_port", "x", NULL, NULL),
            "ingest: setting listen_port from --listen_port is 'x': want a number from 0 to 65535");
    refused(
        load("--body-max", "1MB", NULL, NULL),
        "ingest: setting body_max from --body_max is '1MB': want a size such as 512, 64KiB or 1MiB, of "
        "at least 1KiB");
    refused(load("--verbose=yes", NULL, NULL, NULL),
            "ingest: setting verbose from --verbose is 'yes': want true or false");
    refused(load("--name", "ninechars", NULL, NULL),
            "ingest: setting name from --name is 'ninechars': want text of at most 8 bytes");
    set_env("POSTRIDER_ACK_TIMEOUT", "121s");
    refused(
        load(NULL, NULL, NULL, NULL),
        "ingest: setting ack_timeout from POSTRIDER_ACK_TIMEOUT is '121s': want a duration such as "
        "250ms, 20s, 5m or 2h, from 1ms to 2m");
    set_env("POSTRIDER_LISTEN_PORT", "99999");
    refused(
        load(NULL, NULL, NULL, NULL),
        "ingest: setting listen_port from POSTRIDER_LISTEN_PORT is '99999': want a number from 0 to "
        "65535");
}

static void words_that_are_no_options_are_refused_or_kept(void **state)
{
    (void)state;
    refused(load("--listen", "1", NULL, NULL),
            "ingest: unknown option --listen: see `postrider ingest --help` for all of them");
    refused(load("-p", "1", NULL, NULL),
            "ingest: unknown option -p: see `postrider ingest --help` for all of them");
    refused(load("--listen_port", NULL, NULL, NULL), "ingest: option --listen_port wants a value");
    refused(load("--config", NULL, NULL, NULL), "ingest: option --config wants a value");
    refused(load("stray", NULL, NULL, NULL),
            "ingest: unexpected word 'stray': see `postrider ingest --help`");

    char *argv[] = {"one", "--listen_port", "1", "-", "two", "--", "--three"};
    int n_rest = 0;
    assert_true(conf_load(&table, &conf, ARRAY_LEN(argv), argv, &n_rest, &err));
    assert_int_equal(n_rest, 4);
    assert_string_equal(argv[0], "one");
    assert_string_equal(argv[1], "-");
    assert_string_equal(argv[2], "two");
    assert_string_equal(argv[3], "--three");
    assert_int_equal(conf.listen_port, 1);
}

static void a_required_setting_that_is_missing_says_how_to_set_it(void **state)
{
    (void)state;
    set_env("POSTRIDER_BROKERS", NULL);
    refused(
        load(NULL, NULL, NULL, NULL),
        "ingest: setting brokers is required: set POSTRIDER_INGEST_BROKERS or POSTRIDER_BROKERS or "
        "--brokers, or brokers = VALUE in a --config file");
    assert_true(load("--brokers=b", NULL, NULL, NULL));
    set_env("POSTRIDER_MASTER_KEY", NULL);
    const char *want =
        "ingest: setting master_key is required: set POSTRIDER_INGEST_MASTER_KEY or "
        "POSTRIDER_MASTER_KEY (or POSTRIDER_MASTER_KEY_FILE, the name of a file that holds "
        "it), or master_key = VALUE in a --config file";
    refused(load("--brokers=b", NULL, NULL, NULL), want);
    set_env("POSTRIDER_MASTER_KEY", "");
    refused(load("--brokers=b", NULL, NULL, NULL), want);
}

static void secrets_come_from_files_and_never_from_the_command_line(void **state)
{
    (void)state;
    set_env("POSTRIDER_MASTER_KEY", NULL);
    write_file("from a file\r\n");
    set_env("POSTRIDER_MASTER_KEY_FILE", path);
    assert_true(load(NULL, NULL, NULL, NULL));
    assert_string_equal(conf.master_key, "from a file");
    // A name of more weight may stand beside it.
    set_env("POSTRIDER_INGEST_MASTER_KEY", "own one");
    assert_true(load(NULL, NULL, NULL, NULL));
    assert_string_equal(conf.master_key, "own one");
    set_env("POSTRIDER_INGEST_MASTER_KEY", NULL);

    set_env("POSTRIDER_MASTER_KEY", "twice");
    refused(
        load(NULL, NULL, NULL, NULL),
        "ingest: both POSTRIDER_MASTER_KEY and POSTRIDER_MASTER_KEY_FILE are set: keep one of them");
    set_env("POSTRIDER_MASTER_KEY", NULL);
    set_env("POSTRIDER_MASTER_KEY_FILE", "/nowhere/key");
    refused(
        load(NULL, NULL, NULL, NULL),
        "ingest: setting master_key from POSTRIDER_MASTER_KEY_FILE: cannot open /nowhere/key: No such "
        "file or directory");
    refused(
        load("--master_key", "seen by ps", NULL, NULL),
        "ingest: setting master_key is a secret and is not taken from the command line, where others can "
        "read it: set POSTRIDER_MASTER_KEY or POSTRIDER_MASTER_KEY_FILE");
    set_env("POSTRIDER_MASTER_KEY_FILE", NULL);
    set_env("POSTRIDER_MASTER_KEY", "abc");
    refused(
        load(NULL, NULL, NULL, NULL),
        "ingest: setting master_key from POSTRIDER_MASTER_KEY is not usable: want a secret of at least 4 "
        "bytes");
}

static void a_config_file_may_name_a_secret_s_file(void **state)
{
    (void)state;
    set_env("POSTRIDER_MASTER_KEY", NULL);
    char other[] = "/tmp/postrider-conf-test-key-XXXXXX", text[128];
    int fd = mkstemp(other);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "key in a file\n", 14), 14);
    close(fd);
    (void)snprintf(text, sizeof(text), "master_key_file = %s\n", other);
    write_file(text);
    assert_true(load("--config", path, NULL, NULL));
    assert_string_equal(conf.master_key, "key in a file");
    unlink(other);
}

static void instagram_s_names_work_bare_below_ours(void **state)
{
    (void)state;
    set_env("INSTAGRAM_APP_SECRET", "bare");
    assert_true(load(NULL, NULL, NULL, NULL));
    assert_string_equal(conf.instagram_app_secret, "bare");
    set_env("POSTRIDER_INSTAGRAM_APP_SECRET", "ours");
    assert_true(load(NULL, NULL, NULL, NULL));
    assert_string_equal(conf.instagram_app_secret, "ours");
}

static void empty_variables_are_values_of_texts_only(void **state)
{
    (void)state;
    set_env("POSTRIDER_LISTEN_PORT", "");
    set_env("POSTRIDER_NAME", "");
    write_file("name = x\n");
    assert_true(load("--config", path, NULL, NULL));
    assert_int_equal(conf.listen_port, 8080);
    assert_string_equal(conf.name, "");
}

static void mistakes_in_the_file_name_the_line(void **state)
{
    (void)state;
    char want[256];
    write_file("verbose = true\n\nlisten_prot = 1\n");
    (void)snprintf(
        want, sizeof(want),
        "ingest: %s:3: there is no setting listen_prot: see `postrider ingest --help` for all of them",
        path);
    refused(load("--config", path, NULL, NULL), want);
    write_file("verbose\n");
    (void)snprintf(want, sizeof(want), "ingest: %s:1: want `name = value`", path);
    refused(load("--config", path, NULL, NULL), want);
    write_file("\nlisten_port = many");
    (void)snprintf(want, sizeof(want),
                   "ingest: setting listen_port from %s:2 is 'many': want a number from 0 to 65535",
                   path);
    refused(load("--config", path, NULL, NULL), want);
    refused(load("--config", "/nowhere/x", NULL, NULL),
            "ingest: --config: cannot open /nowhere/x: No such file or directory");
    refused(load("--config", "/tmp", NULL, NULL),
            "ingest: --config: cannot read /tmp: Is a directory");
}

static void units_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t duration, size; /* -1: refused */
    } cases[] = {
        {"0", 0, 0},
        {"250ms", 250, -1},
        {"20s", 20000, -1},
        {"5m", 300000, -1},
        {"2h", 7200000, -1},
        {"7d", 604800000, -1},
        {"512", -1, 512},
        {"64KiB", -1, 65536},
        {"1MiB", -1, 1048576},
        {"2GiB", -1, INT64_C(2) << 30},
        {"", -1, -1},
        {"s", -1, -1},
        {"-1s", -1, -1},
        {"1.5s", -1, -1},
        {"1 s", -1, -1},
        {"1S", -1, -1},
        {"1mib", -1, -1},
        {"1KB", -1, -1},
        {"9223372036854775807d", -1, -1},
        {"9223372036854775807KiB", -1, -1},
        {"1s ", -1, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t v = -1;
        assert_int_equal(conf_parse_duration(str_of(cases[i].text), &v), cases[i].duration >= 0);
        assert_int_equal(cases[i].duration >= 0 ? v : -1, cases[i].duration);
        v = -1;
        assert_int_equal(conf_parse_size(str_of(cases[i].text), &v), cases[i].size >= 0);
        assert_int_equal(cases[i].size >= 0 ? v : -1, cases[i].size);
    }
}

static void what_is_printed_can_be_read_back(void **state)
{
    (void)state;
    set_env("POSTRIDER_ACK_TIMEOUT", "90s");
    assert_true(load("--verbose=true", "--body_max=1536", "--name=x y", NULL));
    struct buf b;
    buf_init(&b, 1 << 16);
    conf_print(&table, &conf, &b);
    assert_true(str_eq(buf_str(&b), STR("verbose = true\nlisten_port = 8080\nbody_max = 1536\n"
                                        "ack_timeout = 90s\nname = x y\nbrokers = b:9092\n"
                                        "master_key = ***\ninstagram_app_secret = \n")));
    buf_putc(&b, '\0');
    write_file(b.ptr);
    assert_true(load("--config", path, NULL, NULL));
    assert_int_equal(conf.body_max, 1536);
    assert_int_equal(conf.ack_timeout, 90000);
    buf_done(&b);
}

static void has(const struct buf *b, const char *part)
{
    if (!memmem(b->ptr, b->len, part, strlen(part)))
        fail_msg("'%s' is not in\n%.*s", part, STR_ARG(buf_str(b)));
}

static void help_and_docs_hold_every_row(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 16);
    conf_print_help(&table, &b);
    has(&b, "POSTRIDER_INGEST_<NAME>");
    has(&b, "  --listen_port NUMBER                Port. (default 8080; 0 to 65535)\n");
    has(&b, "  --brokers TEXT                      Brokers. (required)\n");
    has(&b,
        "  --name TEXT                         A name | or none. (default empty; at most 8 bytes)\n");
    has(&b, "  POSTRIDER_MASTER_KEY                Key. (required; at least 4 bytes)\n");
    buf_clear(&b);
    conf_print_docs(&table, &b);
    has(&b, "## ingest\n");
    has(&b, "| `listen_port` | NUMBER | `8080` | 0 to 65535 | Port. |\n");
    has(&b, "| `name` | TEXT | empty | at most 8 bytes | A name \\| or none. |\n");
    has(&b, "| `master_key` | SECRET | required | at least 4 bytes | Key. |\n");
    buf_done(&b);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_fill_what_nobody_set),
        TEST(later_sources_win),
        TEST(a_switch_may_stand_alone),
        TEST(errors_name_setting_source_and_what_is_wanted),
        TEST(words_that_are_no_options_are_refused_or_kept),
        TEST(a_required_setting_that_is_missing_says_how_to_set_it),
        TEST(secrets_come_from_files_and_never_from_the_command_line),
        TEST(a_config_file_may_name_a_secret_s_file),
        TEST(instagram_s_names_work_bare_below_ours),
        TEST(empty_variables_are_values_of_texts_only),
        TEST(mistakes_in_the_file_name_the_line),
        TEST(units_are_read),
        TEST(what_is_printed_can_be_read_back),
        TEST(help_and_docs_hold_every_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
