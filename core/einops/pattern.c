/* The parser of patterns. */
#include "core/einops/pattern.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *cr_ein_fail(const cr_ein_call *call, const char *format, ...)
{
    char text[CR_TEXT_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (call->tensor)
        return cr_fail("%s: pattern \"%.300s\", input %s: %s", call->who, call->pattern,
                       cr_describe(call->tensor), text);
    return cr_fail("%s: pattern \"%.300s\": %s", call->who, call->pattern, text);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool cr_ein_side_has(const cr_ein_side *side, size_t axis)
{
    for (int i = 0; i < side->naxes; i++)
        if (side->axis[i] == axis)
            return true;
    return false;
}

/* The index of an axis in the pattern, new or not; -1 and the error. */
static int note_axis(const cr_ein_call *call, cr_ein_axes *axes, const char *text, size_t length,
                     cr_ein_axis_kind kind, int64_t size, bool unique)
{
    for (size_t i = 0; i < axes->count && !unique; i++) {
        const cr_ein_axis *a = &axes->data[i];
        if (a->kind == kind && !strncmp(a->name, text, length) && !a->name[length])
            return (int)i;
    }
    if (axes->count == CR_EIN_AXES || axes->used + length + 1 > sizeof axes->names)
        return cr_ein_fail(call, "it has more than %d axes", CR_EIN_AXES), -1;
    char *name = axes->names + axes->used;
    memcpy(name, text, length);
    name[length] = 0;
    axes->used += length + 1;
    axes->data[axes->count] = (cr_ein_axis){name, kind, size};
    return (int)axes->count++;
}

/* Where parsing is within a side. */
typedef struct cursor {
    const cr_ein_call *call;
    const char *at, *end;
    bool underscore;
    bool open; /* inside of parentheses */
    cr_ein_axes *axes;
    cr_ein_side *side;
} cursor;

static bool begin_group(cursor *c, bool parenthesised)
{
    if (c->side->ngroups == CR_EIN_SIDE)
        return cr_ein_fail(c->call, "one side has more than %d dimensions", CR_EIN_SIDE);
    c->side->start[c->side->ngroups] = c->side->naxes;
    c->side->parenthesised[c->side->ngroups++] = parenthesised;
    c->side->start[c->side->ngroups] = c->side->naxes;
    return true;
}

static bool add_axis(cursor *c, const char *text, size_t length, cr_ein_axis_kind kind,
                     int64_t size)
{
    bool unique = kind == CR_EIN_NUMBER || (length == 1 && *text == '_');
    int axis = note_axis(c->call, c->axes, text, length, kind, size, unique);
    if (axis < 0)
        return false;
    if (cr_ein_side_has(c->side, (size_t)axis))
        return cr_ein_fail(c->call, "the axis %.*s is there twice on one side", (int)length, text);
    if (!c->open && !begin_group(c, false))
        return false;
    if (c->side->naxes == CR_EIN_SIDE)
        return cr_ein_fail(c->call, "one side has more than %d axes", CR_EIN_SIDE);
    if (kind == CR_EIN_ELLIPSIS)
        c->side->ellipsis = (int8_t)(c->side->ngroups - 1);
    c->side->axis[c->side->naxes++] = (uint8_t)axis;
    c->side->start[c->side->ngroups] = c->side->naxes;
    return true;
}

static bool parse_number(cursor *c)
{
    const char *from = c->at;
    int64_t value = 0;
    while (c->at < c->end && is_digit(*c->at)) {
        if (value > INT64_MAX / 10 - 1)
            return cr_ein_fail(c->call, "the axis %.*s is too large", (int)(c->at - from), from);
        value = value * 10 + (*c->at++ - '0');
    }
    if (c->at < c->end && is_letter(*c->at))
        return cr_ein_fail(c->call, "the axis %.*s begins with a digit", (int)(c->at + 1 - from),
                           from);
    if (!value)
        return cr_ein_fail(c->call, "an axis without a name can't have the size 0");
    if (value == 1)
        return c->open || begin_group(c, false);
    return add_axis(c, from, (size_t)(c->at - from), CR_EIN_NUMBER, value);
}

static bool parse_name(cursor *c)
{
    const char *from = c->at;
    while (c->at < c->end && (is_letter(*c->at) || is_digit(*c->at)))
        c->at++;
    size_t length = (size_t)(c->at - from);
    bool lone = length == 1 && *from == '_';
    if (lone && !c->underscore)
        return cr_ein_fail(c->call, "the axis _ is only for cr_parse_shape");
    if (!lone && (*from == '_' || from[length - 1] == '_'))
        return cr_ein_fail(c->call, "the axis %.*s begins or ends with an underscore",
                           (int)(length < 60 ? length : 60), from);
    return add_axis(c, from, length, CR_EIN_NAMED, -1);
}

static bool parse_item(cursor *c)
{
    char k = *c->at;
    if (k == '(') {
        if (c->open)
            return cr_ein_fail(c->call, "parentheses within parentheses");
        c->at++;
        if (!begin_group(c, true))
            return false;
        return c->open = true;
    }
    if (k == ')') {
        if (!c->open)
            return cr_ein_fail(c->call, "a ) without its (");
        c->at++;
        c->open = false;
        return true;
    }
    if (k == '.') {
        if (c->end - c->at < 3 || c->at[1] != '.' || c->at[2] != '.')
            return cr_ein_fail(c->call, "a dot outside of ...");
        c->at += 3;
        if (c->side->ellipsis >= 0)
            return cr_ein_fail(c->call, "... is there twice on one side");
        return add_axis(c, "...", 3, CR_EIN_ELLIPSIS, -1);
    }
    if (is_digit(k))
        return parse_number(c);
    if (is_letter(k))
        return parse_name(c);
    return cr_ein_fail(c->call, "unexpected %s%c%s", k >= ' ' && k < 127 ? "'" : "byte ",
                       k >= ' ' && k < 127 ? k : '?', k >= ' ' && k < 127 ? "'" : "");
}

bool cr_ein_parse_side(const cr_ein_call *call, const char *text, const char *end, bool underscore,
                       cr_ein_axes *axes, cr_ein_side *side)
{
    *side = (cr_ein_side){.ellipsis = -1};
    cursor c = {call, text, end, underscore, false, axes, side};
    while (c.at < end) {
        if (*c.at == ' ')
            c.at++;
        else if (!parse_item(&c))
            return false;
    }
    if (c.open)
        return cr_ein_fail(call, "a ( without its )");
    return true;
}

/* ---- whole patterns ---- */

/* An axis of `in` that `other` lacks, or -1. */
static int first_missing(const cr_ein_side *in, const cr_ein_side *other)
{
    for (int i = 0; i < in->naxes; i++)
        if (!cr_ein_side_has(other, in->axis[i]))
            return in->axis[i];
    return -1;
}

static bool check_pattern(const cr_ein_call *call, cr_ein_pattern *p)
{
    const cr_ein_side *l = &p->left, *r = &p->right;
    if (r->ellipsis >= 0 && l->ellipsis < 0)
        return cr_ein_fail(call, "... is on the right side, but not on the left");
    if (l->ellipsis >= 0 && l->parenthesised[l->ellipsis])
        return cr_ein_fail(call, "... can't be in parentheses on the left side");
    for (size_t i = 0; i < p->axes.count && p->kind == CR_EIN_REARRANGE; i++)
        if (p->axes.data[i].kind == CR_EIN_NUMBER)
            return cr_ein_fail(
                call, "the axis %s has no name; rearranging keeps all axes, so each needs one",
                p->axes.data[i].name);
    int missing = p->kind == CR_EIN_REDUCE ? -1 : first_missing(l, r);
    if (missing >= 0)
        return cr_ein_fail(call, "the axis %s is only on the left side",
                           p->axes.data[missing].name);
    missing = p->kind == CR_EIN_REPEAT ? -1 : first_missing(r, l);
    if (missing >= 0)
        return cr_ein_fail(call, "the axis %s is only on the right side",
                           p->axes.data[missing].name);
    return true;
}

cr_ein_pattern *cr_ein_parse(const cr_ein_call *call, cr_ein_kind kind)
{
    size_t length = strnlen(call->pattern, CR_EIN_TEXT + 1);
    if (length > CR_EIN_TEXT)
        return cr_ein_fail(call, "it is longer than %d bytes", CR_EIN_TEXT);
    const char *arrow = strstr(call->pattern, "->");
    if (!arrow)
        return cr_ein_fail(call, "it has no ->");
    if (strstr(arrow + 2, "->"))
        return cr_ein_fail(call, "it has more than one ->");
    cr_ein_pattern *p = calloc(1, sizeof *p);
    if (!p || !(p->text = malloc(length + 1))) {
        free(p);
        return cr_fail_memory("a pattern", sizeof *p + length + 1);
    }
    memcpy(p->text, call->pattern, length + 1);
    atomic_init(&p->refs, 1);
    p->kind = kind;
    if (!cr_ein_parse_side(call, call->pattern, arrow, false, &p->axes, &p->left) ||
        !cr_ein_parse_side(call, arrow + 2, call->pattern + length, false, &p->axes, &p->right) ||
        !check_pattern(call, p)) {
        cr_ein_release(p);
        return NULL;
    }
    return p;
}

void cr_ein_release(cr_ein_pattern *pattern)
{
    if (!pattern || atomic_fetch_sub_explicit(&pattern->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(pattern->text);
    free(pattern);
}
