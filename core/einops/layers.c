/* Rearrange and Reduce as modules. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/text.h"
#include "core/einops/layers.h"

typedef struct einops_layer {
    cr_module module;
    char *pattern, *reduction;
    cr_axis *axes;
} einops_layer;

static size_t count_axes(const cr_axis *axes)
{
    size_t count = 0;
    while (axes && axes[count].name)
        count++;
    return count;
}

cr_axis *cr_ein_copy_axes(const cr_axis *axes)
{
    size_t count = count_axes(axes), bytes = (count + 1) * sizeof *axes;
    for (size_t i = 0; i < count; i++)
        bytes += strlen(axes[i].name) + 1;
    cr_axis *copy = malloc(bytes);
    if (!copy)
        return cr_fail_memory("a list of axes", bytes);
    char *names = (char *)(copy + count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(axes[i].name) + 1;
        copy[i] = (cr_axis){memcpy(names, axes[i].name, length), axes[i].size};
        names += length;
    }
    copy[count] = (cr_axis){0};
    return copy;
}

char *cr_ein_copy_text(const char *text)
{
    char *copy = malloc(strlen(text) + 1);
    return copy ? strcpy(copy, text) : cr_fail_memory("a pattern", strlen(text) + 1);
}

static size_t forward(cr_module *module, cr_tensor *const *inputs, size_t n, cr_tensor **outputs)
{
    const einops_layer *self = (const einops_layer *)(const void *)module;
    if (!cr_module_check_inputs(module, 1, n))
        return 0;
    outputs[0] = self->reduction
                     ? cr_reduce_with(inputs[0], self->pattern, self->reduction, self->axes)
                     : cr_rearrange_with(inputs[0], self->pattern, self->axes);
    return outputs[0] != NULL;
}

static void destroy(cr_module *module)
{
    einops_layer *self = (einops_layer *)(void *)module;
    free(self->pattern);
    free(self->reduction);
    free(self->axes);
}

static bool copied(cr_module *module)
{
    einops_layer *self = (einops_layer *)(void *)module, from = *self;
    self->pattern = cr_ein_copy_text(from.pattern);
    self->axes = cr_ein_copy_axes(from.axes);
    self->reduction = from.reduction ? cr_ein_copy_text(from.reduction) : NULL;
    if (self->pattern && self->axes && (self->reduction || !from.reduction))
        return true;
    destroy(module);
    return false;
}

/* As einops: Rearrange('b c -> c b', c=2). */
static int extra_repr(const cr_module *module, char *to, size_t bytes)
{
    const einops_layer *self = (const einops_layer *)(const void *)module;
    cr_text text = {0};
    cr_text_add(&text, "'%s'", self->pattern);
    if (self->reduction)
        cr_text_add(&text, ", '%s'", self->reduction);
    for (const cr_axis *a = self->axes; a && a->name; a++)
        cr_text_add(&text, ", %s=%lld", a->name, (long long)a->size);
    int length = snprintf(to, bytes, "%s", text.data ? text.data : "");
    cr_text_free(&text);
    return length;
}

static const cr_module_type rearrange_type = {.name = "Rearrange",
                                              .size = sizeof(einops_layer),
                                              .forward = forward,
                                              .destroy = destroy,
                                              .extra_repr = extra_repr,
                                              .copied = copied};
static const cr_module_type reduce_type = {.name = "Reduce",
                                           .size = sizeof(einops_layer),
                                           .forward = forward,
                                           .destroy = destroy,
                                           .extra_repr = extra_repr,
                                           .copied = copied};

static cr_module *make(const cr_module_type *type, cr_ein_kind kind, const char *pattern,
                       const char *reduction, const cr_axis *axes)
{
    if (!pattern)
        return cr_fail("%s: the pattern is null", type->name);
    const cr_ein_call call = {type->name, pattern, NULL};
    cr_ein_pattern *parsed = cr_ein_find(&call, kind);
    cr_ein_release(parsed);
    if (!parsed)
        return NULL;
    einops_layer *self = cr_module_new(type, NULL);
    if (!self || !(self->pattern = cr_ein_copy_text(pattern)) ||
        !(self->axes = cr_ein_copy_axes(axes)) ||
        (reduction && !(self->reduction = cr_ein_copy_text(reduction))))
        return NULL;
    return &self->module;
}

cr_module *cr_rearrange_layer_with(const char *pattern, const cr_axis *axes)
{
    return make(&rearrange_type, CR_EIN_REARRANGE, pattern, NULL, axes);
}

cr_module *cr_reduce_layer_with(const char *pattern, const char *reduction, const cr_axis *axes)
{
    if (!pattern || !cr_ein_is_reduction(reduction))
        return cr_fail("Reduce: needs a pattern and one of min, max, sum, mean, prod, any, all");
    return make(&reduce_type, CR_EIN_REDUCE, pattern, reduction, axes);
}
