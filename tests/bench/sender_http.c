/* SPDX-License-Identifier: Apache-2.0 */
/* What the sender is measured beside: a server that answers every POST as Telegram does, and the
 * barest client, libcurl's multi interface in a loop.
 *
 *   sender_http serve PORT             until it is killed; each line on stdin is answered by the
 * count sender_http send URL N IN_FLIGHT   N POSTs with keep-alive; prints seconds and requests */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define FILES_MAX 4096
#define INPUT_MAX 16384
#define BODY \
    "{\"chat_id\":\"1\",\"text\":\"a message of an ordinary length, as people write them\"}"

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- the server
 * ------------------------------------------------------------------------------------ */

struct peer {
    char in[INPUT_MAX];
    size_t n;
};
static struct peer *peers[FILES_MAX];
static long n_answered;

static bool answer(int fd)
{
    char body[160], out[320];
    n_answered++;
    int n = snprintf(
        body, sizeof body,
        "{\"ok\":true,\"result\":{\"message_id\":%ld,\"chat\":{\"id\":1,\"type\":\"private\"},\"date\":1}}",
        n_answered);
    n = snprintf(
        out, sizeof out,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", n,
        body);
    return write(fd, out, (size_t)n) == n;
}

/* Bytes of the first whole request in it; 0: not whole yet. */
static size_t request_size(struct peer *p)
{
    p->in[p->n] = 0;
    char *end = strstr(p->in, "\r\n\r\n"), *length = strcasestr(p->in, "content-length:");
    if (!end)
        return 0;
    size_t size = (size_t)(end + 4 - p->in) + (length ? strtoul(length + 15, NULL, 10) : 0);
    return p->n >= size ? size : 0;
}

static bool on_input(int fd)
{
    struct peer *p = peers[fd];
    ssize_t got = read(fd, p->in + p->n, INPUT_MAX - 1 - p->n);
    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    p->n += (size_t)got;
    for (size_t size; (size = request_size(p));) {
        memmove(p->in, p->in + size, p->n -= size);
        if (!answer(fd))
            return false;
    }
    return true;
}

static int listen_at(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 1024)) {
        (void)fprintf(stderr, "port %d cannot be bound\n", port);
        _exit(1);
    }
    return fd;
}

static void add(int poll, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &e);
}

static void on_accept(int poll, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), one = 1;
    if (fd < 0 || fd >= FILES_MAX)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    peers[fd] = calloc(1, sizeof *peers[fd]);
    add(poll, fd);
}

static int serve(int port)
{
    int listener = listen_at(port), poll = epoll_create1(0);
    char line[16];
    add(poll, listener);
    add(poll, STDIN_FILENO);
    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(poll, events, 64, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                on_accept(poll, fd);
            } else if (fd == STDIN_FILENO) {
                if (read(fd, line, sizeof line) <= 0)
                    return 0;
                printf("%ld\n", n_answered);
                (void)fflush(stdout);
            } else if (!on_input(fd)) {
                close(fd);
                free(peers[fd]);
                peers[fd] = NULL;
            }
        }
    }
}

/* --- the barest client
 * ----------------------------------------------------------------------------- */

static size_t swallow(const char *data, size_t size, size_t n, void *ctx)
{
    (void)data, (void)ctx;
    return size * n;
}

static int send_all(const char *url, long total, int in_flight)
{
    CURLM *multi = curl_multi_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    long begun = 0, done = 0, failed = 0;
    int running = 0, left;
    double from = now_s();
    for (; begun < in_flight && begun < total; begun++) {
        CURL *easy = curl_easy_init();
        curl_easy_setopt(easy, CURLOPT_URL, url);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, BODY);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
        curl_multi_add_handle(multi, easy);
    }
    while (done < total) {
        curl_multi_perform(multi, &running);
        for (CURLMsg *m; (m = curl_multi_info_read(multi, &left));) {
            CURL *easy = m->easy_handle;
            failed += m->data.result != CURLE_OK;
            done++;
            curl_multi_remove_handle(multi, easy);
            if (begun < total) {
                begun++;
                curl_multi_add_handle(multi, easy);
            } else {
                curl_easy_cleanup(easy);
            }
        }
        curl_multi_poll(multi, NULL, 0, 100, NULL);
    }
    printf("%.6f %ld\n", now_s() - from, failed);
    curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
    return failed != 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "serve"))
        return serve((int)strtol(argv[2], NULL, 10));
    if (argc == 5 && !strcmp(argv[1], "send"))
        return send_all(argv[2], strtol(argv[3], NULL, 10), (int)strtol(argv[4], NULL, 10));
    (void)fprintf(stderr, "usage: sender_http serve PORT | send URL N IN_FLIGHT\n");
    return 2;
}
