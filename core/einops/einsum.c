/* einsum with names: each name becomes a letter, and cr_einsum does the work. */
#include <stdlib.h>
#include <string.h>

#include <cresset/ops.h>

#include "core/base/lock.h"
#include "core/base/text.h"
#include "core/einops/pattern.h"

static bool add_side(const cr_ein_call *call, cr_text *out, cr_ein_axes *axes, const char *from,
                     const char *end)
{
    cr_ein_side side;
    if (!cr_ein_parse_side(call, from, end, false, axes, &side))
        return false;
    for (int g = 0; g < side.ngroups; g++)
        if (side.parenthesised[g] || side.start[g + 1] - side.start[g] != 1)
            return cr_ein_fail(call, "parentheses and 1 have no meaning in einsum");
    for (int i = 0; i < side.naxes; i++) {
        int axis = side.axis[i];
        if (axes->data[axis].kind == CR_EIN_NUMBER)
            return cr_ein_fail(call, "the axis %s has no name", axes->data[axis].name);
        if (axes->data[axis].kind == CR_EIN_ELLIPSIS) {
            cr_text_add(out, "...");
            continue;
        }
        if (axis >= 52)
            return cr_ein_fail(call, "einsum has more than 52 axes");
        cr_text_add(out, "%c", axis < 26 ? 'a' + axis : 'A' + axis - 26);
    }
    return true;
}

/* The equation in single letters, the caller's to free; null, and the error. */
static char *translate(const cr_ein_call *call, int64_t count)
{
    size_t length = strnlen(call->pattern, CR_EIN_TEXT + 1);
    if (length > CR_EIN_TEXT)
        return cr_ein_fail(call, "it is longer than %d bytes", CR_EIN_TEXT);
    const char *arrow = strstr(call->pattern, "->"), *at = call->pattern;
    if (!arrow || strstr(arrow + 2, "->"))
        return cr_ein_fail(call, "it has %s ->", arrow ? "more than one" : "no");
    cr_ein_axes *axes = calloc(1, sizeof *axes);
    if (!axes)
        return cr_fail_memory("a pattern", sizeof *axes);
    cr_text out = {0};
    bool good = true;
    int64_t operands = 0;
    while (good && at <= arrow) {
        const char *comma = memchr(at, ',', (size_t)(arrow - at)), *end = comma ? comma : arrow;
        if (operands++)
            cr_text_add(&out, ",");
        good = add_side(call, &out, axes, at, end);
        at = end + 1;
    }
    if (good && operands != count)
        good = cr_ein_fail(call, "it has %lld inputs, given are %lld", (long long)operands,
                           (long long)count);
    size_t known = axes->count;
    cr_text_add(&out, "->");
    good = good && add_side(call, &out, axes, arrow + 2, call->pattern + length);
    if (good && axes->count > known)
        good = cr_ein_fail(call, "the axis %s is only on the right side", axes->data[known].name);
    free(axes);
    char *text = good ? cr_text_take(&out) : NULL;
    cr_text_free(&out);
    return text;
}

/* ---- translations that were made before: one for each place of a small table ---- */

enum { PLACES = 64, LONGEST = 128 };
static struct {
    int64_t count;
    char pattern[LONGEST], equation[LONGEST];
} cache[PLACES];
static cr_lock lock;

static size_t place_of(const char *text, int64_t count)
{
    uint64_t hash = 14695981039346656037u + (uint64_t)count;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    return (hash ^ hash >> 32) % PLACES;
}

static bool find(const char *pattern, int64_t count, size_t place, char *equation)
{
    cr_lock_acquire(&lock);
    bool found = cache[place].count == count && !strcmp(cache[place].pattern, pattern);
    if (found)
        memcpy(equation, cache[place].equation, LONGEST);
    cr_lock_release(&lock);
    return found;
}

static void keep(const char *pattern, int64_t count, size_t place, const char *equation)
{
    if (strlen(pattern) >= LONGEST || strlen(equation) >= LONGEST)
        return;
    cr_lock_acquire(&lock);
    cache[place].count = count;
    strcpy(cache[place].pattern, pattern);
    strcpy(cache[place].equation, equation);
    cr_lock_release(&lock);
}

cr_tensor *cr_einops_einsum(const char *pattern, cr_tensors tensors)
{
    if (!pattern || !tensors.data || tensors.count < 1)
        return cr_fail("cr_einops_einsum: needs a pattern and at least one tensor");
    for (int64_t i = 0; i < tensors.count; i++)
        if (!tensors.data[i])
            return NULL;
    const cr_ein_call call = {"cr_einops_einsum", pattern, tensors.data[0]};
    size_t place = place_of(pattern, tensors.count);
    char equation[LONGEST];
    if (find(pattern, tensors.count, place, equation))
        return cr_einsum(equation, tensors);
    char *text = translate(&call, tensors.count);
    if (!text)
        return NULL;
    keep(pattern, tensors.count, place, text);
    cr_tensor *result = cr_einsum(text, tensors);
    free(text);
    return result;
}
