/* SPDX-License-Identifier: Apache-2.0 */
/* Which passwords are too easy to guess. */
#include <string.h>

#include "crypto.h"
#include "embedded.h"
#include "mem.h"
#include "password.h"

#define WORD_MAX  128
#define PLAIN_MIN 4 /* what is left of a common word without its digits must still be one */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

/* The list: one word a line, lower case. */
static bool is_common(struct str word)
{
    struct str line, rest = {api_password_files[0].text, api_password_files[0].len};
    while (rest.len) {
        struct str tail;
        (void)str_cut(rest, '\n', &line, &tail);
        if (str_eq(line, word))
            return true;
        rest = tail;
    }
    return false;
}

/* The letters that signs and digits stand for. */
static char letter_of(char c)
{
    static const char from[] = "0134578@$!", to[] = "oieastbasi";
    const char *found = c ? strchr(from, c) : NULL;
    return found ? to[found - from] : c;
}

static bool is_made_of_common(struct str plain, char word[WORD_MAX])
{
    struct str core = plain;
    while (core.len && !is_letter(core.ptr[core.len - 1]))
        core.len--; // "password2024!"
    while (core.len && !is_letter(core.ptr[0]))
        core = str_skip(core, 1);
    if (core.len >= PLAIN_MIN && is_common(core))
        return true;
    for (size_t i = 0; i < plain.len; i++)
        word[i] = letter_of(plain.ptr[i]);
    struct str letters = {word, plain.len};
    while (letters.len && !is_letter(letters.ptr[letters.len - 1]))
        letters.len--;
    if (letters.len >= PLAIN_MIN && is_common(letters))
        return true;
    // "p4ssw0rd123": the digits at the end are no letters there.
    letters = (struct str){word, core.len};
    for (size_t i = 0; i < core.len; i++)
        word[i] = letter_of(core.ptr[i]);
    return letters.len >= PLAIN_MIN && is_common(letters);
}

/* One short thing again and again: "abcabcabcabc". */
static bool is_repeated(struct str s)
{
    for (size_t n = 1; n <= 4 && n * 2 <= s.len; n++) {
        size_t i = n;
        while (i < s.len && s.ptr[i] == s.ptr[i - n])
            i++;
        if (i == s.len)
            return true;
    }
    return false;
}

/* Each character next to the one before, in the alphabet, among the digits or on the keyboard. */
static bool is_row(struct str s)
{
    static const char *const rows[] = {"abcdefghijklmnopqrstuvwxyz",
                                       "01234567890",
                                       "qwertyuiop[]",
                                       "asdfghjkl;'",
                                       "zxcvbnm,./",
                                       "qwertzuiop",
                                       "azertyuiop",
                                       "1qaz2wsx3edc4rfv5tgb6yhn7ujm"};
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        size_t up = 1, down = 1;
        for (size_t i = 1; i < s.len; i++) {
            const char *at = s.ptr[i - 1] ? strchr(rows[r], s.ptr[i - 1]) : NULL;
            up += at && at[1] && at[1] == s.ptr[i];
            down += at && at > rows[r] && at[-1] == s.ptr[i];
        }
        if (s.len && (up == s.len || down == s.len))
            return true;
    }
    return false;
}

static bool holds(struct str text, struct str part)
{
    return part.len >= PLAIN_MIN && text.len >= part.len &&
           memmem(text.ptr, text.len, part.ptr, part.len) != NULL;
}

/* `all`: in lower case. `word`: room to work in, for the caller to wipe. */
static const char *weakness(struct str all, struct str email, char word[WORD_MAX])
{
    char address[WORD_MAX];
    struct str local, domain;
    (void)str_cut(email, '@', &local, &domain);
    if (local.len > WORD_MAX)
        local.len = WORD_MAX;
    for (size_t i = 0; i < local.len; i++)
        address[i] = lower(local.ptr[i]);
    if (is_common(all) || is_made_of_common(all, word) || is_repeated(all) || is_row(all))
        return "the password is one that many people use";
    // An address within a longer one is no harm; one that is most of it is.
    if (holds(all, (struct str){address, local.len}) && local.len * 2 > all.len)
        return "the password is made of the e-mail address";
    return NULL;
}

const char *api_password_weakness(struct str password, struct str email, int64_t length_min)
{
    char plain[WORD_MAX], word[WORD_MAX];
    int64_t characters = 0;
    for (struct str s = password; s.len; characters++) {
        uint32_t cp;
        bool valid;
        s = str_skip(s, utf8_next(s, &cp, &valid));
    }
    if (characters < length_min)
        return "the password is too short";
    if (password.len > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < password.len; i++)
        plain[i] = lower(password.ptr[i]);
    const char *why = weakness((struct str){plain, password.len}, email, word);
    crypto_wipe(plain, sizeof plain);
    crypto_wipe(word, sizeof word);
    return why;
}
