/* L-BFGS: directions from the last changes of the gradient, steps of fixed length or by a line search. */
#include "core/optim/lbfgs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/optim/kinds.h"
#include "core/optim/line_search.h"

void cr_lbfgs_free(cr_lbfgs *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->count; i++) {
        cr_release(l->old_dirs[i]);
        cr_release(l->old_stps[i]);
    }
    cr_release(l->d);
    cr_release(l->prev_flat_grad);
    free(l->old_dirs);
    free(l->old_stps);
    free(l->ro);
    free(l);
}

/* ---- parameters as one vector ---- */

static cr_tensor *flat_grad(const cr_param_group *g)
{
    for (size_t i = 0; i < g->count; i++) {
        cr_tensor *p = g->params[i], *grad = cr_grad(p);
        g->lists[i] = cr_reshape(grad ? grad : cr_zeros_like(p), -1);
    }
    return cr_cat(cr_make_tensors(g->lists, g->count));
}

/* Adds t d to the parameters. */
static int move(const cr_param_group *g, double t, cr_tensor *d)
{
    int64_t at = 0;
    int failed = 0;
    for (size_t i = 0; i < g->count && !failed; i++) {
        cr_tensor *p = g->params[i];
        int64_t n = cr_tensor_numel(p);
        cr_tensor *part =
            cr_reshape(cr_narrow(d, 0, at, n), cr_make_ints(cr_tensor_sizes(p), cr_tensor_dim(p)));
        failed = cr_add_(p, part, .alpha = CR_S(t)) ? 0 : -1;
        at += n;
    }
    return failed;
}

static double dot(cr_tensor *a, cr_tensor *b)
{
    return cr_item(cr_dot(a, b));
}

static double largest(cr_tensor *a)
{
    return cr_item(cr_max(cr_abs(a)));
}

static void replace(cr_tensor **at, cr_tensor *by)
{
    cr_retain(by);
    cr_release(*at);
    *at = by;
}

/* ---- evaluating ---- */

typedef struct line {
    cr_param_group *group;
    cr_closure *closure;
    void *context;
    cr_tensor *d, **origin; /* the parameters at t = 0 */
} line;

/* Calls the closure, recording on; the loss's value, and the loss itself where it is asked for. Returns 0 or -1. */
static int evaluate(const line *l, double *value, cr_tensor **loss)
{
    bool was = cr_set_grad_enabled(true);
    cr_tensor *result = l->closure(l->context);
    cr_set_grad_enabled(was);
    if (!result && !cr_error())
        cr_fail("LBFGS: the closure gave no loss");
    if (!result || cr_error())
        return -1;
    *value = cr_item(result);
    if (loss)
        *loss = result;
    return cr_error() ? -1 : 0;
}

static int at_point(void *context, double t, cr_line_point *point)
{
    const line *l = context;
    int failed = -1;
    CR_SCOPE {
        point->t = t;
        failed = move(l->group, t, l->d) || evaluate(l, &point->f, NULL);
        cr_tensor *grad = failed ? NULL : flat_grad(l->group);
        for (size_t i = 0; i < l->group->count; i++)
            if (!cr_copy_(l->group->params[i], l->origin[i]))
                failed = -1;
        if (!grad)
            failed = -1;
        if (!failed) {
            replace(&point->grad, grad);
            point->slope = dot(grad, l->d);
            failed = cr_error() ? -1 : 0;
        }
    }
    return failed;
}

/* From the point at 0 to a good one; returns 0 or -1. */
static int search(line *l, cr_line_point *point, double t, double slope, double tolerance,
                  int64_t *evaluations)
{
    size_t count = l->group->count;
    l->origin = malloc(count * sizeof *l->origin);
    if (!l->origin)
        return cr_fail_memory("a line search", count * sizeof *l->origin), -1;
    for (size_t i = 0; i < count; i++)
        l->origin[i] = cr_clone(l->group->params[i]);
    point->t = 0;
    point->slope = slope;
    int failed = cr_error() ? -1
                            : cr_strong_wolfe(at_point, l, point, t, largest(l->d), tolerance,
                                              point, evaluations);
    free(l->origin);
    return failed;
}

