/* EinMix: a linear layer over named axes. The input is split into its axes, multiplied by the weight and summed (einsum), and its
 * axes merged again. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/init.h>
#include <cresset/ops.h>

#include "core/base/text.h"
#include "core/einops/layers.h"

typedef struct einmix {
    cr_module module;
    cr_tensor *weight, *bias;
    char *pattern, *weight_shape, *bias_shape;
    char *split, *product, *merge; /* patterns of the steps; split and merge may be null */
    cr_axis *axes, *split_axes;
} einmix;

static size_t forward(cr_module *module, cr_tensor *const *inputs, size_t n, cr_tensor **outputs)
{
    const einmix *self = (const einmix *)(const void *)module;
    if (!cr_module_check_inputs(module, 1, n))
        return 0;
    cr_tensor *x = inputs[0];
    if (self->split)
        x = cr_rearrange_with(x, self->split, self->split_axes);
    x = cr_einops_einsum(self->product, CR_TENSORS(x, self->weight));
    if (self->bias)
        x = cr_add(x, self->bias);
    if (self->merge)
        x = cr_rearrange_with(x, self->merge, NULL);
    outputs[0] = x;
    return x != NULL;
}

static void destroy(cr_module *module)
{
    einmix *self = (einmix *)(void *)module;
    free(self->pattern);
    free(self->weight_shape);
    free(self->bias_shape);
    free(self->split);
    free(self->product);
    free(self->merge);
    free(self->axes);
    free(self->split_axes);
}

/* Texts and axes of its own for a copy. */
static bool copied(cr_module *module)
{
    einmix *self = (einmix *)(void *)module, from = *self;
    char **to[] = {&self->pattern, &self->weight_shape, &self->bias_shape,
                   &self->split,   &self->product,      &self->merge};
    const cr_axis *axes[] = {from.axes, from.split_axes};
    cr_axis **axes_to[] = {&self->axes, &self->split_axes};
    bool good = true;
    for (size_t i = 0; i < sizeof to / sizeof *to; i++)
        if (*to[i] && !(*to[i] = cr_ein_copy_text(*to[i])))
            good = false;
    for (size_t i = 0; i < 2; i++)
        if (axes[i] && !(*axes_to[i] = cr_ein_copy_axes(axes[i])))
            good = false;
    if (!good)
        destroy(module);
    return good;
}

static int extra_repr(const cr_module *module, char *to, size_t bytes)
{
    const einmix *self = (const einmix *)(const void *)module;
    cr_text text = {0};
    cr_text_add(&text, "'%s', '%s'", self->pattern, self->weight_shape);
    if (self->bias_shape)
        cr_text_add(&text, ", '%s'", self->bias_shape);
    for (const cr_axis *a = self->axes; a && a->name; a++)
        cr_text_add(&text, ", %s=%lld", a->name, (long long)a->size);
    int length = snprintf(to, bytes, "%s", text.data ? text.data : "");
    cr_text_free(&text);
    return length;
}

static const cr_module_type einmix_type = {.name = "EinMix",
                                           .size = sizeof(einmix),
                                           .forward = forward,
                                           .destroy = destroy,
                                           .extra_repr = extra_repr,
                                           .copied = copied};

/* ---- making one ---- */

/* What the patterns of one layer consist of. */
typedef struct parts {
    cr_ein_axes axes;
    cr_ein_side left, right, weight, bias;
} parts;

static int64_t size_of(const cr_einmix_options *o, const char *name)
{
    for (size_t i = 0; i < sizeof o->axes / sizeof *o->axes && o->axes[i].name; i++)
        if (!strcmp(o->axes[i].name, name))
            return o->axes[i].size;
    return -1;
}

static bool is_flat(const cr_ein_side *side)
{
    for (int g = 0; g < side->ngroups; g++)
        if (side->parenthesised[g] || side->start[g + 1] - side->start[g] != 1)
            return false;
    return true;
}

