/* Numbers in cells, read fast: up to 18 digits and small powers of ten are exact in a double's arithmetic; the rest goes to
 * strtod. */
#include "core/io/csv_cell.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const double cr_powers_of_ten[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

const uint64_t cr_whole_powers_of_ten[9] = {1,      10,      100,      1000,     10000,
                                            100000, 1000000, 10000000, 100000000};

static bool slow(const char *cell, size_t length, double *value)
{
    char text[128];
    if (length >= sizeof text)
        return false;
    memcpy(text, cell, length);
    text[length] = 0;
    /* the point is the locale's for strtod, but always a point here */
    const char *point = localeconv()->decimal_point;
    char *dot = strchr(text, '.');
    if (dot && point[0] != '.' && !point[1])
        *dot = point[0];
    char *end;
    *value = strtod(text, &end);
    return end == text + length;
}

/* "inf", "-Infinity" and their like. */
static bool is_word(const char *at, const char *end, bool negative, double *value)
{
    static const char *const words[] = {"inf", "Inf", "INF", "infinity", "Infinity"};
    size_t length = (size_t)(end - at);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i]) != length || memcmp(at, words[i], length))
            continue;
        *value = negative ? -INFINITY : INFINITY;
        return true;
    }
    return false;
}

cr_cell_kind cr_cell_number(const char *cell, size_t length, int64_t *whole, double *value)
{
    const char *at = cell, *end = cell + length;
    while (at < end && *at == ' ')
        at++;
    while (end > at && end[-1] == ' ')
        end--;
    cell = at;
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (at == end)
        return CR_CELL_TEXT;
    uint64_t digits = 0;
    int count = 0, exponent = 0;
    const char *first = at;
    for (; at < end && (unsigned char)(*at - '0') < 10; at++) {
        digits = digits * 10 + (uint64_t)(*at - '0');
        count += digits != 0;
    }
    bool any = at > first;
    if (at == end && count <= 18) {
        *whole = negative ? -(int64_t)digits : (int64_t)digits;
        *value = negative ? -(double)digits : (double)digits;
        return CR_CELL_INT;
    }
    if (at < end && *at == '.') {
        const char *from = ++at;
        for (; at < end && (unsigned char)(*at - '0') < 10; at++) {
            digits = digits * 10 + (uint64_t)(*at - '0');
            count += digits != 0;
        }
        exponent = -(int)(at - from);
        any |= at > from;
    }
    if (!any)
        return is_word(at, end, negative, value) ? CR_CELL_FLOAT : CR_CELL_TEXT;
    bool simple = at == end && count <= 18 && digits <= (uint64_t)1 << 53 && exponent >= -22;
    if (simple) {
        double number = (double)digits / cr_powers_of_ten[-exponent];
        *value = negative ? -number : number;
        return CR_CELL_FLOAT;
    }
    if (at < end && *at != 'e' && *at != 'E')
        return CR_CELL_TEXT;
    for (const char *c = at; c < end; c++)
        if (!strchr("0123456789+-eE", *c))
            return CR_CELL_TEXT;
    return slow(cell, (size_t)(end - cell), value) ? CR_CELL_FLOAT : CR_CELL_TEXT;
}

bool cr_cell_is_missing(const char *cell, size_t length)
{
    static const char *const words[] = {"NA", "N/A", "NaN", "nan", "null", "NULL", "None"};
    if (!length)
        return true;
    if (length > 4 || (cell[0] != 'N' && cell[0] != 'n'))
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == length && !memcmp(words[i], cell, length))
            return true;
    return false;
}
