/* pack, unpack and parse_shape. */
#include <stdlib.h>
#include <string.h>

#include <cresset/ops.h>

#include "core/einops/pattern.h"

/* The dimensions named before and behind the star of "b * c". False, and the error. */
static bool parse_star(const cr_ein_call *call, int *before, int *after)
{
    const char *star = strchr(call->pattern, '*');
    if (!star || strchr(star + 1, '*'))
        return cr_ein_fail(call, "it needs one *");
    if (strlen(call->pattern) > CR_EIN_TEXT)
        return cr_ein_fail(call, "it is longer than %d bytes", CR_EIN_TEXT);
    if ((star > call->pattern && star[-1] != ' ') || (star[1] && star[1] != ' '))
        return cr_ein_fail(call, "the * must stand alone");
    cr_ein_axes *axes = calloc(1, sizeof *axes);
    if (!axes)
        return cr_fail_memory("a pattern", sizeof *axes);
    cr_ein_side left, right;
    bool good = cr_ein_parse_side(call, call->pattern, star, false, axes, &left) &&
                cr_ein_parse_side(call, star + 1, star + strlen(star), false, axes, &right);
    for (size_t i = 0; i < axes->count && good; i++)
        if (axes->data[i].kind != CR_EIN_NAMED)
            good = cr_ein_fail(call, "%s has no meaning here, only names have", axes->data[i].name);
    for (int i = 0; i < left.naxes && good; i++)
        if (cr_ein_side_has(&right, left.axis[i]))
            good = cr_ein_fail(call, "the axis %s is there twice", axes->data[left.axis[i]].name);
    if (good && (left.naxes != left.ngroups || right.naxes != right.ngroups ||
                 strpbrk(call->pattern, "()")))
        good = cr_ein_fail(call, "parentheses and 1 have no meaning here");
    free(axes);
    *before = left.naxes;
    *after = right.naxes;
    return good;
}

/* Where * is among a tensor's dimensions: from `before` to *end. */
static bool fit_star(const cr_ein_call *call, int before, int after, int *end)
{
    int dim = call->tensor->dim;
    *end = dim - after;
    if (dim < before + after)
        return cr_ein_fail(call, "it needs at least %d dimensions", before + after);
    return true;
}

static cr_tensor *flatten_star(const cr_ein_call *call, cr_tensor *t, int before, int after,
                               cr_packed_shape *shape)
{
    int end, dim = 0;
    int64_t sizes[CR_MAX_RANK + 1], product = 1;
    if (!fit_star(call, before, after, &end))
        return NULL;
    if (before + after + 1 > CR_MAX_RANK)
        return cr_ein_fail(call, "the result has more than %d dimensions", CR_MAX_RANK);
    for (int i = 0; i < before; i++)
        sizes[dim++] = t->size[i];
    shape->dim = end - before;
    for (int i = before; i < end; i++)
        product *= shape->sizes[i - before] = t->size[i];
    sizes[dim++] = product;
    for (int i = end; i < t->dim; i++)
        sizes[dim++] = t->size[i];
    return cr_reshape(t, cr_make_ints(sizes, (size_t)dim));
}

cr_tensor *cr_pack(cr_tensors tensors, const char *pattern, cr_packed_shape *shapes)
{
    if (!pattern || !shapes || !tensors.data || tensors.count < 1)
        return cr_fail("cr_pack: needs at least one tensor, a pattern and room for the shapes");
    int before, after;
    if (!parse_star(&(const cr_ein_call){"cr_pack", pattern, NULL}, &before, &after))
        return NULL;
    cr_tensor **flat = calloc((size_t)tensors.count, sizeof *flat);
    if (!flat)
        return cr_fail_memory("a list of tensors", (size_t)tensors.count * sizeof *flat);
    cr_tensor *result = NULL;
    int64_t i = 0;
    for (; i < tensors.count && tensors.data[i]; i++) {
        const cr_ein_call call = {"cr_pack", pattern, tensors.data[i]};
        if (!(flat[i] = flatten_star(&call, tensors.data[i], before, after, &shapes[i])))
            break;
    }
    if (i == tensors.count)
        result = cr_cat(cr_make_tensors(flat, (size_t)i), .dim = before);
    free(flat);
    return result;
}

/* The widths of the packed shapes along *, the unknown one found. */
static bool find_widths(const cr_ein_call *call, const cr_packed_shape *shapes, size_t count,
                        int64_t total, int64_t *widths, int64_t *unknown)
{
    int64_t sum = 0;
    size_t open = count;
    for (size_t i = 0; i < count; i++) {
        if (shapes[i].dim < 0 || shapes[i].dim > CR_MAX_RANK)
            return cr_ein_fail(call, "shape %zu has %d dimensions", i, shapes[i].dim);
        widths[i] = 1;
        bool here = false;
        for (int k = 0; k < shapes[i].dim; k++) {
            int64_t size = shapes[i].sizes[k];
            if (size == -1 && open == count && !here) {
                here = true;
                continue;
            }
            if (size < 0)
                return cr_ein_fail(
                    call,
                    size == -1 ? "more than one size is -1" : "a size of shape %zu is negative", i);
            if (__builtin_mul_overflow(widths[i], size, &widths[i]))
                return cr_ein_fail(call, "the sizes of shape %zu overflow", i);
        }
        if (here)
            open = i;
        else if (__builtin_add_overflow(sum, widths[i], &sum))
            return cr_ein_fail(call, "the shapes' sizes overflow");
    }
    *unknown = -1;
    if (open < count) {
        if (sum > total || !widths[open] || (total - sum) % widths[open])
            return cr_ein_fail(call,
                               "shape %zu gets what %lld leaves of %lld, which doesn't fit it",
                               open, (long long)sum, (long long)total);
        *unknown = (total - sum) / widths[open];
        widths[open] = total - sum;
    } else if (sum != total) {
        return cr_ein_fail(call, "the shapes take %lld of *, which has %lld", (long long)sum,
                           (long long)total);
    }
    return true;
}

