/* Maximum pools with indices, of 2 and 3 dimensions and adaptive, and their backwards. */
#include "pool.h"
#include "simd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The pool of nearly every network: 2 x 2, stride 2, no padding. */
static bool takes_pairs(const pool_shape *s)
{
    return s->in[0] == 1 && s->out[0] == 1 && s->k[0] == 1 && s->k[1] == 2 && s->k[2] == 2 &&
           s->stride[1] == 2 && s->stride[2] == 2 && s->pad[0] == 0 && s->pad[1] == 0 &&
           s->pad[2] == 0 && s->dil[1] == 1 && s->dil[2] == 1 && s->out[1] * 2 <= s->in[1] &&
           s->out[2] * 2 <= s->in[2] && s->in_size < INT32_MAX;
}

/* The even and the odd elements of 2 n neighbours, n <= VF_LANES; memory past them is not touched. */
static inline void load_pairs(const float *p, int n, vf *even, vf *odd)
{
    vf low = vf_load_part(p, 2 * n < VF_LANES ? 2 * n : VF_LANES);
    vf high = 2 * n > VF_LANES ? vf_load_part(p + VF_LANES, 2 * n - VF_LANES) : (vf){0};
#if defined __AVX512F__
    const __m512i evens =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    *even = (vf)_mm512_permutex2var_ps((__m512)low, evens, (__m512)high);
    *odd = (vf)_mm512_permutex2var_ps((__m512)low, _mm512_add_epi32(evens, _mm512_set1_epi32(1)),
                                      (__m512)high);
#else
    for (int i = 0; i < VF_LANES / 2; i++) {
        (*even)[i] = low[2 * i], (*odd)[i] = low[2 * i + 1];
        (*even)[i + VF_LANES / 2] = high[2 * i], (*odd)[i + VF_LANES / 2] = high[2 * i + 1];
    }
#endif
}

static inline void take_greater(vf *best, vi *where, vf x, vi at)
{
    vi take = (x > *best) | (x != x);
    *best = (vf)(((vi)x & take) | ((vi)*best & ~take));
    *where = (at & take) | (*where & ~take);
}

/* The first n as indices. */
static inline void store_wide(int64_t *index, vi where, int n)
{
#if defined __AVX512F__
    const __m512i all = (__m512i)where;
    const unsigned mask = (1u << n) - 1;
    _mm512_mask_storeu_epi64(index, (__mmask8)mask,
                             _mm512_cvtepi32_epi64(_mm512_castsi512_si256(all)));
    if (n > 8)
        _mm512_mask_storeu_epi64(index + 8, (__mmask8)(mask >> 8),
                                 _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(all, 1)));
#else
    for (int i = 0; i < n; i++)
        index[i] = where[i];
#endif
}

/* Checked by f32_plane. The indices are worked out in 32 bits, as wide as the values. */
static void pairs_plane(const pool_shape *s, const float *x, float *y, int64_t *index)
{
    const int32_t row = (int32_t)s->in[2];
    vi lane;
    for (int i = 0; i < VF_LANES; i++)
        lane[i] = 2 * i;
    for (int64_t oy = 0; oy < s->out[1]; oy++)
        for (int64_t ox = 0; ox < s->out[2]; ox += VF_LANES) {
            int n = s->out[2] - ox < VF_LANES ? (int)(s->out[2] - ox) : VF_LANES;
            int64_t first = 2 * oy * row + 2 * ox;
            vf best, b, c, d;
            load_pairs(x + first, n, &best, &b);
            load_pairs(x + first + row, n, &c, &d);
            vi at = lane + (int32_t)first, where = at;
            take_greater(&best, &where, b, at + 1);
            take_greater(&best, &where, c, at + row);
            take_greater(&best, &where, d, at + row + 1);
            vf_store_part(y, best, n);
            store_wide(index, where, n);
            y += n;
            index += n;
        }
}

#define REAL    float
#define NAME(x) f32_##x
#include "pool_max_real.h"
#undef REAL
#undef NAME

#define REAL    double
#define NAME(x) f64_##x
#include "pool_max_real.h"

static cr_status forward_body(const cpu_staged *staged, const cr_run *run, void *const *in,
                              void *const *out, char *scratch)
{
    const pool_plan *p = (const pool_plan *)staged;
    const pool_shape *s = &p->shape;
    pool_job job = {.shape = s, .x = in[0], .y = out[0], .index = out[1], .adaptive = p->adaptive};
    double cost = takes_pairs(s) ? 0.5 : 2 * (double)(s->k[0] * s->k[1] * s->k[2]);
    cpu_parallel(s->planes, 1, cost * (double)s->out_size,
                 staged->in[0].dtype == CR_F64 ? f64_planes : f32_planes, &job);
    return CR_OK;
}

static cr_status backward_body(const cpu_staged *staged, const cr_run *run, void *const *in,
                               void *const *out, char *scratch)
{
    const pool_plan *p = (const pool_plan *)staged;
    pool_job job = {.shape = &p->shape, .x = out[0], .y = in[0], .index = in[2]};
    cpu_parallel(p->shape.planes, 1, (double)p->shape.in_size * 0.1 + (double)p->shape.out_size,
                 staged->in[0].dtype == CR_F64 ? f64_back_planes : f32_back_planes, &job);
    return CR_OK;
}

static cr_status plan_any(const cpu_call *call, int dims, bool adaptive, bool backward,
                          cr_plan **plan)
{
    const cr_meta *x = backward ? call->in[1] : call->in[0],
                  *y = backward ? call->in[0] : call->out[0];
    const cr_meta *index = backward ? call->in[2] : call->out[1];
    pool_shape shape;
    if (!cpu_one_float(call) || !index || index->dtype != CR_I64 || !call->out[0] ||
        !cpu_pool_shape(call->node, x, y, dims, !adaptive, &shape))
        return CR_UNSUPPORTED;
    pool_plan *p = cpu_staged_new(call, sizeof *p, backward ? backward_body : forward_body);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->shape = shape;
    p->adaptive = adaptive;
    if (backward) /* only its sizes are used */
        p->staged.in[1].at = -1;
    *plan = &p->staged.base;
    return CR_OK;
}

#define PLAN(name, dims, adaptive, backward)                           \
    static cr_status plan_##name(const cpu_call *call, cr_plan **plan) \
    {                                                                  \
        return plan_any(call, dims, adaptive, backward, plan);         \
    }
PLAN(2d, 2, false, false)
PLAN(2d_backward, 2, false, true)
PLAN(3d, 3, false, false)
PLAN(3d_backward, 3, false, true)
PLAN(adaptive, 2, true, false)
PLAN(adaptive_backward, 2, true, true)

const cpu_op CPU_NAME(cpu_family_pool_max)[] = {
    {"max_pool2d_with_indices", plan_2d},
    {"max_pool2d_with_indices_backward", plan_2d_backward},
    {"max_pool3d_with_indices", plan_3d},
    {"max_pool3d_with_indices_backward", plan_3d_backward},
    {"adaptive_max_pool2d", plan_adaptive},
    {"adaptive_max_pool2d_backward", plan_adaptive_backward},
    {NULL, NULL},
};
