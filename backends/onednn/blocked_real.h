/* The kernels of blocked.c for groups of LANES channels, in f32 or (HALF) bf16. Sums run in f32 along an image and in
 * double from image to image. */

#if HALF
typedef uint16_t NAME(element);
#else
typedef float NAME(element);
#endif
typedef float NAME(vector) __attribute__((vector_size(LANES * 4)));
typedef float NAME(loose) __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t NAME(ints) __attribute__((vector_size(LANES * 4)));
typedef uint32_t NAME(bits) __attribute__((vector_size(LANES * 4)));
typedef uint16_t NAME(halves) __attribute__((vector_size(LANES * 2), aligned(2), may_alias));
typedef int64_t NAME(longs) __attribute__((vector_size(LANES * 8), aligned(8), may_alias));
#define ELEMENT NAME(element)
#define VECTOR  NAME(vector)
#define INTS    NAME(ints)
#define INLINE  static inline __attribute__((always_inline))

INLINE VECTOR NAME(load)(const ELEMENT *p)
{
#if HALF
    return (VECTOR)(__builtin_convertvector(*(const NAME(halves) *)p, NAME(bits)) << 16);
#else
    return *(const NAME(loose) *)p;
#endif
}

INLINE void NAME(store)(ELEMENT *p, VECTOR x)
{
#if HALF
    NAME(bits) word = (NAME(bits))x, rounded = (word + 0x7fff + (word >> 16 & 1)) >> 16;
    NAME(bits) nan = (NAME(bits))(x != x);
    rounded = (rounded & ~nan) | (((word >> 16) | 0x40) & nan);
    *(NAME(halves) *)p = __builtin_convertvector(rounded, NAME(halves));
#else
    *(NAME(loose) *)p = x;
#endif
}

INLINE VECTOR NAME(all)(float f)
{
    return f - (VECTOR){0};
}

INLINE VECTOR NAME(pick)(INTS mask, VECTOR a, VECTOR b)
{
    return (VECTOR)(((INTS)a & mask) | ((INTS)b & ~mask));
}

/* Where group `group` of a value's channels begins, in its first image. */
INLINE int64_t NAME(start)(const dn_grid *g, int64_t positions, int64_t group)
{
    int64_t channel = group * LANES;
    return channel / g->block * positions * g->block + channel % g->block;
}

/* ---- batch norm ---- */

/* Σ (x - mean) · y over an image's positions, where y is x - mean or (with_g) g, and Σ g. */
INLINE void NAME(sums)(const dn_norm_job *job, int64_t at, VECTOR mean, bool with_g,
                       VECTOR *products, VECTOR *plain)
{
    const ELEMENT *x = (const ELEMENT *)job->x + at, *g = with_g ? (const ELEMENT *)job->g + at : x;
    const int64_t step = job->grid.block, n = job->grid.positions;
    VECTOR a[4] = {{0}}, b[4] = {{0}};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++) {
            VECTOR d = NAME(load)(x + (i + k) * step) - mean;
            VECTOR y = with_g ? NAME(load)(g + (i + k) * step) : d;
            a[k] += d * y;
            b[k] += y;
        }
    for (; i < n; i++) {
        VECTOR d = NAME(load)(x + i * step) - mean, y = with_g ? NAME(load)(g + i * step) : d;
        a[0] += d * y;
        b[0] += y;
    }
    *products = (a[0] + a[1]) + (a[2] + a[3]);
    *plain = (b[0] + b[1]) + (b[2] + b[3]);
}

/* Over all images: the two sums of each channel of the group. */
INLINE void NAME(all_sums)(const dn_norm_job *job, int64_t start, VECTOR mean, bool with_g,
                           double *products, double *plain)
{
    const int64_t image = job->grid.blocks * job->grid.positions * job->grid.block;
    memset(products, 0, LANES * sizeof *products);
    memset(plain, 0, LANES * sizeof *plain);
    for (int64_t n = 0; n < job->grid.n; n++) {
        VECTOR a, b;
        NAME(sums)(job, start + n * image, mean, with_g, &a, &b);
        for (int l = 0; l < LANES; l++) {
            products[l] += (double)a[l];
            plain[l] += (double)b[l];
        }
    }
}