/* ---- directions ---- */

static int remember(cr_lbfgs *l, cr_tensor *y, cr_tensor *s, double ys, size_t most)
{
    if (l->count == most) {
        cr_release(l->old_dirs[0]);
        cr_release(l->old_stps[0]);
        l->count--;
        for (size_t i = 0; i < l->count; i++) {
            l->old_dirs[i] = l->old_dirs[i + 1];
            l->old_stps[i] = l->old_stps[i + 1];
            l->ro[i] = l->ro[i + 1];
        }
    }
    l->old_dirs[l->count] = cr_retain(y);
    l->old_stps[l->count] = cr_retain(s);
    l->ro[l->count++] = 1 / ys;
    l->h_diag = ys / dot(y, y);
    return 0;
}

bool cr_lbfgs_make_room(cr_lbfgs *l, size_t n)
{
    if (n <= l->room)
        return true;
    cr_tensor **dirs = realloc(l->old_dirs, n * sizeof *dirs);
    l->old_dirs = dirs ? dirs : l->old_dirs;
    cr_tensor **stps = realloc(l->old_stps, n * sizeof *stps);
    l->old_stps = stps ? stps : l->old_stps;
    double *ro = realloc(l->ro, n * sizeof *ro);
    l->ro = ro ? ro : l->ro;
    if (!dirs || !stps || !ro)
        return cr_fail_memory("L-BFGS's history", n * sizeof *dirs), false;
    l->room = n;
    return true;
}

/* The next direction from the gradient: the inverse Hessian as the history tells it, times -g. */
static int turn(cr_lbfgs *l, cr_tensor *grad, size_t most)
{
    if (l->n_iter == 1) {
        replace(&l->d, cr_neg(grad));
        l->h_diag = 1;
        return l->d ? 0 : -1;
    }
    if (cr_tensor_dtype(grad) != cr_tensor_dtype(l->d))
        return CR_FAIL_INT(
            "LBFGS: parameters are %s now, but its history is %s: make the optimizer "
            "after a module's dtype has changed",
            cr_dtype_name(cr_tensor_dtype(grad)), cr_dtype_name(cr_tensor_dtype(l->d)));
    cr_tensor *y = cr_sub(grad, l->prev_flat_grad), *s = cr_mul_scalar(l->d, l->t);
    double ys = dot(y, s);
    if (ys > 1e-10)
        remember(l, y, s, ys, most);
    double *along = malloc((l->count + 1) * sizeof *along);
    if (!along)
        return cr_fail_memory("L-BFGS", l->count * sizeof *along), -1;
    cr_tensor *q = cr_neg(grad);
    for (size_t i = l->count; i-- > 0;) {
        along[i] = dot(l->old_stps[i], q) * l->ro[i];
        cr_add_(q, l->old_dirs[i], .alpha = CR_S(-along[i]));
    }
    q = cr_mul_scalar(q, l->h_diag);
    for (size_t i = 0; i < l->count; i++) {
        double back = dot(l->old_dirs[i], q) * l->ro[i];
        cr_add_(q, l->old_stps[i], .alpha = CR_S(along[i] - back));
    }
    free(along);
    if (cr_error())
        return -1;
    replace(&l->d, q);
    return 0;
}

/* ---- the step ---- */

/* One iteration, from the point where the parameters are to the next. *on: whether another is to follow. */
static int iterate(cr_lbfgs *l, const cr_group_numbers *n, line *ray, cr_line_point *point,
                   bool is_last, int64_t *evaluations, bool *on)
{
    l->n_iter++;
    if (turn(l, point->grad, (size_t)n->history_size))
        return -1;
    replace(&l->prev_flat_grad, point->grad);
    l->prev_loss = point->f;
    double sum = l->n_iter == 1 ? cr_item(cr_sum(cr_abs(point->grad))) : 0;
    l->t = l->n_iter == 1 ? fmin(1, 1 / sum) * n->lr : n->lr;
    double slope = dot(point->grad, l->d);
    *on = false;
    if (slope > -n->tolerance_change)
        return cr_error() ? -1 : 0;
    ray->d = l->d;
    int64_t more = 0;
    if (n->strong_wolfe) {
        if (search(ray, point, l->t, slope, n->tolerance_change, &more))
            return -1;
        l->t = point->t;
        if (move(ray->group, l->t, l->d))
            return -1;
    } else {
        if (move(ray->group, l->t, l->d))
            return -1;
        if (!is_last) { /* the last iteration's point isn't looked at any more */
            if (evaluate(ray, &point->f, NULL))
                return -1;
            replace(&point->grad, flat_grad(ray->group));
            more = 1;
        }
    }
    *evaluations += more;
    l->func_evals += more;
    *on = !is_last && *evaluations < (int64_t)n->max_eval &&
          !(largest(point->grad) <= n->tolerance_grad) &&
          !(largest(l->d) * fabs(l->t) <= n->tolerance_change) &&
          !(fabs(point->f - l->prev_loss) < n->tolerance_change);
    return cr_error() ? -1 : 0;
}

