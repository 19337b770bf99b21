/* SPDX-License-Identifier: Apache-2.0 */
#include "vault_ring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define FILE_MAX ((size_t)16 * 1024)
#define PATH_LEN 1024
#define BASE64   sodium_base64_VARIANT_ORIGINAL

void ring_start(void)
{
    if (sodium_init() >= 0)
        return;
    (void)fprintf(stderr, "postrider: libsodium does not start\n");
    abort(); // no randomness: there is no going on
}

/* Guarded by pages without access, locked, left out of core dumps, wiped when it is freed. */
static void *secret_alloc(size_t size)
{
    void *p = sodium_malloc(size);
    if (!p) {
        (void)fprintf(stderr, "postrider: out of memory for secrets\n");
        abort();
    }
    memset(p, 0, size);
    return p;
}

struct ring *ring_new(void)
{
    ring_start();
    return secret_alloc(sizeof(struct ring));
}

void ring_free(struct ring *r)
{
    sodium_free(r);
}

const struct ring_key *ring_find(const struct ring *r, struct str id)
{
    for (size_t i = 0; i < r->n; i++)
        if (str_eq_c(id, r->keys[i].id))
            return &r->keys[i];
    return NULL;
}

bool ring_add(struct ring *r, struct err *err)
{
    if (r->n == RING_KEYS_MAX)
        return err_set(err, ERR_LIMITED,
                       "the key ring has %d keys already: take out those that nothing is sealed "
                       "with (`postrider keys status`)",
                       RING_KEYS_MAX);
    struct ring_key *k = &r->keys[r->n];
    char now[CLOCK_TEXT_MAX];
    do {
        (void)clock_format(clock_at_ms(), now);
        (void)snprintf(k->id, sizeof k->id, "k-%.4s%.2s%.2s-%04x", now, now + 5, now + 8,
                       randombytes_random() & 0xFFFF);
    } while (ring_find(r, str_of(k->id)));
    randombytes_buf(k->bytes, sizeof k->bytes);
    r->n++;
    return true;
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool is_id(struct str id)
{
    if (id.len == 0 || id.len > VAULT_ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i], low = (char)(c | 0x20);
        if (!(c >= '0' && c <= '9') && !(low >= 'a' && low <= 'z') && c != '-' && c != '_')
            return false;
    }
    return true;
}

static bool parse_key(struct ring *r, struct str rest, struct err *err)
{
    struct str id, text;
    size_t n = 0;
    if (!str_cut(rest, ' ', &id, &text) || !is_id(id))
        return err_set(err, ERR_INVALID, "want `key ID BASE64`");
    if (ring_find(r, id))
        return err_set(err, ERR_INVALID, "there is another key of that id");
    if (r->n == RING_KEYS_MAX)
        return err_set(err, ERR_LIMITED, "there are more than %d keys", RING_KEYS_MAX);
    struct ring_key *k = &r->keys[r->n];
    text = str_trim(text);
    if (sodium_base642bin(k->bytes, sizeof k->bytes, text.ptr, text.len, NULL, &n, NULL, BASE64) !=
            0 ||
        n != sizeof k->bytes)
        return err_set(err, ERR_INVALID, "the key is not the base64 of %d bytes", RING_KEY_BYTES);
    memcpy(k->id, id.ptr, id.len);
    r->n++;
    return true;
}

/* Messages name the line, never what stands there. */
static bool parse_line(struct ring *r, struct str line, struct str *active, struct err *err)
{
    struct str word, rest;
    line = str_trim(line);
    if (line.len == 0 || line.ptr[0] == '#')
        return true;
    (void)str_cut(line, ' ', &word, &rest);
    rest = str_trim(rest);
    if (str_eq_c(word, "key"))
        return parse_key(r, rest, err);
    if (!str_eq_c(word, "active"))
        return err_set(err, ERR_INVALID, "want `active ID`, `key ID BASE64` or a # comment");
    if (active->ptr || !is_id(rest))
        return err_set(err, ERR_INVALID, "want one `active ID`");
    *active = rest;
    return true;
}

static bool parse_ring(struct ring *r, struct str text, struct err *err)
{
    struct str rest = text, line, active = STR_NONE;
    for (int n = 1; rest.len; n++) {
        (void)str_cut(rest, '\n', &line, &rest);
        if (!parse_line(r, line, &active, err))
            return err_wrap(err, "line %d", n);
    }
    const struct ring_key *k = active.ptr ? ring_find(r, active) : NULL;
    if (!k)
        return err_set(err, ERR_INVALID,
                       active.ptr ? "the active key is not there"
                                  : "no line says which key is active");
    r->active = (size_t)(k - r->keys);
    return true;
}

static bool check_file(struct ring *r, int fd, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "it is not a file");
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return err_set(err, ERR_DENIED,
                       "others may read or write it: `chmod 600` it, and take its keys for known");
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return err_set(err, ERR_DENIED, "it belongs to another user");
    if (st.st_size > (off_t)FILE_MAX)
        return err_set(err, ERR_LIMITED, "it is longer than %zu bytes", FILE_MAX);
    r->device = st.st_dev;
    r->inode = st.st_ino;
    r->changed = st.st_mtim;
    return true;
}