static void NAME(norm_forward)(const dn_norm_job *job, int64_t group)
{
    const dn_grid *g = &job->grid;
    const int64_t start = NAME(start)(g, g->positions, group), step = g->block, c = group * LANES;
    const int64_t image = g->blocks * g->positions * g->block;
    const double count = (double)g->n * (double)g->positions;
    VECTOR mean = {0}, rstd = {0}, scale = {0}, shift = {0};
    if (job->training) {
        double sum[LANES], square[LANES];
        NAME(all_sums)(job, start, mean, false, square, sum);
        for (int l = 0; l < LANES; l++)
            mean[l] = (float)(sum[l] / count);
        NAME(all_sums)(job, start, mean, false, square, sum);
        for (int l = 0; l < LANES; l++) {
            rstd[l] = (float)(1 / sqrt(square[l] / count + job->eps));
            if (job->mean.at)
                write_one(&job->mean, c + l, mean[l]);
            if (job->rstd.at)
                write_one(&job->rstd, c + l, rstd[l]);
            if (!job->running_mean.at || !job->running_var.at)
                continue;
            double m = job->momentum, var = count > 1 ? square[l] / (count - 1) : NAN;
            write_one(&job->running_mean, c + l,
                      (float)((1 - m) * (double)read_one(&job->running_mean, c + l) +
                              m * (double)mean[l]));
            write_one(&job->running_var, c + l,
                      (float)((1 - m) * (double)read_one(&job->running_var, c + l) + m * var));
        }
    } else {
        for (int l = 0; l < LANES; l++) {
            mean[l] = read_one(&job->running_mean, c + l);
            rstd[l] = (float)(1 / sqrt((double)read_one(&job->running_var, c + l) + job->eps));
        }
    }
    for (int l = 0; l < LANES; l++) {
        scale[l] = rstd[l] * (job->weight.at ? read_one(&job->weight, c + l) : 1);
        shift[l] = job->bias.at ? read_one(&job->bias, c + l) : 0;
    }
    for (int64_t n = 0; n < g->n; n++) {
        const ELEMENT *x = (const ELEMENT *)job->x + start + n * image;
        ELEMENT *y = (ELEMENT *)job->y + start + n * image;
        for (int64_t i = 0; i < g->positions; i++)
            NAME(store)(y + i * step, (NAME(load)(x + i * step) - mean) * scale + shift);
    }
}

INLINE void NAME(tail_group)(const dn_tail_job *job, int64_t at, int64_t c, bool norm, bool sum)
{
    const int64_t step = job->grid.block;
    ELEMENT *y = (ELEMENT *)job->y + at;
    const ELEMENT *other = sum ? (const ELEMENT *)job->other + at : y;
    VECTOR scale = {0}, shift = {0};
    if (norm) {
        scale = *(const NAME(loose) *)(job->scale + c);
        shift = *(const NAME(loose) *)(job->shift + c);
    }
    for (int64_t i = 0; i < job->grid.positions; i++) {
        VECTOR x = NAME(load)(y + i * step);
        x = norm ? x * scale + shift : x;
        x = sum ? x + NAME(load)(other + i * step) : x;
        x = job->relu ? NAME(pick)(x < NAME(all)(0), NAME(all)(0), x) : x;
        NAME(store)(y + i * step, x);
    }
}

static void NAME(tail)(const dn_tail_job *job)
{
    const dn_grid *g = &job->grid;
    const int64_t image = g->blocks * g->positions * g->block;
    for (int64_t n = 0; n < g->n; n++)
        for (int64_t c = 0; c < g->blocks * g->block; c += LANES) {
            int64_t at = n * image + NAME(start)(g, g->positions, c / LANES);
            if (job->scale && job->other)
                NAME(tail_group)(job, at, c, true, true);
            else if (job->scale)
                NAME(tail_group)(job, at, c, true, false);
            else
                NAME(tail_group)(job, at, c, false, job->other != NULL);
        }
}

