/* The steps' formulas for one type; optim.c includes this for f32 and f64 with REAL, SQRT, FABS and NAME. Runs of n
 * elements; every buffer is its own memory: the parameter, its gradient, then the states. The formulas are those of
 * torch.optim; core/ops/compose_optim.c says the same with tensors. */

/* The gradient as the step sees it: with its sign and weight decay. */
#define DESCENT(i) (sign * g0[i] + decay * p[i])
#define DESCENT_OF(job) \
    const REAL sign = (job)->plan->maximize ? -1 : 1, decay = (REAL)(job)->weight_decay

/* g = ±g + wd p;  b = μ b + (1 - τ) g, or g at first;  p -= lr (nesterov ? g + μ b : b) */
static void NAME(sgd)(const optim_job *job, void *const *value, int64_t n)
{
    REAL *restrict p = value[0], *restrict b = value[2];
    const REAL *restrict g0 = value[1];
    DESCENT_OF(job);
    const REAL rate = (REAL)job->lr, momentum = (REAL)job->momentum,
               keep = (REAL)(1 - job->dampening);
    const bool nesterov = job->plan->nesterov;
    if (!job->plan->has_momentum) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            p[i] -= rate * DESCENT(i);
    } else if (job->plan->is_first_step) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) {
            REAL g = DESCENT(i);
            b[i] = g;
            p[i] -= rate * (nesterov ? g + momentum * g : g);
        }
    } else {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) {
            REAL g = DESCENT(i), next = momentum * b[i] + keep * g;
            b[i] = next;
            p[i] -= rate * (nesterov ? g + momentum * next : next);
        }
    }
}

/* adam: g = ±g + wd p;  adamw: p *= 1 - lr wd.  Then
 * m = β₁ m + (1 - β₁) g;  v = β₂ v + (1 - β₂) g²;  p -= lr / (1 - β₁ᵗ) · m / (√(v or greatest v) / √(1 - β₂ᵗ) + ε) */
static void NAME(adams)(const optim_job *job, void *const *value, int64_t n, bool decoupled)
{
    REAL *restrict p = value[0], *restrict m = value[2], *restrict v = value[3],
                   *restrict top = value[4];
    const REAL *restrict g0 = value[1];
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

static void NAME(adam)(const optim_job *job, void *const *value, int64_t n)
{
    NAME(adams)(job, value, n, false);
}

static void NAME(adamw)(const optim_job *job, void *const *value, int64_t n)
{
    NAME(adams)(job, value, n, true);
}

/* m = β₁ m + (1 - β₁) g;  u = max(β₂ u, |g| + ε);  p -= lr / (1 - β₁ᵗ) · m / u */
static void NAME(adamax)(const optim_job *job, void *const *value, int64_t n)
{
    REAL *restrict p = value[0], *restrict m = value[2], *restrict u = value[3];
    const REAL *restrict g0 = value[1];
    DESCENT_OF(job);
    const REAL beta1 = (REAL)job->beta1, rest1 = (REAL)(1 - job->beta1), beta2 = (REAL)job->beta2,
               eps = (REAL)job->eps, rate = (REAL)(job->lr / (1 - pow(job->beta1, job->step)));
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        REAL g = DESCENT(i), old = beta2 * u[i], size = FABS(g) + eps;
        m[i] = beta1 * m[i] + rest1 * g;
        u[i] = old > size || old != old ? old : size;
        p[i] -= rate * m[i] / u[i];
    }
}

/* m, v as Adam's; μ = β₁ (1 - 0.96^(t ψ) / 2), μ' at t + 1, Πμ the product of all μ so far;
 * p -= lr ((1 - μ) / (1 - Πμ) · g + μ' / (1 - Πμ μ μ') · m) / (√(v / (1 - β₂ᵗ)) + ε) */
static void NAME(nadam)(const optim_job *job, void *const *value, int64_t n)
{
    REAL *restrict p = value[0], *restrict m = value[2], *restrict v = value[3];
    const REAL *restrict g0 = value[1];
    DESCENT_OF(job);
    const double mu = job->beta1 * (1 - 0.5 * pow(0.96, job->step * job->momentum_decay)),
                 next = job->beta1 * (1 - 0.5 * pow(0.96, (job->step + 1) * job->momentum_decay));
    const REAL beta1 = (REAL)job->beta1, rest1 = (REAL)(1 - job->beta1), beta2 = (REAL)job->beta2,
               rest2 = (REAL)(1 - job->beta2), eps = (REAL)job->eps,
               scale = (REAL)(1 / sqrt(1 - pow(job->beta2, job->step))),
               of_g = (REAL)(job->lr * (1 - mu) / (1 - job->mu_product)),
               of_m = (REAL)(job->lr * next / (1 - job->mu_product * mu * next));
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        REAL g = DESCENT(i);
        m[i] = beta1 * m[i] + rest1 * g;
        v[i] = beta2 * v[i] + rest2 * g * g;
        p[i] -= (of_g * g + of_m * m[i]) / (SQRT(v[i]) * scale + eps);
    }
}

/* m, v as Adam's; ρ∞ = 2 / (1 - β₂) - 1;  ρ = ρ∞ - 2 t β₂ᵗ / (1 - β₂ᵗ);
 * p -= lr m / (1 - β₁ᵗ) · (ρ > 5 ? r √(1 - β₂ᵗ) / (√v + ε) : 1),
 * r² = (ρ - 4)(ρ - 2) ρ∞ / ((ρ∞ - 4)(ρ∞ - 2) ρ) */
