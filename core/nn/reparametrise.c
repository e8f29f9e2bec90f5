/* weight_norm and spectral_norm: a parameter gives way to those that it is computed from, before each call of its module. */
#include "core/nn/reparametrise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/init.h>
#include <cresset/ops.h>
#include <cresset/parametrize.h>

/* ---- computing ---- */

static cr_tensor *part(const cr_module *module, const cr_reparam *r, const char *ending)
{
    char name[sizeof r->name + 8];
    snprintf(name, sizeof name, "%s_%s", r->name, ending);
    cr_tensor *found = cr_module_tensor(module, name);
    return found ? found : cr_fail("%s has no `%s` any more", module->type->name, name);
}

/* The norm over all dimensions but dim, which stay with size 1; over all, 0-d, for -1. */
static cr_tensor *norm_except(cr_tensor *v, int dim)
{
    int64_t dims[CR_MAX_RANK], n = 0;
    cr_tensor *squares = cr_square(v);
    if (dim < 0)
        return cr_sqrt(cr_sum(squares));
    for (int i = 0; i < cr_tensor_dim(v); i++)
        if (i != dim)
            dims[n++] = i;
    return cr_sqrt(n ? cr_sum_dim(squares, cr_make_ints(dims, (size_t)n), .keepdim = true)
                     : squares);
}

static cr_tensor *normalised(cr_tensor *x, double eps)
{
    return cr_div(x, cr_clamp_min(cr_sqrt(cr_sum(cr_square(x))), eps));
}

static cr_tensor *as_matrix(cr_tensor *weight, int dim)
{
    cr_tensor *first = dim > 0 ? cr_movedim(weight, dim, 0) : weight;
    return first ? cr_reshape(first, CR_INTS(cr_tensor_size(first, 0), -1)) : NULL;
}

/* u and v move towards the first singular vectors. */
static bool iterate(cr_tensor *matrix, cr_tensor *u, cr_tensor *v, const cr_reparam *r)
{
    bool good = true;
    CR_NO_GRAD
        for (int64_t i = 0; i < r->iterations && good; i++)
            good = cr_copy_(v, normalised(cr_mv(cr_t(matrix), u), r->eps)) &&
                   cr_copy_(u, normalised(cr_mv(matrix, v), r->eps));
    return good;
}

static cr_tensor *compute(const cr_module *module, const cr_reparam *r, bool may_iterate)
{
    if (r->kind == CR_WEIGHT_NORM) {
        cr_tensor *v = part(module, r, "v"), *g = part(module, r, "g");
        return cr_mul(v, cr_div(g, norm_except(v, r->dim)));
    }
    cr_tensor *weight = part(module, r, "orig"), *u = part(module, r, "u"),
              *v = part(module, r, "v"), *matrix = as_matrix(weight, r->dim);
    if (!matrix || !u || !v || (may_iterate && module->training && !iterate(matrix, u, v, r)))
        return NULL;
    cr_tensor *sigma = cr_dot(cr_clone(u), cr_mv(matrix, cr_clone(v)));
    return cr_div(weight, sigma);
}

static bool refresh(const cr_module *module, cr_reparam *r, bool may_iterate)
{
    cr_tensor *made = NULL;
    CR_SCOPE
        made = cr_retain(compute(module, r, may_iterate));
    if (!made)
        return false;
    cr_release(r->computed);
    r->computed = made;
    *r->place = made;
    return true;
}

bool cr_reparams_run(cr_module *module)
{
    for (size_t i = 0; i < module->state_->nreparams; i++)
        if (!refresh(module, &module->state_->reparams[i], true))
            return false;
    return true;
}

bool cr_reparam_add(cr_module *module, const cr_reparam *from)
{
    struct cr_module_state *state = module->state_;
    size_t bytes = (state->nreparams + 1) * sizeof *state->reparams;
    cr_reparam *list = realloc(state->reparams, bytes);
    if (!list)
        return cr_fail_memory("a parametrisation", bytes) != NULL;
    state->reparams = list;
    list[state->nreparams] = *from;
    list[state->nreparams].computed = NULL;
    return refresh(module, &list[state->nreparams++], false);
}

static void remove_at(struct cr_module_state *state, size_t i)
{
    cr_release(state->reparams[i].computed);
    state->nreparams--;
    memmove(&state->reparams[i], &state->reparams[i + 1],
            (state->nreparams - i) * sizeof *state->reparams);
}

void cr_reparams_free(struct cr_module_state *state)
{
    while (state->nreparams)
        remove_at(state, state->nreparams - 1);
    free(state->reparams);
}

/* ---- applying and taking back ---- */

static const char *const kind_names[] = {"weight_norm", "spectral_norm"};

static cr_reparam *find(const cr_module *module, cr_reparam_kind kind, const char *name)
{
    struct cr_module_state *state = module->state_;
    for (size_t i = 0; i < state->nreparams; i++)
        if (state->reparams[i].kind == kind && !strcmp(state->reparams[i].name, name))
            return &state->reparams[i];
    return NULL;
}

/* Fills *r in, and gives the parameter that is to give way, of the scope; null, with the error set, if there is none. */
static cr_tensor *begin(cr_module *module, cr_reparam_kind kind, const char *name, cr_reparam *r)
{
    const char *what = kind_names[kind];
    if (!cr_is_module(module, what))
        return NULL;
    *r = (cr_reparam){.kind = kind};
    snprintf(r->name, sizeof r->name, "%s", name);
    if (find(module, kind, name))
        return cr_fail("Cannot register two %s hooks on the same parameter %s", what, name);
    cr_slot *slot = cr_slot_find(&module->state_->parameters, name);
    if (!slot || strlen(name) >= sizeof r->name)
        return cr_fail("%s: %s has no parameter `%s`", what, module->type->name, name);
    if (!slot->place.tensor)
        return cr_fail("%s: the parameter `%s` of %s is no member of its struct, so nothing can "
                       "be computed into it",
                       what, name, module->type->name);
    r->place = slot->place.tensor;
    return cr_detach(slot->as.tensor);
}