cr_tensor *cr_lbfgs_step(cr_optimizer *optimizer, cr_closure *closure, void *context)
{
    cr_lbfgs *l = optimizer->lbfgs;
    cr_param_group *g = &optimizer->groups[0];
    const cr_group_numbers n = g->numbers;
    line ray = {.group = g, .closure = closure, .context = context};
    cr_line_point point = {0};
    cr_tensor *loss = NULL;
    if (!cr_lbfgs_make_room(l, (size_t)n.history_size))
        return NULL;
    bool was = cr_set_grad_enabled(false), on = false;
    int failed = evaluate(&ray, &point.f, &loss);
    CR_SCOPE {
        if (!failed) {
            l->func_evals++;
            replace(&point.grad, flat_grad(g));
            failed = point.grad ? 0 : -1;
            on = !failed && !(largest(point.grad) <= n.tolerance_grad);
        }
    }
    int64_t evaluations = 1;
    for (int64_t i = 1; on && !failed && i <= (int64_t)n.max_iter; i++)
        CR_SCOPE
            failed = iterate(l, &n, &ray, &point, i == (int64_t)n.max_iter, &evaluations, &on);
    cr_release(point.grad);
    cr_set_grad_enabled(was);
    return failed ? NULL : loss;
}

/* ---- making ---- */

static bool check(const cr_group_numbers *n)
{
    if (!(n->max_iter >= 1) || !(n->history_size >= 1))
        return cr_fail("LBFGS: max_iter and history_size must be at least 1"), false;
    return true;
}

static const cr_optimizer_kind lbfgs = {
    .name = "LBFGS",
    .options = CR_COMMON_OPTIONS | CR_TAKES(MAX_ITER) | CR_TAKES(MAX_EVAL) |
               CR_TAKES(TOLERANCE_GRAD) | CR_TAKES(TOLERANCE_CHANGE) | CR_TAKES(HISTORY_SIZE) |
               CR_TAKES(LINE_SEARCH_FN),
    .check = check,
};

cr_optimizer *cr_lbfgs_with(cr_params params, const cr_lbfgs_options *options)
{
    CR_TAKE_OPTIONS(cr_lbfgs_options);
    int64_t max_iter = o->max_iter ? o->max_iter : 20;
    const cr_group_numbers numbers = {
        .lr = cr_given(o->lr, 1),
        .max_iter = (double)max_iter,
        .max_eval = (double)(o->max_eval ? o->max_eval : max_iter * 5 / 4),
        .tolerance_grad = cr_given(o->tolerance_grad, 1e-7),
        .tolerance_change = cr_given(o->tolerance_change, 1e-9),
        .history_size = (double)(o->history_size ? o->history_size : 100),
        .strong_wolfe = o->line_search_fn != NULL};
    if (o->line_search_fn && strcmp(o->line_search_fn, "strong_wolfe"))
        return cr_fail("only 'strong_wolfe' is supported");
    cr_lbfgs *l = calloc(1, sizeof *l);
    if (!l)
        return cr_fail_memory("an optimizer", sizeof *l);
    cr_optimizer *optimizer = cr_optimizer_make(&lbfgs, params, &numbers);
    if (optimizer)
        optimizer->lbfgs = l;
    else
        cr_lbfgs_free(l);
    return optimizer;
}
