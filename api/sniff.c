/* SPDX-License-Identifier: Apache-2.0 */
#include "sniff.h"

#include <string.h>

#include "mem.h"

/* --- by what stands at a fixed place ---------------------------------------------------------- */

static const struct {
    size_t at;
    const char *bytes;
    size_t n;
    const char *mime;
} magics[] = {
    {0, "\xFF\xD8\xFF", 3, "image/jpeg"},
    {0, "\x89PNG\r\n\x1A\n", 8, "image/png"},
    {0, "GIF87a", 6, "image/gif"},
    {0, "GIF89a", 6, "image/gif"},
    {8, "WEBPVP8", 7, "image/webp"},
    {8, "WAVEfmt ", 8, "audio/wav"},
    {0, "OggS", 4, "audio/ogg"},
    {0, "ID3", 3, "audio/mpeg"},
    {0, "fLaC", 4, "audio/flac"},
    {0, "#!AMR", 5, "audio/amr"},
    {0, "\x1A\x45\xDF\xA3", 4, "video/webm"},
    {0, "%PDF-", 5, "application/pdf"},
    {0, "{\\rtf", 5, "application/rtf"},
};

static struct str by_magic(struct str head)
{
    for (size_t i = 0; i < ARRAY_LEN(magics); i++)
        if (head.len >= magics[i].at + magics[i].n &&
            memcmp(head.ptr + magics[i].at, magics[i].bytes, magics[i].n) == 0)
            return str_of(magics[i].mime);
    return STR_NONE;
}

/* ISO base media: the brand says whether there are pictures in it. */
static struct str by_brand(struct str head)
{
    static const struct {
        const char *brand, *mime;
    } brands[] = {{"M4A ", "audio/mp4"},  {"M4B ", "audio/mp4"},  {"qt  ", "video/quicktime"},
                  {"heic", "image/heic"}, {"heix", "image/heic"}, {"mif1", "image/heif"},
                  {"avif", "image/avif"}, {"3gp", "video/3gpp"},  {"3g2", "video/3gpp2"}};
    if (head.len < 12 || memcmp(head.ptr + 4, "ftyp", 4) != 0)
        return STR_NONE;
    for (size_t i = 0; i < ARRAY_LEN(brands); i++)
        if (memcmp(head.ptr + 8, brands[i].brand, strlen(brands[i].brand)) == 0)
            return str_of(brands[i].mime);
    return STR("video/mp4");
}

/* A frame of MPEG audio begins with eleven ones, and then a layer; ADTS with twelve and no layer.
 */
static struct str by_frame(struct str head)
{
    if (head.len < 4 || (unsigned char)head.ptr[0] != 0xFF)
        return STR_NONE;
    unsigned second = (unsigned char)head.ptr[1];
    if ((second & 0xF6) == 0xF0)
        return STR("audio/aac");
    unsigned layer = second & 0x06; // 2: III, 4: II; I is what UTF-16 looks like, and long gone
    if ((second & 0xE0) == 0xE0 && (layer == 2 || layer == 4) && (second & 0x18) != 0x08)
        return STR("audio/mpeg");
    return STR_NONE;
}

/* --- containers, and text --------------------------------------------------------------------- */

static bool has_extension(struct str name, const char *extension)
{
    size_t n = strlen(extension);
    return name.len > n && str_ieq(str_skip(name, name.len - n), str_of(extension));
}

static struct str by_container(struct str head, struct str name)
{
    static const struct {
        const char *extension, *mime;
    } zips[] =
        {
            {".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
            {".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
            {".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
            {".odt", "application/vnd.oasis.opendocument.text"},
            {".ods", "application/vnd.oasis.opendocument.spreadsheet"},
        },
      oles[] = {
          {".doc", "application/msword"},
          {".xls", "application/vnd.ms-excel"},
          {".ppt", "application/vnd.ms-powerpoint"},
      };
    if (head.len >= 4 && memcmp(head.ptr, "PK\x03\x04", 4) == 0) {
        for (size_t i = 0; i < ARRAY_LEN(zips); i++)
            if (has_extension(name, zips[i].extension))
                return str_of(zips[i].mime);
        return STR("application/zip");
    }
    if (head.len >= 8 && memcmp(head.ptr, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", 8) == 0)
        for (size_t i = 0; i < ARRAY_LEN(oles); i++)
            if (has_extension(name, oles[i].extension))
                return str_of(oles[i].mime);
    return STR_NONE;
}

static bool is_text(struct str head)
{
    bool is_cut = head.len >= API_SNIFF_BYTES;
    while (head.len) {
        uint32_t cp = 0;
        bool valid = false;
        // The last character may be cut in two.
        size_t n = utf8_next(head, &cp, &valid);
        if (!valid && !(is_cut && head.len < 4))
            return false;
        if (cp < ' ' && !(cp == '\t' || cp == '\n' || cp == '\r' || cp == '\f'))
            return false;
        head = str_skip(head, n);
    }
    return true;
}

static struct str by_text(struct str head, struct str name)
{
    if (!head.len || !is_text(head))
        return STR_NONE;
    if (str_starts(head, STR("BEGIN:VCARD")))
        return STR("text/vcard");
    if (str_starts(head, STR("BEGIN:VCALENDAR")))
        return STR("text/calendar");
    return has_extension(name, ".csv") ? STR("text/csv") : STR("text/plain");
}

struct str api_sniff(struct str head, struct str name)
{
    struct str mime = by_magic(head);
    if (!mime.ptr)
        mime = by_brand(head);
    if (!mime.ptr)
        mime = by_frame(head);
    if (!mime.ptr)
        mime = by_container(head, name);
    return mime.ptr ? mime : by_text(head, name);
}

bool api_sniff_is_shown(struct str mime)
{
    return str_starts(mime, STR("image/")) || str_starts(mime, STR("audio/")) ||
           str_starts(mime, STR("video/")) || str_eq_c(mime, "application/pdf");
}