/* x' = rstd w (g - Σg/n - (x - mean) rstd² Σ g (x - mean) / n);  in evaluation x' = rstd w g. */
static void NAME(norm_backward)(const dn_norm_job *job, int64_t group)
{
    const dn_grid *grid = &job->grid;
    const int64_t start = NAME(start)(grid, grid->positions, group), step = grid->block;
    const int64_t image = grid->blocks * grid->positions * grid->block, c = group * LANES;
    const double count = (double)grid->n * (double)grid->positions;
    VECTOR mean = {0}, rstd = {0}, scale = {0}, a = {0}, b = {0};
    double products[LANES], plain[LANES];
    for (int l = 0; l < LANES; l++) {
        mean[l] = read_one(job->training ? &job->mean : &job->running_mean, c + l);
        rstd[l] = job->training
                      ? read_one(&job->rstd, c + l)
                      : (float)(1 / sqrt((double)read_one(&job->running_var, c + l) + job->eps));
        scale[l] = rstd[l] * (job->weight.at ? read_one(&job->weight, c + l) : 1);
    }
    NAME(all_sums)(job, start, mean, true, products, plain);
    for (int l = 0; l < LANES; l++) {
        if (job->weight_grad.at)
            write_one(&job->weight_grad, c + l, (float)(products[l] * (double)rstd[l]));
        if (job->bias_grad.at)
            write_one(&job->bias_grad, c + l, (float)plain[l]);
        if (job->training) {
            a[l] = (float)(plain[l] / count);
            b[l] = (float)(products[l] / count * (double)rstd[l] * (double)rstd[l]);
        }
    }
    for (int64_t n = 0; job->y && n < grid->n; n++) {
        const ELEMENT *x = (const ELEMENT *)job->x + start + n * image;
        const ELEMENT *g = (const ELEMENT *)job->g + start + n * image;
        ELEMENT *y = (ELEMENT *)job->y + start + n * image;
        for (int64_t i = 0; i < grid->positions; i++)
            NAME(store)
        (y + i * step,
         scale * (NAME(load)(g + i * step) - a - (NAME(load)(x + i * step) - mean) * b));
    }
}

/* ---- pools ---- */

typedef struct NAME(pooled) { /* one group of one image */
    const ELEMENT *large;
    ELEMENT *small;
    int64_t *index;
    int64_t step;
} NAME(pooled);

INLINE NAME(pooled) NAME(group_of)(const dn_pool_job *job, int64_t item)
{
    const dn_grid *g = &job->grid;
    int64_t groups = g->blocks * g->block / LANES, image = item / groups, group = item % groups;
    int64_t large =
        image * g->blocks * g->positions * g->block + NAME(start)(g, g->positions, group);
    int64_t small = image * g->blocks * job->places * g->block + NAME(start)(g, job->places, group);
    return (NAME(pooled)){(const ELEMENT *)job->large + large, (ELEMENT *)job->out + small,
                          job->index ? job->index + small : NULL, g->block};
}

