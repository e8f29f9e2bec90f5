/* Patterns applied: the input is split into its axes (a view), reduced, its axes put in order, new ones expanded, and what belongs
 * together merged. Steps that would change nothing are left out. */
#include <string.h>

#include <cresset/ops.h>

#include "core/einops/pattern.h"

/* One call: what was found about its axes. */
typedef struct plan {
    const cr_ein_call *call;
    const cr_ein_pattern *pattern;
    int64_t size[CR_EIN_AXES]; /* -1: not known */
    int rest;                  /* dimensions that ... stands for */
    int64_t rest_size[CR_MAX_RANK];
    int nsplit; /* axes of the left side, ... spread out */
    int64_t split[2 * CR_MAX_RANK];
    int8_t place[CR_EIN_AXES]; /* where an axis is in the split; -1 */
} plan;

static const cr_ein_axis *axis_of(const plan *p, int i)
{
    return &p->pattern->axes.data[i];
}

static bool take_given(plan *p, const cr_axis *axes)
{
    const cr_ein_axes *all = &p->pattern->axes;
    for (size_t i = 0; i < all->count; i++)
        p->size[i] = all->data[i].size;
    for (; axes && axes->name; axes++) {
        size_t i = 0;
        while (i < all->count &&
               (all->data[i].kind != CR_EIN_NAMED || strcmp(all->data[i].name, axes->name)))
            i++;
        if (i == all->count)
            return cr_ein_fail(p->call, "a size is given for the axis %.100s, which it hasn't",
                               axes->name);
        if (axes->size < 0)
            return cr_ein_fail(p->call, "the axis %s can't have the size %lld", axes->name,
                               (long long)axes->size);
        if (p->size[i] >= 0 && p->size[i] != axes->size)
            return cr_ein_fail(p->call, "the axis %s is given two sizes", axes->name);
        p->size[i] = axes->size;
    }
    return true;
}

/* Fits the axes of one group to a dimension. */
static bool fit_group(plan *p, const cr_ein_side *side, int group, int dim)
{
    int64_t size = p->call->tensor->size[dim], known = 1;
    int unknown = -1;
    for (int i = side->start[group]; i < side->start[group + 1]; i++) {
        int axis = side->axis[i];
        if (p->size[axis] < 0 && unknown >= 0)
            return cr_ein_fail(p->call,
                               "the sizes of both %s and %s are unknown: one must be given",
                               axis_of(p, unknown)->name, axis_of(p, axis)->name);
        if (p->size[axis] < 0)
            unknown = axis;
        else if (__builtin_mul_overflow(known, p->size[axis], &known))
            return cr_ein_fail(p->call, "the sizes of dimension %d's axes overflow", dim);
    }
    if (unknown < 0) {
        if (known == size)
            return true;
        if (side->start[group + 1] - side->start[group] == 1)
            return cr_ein_fail(p->call,
                               "the axis %s should have the size %lld, but dimension %d has %lld",
                               axis_of(p, side->axis[side->start[group]])->name, (long long)known,
                               dim, (long long)size);
        return cr_ein_fail(p->call, "dimension %d should have the size %lld, it has %lld", dim,
                           (long long)known, (long long)size);
    }
    if (known == 1)
        p->size[unknown] = size;
    else if (!known || size % known)
        return cr_ein_fail(
            p->call, "the size %lld of dimension %d can't be divided by %lld to find the axis %s",
            (long long)size, dim, (long long)known, axis_of(p, unknown)->name);
    else
        p->size[unknown] = size / known;
    return true;
}

static bool fit_left(plan *p)
{
    const cr_ein_side *l = &p->pattern->left;
    const cr_tensor *t = p->call->tensor;
    bool spread = l->ellipsis >= 0;
    p->rest = t->dim - (l->ngroups - spread);
    if (p->rest < 0 || (!spread && p->rest))
        return cr_ein_fail(p->call, "its left side has %s%d dimensions, the input %d",
                           spread ? "at least " : "", l->ngroups - spread, t->dim);
    int dim = 0;
    p->nsplit = 0;
    memset(p->place, -1, p->pattern->axes.count);
    for (int g = 0; g < l->ngroups; g++) {
        if (g == l->ellipsis) {
            p->place[l->axis[l->start[g]]] = (int8_t)p->nsplit;
            for (int i = 0; i < p->rest; i++)
                p->split[p->nsplit++] = p->rest_size[i] = t->size[dim++];
            continue;
        }
        if (!fit_group(p, l, g, dim++))
            return false;
        for (int i = l->start[g]; i < l->start[g + 1]; i++) {
            p->place[l->axis[i]] = (int8_t)p->nsplit;
            p->split[p->nsplit++] = p->size[l->axis[i]];
        }
    }
    if (p->nsplit > CR_MAX_RANK)
        return cr_ein_fail(p->call, "with ... it has %d axes, at most %d are supported", p->nsplit,
                           CR_MAX_RANK);
    return true;
}

