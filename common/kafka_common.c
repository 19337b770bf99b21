/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka_common.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"

#define ERRSTR_MAX 256

// A broker that went away without a word (power, cable) is noticed within about ten seconds, also
// by an idle client: librdkafka's own keep-alive switch leaves the kernel's two hours.
#define PEER_IDLE_S     4
#define PEER_PROBE_S    2
#define PEER_PROBES     3
#define PEER_SILENCE_MS 10000

// The first connection and each reconnect: fast enough that /readyz follows a broker's restart.
static const struct kafka_setting common_settings[] = {
    {"reconnect.backoff.ms", 100},
    {"reconnect.backoff.max.ms", 1000},
    {"socket.timeout.ms", 10000},
    // Also the traffic by which an idle client finds out that a broker hangs.
    {"topic.metadata.refresh.interval.ms", 10000},
    {"metadata.max.age.ms", 900000},
};

bool kafka_link_is_up(const struct kafka_link *link)
{
    return atomic_load_explicit(&link->n_up, memory_order_relaxed) > 0;
}

/* Runs on the broker's own thread, of which librdkafka has exactly one per connection: its last
 * state can live in that thread. INIT is also reported by the thread that adds a broker; a
 * connection never goes from UP to INIT without DOWN between. */
static rd_kafka_resp_err_t on_broker_state(rd_kafka_t *rk, int32_t broker_id, const char *secproto,
                                           const char *name, int port, const char *state,
                                           void *opaque)
{
    static _Thread_local bool was_up;
    struct kafka_link *link = opaque;
    (void)rk, (void)broker_id, (void)secproto;

    bool is_internal = name[0] == '\0' && port == 0;
    if (is_internal || strcmp(state, "INIT") == 0)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    bool is_up = strcmp(state, "UP") == 0 || strcmp(state, "UPDATE") == 0;
    if (is_up != was_up)
        atomic_fetch_add_explicit(&link->n_up, is_up ? 1 : -1, memory_order_relaxed);
    was_up = is_up;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t
on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque,
       // NOLINTNEXTLINE(readability-non-const-parameter): librdkafka's signature
       char *errstr, size_t errstr_size)
{
    struct kafka_link *link = opaque;
    link->is_attached = true;
    (void)conf, (void)errstr, (void)errstr_size;
    return rd_kafka_interceptor_add_on_broker_state_change(rk, "postrider", on_broker_state, link);
}

static int on_socket(int domain, int type, int protocol, void *opaque)
{
    (void)opaque;
    int fd = socket(domain, type | SOCK_CLOEXEC, protocol);
    if (fd < 0)
        return -1;
    static const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, PEER_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, PEER_PROBE_S},
        {IPPROTO_TCP, TCP_KEEPCNT, PEER_PROBES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, PEER_SILENCE_MS},
    };
    // A socket without them still works, it only notices a silent peer later.
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
    return fd;
}

static void on_log(const rd_kafka_t *rk, int level, const char *fac, const char *text)
{
    log_debug("librdkafka", kv_c("client", rk ? rd_kafka_name(rk) : ""), kv_int("level", level),
              kv_c("facility", fac), kv_c("text", text));
}

bool kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err)
{
    char text[ERRSTR_MAX] = "";
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return true;
    // The library's text may quote the value, which may be a password.
    return err_set(err, ERR_INVALID,
                   "kafka property '%s' was refused: see librdkafka's CONFIGURATION.md", name);
}

bool kafka_conf_set_all(rd_kafka_conf_t *conf, const struct kafka_setting *rows, size_t n,
                        struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        char text[24];
        (void)snprintf(text, sizeof text, "%" PRId64, rows[i].value);
        if (!kafka_conf_set(conf, rows[i].name, text, err))
            return false;
    }
    return true;
}

/* One "name=value" up to a comma or the end, "\," standing for a comma. Returns what follows. */
static const char *next_property(const char *at, char *out, size_t size, bool *fits)
{
    size_t n = 0;
    for (; *at && *at != ','; at++) {
        if (at[0] == '\\' && at[1] == ',')
            at++;
        if (n + 1 < size)
            out[n] = *at;
        n++;
    }
    *fits = n < size;
    out[*fits ? n : size - 1] = '\0';
    return *at ? at + 1 : at;
}