static bool add_part(cr_module *module, const cr_reparam *r, const char *ending, cr_tensor *value,
                     bool buffer)
{
    char name[sizeof r->name + 8];
    snprintf(name, sizeof name, "%s_%s", r->name, ending);
    return value && (buffer ? cr_register_buffer(module, name, value, true)
                            : cr_register_parameter(module, name, value));
}

static bool apply_weight_norm(cr_module *module, const char *name, bool whole, int64_t dim)
{
    cr_reparam r;
    cr_tensor *weight = begin(module, CR_WEIGHT_NORM, name, &r);
    if (!weight)
        return false;
    int rank = cr_tensor_dim(weight);
    dim = dim < 0 ? dim + rank : dim;
    if (!whole && (dim < 0 || dim >= rank))
        return cr_fail("weight_norm: dim %lld is out of range for a parameter of rank %d",
                       (long long)dim, rank) != NULL;
    r.dim = whole ? -1 : (int)dim;
    cr_tensor *g = norm_except(weight, r.dim);
    return g && !cr_unregister(module, name) && add_part(module, &r, "g", g, false) &&
           add_part(module, &r, "v", weight, false) && cr_reparam_add(module, &r);
}

cr_module *cr_weight_norm_with(cr_module *module, const cr_weight_norm_options *o)
{
    static const cr_weight_norm_options none = {.end_ = 0};
    o = o ? o : &none;
    bool good = false;
    CR_SCOPE
        good = apply_weight_norm(module, o->name ? o->name : "weight", o->whole,
                                 o->dim.given ? o->dim.value : 0);
    return good ? module : NULL;
}

/* A vector of n normal draws, of length 1, like the weight. */
static cr_tensor *random_direction(const cr_tensor *like, int64_t n, double eps)
{
    return normalised(
        cr_randn(CR_INTS(n), .dtype = cr_tensor_dtype(like), .device = cr_tensor_device(like)),
        eps);
}

static bool apply_spectral_norm(cr_module *module, const cr_spectral_norm_options *o)
{
    cr_reparam r;
    const char *name = o->name ? o->name : "weight";
    cr_tensor *weight = begin(module, CR_SPECTRAL_NORM, name, &r);
    if (!weight)
        return false;
    if (o->n_power_iterations < 0)
        return cr_fail("Expected n_power_iterations to be positive, but got "
                       "n_power_iterations=%lld",
                       (long long)o->n_power_iterations) != NULL;
    bool transposed = !strncmp(module->type->name, "ConvTranspose", 13);
    int64_t dim = o->dim.given ? o->dim.value : transposed;
    if (dim < 0 || dim >= cr_tensor_dim(weight))
        return cr_fail("spectral_norm: dim %lld is out of range for a parameter of rank %d",
                       (long long)dim, cr_tensor_dim(weight)) != NULL;
    r.dim = (int)dim;
    r.iterations = o->n_power_iterations ? o->n_power_iterations : 1;
    r.eps = o->eps > 0 ? o->eps : 1e-12;
    cr_tensor *matrix = as_matrix(weight, r.dim);
    cr_tensor *u = matrix ? random_direction(weight, cr_tensor_size(matrix, 0), r.eps) : NULL;
    cr_tensor *v = matrix ? random_direction(weight, cr_tensor_size(matrix, 1), r.eps) : NULL;
    return u && v && !cr_unregister(module, name) && add_part(module, &r, "orig", weight, false) &&
           add_part(module, &r, "u", u, true) && add_part(module, &r, "v", v, true) &&
           cr_reparam_add(module, &r);
}

cr_module *cr_spectral_norm_with(cr_module *module, const cr_spectral_norm_options *o)
{
    static const cr_spectral_norm_options none = {.end_ = 0};
    bool good = false;
    CR_SCOPE
        good = apply_spectral_norm(module, o ? o : &none);
    return good ? module : NULL;
}

static bool take_back(cr_module *module, cr_reparam_kind kind, const char *name)
{
    static const char *const parts[][3] = {{"g", "v", NULL}, {"orig", "u", "v"}};
    if (!cr_is_module(module, kind_names[kind]))
        return false;
    cr_reparam *r = find(module, kind, name);
    if (!r)
        return cr_fail("%s of '%s' not found in %s", kind_names[kind], name, module->type->name) !=
               NULL;
    bool good = true;
    char part_name[sizeof r->name + 8];
    CR_SCOPE {
        cr_tensor **place = r->place, *weight = cr_detach(compute(module, r, false));
        for (int i = 0; i < 3 && weight && parts[kind][i] && good; i++) {
            snprintf(part_name, sizeof part_name, "%s_%s", name, parts[kind][i]);
            good = !cr_unregister(module, part_name);
        }
        good = good && weight && cr_module_set_parameter(module, name, place, weight);
    }
    if (good)
        remove_at(module->state_, (size_t)(r - module->state_->reparams));
    return good;
}

cr_module *cr_remove_weight_norm(cr_module *module, const char *name)
{
    return take_back(module, CR_WEIGHT_NORM, name ? name : "weight") ? module : NULL;
}

cr_module *cr_remove_spectral_norm(cr_module *module, const char *name)
{
    return take_back(module, CR_SPECTRAL_NORM, name ? name : "weight") ? module : NULL;
}
