/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds files to a fuzz target without a fuzzer: each argument is a file or a folder, read with
 * what is below it. A folder that does not exist holds nothing. */
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_MAX     (1 << 20)
#define FOLDERS_OPEN 8

static int n_files;

static int replay(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)ftw;
    if (type != FTW_F || st->st_size > FILE_MAX)
        return 0;
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return 1;
    }
    // Exactly as large as the input, so that the address sanitizer sees each byte too many.
    size_t size = (size_t)st->st_size;
    uint8_t *data = malloc(size ? size : 1);
    size_t n = data ? fread(data, 1, size, f) : 0;
    (void)fclose(f);
    if (!data || n != size) {
        (void)fprintf(stderr, "%s: could not be read whole\n", path);
        free(data);
        return 1;
    }
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    n_files++;
    return 0;
}

int main(int argc, char **argv)
{
    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) == 0 && nftw(argv[i], replay, FOLDERS_OPEN, FTW_PHYS) != 0)
            return 1;
    }
    (void)printf("%d files replayed\n", n_files);
    return n_files > 0 ? 0 : 1;
}