static bool same_sizes(const cr_tensor *t, int dim, const int64_t *sizes)
{
    return t->dim == dim && !memcmp(t->size, sizes, sizeof *sizes * (size_t)dim);
}

static cr_tensor *reshaped(cr_tensor *t, int dim, const int64_t *sizes)
{
    if (!t || same_sizes(t, dim, sizes))
        return t;
    return cr_reshape(t, cr_make_ints(sizes, (size_t)dim));
}

/* ---- reducing ---- */

bool cr_ein_is_reduction(const char *name)
{
    static const char *const names[] = {"min", "max", "sum", "mean", "prod", "any", "all"};
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

static cr_tensor *reduce_dims(const cr_ein_call *call, cr_tensor *t, const char *how,
                              const int64_t *dims, int n)
{
    cr_ints list = cr_make_ints(dims, (size_t)n);
    if (!strcmp(how, "mean") && !cr_is_floating_point(t))
        return cr_ein_fail(call, "the mean needs a floating dtype");
    if (!strcmp(how, "prod")) {
        for (int i = n - 1; i >= 0 && t; i--)
            t = cr_prod_dim(t, dims[i]);
        return t;
    }
    if (!strcmp(how, "max"))
        return cr_amax(t, .dim = list);
    if (!strcmp(how, "min"))
        return cr_amin(t, .dim = list);
    if (!strcmp(how, "sum"))
        return cr_sum_dim(t, list);
    if (!strcmp(how, "mean"))
        return cr_mean_dim(t, list);
    if (!strcmp(how, "any"))
        return cr_any_dims(t, .dim = list);
    return cr_all_dims(t, .dim = list);
}

/* Reduces what the right side lacks, and moves the places of what stays. */
static cr_tensor *reduce(plan *p, cr_tensor *t, const char *how)
{
    const cr_ein_side *l = &p->pattern->left;
    int64_t gone[CR_MAX_RANK];
    int ngone = 0, dim = 0;
    for (int i = 0; i < l->naxes; i++) {
        int axis = l->axis[i];
        int width = axis_of(p, axis)->kind == CR_EIN_ELLIPSIS ? p->rest : 1;
        bool stays = cr_ein_side_has(&p->pattern->right, (size_t)axis);
        p->place[axis] = (int8_t)(stays ? dim - ngone : -1);
        for (int k = 0; k < width; k++, dim++)
            if (!stays)
                gone[ngone++] = dim;
    }
    return ngone ? reduce_dims(p->call, t, how, gone, ngone) : t;
}

/* ---- the right side ---- */

/* What the split axes become: an order, new axes, and the merged sizes. */
typedef struct outcome {
    int norder, nfull, nsizes;
    int64_t order[2 * CR_MAX_RANK]; /* of the old axes */
    int64_t bare[2 * CR_MAX_RANK];  /* all axes, new ones with 1 */
    int64_t full[2 * CR_MAX_RANK];  /* and with their sizes */
    int64_t sizes[2 * CR_MAX_RANK];
    bool grows;
} outcome;

static bool add_axis(const plan *p, outcome *o, int axis, int64_t *product)
{
    int width = axis_of(p, axis)->kind == CR_EIN_ELLIPSIS ? p->rest : 1;
    bool spread = axis_of(p, axis)->kind == CR_EIN_ELLIPSIS;
    for (int i = 0; i < width; i++) {
        int64_t size = spread ? p->rest_size[i] : p->size[axis];
        if (size < 0)
            return cr_ein_fail(p->call, "the size of the new axis %s must be given",
                               axis_of(p, axis)->name);
        if (o->nfull == CR_MAX_RANK)
            return cr_ein_fail(p->call, "its right side has more than %d axes", CR_MAX_RANK);
        if (__builtin_mul_overflow(*product, size, product))
            return cr_ein_fail(p->call, "the sizes on the right side overflow");
        bool old = p->place[axis] >= 0;
        if (old)
            o->order[o->norder++] = p->place[axis] + i;
        else
            o->grows = true;
        o->bare[o->nfull] = old ? size : 1;
        o->full[o->nfull++] = size;
    }
    return true;
}

static bool make_outcome(const plan *p, outcome *o)
{
    const cr_ein_side *r = &p->pattern->right;
    o->norder = o->nfull = o->nsizes = 0;
    o->grows = false;
    for (int g = 0; g < r->ngroups; g++) {
        int64_t product = 1;
        int before = o->nfull;
        for (int i = r->start[g]; i < r->start[g + 1]; i++)
            if (!add_axis(p, o, r->axis[i], &product))
                return false;
        if (g == r->ellipsis && !r->parenthesised[g]) {
            for (; before < o->nfull; before++)
                o->sizes[o->nsizes++] = o->full[before];
            continue;
        }
        o->sizes[o->nsizes++] = product;
    }
    if (o->nsizes > CR_MAX_RANK)
        return cr_ein_fail(p->call, "its result has %d dimensions, at most %d are supported",
                           o->nsizes, CR_MAX_RANK);
    return true;
}

static cr_tensor *finish(const plan *p, cr_tensor *t)
{
    outcome o;
    if (!make_outcome(p, &o))
        return NULL;
    for (int i = 0; i < o.norder; i++) {
        if (o.order[i] != i) {
            t = cr_permute(t, cr_make_ints(o.order, (size_t)o.norder));
            break;
        }
    }
    if (o.grows) {
        t = reshaped(t, o.nfull, o.bare);
        if (t && !same_sizes(t, o.nfull, o.full))
            t = cr_expand(t, cr_make_ints(o.full, (size_t)o.nfull));
    }
    return reshaped(t, o.nsizes, o.sizes);
}

static cr_tensor *apply(const cr_ein_call *call, cr_ein_kind kind, cr_tensor *tensor,
                        const char *how, const cr_axis *axes)
{
    if (!tensor)
        return NULL;
    if (!call->pattern)
        return cr_fail("%s: the pattern is null", call->who);
    cr_ein_pattern *pattern = cr_ein_find(call, kind);
    if (!pattern)
        return NULL;
    plan p;
    p.call = call;
    p.pattern = pattern;
    cr_tensor *t = NULL;
    if (take_given(&p, axes) && fit_left(&p)) {
        t = reshaped(tensor, p.nsplit, p.split);
        if (t && kind == CR_EIN_REDUCE)
            t = reduce(&p, t, how);
        if (t)
            t = finish(&p, t);
        if (t == tensor)
            t = cr_alias(tensor);
    }
    cr_ein_release(pattern);
    return t;
}

cr_tensor *cr_rearrange_with(cr_tensor *tensor, const char *pattern, const cr_axis *axes)
{
    const cr_ein_call call = {"cr_rearrange", pattern, tensor};
    return apply(&call, CR_EIN_REARRANGE, tensor, NULL, axes);
}

cr_tensor *cr_reduce_with(cr_tensor *tensor, const char *pattern, const char *reduction,
                          const cr_axis *axes)
{
    const cr_ein_call call = {"cr_reduce", pattern, tensor};
    if (pattern && !cr_ein_is_reduction(reduction))
        return cr_ein_fail(
            &call,
            "the reduction is \"%.50s\", but it must be min, max, sum, mean, prod, any or all",
            reduction ? reduction : "null");
    return apply(&call, CR_EIN_REDUCE, tensor, reduction, axes);
}

cr_tensor *cr_einops_repeat_with(cr_tensor *tensor, const char *pattern, const cr_axis *axes)
{
    const cr_ein_call call = {"cr_einops_repeat", pattern, tensor};
    return apply(&call, CR_EIN_REPEAT, tensor, NULL, axes);
}

cr_tensor *cr_einops_stack_(cr_tensors tensors)
{
    return tensors.count ? cr_stack(tensors) : cr_fail("einops: the list of tensors is empty");
}