static bool parse(const cr_ein_call *call, const cr_einmix_options *o, parts *p)
{
    const char *arrow = strstr(o->pattern, "->");
    const char *bias = o->bias_shape ? o->bias_shape : "";
    if (!arrow || strlen(o->pattern) + strlen(o->weight_shape) + strlen(bias) > CR_EIN_TEXT)
        return cr_ein_fail(call, arrow ? "it is too long" : "it has no ->");
    return cr_ein_parse_side(call, o->pattern, arrow, false, &p->axes, &p->left) &&
           cr_ein_parse_side(call, arrow + 2, arrow + strlen(arrow), false, &p->axes, &p->right) &&
           cr_ein_parse_side(call, o->weight_shape, o->weight_shape + strlen(o->weight_shape),
                             false, &p->axes, &p->weight) &&
           cr_ein_parse_side(call, bias, bias + strlen(bias), false, &p->axes, &p->bias);
}

static bool check_axis(const cr_ein_call *call, const cr_einmix_options *o, const parts *p,
                       size_t i)
{
    const cr_ein_axis *axis = &p->axes.data[i];
    bool left = cr_ein_side_has(&p->left, i), right = cr_ein_side_has(&p->right, i);
    bool weight = cr_ein_side_has(&p->weight, i), bias = cr_ein_side_has(&p->bias, i);
    if (axis->kind == CR_EIN_NUMBER)
        return cr_ein_fail(call, "the axis %s has no name", axis->name);
    if (right && !left && !weight)
        return cr_ein_fail(call, "the axis %s is only on the right side", axis->name);
    if (weight && !left && !right)
        return cr_ein_fail(call, "the weight's axis %s is neither in the input nor in the output",
                           axis->name);
    if (bias && !right)
        return cr_ein_fail(call, "the bias's axis %s is not in the output", axis->name);
    if ((weight || bias) && size_of(o, axis->name) < 1)
        return cr_ein_fail(call, "the size of the axis %s must be given", axis->name);
    return true;
}

static bool check(const cr_ein_call *call, const cr_einmix_options *o, const parts *p)
{
    if (p->weight.ellipsis >= 0 || p->bias.ellipsis >= 0 || !is_flat(&p->weight) ||
        !is_flat(&p->bias))
        return cr_ein_fail(call, "the shapes of weight and bias are names alone");
    if ((p->left.ellipsis >= 0) != (p->right.ellipsis >= 0))
        return cr_ein_fail(call, "... must be on both sides or on none");
    if (p->left.ellipsis >= 0 && p->left.parenthesised[p->left.ellipsis])
        return cr_ein_fail(call, "... can't be in parentheses on the left side");
    for (size_t i = 0; i < p->axes.count; i++)
        if (!check_axis(call, o, p, i))
            return false;
    for (size_t k = 0; k < sizeof o->axes / sizeof *o->axes && o->axes[k].name; k++) {
        size_t i = 0;
        while (i < p->axes.count && strcmp(p->axes.data[i].name, o->axes[k].name))
            i++;
        if (i == p->axes.count)
            return cr_ein_fail(call, "a size is given for the axis %.100s, which it hasn't",
                               o->axes[k].name);
    }
    return true;
}

static void add_names(cr_text *text, const parts *p, const cr_ein_side *side)
{
    for (int i = 0; i < side->naxes; i++)
        cr_text_add(text, " %s", p->axes.data[side->axis[i]].name);
}

/* The patterns of the three steps, and the sizes that the first needs. */
static bool make_steps(einmix *self, const parts *p, const cr_einmix_options *o)
{
    const char *arrow = strstr(o->pattern, "->");
    cr_text text = {0};
    add_names(&text, p, &p->left);
    cr_text_add(&text, ",");
    add_names(&text, p, &p->weight);
    cr_text_add(&text, " ->");
    add_names(&text, p, &p->right);
    if (!(self->product = cr_text_take(&text)))
        return false;
    if (!is_flat(&p->left)) {
        cr_text_add_bytes(&text, o->pattern, (size_t)(arrow - o->pattern));
        cr_text_add(&text, "->");
        add_names(&text, p, &p->left);
        if (!(self->split = cr_text_take(&text)))
            return false;
    }
    if (!is_flat(&p->right)) {
        add_names(&text, p, &p->right);
        cr_text_add(&text, " ->%s", arrow + 2);
        if (!(self->merge = cr_text_take(&text)))
            return false;
    }
    cr_axis known[CR_EIN_SIDE + 1] = {{0}};
    for (int i = 0, n = 0; i < p->left.naxes; i++) {
        const char *name = p->axes.data[p->left.axis[i]].name;
        if (size_of(o, name) >= 0)
            known[n++] = (cr_axis){name, size_of(o, name)};
    }
    return (self->split_axes = cr_ein_copy_axes(known)) != NULL;
}