bool kafka_conf_properties(rd_kafka_conf_t *conf, const struct kafka_opts *opts, struct err *err)
{
    char pair[4096]; // a PEM certificate in a property fits
    bool fits = true;
    for (const char *at = opts->properties ? opts->properties : ""; *at;) {
        at = next_property(at, pair, sizeof pair, &fits);
        if (!fits)
            return err_set(err, ERR_INVALID, "kafka_properties: one property is longer than %zu",
                           sizeof pair);
        char *name = pair + strspn(pair, " ");
        if (!*name)
            continue;
        char *equals = strchr(name, '=');
        if (!equals)
            return err_set(
                err, ERR_INVALID,
                "kafka_properties: '%.40s' is not name=value (a comma in a value is \\,)", name);
        *equals = '\0';
        if (!kafka_conf_set(conf, name, equals + 1, err))
            return false;
    }
    return true;
}

rd_kafka_conf_t *kafka_conf_new(const struct kafka_opts *opts, struct kafka_link *link, void *ctx,
                                struct err *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_socket_cb(conf, on_socket);
    rd_kafka_conf_set_opaque(conf, ctx);
    rd_kafka_conf_interceptor_add_on_new(conf, "postrider", on_new, link);
    if (kafka_conf_set(conf, "bootstrap.servers", opts->brokers, err) &&
        kafka_conf_set(conf, "client.id", opts->client_id ? opts->client_id : "postrider", err) &&
        // A lingered batch is sent whole; Nagle's algorithm would only hold back its tail.
        kafka_conf_set(conf, "socket.nagle.disable", "true", err) &&
        kafka_conf_set_all(conf, common_settings, ARRAY_LEN(common_settings), err))
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

rd_kafka_t *kafka_open(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct kafka_link *link,
                       struct err *err)
{
    char text[ERRSTR_MAX] = "";
    link->is_attached = false;
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
    if (rk)
        return rk;
    // librdkafka 2.0 frees the interceptors of a configuration that it refuses late (a certificate
    // that cannot be read), and would free them again with it: rather lose it, the process ends.
    if (!link->is_attached)
        rd_kafka_conf_destroy(conf);
    err_set(err, ERR_INVALID, "kafka client: %s", text);
    return NULL;
}

enum err_kind kafka_err_kind(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return ERR_NONE;
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        return ERR_LIMITED;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return ERR_ABSENT;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
        return ERR_DENIED;
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING:
    case RD_KAFKA_RESP_ERR_INVALID_TXN_STATE:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST:
        return ERR_CONFLICT;
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
    case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
        return ERR_INVALID;
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__STATE:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR__NOT_CONFIGURED:
    case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
    case RD_KAFKA_RESP_ERR__BAD_MSG:
        return ERR_FAULT;
    default:
        // An outage parks nothing: what is not named here may work later.
        return ERR_BUSY;
    }
}

bool kafka_fail(struct err *err, rd_kafka_t *rk, rd_kafka_resp_err_t code, const char *what)
{
    char text[ERRSTR_MAX] = "";
    if (code == RD_KAFKA_RESP_ERR__FATAL && rk) {
        code = rd_kafka_fatal_error(rk, text, sizeof text);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            return err_set(err, kafka_err_kind(code) == ERR_CONFLICT ? ERR_CONFLICT : ERR_FAULT,
                           "%s: %s", what, text);
        code = RD_KAFKA_RESP_ERR__FATAL;
    }
    return err_set(err, kafka_err_kind(code), "%s: %s", what, rd_kafka_err2str(code));
}

bool kafka_fail_error(struct err *err, rd_kafka_t *rk, rd_kafka_error_t *error, const char *what)
{
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    if (code == RD_KAFKA_RESP_ERR__FATAL)
        kafka_fail(err, rk, code, what);
    else
        err_set(err, kafka_err_kind(code), "%s: %s", what, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return false;
}

rd_kafka_topic_partition_list_t *kafka_list(const struct partition *parts, size_t n)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(list, parts[i].topic, parts[i].partition)->offset =
            parts[i].offset;
    return list;
}

rd_kafka_resp_err_t kafka_list_error(const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].err)
            return list->elems[i].err;
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

int kafka_wake_open(struct err *err)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0)
        err_set(err, ERR_BUSY, "kafka client: eventfd: %s", strerrordesc_np(errno));
    return fd;
}

void kafka_wake_watch(rd_kafka_queue_t *queue, int fd)
{
    static const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(queue, fd, &one, sizeof one);
}

void kafka_wake_drain(int fd)
{
    uint64_t n;
    // Nothing to read is as good as read.
    if (read(fd, &n, sizeof n) < 0)
        return;
}

void kafka_wake_again(int fd)
{
    static const uint64_t one = 1;
    // Full means readable already.
    if (write(fd, &one, sizeof one) < 0)
        return;
}