static bool read_all(int fd, char *out, size_t *n, struct err *err)
{
    *n = 0;
    while (*n < FILE_MAX) {
        ssize_t got = read(fd, out + *n, FILE_MAX - *n);
        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR)
            return err_set(err, ERR_BUSY, "cannot be read (errno %d)", errno);
        *n += got > 0 ? (size_t)got : 0;
    }
    return err_set(err, ERR_LIMITED, "it is longer than %zu bytes", FILE_MAX);
}

static bool read_into(struct ring *r, int fd, struct err *err)
{
    size_t n;
    if (!check_file(r, fd, err))
        return false;
    char *text = secret_alloc(FILE_MAX);
    bool ok = read_all(fd, text, &n, err) && parse_ring(r, (struct str){text, n}, err);
    sodium_free(text);
    return ok;
}

bool ring_is_fresh(const struct ring *r, const char *path)
{
    struct stat st;
    return stat(path, &st) != 0 ||
           (st.st_dev == r->device && st.st_ino == r->inode &&
            st.st_mtim.tv_sec == r->changed.tv_sec && st.st_mtim.tv_nsec == r->changed.tv_nsec);
}

struct ring *ring_read(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        err_set(err, errno == ENOENT ? ERR_ABSENT : ERR_BUSY, "key ring %s: %s", path,
                errno == ENOENT ? "there is none: make one with `postrider keys generate`"
                                : "cannot be opened by this user");
        return NULL;
    }
    struct ring *r = ring_new();
    bool ok = read_into(r, fd, err);
    (void)close(fd);
    if (!ok) {
        err_wrap(err, "key ring %s", path);
        ring_free(r);
        return NULL;
    }
    (void)sodium_mprotect_readonly(r);
    return r;
}

/* --- writing ---------------------------------------------------------------------------------- */

static size_t format_ring(const struct ring *r, char out[FILE_MAX])
{
    char text[sodium_base64_ENCODED_LEN(RING_KEY_BYTES, BASE64)];
    size_t n =
        (size_t)snprintf(out, FILE_MAX, "# postrider key ring\nactive %s\n", r->keys[r->active].id);
    for (size_t i = 0; i < r->n; i++) {
        (void)sodium_bin2base64(text, sizeof text, r->keys[i].bytes, RING_KEY_BYTES, BASE64);
        n += (size_t)snprintf(out + n, FILE_MAX - n, "key %s %s\n", r->keys[i].id, text);
    }
    sodium_memzero(text, sizeof text);
    assert(n < FILE_MAX); // 32 keys take 3 KB
    return n;
}

static bool write_all(int fd, const char *text, size_t n)
{
    while (n) {
        ssize_t put = write(fd, text, n);
        if (put < 0 && errno != EINTR)
            return false;
        text += put > 0 ? put : 0;
        n -= put > 0 ? (size_t)put : 0;
    }
    return fsync(fd) == 0;
}

/* So that the file is there after a power cut. */
static void sync_folder(const char *path)
{
    char folder[PATH_LEN];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    (void)snprintf(folder, sizeof folder, "%.*s", slash ? (int)(n ? n : 1) : 1, slash ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    (void)close(fd);
}

static bool next_path(const char *path, char out[PATH_LEN], struct err *err)
{
    if (strlen(path) + sizeof ".new" > PATH_LEN)
        return err_set(err, ERR_INVALID, "the key ring's path is too long");
    (void)snprintf(out, PATH_LEN, "%s.new", path);
    return true;
}

int ring_begin(const char *path, struct err *err)
{
    char next[PATH_LEN];
    if (!next_path(path, next, err))
        return -1;
    int fd = open(next, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST)
        err_set(err, ERR_CONFLICT,
                "%s is there: the key ring is being changed, or who did so died: then remove it",
                next);
    else if (fd < 0)
        err_set(err, ERR_BUSY, "%s cannot be made by this user", next);
    return fd;
}

void ring_abandon(const char *path, int fd)
{
    char next[PATH_LEN];
    struct err err;
    (void)close(fd);
    if (next_path(path, next, &err))
        (void)unlink(next);
}

bool ring_commit(const char *path, int fd, const struct ring *r, bool is_new, struct err *err)
{
    char next[PATH_LEN];
    if (!next_path(path, next, err))
        return false;
    char *text = secret_alloc(FILE_MAX);
    bool ok = write_all(fd, text, format_ring(r, text));
    sodium_free(text);
    // link() refuses what is there, rename() replaces it; each at once or not at all.
    ok = ok && (is_new ? link(next, path) == 0 : rename(next, path) == 0);
    int why = ok ? 0 : errno;
    if (is_new || !ok)
        ring_abandon(path, fd);
    else
        (void)close(fd);
    sync_folder(path);
    if (why == EEXIST)
        return err_set(err, ERR_CONFLICT,
                       "key ring %s is there already: `postrider keys rotate` adds a key to it",
                       path);
    return ok || err_set(err, ERR_BUSY, "key ring %s cannot be written (errno %d)", path, why);
}