/* The bias's sizes within the output: its own axes, 1 for others, and nothing before the first of them under .... */
static int bias_sizes(const cr_ein_call *call, const cr_einmix_options *o, const parts *p,
                      int64_t *sizes)
{
    int dim = 0;
    bool used = false;
    for (int i = 0; i < p->right.naxes; i++) {
        size_t axis = p->right.axis[i];
        if (p->axes.data[axis].kind == CR_EIN_ELLIPSIS) {
            if (used)
                return cr_ein_fail(call, "the bias's axes must all be behind the ..."), -1;
            dim = 0;
            continue;
        }
        bool mine = cr_ein_side_has(&p->bias, axis);
        used |= mine;
        sizes[dim++] = mine ? size_of(o, p->axes.data[axis].name) : 1;
    }
    return dim;
}

static cr_tensor *parameter(einmix *self, const char *name, cr_tensor **place, int dim,
                            const int64_t *sizes, double bound, const cr_einmix_options *o)
{
    cr_tensor *t =
        cr_empty_with(cr_make_ints(sizes, (size_t)dim),
                      &(const cr_empty_options){.dtype = o->dtype ? o->dtype : cr_default_dtype(),
                                                .device = o->device});
    t = cr_module_set_parameter(&self->module, name, place, t);
    return t ? cr_init_uniform_(t, -bound, bound) : NULL;
}

static bool make_parameters(const cr_ein_call *call, einmix *self, const parts *p,
                            const cr_einmix_options *o)
{
    int64_t sizes[CR_EIN_SIDE + 1] = {0};
    double fan_in = 1;
    for (int i = 0; i < p->weight.naxes; i++) {
        sizes[i] = size_of(o, p->axes.data[p->weight.axis[i]].name);
        if (!cr_ein_side_has(&p->right, p->weight.axis[i]))
            fan_in *= (double)sizes[i];
    }
    if (!parameter(self, "weight", &self->weight, p->weight.naxes, sizes, sqrt(3 / fan_in), o))
        return false;
    if (!o->bias_shape)
        return true;
    int dim = bias_sizes(call, o, p, sizes);
    return dim >= 0 && parameter(self, "bias", &self->bias, dim, sizes, sqrt(1 / fan_in), o);
}

cr_module *cr_einmix_with(const cr_einmix_options *o)
{
    if (!o || !o->pattern || !o->weight_shape)
        return cr_fail("EinMix: needs a pattern and the weight's shape");
    const cr_ein_call call = {"EinMix", o->pattern, NULL};
    cr_axis axes[sizeof o->axes / sizeof *o->axes + 1] = {{0}};
    memcpy(axes, o->axes, sizeof o->axes);
    parts *p = calloc(1, sizeof *p);
    if (!p)
        return cr_fail_memory("a pattern", sizeof *p);
    einmix *self = NULL;
    bool good =
        parse(&call, o, p) && check(&call, o, p) && (self = cr_module_new(&einmix_type, NULL));
    CR_SCOPE {
        good = good && (self->pattern = cr_ein_copy_text(o->pattern)) &&
               (self->weight_shape = cr_ein_copy_text(o->weight_shape)) &&
               (self->axes = cr_ein_copy_axes(axes)) && make_steps(self, p, o) &&
               make_parameters(&call, self, p, o) &&
               (!o->bias_shape || (self->bias_shape = cr_ein_copy_text(o->bias_shape)));
    }
    free(p);
    return good ? &self->module : NULL;
}
