/* SPDX-License-Identifier: Apache-2.0 */
/* What a file is, and which part of it is wanted. */
#include "mem.h"
#include "range.h"
#include "sniff.h"
#include "test.h"

#define BYTES(text)            \
    {                          \
        text, sizeof(text) - 1 \
    }

static const struct {
    struct str head;
    const char *name, *mime; /* mime NULL: not taken */
} files[] = {
    {BYTES("\xFF\xD8\xFF\xE0\0\x10JFIF"), "a.jpg", "image/jpeg"},
    {BYTES("\x89PNG\r\n\x1A\n\0\0\0\rIHDR"), "a.txt", "image/png"},
    {BYTES("GIF89a\1\0"), "", "image/gif"},
    {BYTES("RIFF\0\0\0\0WEBPVP8 "), "", "image/webp"},
    {BYTES("RIFF\0\0\0\0WAVEfmt "), "", "audio/wav"},
    {BYTES("RIFF\0\0\0\0AVI LIST"), "", NULL},
    {BYTES("OggS\0\2"), "voice.ogg", "audio/ogg"},
    {BYTES("ID3\4\0"), "", "audio/mpeg"},
    {BYTES("\xFF\xFB\x90\x64"), "", "audio/mpeg"},
    {BYTES("\xFF\xF1\x50\x80"), "", "audio/aac"},
    {BYTES("\xFF\xFE"
           "h\0i\0"),
     "utf16.txt", NULL},
    {BYTES("\0\0\0\x20"
           "ftypisom\0\0\2\0"),
     "", "video/mp4"},
    {BYTES("\0\0\0\x20"
           "ftypM4A \0\0\2\0"),
     "", "audio/mp4"},
    {BYTES("\0\0\0\x14"
           "ftypqt  \0\0\2\0"),
     "", "video/quicktime"},
    {BYTES("\0\0\0\x14"
           "ftyp3gp5\0\0\2\0"),
     "", "video/3gpp"},
    {BYTES("%PDF-1.7\n"), "", "application/pdf"},
    {BYTES("PK\3\4\x14\0"), "a.zip", "application/zip"},
    {BYTES("PK\3\4\x14\0"), "A.DOCX",
     "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {BYTES("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"), "a.doc", "application/msword"},
    {BYTES("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"), "a.msi", NULL},
    {BYTES("hello w\xC3\xB6rld\n"), "a.csv", "text/csv"},
    {BYTES("BEGIN:VCARD\r\nVERSION:3.0"), "", "text/vcard"},
    {BYTES("<html><script>alert(1)</script>"), "a.html", "text/plain"},
    {BYTES("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"), "a.svg", "text/plain"},
    {BYTES("MZ\x90\0\3\0"), "a.jpg", NULL},
    {BYTES("\x7F"
           "ELF\2\1\1\0"),
     "a.pdf", NULL},
    {BYTES("\1\2\3\4"), "a.txt", NULL},
    {BYTES(""), "a.txt", NULL},
};

static void a_file_is_what_its_bytes_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct str got = api_sniff(files[i].head, str_of(files[i].name));
        if (files[i].mime ? !str_eq_c(got, files[i].mime) : got.ptr != NULL)
            fail_msg("%zu (%s): '%.*s'", i, files[i].name, STR_ARG(got));
    }
}

static void a_text_may_be_cut_within_a_character(void **state)
{
    (void)state;
    char head[API_SNIFF_BYTES];
    for (size_t i = 0; i < sizeof head; i++)
        head[i] = 'x';
    head[sizeof head - 1] = '\xC3';
    assert_true(api_sniff((struct str){head, sizeof head}, STR("")).ptr != NULL);
    assert_null(api_sniff((struct str){head + 1, sizeof head - 1}, STR("")).ptr); // it is all there
}

static void what_could_run_is_not_shown(void **state)
{
    (void)state;
    assert_true(api_sniff_is_shown(STR("image/png")) && api_sniff_is_shown(STR("application/pdf")));
    assert_false(api_sniff_is_shown(STR("text/plain")) ||
                 api_sniff_is_shown(STR("application/zip")));
}

static const struct {
    const char *header;
    int64_t size;
    enum api_range is;
    int64_t from, length;
} ranges[] = {
    {"bytes=0-0", 10, API_RANGE_PART, 0, 1},
    {"bytes=0-", 10, API_RANGE_PART, 0, 10},
    {"bytes=3-5", 10, API_RANGE_PART, 3, 3},
    {"bytes=9-", 10, API_RANGE_PART, 9, 1},
    {"bytes=3-99", 10, API_RANGE_PART, 3, 7},
    {"bytes=-4", 10, API_RANGE_PART, 6, 4},
    {"bytes=-40", 10, API_RANGE_PART, 0, 10},
    {"bytes=10-", 10, API_RANGE_BAD, 0, 0},
    {"bytes=-0", 10, API_RANGE_BAD, 0, 0},
    {"bytes=0-", 0, API_RANGE_BAD, 0, 0},
    {"bytes=5-3", 10, API_RANGE_ALL, 0, 0},
    {"bytes=-", 10, API_RANGE_ALL, 0, 0},
    {"bytes=a-b", 10, API_RANGE_ALL, 0, 0},
    {"bytes=1-2,4-5", 10, API_RANGE_ALL, 0, 0},
    {"items=1-2", 10, API_RANGE_ALL, 0, 0},
    {"", 10, API_RANGE_ALL, 0, 0},
    {"bytes=--5", 10, API_RANGE_ALL, 0, 0},
    {"bytes=99999999999999999999-", 10, API_RANGE_ALL, 0, 0},
};

static void a_range_is_served_refused_or_ignored(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        int64_t from = 0, length = 0;
        enum api_range got =
            api_range_read(str_of(ranges[i].header), ranges[i].size, &from, &length);
        if (got != ranges[i].is || from != ranges[i].from || length != ranges[i].length)
            fail_msg("%s: %d %lld %lld", ranges[i].header, got, (long long)from, (long long)length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_what_its_bytes_say),
        cmocka_unit_test(a_text_may_be_cut_within_a_character),
        cmocka_unit_test(what_could_run_is_not_shown),
        cmocka_unit_test(a_range_is_served_refused_or_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
