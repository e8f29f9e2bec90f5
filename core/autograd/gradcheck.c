/* Derivatives against finite differences: (f(x + eps) - f(x - eps)) / 2 eps, weighted by a fixed
 * pattern so that one backward checks all outputs. */
#include <math.h>
#include <stdlib.h>

#include <cresset/ops.h>

#include "core/autograd/autograd.h"

/* A fixed weight for each output element, away from zero. */
static cr_tensor *weights_like(cr_tensor *out)
{
    cr_tensor *ramp =
        cr_arange(out->numel, .dtype = (cr_dtype)out->dtype, .device = cr_tensor_device(out));
    cr_tensor *wave = cr_add_scalar(cr_sin(cr_mul_scalar(cr_add_scalar(ramp, 1), 1.7)), 1.5);
    return cr_reshape(wave, cr_make_ints(out->size, out->dim));
}

static double weighted(cr_gradcheck_function f, void *context, cr_tensor *const *inputs, size_t n)
{
    double value = NAN;
    CR_SCOPE {
        cr_tensor *out = f(context, inputs, n);
        cr_tensor *sum = out ? cr_sum(cr_mul(out, weights_like(out))) : NULL;
        if (sum)
            value = cr_item(sum);
    }
    return value;
}

static bool check_input(cr_gradcheck_function f, void *context, cr_tensor *const *inputs, size_t n,
                        size_t which, cr_tensor *grad, double eps, double atol, double rtol)
{
    cr_tensor *x = inputs[which];
    size_t size = cr_dtype_size((cr_dtype)x->dtype), bytes = (size_t)x->numel * size;
    double *values = malloc(bytes + 8), *grads = malloc((size_t)x->numel * 8 + 8);
    bool agrees = values && grads;
    if (!agrees)
        cr_fail_memory("gradcheck", bytes);
    if (agrees && x->dtype != CR_F64) {
        cr_fail("cr_gradcheck: input %zu is %s; float64 is needed for finite differences", which,
                cr_dtype_name((cr_dtype)x->dtype));
        agrees = false;
    }
    agrees = agrees && !cr_tensor_read(x, values, bytes) &&
             (!grad || !cr_tensor_read(grad, grads, bytes));
    for (int64_t i = 0; agrees && i < x->numel; i++) {
        double was = values[i], sides[2];
        for (int s = 0; s < 2 && agrees; s++) {
            values[i] = s ? was - eps : was + eps;
            agrees = !cr_tensor_write(x, values, bytes);
            sides[s] = agrees ? weighted(f, context, inputs, n) : NAN;
        }
        values[i] = was;
        agrees = agrees && !cr_tensor_write(x, values, bytes) && !cr_error();
        if (!agrees)
            break;
        double numeric = (sides[0] - sides[1]) / (2 * eps), analytic = grad ? grads[i] : 0;
        if (!(fabs(numeric - analytic) <= atol + rtol * fabs(numeric)) &&
            !(isnan(numeric) && isnan(analytic))) {
            cr_fail("cr_gradcheck: the gradient of input %zu at element %lld is %.9g; finite "
                    "differences say %.9g",
                    which, (long long)i, analytic, numeric);
            agrees = false;
        }
    }
    free(values);
    free(grads);
    return agrees;
}

bool cr_gradcheck(cr_gradcheck_function f, void *context, cr_tensor *const *inputs, size_t n,
                  const cr_gradcheck_options *options)
{
    double eps = options && options->eps ? options->eps : 1e-6,
           atol = options && options->atol ? options->atol : 1e-5,
           rtol = options && options->rtol ? options->rtol : 1e-3;
    if (!f || (n && !inputs))
        return cr_fail("cr_gradcheck: a function and its inputs are needed"), false;
    for (size_t i = 0; i < n; i++)
        if (!inputs[i])
            return cr_error() ? false : (cr_fail("cr_gradcheck: input %zu is null", i), false);
    bool agrees = true;
    cr_tensor **grads = calloc(n ? n : 1, sizeof *grads),
              **wanted = calloc(n ? n : 1, sizeof *wanted);
    if (!grads || !wanted) {
        free(grads);
        free(wanted);
        return cr_fail_memory("gradcheck", n * sizeof *grads), false;
    }
    CR_SCOPE {
        size_t nwanted = 0;
        for (size_t i = 0; i < n; i++)
            if (cr_requires_grad_flag(inputs[i]))
                wanted[nwanted++] = inputs[i];
        cr_tensor *out = f(context, inputs, n);
        cr_tensor *weights = out ? weights_like(out) : NULL;
        if (!weights) {
            if (!cr_error())
                cr_fail("cr_gradcheck: the function gave nothing");
            agrees = false;
        } else if (!nwanted) {
            cr_fail("cr_gradcheck: no input requires grad");
            agrees = false;
        } else {
            agrees = !cr_autograd_grad(&out, &weights, 1, wanted, nwanted, 1, grads);
        }
        bool was = cr_set_grad_enabled(false);
        for (size_t i = 0, g = 0; i < n && agrees; i++)
            if (cr_requires_grad_flag(inputs[i]))
                agrees = check_input(f, context, inputs, n, i, grads[g++], eps, atol, rtol);
        cr_set_grad_enabled(was);
    }
    free(grads);
    free(wanted);
    return agrees;
}

/* ---- the second derivative: the first one, as a function ---- */

typedef struct first {
    cr_gradcheck_function f;
    void *context;
} first;

/* All gradients of the weighted sum of f, flattened and joined. */
static cr_tensor *gradient(void *context, cr_tensor *const *inputs, size_t n)
{
    const first *d = context;
    cr_tensor *joined = NULL, **wanted = calloc(n ? n : 1, sizeof *wanted),
              **grads = calloc(n ? n : 1, sizeof *grads);
    size_t nwanted = 0, ngrads = 0;
    bool was = cr_set_grad_enabled(true);
    for (size_t i = 0; i < n && wanted && grads; i++)
        if (cr_requires_grad_flag(inputs[i]))
            wanted[nwanted++] = inputs[i];
    cr_tensor *out = wanted && grads ? d->f(d->context, inputs, n) : NULL;
    cr_tensor *weights = out ? weights_like(out) : NULL;
    const cr_autograd_grad_options options = {.create_graph = true, .allow_unused = true};
    if (weights && !cr_autograd_grad_with(&out, &weights, 1, wanted, nwanted, &options, grads)) {
        for (size_t i = 0; i < nwanted; i++)
            if (grads[i])
                grads[ngrads++] = cr_reshape(grads[i], CR_INTS(-1));
        joined = ngrads ? cr_cat(cr_make_tensors(grads, ngrads)) : cr_zeros(1, .dtype = CR_F64);
    }
    cr_set_grad_enabled(was);
    free(wanted);
    free(grads);
    return joined;
}

/* A first derivative that is constant has no graph: adding zero times the inputs gives it one. */
static cr_tensor *tied_gradient(void *context, cr_tensor *const *inputs, size_t n)
{
    cr_tensor *joined = gradient(context, inputs, n);
    for (size_t i = 0; i < n && joined && cr_grad_enabled(); i++)
        if (cr_requires_grad_flag(inputs[i]))
            joined = cr_add(joined, cr_mul_scalar(cr_sum(cr_mul_scalar(inputs[i], 0.0)), 0.0));
    return joined;
}

bool cr_gradgradcheck(cr_gradcheck_function f, void *context, cr_tensor *const *inputs, size_t n,
                      const cr_gradcheck_options *options)
{
    first d = {f, context};
    return cr_gradcheck(tied_gradient, &d, inputs, n, options);
}
