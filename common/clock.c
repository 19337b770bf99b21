/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <string.h>
#include <time.h>

#define DAY_S  86400
#define DAY_MS (DAY_S * INT64_C(1000))

static int64_t read_us(clockid_t id)
{
    struct timespec t = {0};
    (void)clock_gettime(id, &t); // fails only for a clock that Linux does not have
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_at_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

/* Days since 1970-01-01 in the Gregorian calendar. The year is counted from March, so that the leap
 * day is its last; eras of 400 years repeat. year >= 0. */
static int64_t days_of(int year, int month, int day)
{
    int y = year - (month <= 2) + 400; // one era up keeps it positive in year 0
    int era = y / 400, of_era = y % 400;
    int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    return (int64_t)(era - 1) * 146097 + days - 719468;
}

static void civil_of(int64_t days, int *year, int *month, int *day)
{
    int64_t z = days + 719468 + 146097; // one era up keeps it positive in year 0
    int64_t era = z / 146097, n = z % 146097;
    int64_t y = (n - n / 1460 + n / 36524 - n / 146096) / 365;
    int64_t of_year = n - (365 * y + y / 4 - y / 100);
    int64_t mp = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(y + (era - 1) * 400 + (*month <= 2));
}

static char *put_digits(char *p, int v, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        p[i] = (char)('0' + v % 10);
        v /= 10;
    }
    return p + width;
}

size_t clock_format(int64_t at_ms, char out[CLOCK_TEXT_MAX])
{
    const int64_t first = days_of(0, 1, 1) * DAY_MS, last = days_of(9999, 12, 31) * DAY_MS;
    // Four digits of year are all that the format has.
    if (at_ms < first)
        at_ms = first;
    if (at_ms > last + DAY_MS - 1)
        at_ms = last + DAY_MS - 1;

    int64_t days = at_ms / DAY_MS, ms = at_ms % DAY_MS;
    if (ms < 0) {
        ms += DAY_MS;
        days--;
    }
    int year, month, day, s = (int)(ms / 1000);
    civil_of(days, &year, &month, &day);

    char *p = put_digits(out, year, 4);
    *p++ = '-';
    p = put_digits(p, month, 2);
    *p++ = '-';
    p = put_digits(p, day, 2);
    *p++ = 'T';
    p = put_digits(p, s / 3600, 2);
    *p++ = ':';
    p = put_digits(p, s / 60 % 60, 2);
    *p++ = ':';
    p = put_digits(p, s % 60, 2);
    *p++ = '.';
    p = put_digits(p, (int)(ms % 1000), 3);
    *p++ = 'Z';
    *p = '\0';
    return (size_t)(p - out);
}

/* Exactly `width` digits at the front of *s, in lo..hi. */
static bool take_digits(struct str *s, int width, int lo, int hi, int *out)
{
    if (s->len < (size_t)width)
        return false;
    int v = 0;
    for (int i = 0; i < width; i++) {
        if (s->ptr[i] < '0' || s->ptr[i] > '9')
            return false;
        v = v * 10 + (s->ptr[i] - '0');
    }
    *s = str_skip(*s, (size_t)width);
    *out = v;
    return v >= lo && v <= hi;
}

static bool take_char(struct str *s, const char *any_of)
{
    if (s->len == 0 || s->ptr[0] == '\0' || !strchr(any_of, s->ptr[0]))
        return false;
    *s = str_skip(*s, 1);
    return true;
}

/* ".5" to ".123456789", cut to milliseconds; none is 0. */
static bool take_fraction(struct str *s, int *ms)
{
    *ms = 0;
    if (!take_char(s, "."))
        return true;
    size_t n = 0;
    int scale = 100;
    while (n < s->len && s->ptr[n] >= '0' && s->ptr[n] <= '9') {
        *ms += (s->ptr[n] - '0') * scale;
        scale /= 10;
        n++;
    }
    *s = str_skip(*s, n);
    return n >= 1 && n <= 9;
}

/* "Z", "+01:00", or "+0100" as ISO 8601 and Meta's Graph API write it. */
static bool take_offset(struct str *s, int *offset_s)
{
    *offset_s = 0;
    if (take_char(s, "Zz"))
        return true;
    int sign = s->len > 0 && s->ptr[0] == '-' ? -1 : 1, hours, minutes;
    if (!take_char(s, "+-") || !take_digits(s, 2, 0, 23, &hours))
        return false;
    take_char(s, ":");
    if (!take_digits(s, 2, 0, 59, &minutes))
        return false;
    *offset_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

bool clock_parse(struct str s, int64_t *at_ms)
{
    int year, month, day, hour, minute, second, ms, offset_s;
    if (!take_digits(&s, 4, 0, 9999, &year) || !take_char(&s, "-"))
        return false;
    if (!take_digits(&s, 2, 1, 12, &month) || !take_char(&s, "-"))
        return false;
    if (!take_digits(&s, 2, 1, month_days(year, month), &day) || !take_char(&s, "Tt"))
        return false;
    if (!take_digits(&s, 2, 0, 23, &hour) || !take_char(&s, ":"))
        return false;
    if (!take_digits(&s, 2, 0, 59, &minute) || !take_char(&s, ":"))
        return false;
    // 60 is a leap second, which the count since 1970 does not know: it is the next second.
    if (!take_digits(&s, 2, 0, 60, &second))
        return false;
    if (!take_fraction(&s, &ms) || !take_offset(&s, &offset_s) || s.len > 0)
        return false;

    int64_t at_s =
        days_of(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second - offset_s;
    *at_ms = at_s * 1000 + ms;
    return true;
}
