/* A line search for the strong Wolfe conditions (Nocedal and Wright, Numerical Optimization, algorithms 3.5 and 3.6): first a
 * bracket that holds a good point, then smaller ones, by cubic interpolation. */
#include "core/optim/line_search.h"

#include <math.h>

static const double ARMIJO = 1e-4, CURVATURE = 0.9;
enum { MOST = 25 };

void cr_line_point_set(cr_line_point *to, const cr_line_point *from)
{
    cr_tensor *old = to->grad;
    cr_retain(from->grad);
    *to = *from;
    cr_release(old);
}

/* The minimum, within bounds, of the cubic through two points with their slopes. */
static double interpolate(const cr_line_point *a, const cr_line_point *b, double low, double high)
{
    double d1 = a->slope + b->slope - 3 * (a->f - b->f) / (a->t - b->t);
    double square = d1 * d1 - a->slope * b->slope;
    if (!(square >= 0))
        return (low + high) / 2;
    double d2 = sqrt(square);
    const cr_line_point *left = a->t <= b->t ? a : b, *right = a->t <= b->t ? b : a;
    double at = right->t - (right->t - left->t) *
                               ((right->slope + d2 - d1) / (right->slope - left->slope + 2 * d2));
    return fmin(fmax(at, low), high);
}

static bool falls_too_little(const cr_line_point *start, const cr_line_point *p)
{
    return p->f > start->f + ARMIJO * p->t * start->slope;
}

static bool is_flat(const cr_line_point *start, const cr_line_point *p)
{
    return fabs(p->slope) <= -CURVATURE * start->slope;
}

/* Where to evaluate next in a bracket. Twice in a row near an end, or at it, is no progress: then a tenth away from it. */
static double within(const cr_line_point *bracket, bool *was_near)
{
    double low = fmin(bracket[0].t, bracket[1].t), high = fmax(bracket[0].t, bracket[1].t);
    double t = interpolate(&bracket[0], &bracket[1], low, high), margin = 0.1 * (high - low);
    bool near = fmin(high - t, t - low) < margin;
    if (near && (*was_near || t >= high || t <= low)) {
        t = fabs(t - high) < fabs(t - low) ? high - margin : low + margin;
        near = false;
    }
    *was_near = near;
    return t;
}

/* Narrows the bracket until a point is good. low says which end is the better one. */
static int zoom(cr_line_function *function, void *context, const cr_line_point *start, double width,
                double tolerance, cr_line_point *bracket, int rounds, int *low,
                int64_t *evaluations)
{
    cr_line_point now = {.grad = NULL};
    bool near = false, done = false;
    int failed = 0;
    *low = bracket[0].f <= bracket[1].f ? 0 : 1;
    for (; rounds < MOST && !done && !failed; rounds++) {
        if (fabs(bracket[1].t - bracket[0].t) * width < tolerance)
            break;
        failed = function(context, within(bracket, &near), &now);
        if (failed)
            break;
        ++*evaluations;
        cr_line_point *best = &bracket[*low], *other = &bracket[1 - *low];
        if (falls_too_little(start, &now) || now.f >= best->f) {
            cr_line_point_set(other, &now);
            *low = bracket[0].f <= bracket[1].f ? 0 : 1;
            continue;
        }
        done = is_flat(start, &now);
        if (!done && now.slope * (other->t - best->t) >= 0)
            cr_line_point_set(other, best);
        cr_line_point_set(best, &now);
    }
    cr_release(now.grad);
    return failed;
}

int cr_strong_wolfe(cr_line_function *function, void *context, const cr_line_point *start, double t,
                    double width, double tolerance_change, cr_line_point *best,
                    int64_t *evaluations)
{
    cr_line_point bracket[2] = {{.grad = NULL}, {.grad = NULL}};
    bool found = false, bracketed = false;
    int round = 0, low = 1;
    cr_line_point_set(&bracket[0], start);
    int failed = function(context, t, &bracket[1]);
    *evaluations = 1;
    for (; round < MOST && !failed; round++) {
        cr_line_point *was = &bracket[0], *now = &bracket[1];
        if (falls_too_little(start, now) || (round > 1 && now->f >= was->f)) {
            bracketed = true;
            break;
        }
        found = is_flat(start, now);
        bracketed = !found && now->slope >= 0;
        if (found || bracketed)
            break;
        double next = interpolate(was, now, now->t + 0.01 * (now->t - was->t), now->t * 10);
        cr_line_point_set(was, now);
        failed = function(context, next, now);
        ++*evaluations;
    }
    if (!failed && !found && !bracketed) { /* never: the better of the start and the last */
        cr_line_point_set(&bracket[0], start);
        low = bracket[0].f <= bracket[1].f ? 0 : 1;
    }
    if (!failed && bracketed)
        failed = zoom(function, context, start, width, tolerance_change, bracket, round, &low,
                      evaluations);
    if (!failed)
        cr_line_point_set(best, &bracket[low]);
    cr_release(bracket[0].grad);
    cr_release(bracket[1].grad);
    return failed;
}
