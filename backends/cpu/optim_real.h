/* The steps' formulas for one type; optim.c includes this for f32 and f64 with REAL, SQRT and NAME. Runs of n elements;
 * every buffer is its own memory. Each function is checked by the tests' step over doubles. */

/* g = ±g + wd p;  b = μ b + (1 - τ) g, or g at first;  p -= lr (nesterov ? g + μ b : b) */
static void NAME(sgd)(const optim_job *job, void *const *value, int64_t n)
{
    REAL *restrict p = value[0], *restrict b = value[2];
    const REAL *restrict g0 = value[1];
    const REAL decay = (REAL)job->weight_decay, rate = (REAL)job->lr,
               momentum = (REAL)job->momentum, keep = (REAL)(1 - job->dampening),
               sign = job->plan->maximize ? -1 : 1;
    const bool nesterov = job->plan->nesterov;
    if (!job->plan->has_momentum) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            p[i] -= rate * (sign * g0[i] + decay * p[i]);
    } else if (job->plan->is_first_step) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) {
            REAL g = sign * g0[i] + decay * p[i];
            b[i] = g;
            p[i] -= rate * (nesterov ? g + momentum * g : g);
        }
    } else {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) {
            REAL g = sign * g0[i] + decay * p[i], next = momentum * b[i] + keep * g;
            b[i] = next;
            p[i] -= rate * (nesterov ? g + momentum * next : next);
        }
    }
}

/* adam: g = ±g + wd p;  adamw: p *= 1 - lr wd.  Then
 * m = β₁ m + (1 - β₁) g;  v = β₂ v + (1 - β₂) g²;  p -= lr / (1 - β₁ᵗ) · m / (√(v or greatest v) / √(1 - β₂ᵗ) + ε) */
static void NAME(adam)(const optim_job *job, void *const *value, int64_t n)
{
    REAL *restrict p = value[0], *restrict m = value[2], *restrict v = value[3],
                   *restrict top = value[4];
    const REAL *restrict g0 = value[1];
    const bool decoupled = job->plan->decoupled;
    const REAL sign = job->plan->maximize ? -1 : 1, decay = decoupled ? 0 : (REAL)job->weight_decay,
               shrink = decoupled ? (REAL)(1 - job->lr * job->weight_decay) : 1,
               beta1 = (REAL)job->beta1, beta2 = (REAL)job->beta2, rest1 = (REAL)(1 - job->beta1),
               rest2 = (REAL)(1 - job->beta2), eps = (REAL)job->eps,
               rate = (REAL)(job->lr / (1 - pow(job->beta1, job->step))),
               scale = (REAL)(1 / sqrt(1 - pow(job->beta2, job->step)));
    if (job->plan->amsgrad) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) {
            REAL was = p[i], g = sign * g0[i] + decay * was;
            m[i] = beta1 * m[i] + rest1 * g;
            v[i] = beta2 * v[i] + rest2 * g * g;
            top[i] = v[i] > top[i] || v[i] != v[i] ? v[i] : top[i];
            p[i] = was * shrink - rate * m[i] / (SQRT(top[i]) * scale + eps);
        }
        return;
    }
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        REAL was = p[i], g = sign * g0[i] + decay * was;
        m[i] = beta1 * m[i] + rest1 * g;
        v[i] = beta2 * v[i] + rest2 * g * g;
        p[i] = was * shrink - rate * m[i] / (SQRT(v[i]) * scale + eps);
    }
}