static bool unpack(const cr_ein_call *call, cr_tensor *tensor, int star,
                   const cr_packed_shape *shapes, size_t count, int64_t *widths,
                   cr_tensor **outputs)
{
    int64_t unknown, start = 0;
    if (!find_widths(call, shapes, count, tensor->size[star], widths, &unknown))
        return false;
    for (size_t i = 0; i < count; start += widths[i++]) {
        int64_t sizes[3 * CR_MAX_RANK];
        int dim = 0;
        for (int k = 0; k < star; k++)
            sizes[dim++] = tensor->size[k];
        for (int k = 0; k < shapes[i].dim; k++)
            sizes[dim++] = shapes[i].sizes[k] == -1 ? unknown : shapes[i].sizes[k];
        for (int k = star + 1; k < tensor->dim; k++)
            sizes[dim++] = tensor->size[k];
        if (dim > CR_MAX_RANK)
            return cr_ein_fail(call, "output %zu has %d dimensions, at most %d are supported", i,
                               dim, CR_MAX_RANK);
        outputs[i] =
            cr_reshape(cr_narrow(tensor, star, start, widths[i]), cr_make_ints(sizes, (size_t)dim));
        if (!outputs[i])
            return false;
    }
    return true;
}

int cr_unpack(cr_tensor *tensor, const cr_packed_shape *shapes, size_t count, const char *pattern,
              cr_tensor **outputs)
{
    if (!tensor)
        return -1;
    if (!pattern || (count && (!shapes || !outputs)) || count > SIZE_MAX / 64)
        return CR_FAIL_INT("cr_unpack: needs a pattern, shapes and room for the outputs");
    const cr_ein_call call = {"cr_unpack", pattern, tensor};
    int before, after;
    if (!parse_star(&call, &before, &after))
        return -1;
    if (tensor->dim != before + 1 + after) {
        cr_ein_fail(&call, "it needs %d dimensions", before + 1 + after);
        return -1;
    }
    int64_t *widths = calloc(count + 1, sizeof *widths);
    if (!widths)
        return cr_fail_memory("a list of sizes", (count + 1) * sizeof *widths), -1;
    bool good = unpack(&call, tensor, before, shapes, count, widths, outputs);
    free(widths);
    return good ? 0 : -1;
}

/* ---- parse_shape ---- */

static bool read_sizes(const cr_ein_call *call, const cr_ein_axes *axes, const cr_ein_side *side,
                       const cr_axis_size *wanted)
{
    bool spread = side->ellipsis >= 0;
    int rest = call->tensor->dim - (side->ngroups - spread);
    if (rest < 0 || (!spread && rest))
        return cr_ein_fail(call, "it has %s%d dimensions", spread ? "at least " : "",
                           side->ngroups - spread);
    int64_t size[CR_EIN_AXES];
    for (int g = 0, dim = 0; g < side->ngroups; g++) {
        if (g == side->ellipsis) {
            dim += rest;
            continue;
        }
        int64_t found = call->tensor->size[dim++];
        if (side->parenthesised[g])
            return cr_ein_fail(call, "parentheses have no meaning here");
        bool one = side->start[g] == side->start[g + 1];
        const cr_ein_axis *axis = one ? NULL : &axes->data[side->axis[side->start[g]]];
        int64_t expected = one ? 1 : axis->size;
        if (expected >= 0 && expected != found)
            return cr_ein_fail(call, "the axis %s has the size %lld", one ? "1" : axis->name,
                               (long long)found);
        if (!one)
            size[side->axis[side->start[g]]] = found;
    }
    for (; wanted->name; wanted++) {
        size_t i = 0;
        while (i < axes->count &&
               (axes->data[i].kind != CR_EIN_NAMED || strcmp(axes->data[i].name, wanted->name)))
            i++;
        if (i == axes->count || !strcmp(wanted->name, "_"))
            return cr_ein_fail(call, "it has no axis %.100s", wanted->name);
        if (wanted->size)
            *wanted->size = size[i];
    }
    return true;
}

int cr_parse_shape_with(const cr_tensor *tensor, const char *pattern, const cr_axis_size *axes)
{
    if (!tensor)
        return -1;
    if (!pattern || !axes)
        return CR_FAIL_INT("cr_parse_shape: the %s null", pattern ? "axes are" : "pattern is");
    const cr_ein_call call = {"cr_parse_shape", pattern, tensor};
    size_t length = strnlen(pattern, CR_EIN_TEXT + 1);
    if (length > CR_EIN_TEXT)
        return cr_ein_fail(&call, "it is longer than %d bytes", CR_EIN_TEXT), -1;
    cr_ein_axes *all = calloc(1, sizeof *all);
    if (!all)
        return cr_fail_memory("a pattern", sizeof *all), -1;
    cr_ein_side side;
    bool good = cr_ein_parse_side(&call, pattern, pattern + length, true, all, &side) &&
                read_sizes(&call, all, &side, axes);
    free(all);
    return good ? 0 : -1;
}
