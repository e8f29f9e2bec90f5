/* What is done with all gradients at once: dropping, zeroing, clipping. */
#include <math.h>
#include <stdlib.h>

#include "core/dispatch/trace.h"
#include "core/optim/optimizer.h"

static int clear(cr_tensor *param, bool to_zero)
{
    cr_tensor *grad = cr_grad(param);
    if (!grad) {
        cr_trace_grad(param, NULL, NULL);
        return 0;
    }
    if (!to_zero)
        return cr_set_grad(param, NULL);
    int failed = 0;
    CR_NO_GRAD
        failed = cr_zero_(cr_detach_(grad)) ? 0 : -1;
    return failed;
}

int cr_optimizer_zero_grad_with(cr_optimizer *optimizer, const cr_zero_grad_options *options)
{
    if (!optimizer)
        return cr_error() ? -1 : CR_FAIL_INT("cr_zero_grad: optimizer is null");
    int failed = 0;
    for (size_t g = 0; g < optimizer->count; g++)
        for (size_t i = 0; i < optimizer->groups[g].count && !failed; i++)
            failed = clear(optimizer->groups[g].params[i], options && options->set_to_zero);
    return failed;
}

int cr_module_zero_grad_with(cr_module *module, const cr_zero_grad_options *options)
{
    if (!module)
        return cr_error() ? -1 : CR_FAIL_INT("cr_zero_grad: module is null");
    int failed = 0;
    CR_FOREACH_PARAMETER (p, module)
        failed = failed ? failed : clear(p.tensor, options && options->set_to_zero);
    return failed;
}

/* ---- clipping ---- */

typedef struct grads {
    cr_tensor **list;
    size_t count, capacity;
} grads;

static bool add_grad(grads *g, cr_tensor *param)
{
    cr_tensor *grad = cr_grad(param);
    if (!grad)
        return true;
    if (g->count == g->capacity) {
        size_t more = g->capacity ? 2 * g->capacity : 16;
        cr_tensor **list = realloc(g->list, more * sizeof *list);
        if (!list)
            return cr_fail_memory("clipping", more * sizeof *list), false;
        g->list = list;
        g->capacity = more;
    }
    g->list[g->count++] = grad;
    return true;
}

static bool collect(cr_params params, grads *g)
{
    bool well = true;
    if (params.module) {
        CR_FOREACH_PARAMETER (p, params.module)
            well = well && add_grad(g, p.tensor);
    }
    for (int64_t i = 0; i < params.list.count && well; i++)
        well = add_grad(g, params.list.data[i]);
    return well;
}

cr_tensor *cr_clip_grad_norm_with_(cr_params params, double max_norm,
                                   const cr_clip_grad_norm_options *options)
{
    double p = options && options->norm_type != 0 ? options->norm_type : 2;
    grads g = {0};
    cr_tensor *total = NULL;
    bool well = collect(params, &g), was = cr_set_grad_enabled(false);
    cr_tensor **norms = well ? malloc((g.count + 1) * sizeof *norms) : NULL;
    cr_scope_begin();
    for (size_t i = 0; norms && i < g.count; i++)
        norms[i] = cr_norm(g.list[i], .p = CR_S(p));
    if (norms)
        total = g.count ? cr_norm(cr_stack(cr_make_tensors(norms, g.count)), .p = CR_S(p))
                        : cr_zeros(CR_EMPTY);
    if (total && options && options->error_if_nonfinite && !isfinite(cr_item(total)))
        total = cr_fail("The total norm of order %g for gradients from `parameters` is non-finite, "
                        "so it cannot be clipped.",
                        p);
    cr_tensor *scale = /* in PyTorch's order, which decides on the last bit */
        total
            ? cr_clamp_max(cr_mul_scalar(cr_reciprocal(cr_add_scalar(total, 1e-6)), max_norm), 1.0)
            : NULL;
    for (size_t i = 0; scale && i < g.count && total; i++)
        if (!cr_mul_(g.list[i], scale))
            total = NULL;
    cr_keep(total);
    cr_scope_end();
    cr_set_grad_enabled(was);
    free(norms);
    free(g.list);
    return total;
}

int cr_clip_grad_value_with_(cr_params params, double clip_value)
{
    grads g = {0};
    bool well = collect(params, &g), was = cr_set_grad_enabled(false);
    for (size_t i = 0; well && i < g.count; i++)
        well = cr_clamp_(g.list[i], .min = CR_S(-clip_value), .max = CR_S(clip_value)) != NULL;
    cr_set_grad_enabled(was);
    free(g.list);
    return well ? 0 : -1;
}