/* Of equal elements the first; NaN is greater than all, the last of them is taken. */
static void NAME(max_forward)(const dn_pool_job *job, int64_t item)
{
    NAME(pooled) p = NAME(group_of)(job, item);
    const dn_windows *a = job->along;
    const int64_t *size = job->grid.size;
    for (int64_t oz = 0; oz < job->small[0]; oz++)
        for (int64_t oy = 0; oy < job->small[1]; oy++)
            for (int64_t ox = 0; ox < job->small[2]; ox++) {
                VECTOR best = NAME(all)(-INFINITY);
                int32_t first =
                    (int32_t)((a[0].from[oz] * size[1] + a[1].from[oy]) * size[2] + a[2].from[ox]);
                INTS where = first - (INTS){0};
                for (int64_t z = a[0].from[oz]; z < a[0].to[oz]; z += a[0].step)
                    for (int64_t y = a[1].from[oy]; y < a[1].to[oy]; y += a[1].step)
                        for (int64_t x = a[2].from[ox]; x < a[2].to[ox]; x += a[2].step) {
                            int64_t at = (z * size[1] + y) * size[2] + x;
                            VECTOR v = NAME(load)(p.large + at * p.step);
                            INTS take = (v > best) | (v != v);
                            best = NAME(pick)(take, v, best);
                            where = (((int32_t)at - (INTS){0}) & take) | (where & ~take);
                        }
                NAME(store)(p.small, best);
                *(NAME(longs) *)p.index = __builtin_convertvector(where, NAME(longs));
                p.small += p.step;
                p.index += p.step;
            }
}

static void NAME(average_forward)(const dn_pool_job *job, int64_t item)
{
    NAME(pooled) p = NAME(group_of)(job, item);
    const dn_windows *a = job->along;
    const int64_t *size = job->grid.size;
    for (int64_t oz = 0; oz < job->small[0]; oz++)
        for (int64_t oy = 0; oy < job->small[1]; oy++)
            for (int64_t ox = 0; ox < job->small[2]; ox++) {
                VECTOR sum = {0};
                for (int64_t z = a[0].from[oz]; z < a[0].to[oz]; z++)
                    for (int64_t y = a[1].from[oy]; y < a[1].to[oy]; y++)
                        for (int64_t x = a[2].from[ox]; x < a[2].to[ox]; x++)
                            sum += NAME(load)(p.large + ((z * size[1] + y) * size[2] + x) * p.step);
                int64_t count = a[0].count[oz] * a[1].count[oy] * a[2].count[ox];
                NAME(store)(p.small, sum / NAME(all)((float)(job->divisor ? job->divisor : count)));
                p.small += p.step;
            }
}

/* Each place of the large side gathers from the windows that hold it, so nothing is written twice. */
INLINE void NAME(gather)(const dn_pool_job *job, int64_t item, bool average)
{
    NAME(pooled) p = NAME(group_of)(job, item);
    const dn_windows *a = job->along;
    const int64_t *size = job->grid.size, *small = job->small;
    ELEMENT *to = (ELEMENT *)(uintptr_t)p.large;
    int32_t at = 0;
    for (int64_t z = 0; z < size[0]; z++)
        for (int64_t y = 0; y < size[1]; y++)
            for (int64_t x = 0; x < size[2]; x++, at++, to += p.step) {
                VECTOR sum = {0};
                for (int64_t oz = a[0].first[z]; oz <= a[0].last[z]; oz++)
                    for (int64_t oy = a[1].first[y]; oy <= a[1].last[y]; oy++)
                        for (int64_t ox = a[2].first[x]; ox <= a[2].last[x]; ox++) {
                            int64_t o = ((oz * small[1] + oy) * small[2] + ox) * p.step;
                            VECTOR g = NAME(load)(p.small + o);
                            if (average) {
                                int64_t count = a[0].count[oz] * a[1].count[oy] * a[2].count[ox];
                                sum += g / NAME(all)((float)(job->divisor ? job->divisor : count));
                                continue;
                            }
                            INTS index =
                                __builtin_convertvector(*(const NAME(longs) *)(p.index + o), INTS);
                            sum += (VECTOR)((INTS)g & (index == at - (INTS){0}));
                        }
                NAME(store)(to, sum);
            }
}

static void NAME(max_backward)(const dn_pool_job *job, int64_t item)
{
    NAME(gather)(job, item, false);
}

static void NAME(average_backward)(const dn_pool_job *job, int64_t item)
{
    NAME(gather)(job, item, true);
}

#undef ELEMENT
#undef VECTOR
#undef INTS
#undef INLINE
