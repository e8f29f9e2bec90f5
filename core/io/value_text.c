/* Printing and parsing of values as "type text". */
#include "core/io/value_text.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"

static const struct {
    const char *name;
    cr_tag tag, of; /* of: a list's elements */
} types[] = {
    {"none", CR_NONE, CR_NONE},          {"int", CR_INT, CR_NONE},
    {"float", CR_FLOAT, CR_NONE},        {"bool", CR_BOOL, CR_NONE},
    {"string", CR_STRING, CR_NONE},      {"dtype", CR_DTYPE, CR_NONE},
    {"device", CR_DEVICE, CR_NONE},      {"ints", CR_INT_LIST, CR_INT},
    {"floats", CR_FLOAT_LIST, CR_FLOAT}, {"bools", CR_BOOL_LIST, CR_BOOL},
};
enum { TYPES = sizeof types / sizeof *types };

/* ---- printing ---- */

static void print_float(double value, cr_text *text)
{
    char digits[64];
    for (int precision = 15; precision <= 17; precision++) { /* the shortest that reads back */
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    for (char *c = digits; *c; c++) /* the locale's decimal point becomes a dot */
        if (!strchr("0123456789+-einfa", *c))
            *c = '.';
    cr_text_add(text, "%s", digits);
}

static void print_scalar(cr_tag tag, int64_t i, double f, cr_text *text)
{
    if (tag == CR_FLOAT)
        print_float(f, text);
    else if (tag == CR_BOOL)
        cr_text_add(text, i ? "true" : "false");
    else
        cr_text_add(text, "%" PRId64, i);
}

static void print_list(const cr_value *value, cr_tag of, cr_text *text)
{
    for (int64_t i = 0; i < value->count; i++) {
        cr_text_add(text, i ? "," : "");
        print_scalar(of,
                     of == CR_INT    ? value->as.ints[i]
                     : of == CR_BOOL ? value->as.bools[i]
                                     : 0,
                     of == CR_FLOAT ? value->as.floats[i] : 0, text);
    }
}

int cr_value_print(const cr_value *value, cr_text *text)
{
    int type = 0;
    while (type < TYPES && types[type].tag != (cr_tag)value->tag)
        type++;
    if (type == TYPES)
        return CR_FAIL_INT("a tensor or a list of tensors can't be saved as a value");
    cr_text_add(text, "%s", types[type].name);
    if (value->tag == CR_NONE)
        return 0;
    cr_text_add(text, " ");
    if (types[type].of)
        print_list(value, types[type].of, text);
    else if (value->tag == CR_STRING)
        cr_text_add_bytes(text, value->as.s, (size_t)value->count);
    else if (value->tag == CR_DEVICE)
        cr_text_add(text, "%s", value->as.s);
    else if (value->tag == CR_DTYPE)
        cr_text_add(text, "%s", cr_dtype_name((cr_dtype)value->as.i));
    else
        print_scalar((cr_tag)value->tag, value->as.i, value->tag == CR_FLOAT ? value->as.f : 0,
                     text);
    return 0;
}

/* ---- parsing ---- */

static bool parse_float(const char *at, size_t length, double *value)
{
    char digits[64], *end;
    if (!length || length >= sizeof digits)
        return false;
    memcpy(digits, at, length);
    digits[length] = 0;
    if (digits[strspn(digits, "0123456789+-.einfa")])
        return false;
    char *dot = strchr(digits, '.');
    if (dot)
        *dot = *localeconv()->decimal_point;
    *value = strtod(digits, &end);
    return end == digits + length;
}

static bool parse_int(const char *at, size_t length, int64_t *value)
{
    char digits[24], *end;
    if (!length || length >= sizeof digits)
        return false;
    memcpy(digits, at, length);
    digits[length] = 0;
    if (digits[strspn(digits, "0123456789-")])
        return false;
    errno = 0;
    *value = strtoll(digits, &end, 10);
    return !errno && end == digits + length;
}

/* One element, into the value's union or the list's i-th place. */
static bool parse_scalar(cr_tag tag, const char *at, size_t length, void *to)
{
    if (tag == CR_FLOAT)
        return parse_float(at, length, to);
    if (tag == CR_INT)
        return parse_int(at, length, to);
    bool is_true = length == 4 && !memcmp(at, "true", 4);
    *(uint8_t *)to = is_true;
    return is_true || (length == 5 && !memcmp(at, "false", 5));
}

static bool parse_list(cr_tag of, const char *at, cr_value *value, void **block)
{
    size_t count = *at ? 1 : 0, size = of == CR_BOOL ? 1 : 8;
    for (const char *c = at; *c; c++)
        count += *c == ',';
    unsigned char *list = malloc(count ? count * size : 1);
    *block = list;
    if (!list)
        return false;
    value->count = (int64_t)count;
    value->as.ints = *block; /* the union's pointers are one */
    for (size_t i = 0; i < count; i++) {
        size_t length = strcspn(at, ",");
        if (!parse_scalar(of, at, length, list + i * size))
            return false;
        at += length + (at[length] == ',');
    }
    return true;
}

int cr_value_parse(const char *what, const char *text, cr_value *value, void **block)
{
    *value = (cr_value){0};
    *block = NULL;
    size_t length = strcspn(text, " ");
    const char *rest = text[length] ? text + length + 1 : text + length;
    int type = 0;
    while (type < TYPES &&
           (strlen(types[type].name) != length || memcmp(types[type].name, text, length)))
        type++;
    bool good = type < TYPES;
    value->tag = good ? (int32_t)types[type].tag : CR_NONE;
    if (good && types[type].of) {
        good = parse_list(types[type].of, rest, value, block);
    } else if (value->tag == CR_STRING || value->tag == CR_DEVICE) {
        value->as.s = rest;
        value->count = (int64_t)strlen(rest);
    } else if (value->tag == CR_DTYPE) {
        value->as.i = cr_dtype_by_name(rest);
        good = value->as.i != CR_DTYPE_NONE;
    } else if (value->tag == CR_BOOL) {
        uint8_t on;
        good = parse_scalar(CR_BOOL, rest, strlen(rest), &on);
        value->as.i = on;
    } else if (value->tag == CR_INT || value->tag == CR_FLOAT) {
        good = parse_scalar((cr_tag)value->tag, rest, strlen(rest), &value->as);
    }
    if (good)
        return 0;
    free(*block);
    *block = NULL;
    return CR_FAIL_INT("%s: '%.80s' is no value", what, text);
}
