/* SPDX-License-Identifier: Apache-2.0 */
/* The adapters' inner loop for tests/bench/providers.py: one webhook body is verified, split and
 * parsed again and again.
 *
 *   bench_providers NAME HEADER FORM FILE N        ns of each step, best of several rounds, as JSON
 *   bench_providers NAME HEADER FORM FILE N count  N times once(), for valgrind to count in
 *
 * HEADER has the proof, in the FORM hex, base64 or secret. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "provider.h"

#define ROUNDS   7
#define BODY_MAX (1 << 20)

struct http {
    const char *name;
    struct str value;
};

struct bench {
    const struct provider *provider;
    struct webhook in;
    struct secrets secrets;
    struct arena *arena;
    size_t n_events; /* of one body */
};

static struct str header(const void *http, const char *name)
{
    const struct http *h = http;
    return str_ieq(str_of(h->name), str_of(name)) ? h->value : STR_NONE;
}

static struct str query(const void *http, const char *name)
{
    (void)http, (void)name;
    return STR_NONE;
}

_Noreturn static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "bench_providers: %s: %s\n", what, why);
    _Exit(1);
}

static void must(bool ok, const struct bench *b, const char *step, const struct err *err)
{
    if (!ok) {
        (void)fprintf(stderr, "%s ", b->provider->name);
        die(step, err->msg);
    }
}

static struct str read_file(const char *path)
{
    FILE *f = fopen(path, "re");
    char *text = malloc(BODY_MAX);
    if (!f || !text)
        die(path, "cannot be read");
    size_t n = fread(text, 1, BODY_MAX, f);
    (void)fclose(f);
    return (struct str){text, n};
}

/* The proof in the form that the provider wants: "hex", "base64", or the secret itself. */
static struct str proof_make(struct arena *a, const char *form, struct hmac *key, struct str secret,
                             struct str body)
{
    uint8_t mac[SHA256_BYTES];
    hmac_sha256(key, body, mac);
    struct str bytes = {(const char *)mac, sizeof mac};
    if (strcmp(form, "secret") == 0)
        return secret;
    struct str text = strcmp(form, "hex") == 0 ? hex_encode(a, bytes) : base64_encode(a, bytes);
    return str_fmt(a, "sha256=%.*s", STR_ARG(text));
}

static void verify(const struct bench *b)
{
    struct err err = {0};
    must(b->provider->verify(&b->in, &b->secrets, &err), b, "verify", &err);
}

static void split(const struct bench *b, struct units *units)
{
    struct err err = {0};
    must(b->provider->split(b->arena, &b->in, units, &err), b, "split", &err);
}

static size_t parse(const struct bench *b, const struct units *units)
{
    struct err err = {0};
    size_t n = 0;
    for (size_t i = 0; i < units->n; i++) {
        struct events events = {0};
        must(b->provider->parse(b->arena, &units->items[i], &events, &err), b, "parse", &err);
        n += events.n;
    }
    return n;
}

/* All that ingest and router ask of an adapter for one body. */
__attribute__((noinline)) static size_t once(const struct bench *b)
{
    struct units units = {0};
    arena_reset(b->arena);
    verify(b);
    split(b, &units);
    return parse(b, &units);
}

static double now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

enum step { VERIFY, SPLIT, PARSE, ALL, STEPS };

static void round_of(const struct bench *b, enum step step, long n)
{
    struct units units = {0};
    for (long i = 0; i < n; i++) {
        if (step == ALL) {
            (void)once(b);
            continue;
        }
        arena_reset(b->arena);
        if (step == VERIFY)
            verify(b);
        else
            split(b, &units);
        // Parsing needs the units; what splitting costs is taken off again.
        if (step == PARSE)
            (void)parse(b, &units);
    }
}

static double best_ns(const struct bench *b, enum step step, long n)
{
    double best = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double start = now_ns();
        round_of(b, step, n);
        double took = (now_ns() - start) / (double)n;
        if (i == 0 || took < best)
            best = took;
    }
    return best;
}

static void measure(const struct bench *b, long n)
{
    double ns[STEPS];
    round_of(b, ALL, n / 10 + 1); // warm
    for (int s = 0; s < STEPS; s++)
        ns[s] = best_ns(b, (enum step)s, n);
    (void)printf("{\"verify\":%.0f,\"split\":%.0f,\"parse\":%.0f,\"all\":%.0f,\"events\":%zu}\n",
                 ns[VERIFY], ns[SPLIT], ns[PARSE] - ns[SPLIT], ns[ALL], b->n_events);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        die("usage", "NAME HEADER FORM FILE N [count]");
    auto_arena made = arena_new(1 << 20);
    struct bench b = {.provider = provider_find(str_of(argv[1]))};
    if (!b.provider)
        die(argv[1], "no such provider");
    struct str body = read_file(argv[4]);
    long n = strtol(argv[5], NULL, 10);
    struct str secret = STR("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY");
    struct hmac *key = hmac_new(secret);
    struct http http = {argv[2], proof_make(made, argv[3], key, secret, body)};
    b.secrets = (struct secrets){.keys = &key, .plain = &secret, .n_keys = 1, .n_plain = 1};
    b.in = (struct webhook){.body = body, .header = header, .query = query, .http = &http};
    if (b.provider->scope == SCOPE_TENANT) {
        b.in.tenant_id = STR("01890a5d-ac96-774b-bcce-b302099a8057");
        b.in.path_rest = STR("500000601");
    }
    b.arena = arena_new(PROVIDER_ARENA_MAX(body.len));
    b.n_events = once(&b);
    if (n < 1 || b.n_events == 0)
        die(argv[1], "nothing to measure");
    if (argc > 6)
        round_of(&b, ALL, n);
    else
        measure(&b, n);
    arena_free(b.arena);
    hmac_free(key);
    free((char *)body.ptr);
    return 0;
}