static void NAME(radam)(const optim_job *job, void *const *value, int64_t n)
{
    REAL *restrict p = value[0], *restrict m = value[2], *restrict v = value[3];
    const REAL *restrict g0 = value[1];
    DESCENT_OF(job);
    const double power = pow(job->beta2, job->step), most = 2 / (1 - job->beta2) - 1,
                 rho = most - 2 * job->step * power / (1 - power),
                 rate = job->lr / (1 - pow(job->beta1, job->step));
    const bool rectified = rho > 5;
    const double r =
        rectified
            ? sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho) * (1 - power))
            : 1;
    const REAL beta1 = (REAL)job->beta1, rest1 = (REAL)(1 - job->beta1), beta2 = (REAL)job->beta2,
               rest2 = (REAL)(1 - job->beta2), eps = (REAL)job->eps, by = (REAL)(rate * r);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        REAL g = DESCENT(i);
        m[i] = beta1 * m[i] + rest1 * g;
        v[i] = beta2 * v[i] + rest2 * g * g;
        p[i] -= by * m[i] / (rectified ? SQRT(v[i]) + eps : 1);
    }
}

/* s = α s + (1 - α) g²;  centered: a = α a + (1 - α) g, s' = s - a²;  d = g / (√s' + ε);
 * with momentum: b = μ b + d, d = b;  p -= lr d */
static void NAME(rmsprop)(const optim_job *job, void *const *value, int64_t n)
{
    const bool centered = job->plan->centered, has_momentum = job->plan->has_momentum;
    REAL *restrict p = value[0], *restrict s = value[2], *restrict a = centered ? value[3] : NULL,
                   *restrict b = has_momentum ? value[3 + centered] : NULL;
    const REAL *restrict g0 = value[1];
    DESCENT_OF(job);
    const REAL alpha = (REAL)job->alpha, rest = (REAL)(1 - job->alpha), eps = (REAL)job->eps,
               rate = (REAL)job->lr, momentum = (REAL)job->momentum;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        REAL g = DESCENT(i), spread = s[i] = alpha * s[i] + rest * g * g;
        if (centered) {
            a[i] = alpha * a[i] + rest * g;
            spread -= a[i] * a[i];
        }
        REAL d = g / (SQRT(spread) + eps);
        if (has_momentum)
            b[i] = d = momentum * b[i] + d;
        p[i] -= rate * d;
    }
}

/* s *= g was > 0 ? η⁺ : g was < 0 ? η⁻ : 1, within its bounds; g = 0 where it turned; p -= sign(g) s; was = g */
static void NAME(rprop)(const optim_job *job, void *const *value, int64_t n)
{
    REAL *restrict p = value[0], *restrict was = value[2], *restrict s = value[3];
    const REAL *restrict g0 = value[1];
    const REAL sign = job->plan->maximize ? -1 : 1, minus = (REAL)job->etaminus,
               plus = (REAL)job->etaplus, least = (REAL)job->step_size_min,
               most = (REAL)job->step_size_max;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        REAL g = sign * g0[i], agree = g * was[i];
        REAL size = s[i] * (agree > 0 ? plus : agree < 0 ? minus : 1);
        size = size < least ? least : size > most ? most : size;
        g = agree < 0 ? 0 : g;
        s[i] = size;
        was[i] = g;
        p[i] -= g > 0 ? size : g < 0 ? -size : 0;
    }
}

/* s += g²;  p -= lr / (1 + (t - 1) lr_decay) · g / (√s + ε) */
static void NAME(adagrad)(const optim_job *job, void *const *value, int64_t n)
{
    REAL *restrict p = value[0], *restrict s = value[2];
    const REAL *restrict g0 = value[1];
    DESCENT_OF(job);
    const REAL eps = (REAL)job->eps, rate = (REAL)(job->lr / (1 + (job->step - 1) * job->lr_decay));
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        REAL g = DESCENT(i);
        s[i] += g * g;
        p[i] -= rate * g / (SQRT(s[i]) + eps);
    }
}

/* s = ρ s + (1 - ρ) g²;  d = √(u + ε) / √(s + ε) · g;  u = ρ u + (1 - ρ) d²;  p -= lr d */
static void NAME(adadelta)(const optim_job *job, void *const *value, int64_t n)
{
    REAL *restrict p = value[0], *restrict s = value[2], *restrict u = value[3];
    const REAL *restrict g0 = value[1];
    DESCENT_OF(job);
    const REAL rho = (REAL)job->rho, rest = (REAL)(1 - job->rho), eps = (REAL)job->eps,
               rate = (REAL)job->lr;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        REAL g = DESCENT(i);
        s[i] = rho * s[i] + rest * g * g;
        REAL d = SQRT(u[i] + eps) / SQRT(s[i] + eps) * g;
        u[i] = rho * u[i] + rest * d * d;
        p[i] -= rate * d;
    }
}

/* p = (1 - λ η) p - η g;  a += μ (p - a) */
static void NAME(asgd)(const optim_job *job, void *const *value, int64_t n)
{
    REAL *restrict p = value[0], *restrict a = value[2];
    const REAL *restrict g0 = value[1];
    DESCENT_OF(job);
    const REAL shrink = (REAL)(1 - job->lambd * job->eta), eta = (REAL)job->eta, mu = (REAL)job->mu;
    const bool all = job->mu == 1;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        REAL next = p[i] * shrink - eta * DESCENT(i);
        a[i] = all ? next : a[i] + mu * (next - a[i]);
        p[i] = next;
    }
}

#undef DESCENT
#undef DESCENT_OF
