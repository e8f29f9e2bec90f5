/* The line search of L-BFGS. */
#ifndef CRESSET_CORE_OPTIM_LINE_SEARCH_H
#define CRESSET_CORE_OPTIM_LINE_SEARCH_H

#include <cresset/tensor.h>

/* A point of the line: where, the function's value and slope there, and its whole gradient (retained by the point). */
typedef struct cr_line_point {
    double t, f, slope;
    cr_tensor *grad;
} cr_line_point;

/* Makes a point another one. */
void cr_line_point_set(cr_line_point *to, const cr_line_point *from);

/* Evaluates the function at t; fills point, whose old gradient it lets go. Returns 0, or -1 with the error set. */
typedef int cr_line_function(void *context, double t, cr_line_point *point);

/* Looks for a point that meets the strong Wolfe conditions (c1 1e-4, c2 0.9), beginning at t, with at most 25 evaluations
 * after the first; start is the point at 0, and width the largest element of the direction. Gives the best point found and
 * counts evaluations. Returns 0, or -1 with the error set. */
int cr_strong_wolfe(cr_line_function *function, void *context, const cr_line_point *start, double t,
                    double width, double tolerance_change, cr_line_point *best,
                    int64_t *evaluations);

#endif
