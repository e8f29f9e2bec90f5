/* Inference of blocked attention. */
#include "core/ops/functions.h"

/* (batch, heads, length, width), laid out in memory as `like` lies: so what was taken apart into heads fits together again
 * without a copy. */
static bool out_as(cr_frame *f, int i, const cr_tensor *like, int64_t width)
{
    int order[3] = {0, 1, 2};
    int64_t sizes[4] = {like->size[0], like->size[1], like->size[2], width}, step = width;
    if (!cr_frame_out(f, i, (cr_dtype)like->dtype, 4, sizes))
        return false;
    for (int a = 1; a < 3; a++)
        for (int b = a; b > 0 && like->stride[order[b - 1]] < like->stride[order[b]]; b--) {
            int swapped = order[b];
            order[b] = order[b - 1];
            order[b - 1] = swapped;
        }
    for (int a = 2; a >= 0; a--) {
        f->out[i].stride[order[a]] = step;
        step *= sizes[order[a]];
    }
    return true;
}

/* query, key and value from input `at` on, the mask at input `mask`. */
static bool check(cr_frame *f, uint32_t at, uint32_t mask)
{
    const cr_tensor *q = f->in[at], *k = f->in[at + 1], *v = f->in[at + 2], *m = f->in[mask];
    bool good = q->dim == 4 && k->dim == 4 && v->dim == 4;
    for (int d = 0; good && d < 2; d++)
        good = k->size[d] == q->size[d] && v->size[d] == q->size[d];
    if (!good || k->size[3] != q->size[3] || k->size[2] != v->size[2])
        return cr_frame_fail(f,
                             "query [batch, heads, length, width], key [batch, heads, keys, width] "
                             "and value [batch, heads, keys, *] are needed, got %s, %s and %s",
                             cr_describe(q), cr_describe(k), cr_describe(v));
    if (!cr_dtype_is_floating((cr_dtype)q->dtype) || k->dtype != q->dtype || v->dtype != q->dtype)
        return cr_frame_fail(f,
                             "expected query, key and value of one floating dtype, got %s, %s, %s",
                             cr_dtype_name((cr_dtype)q->dtype), cr_dtype_name((cr_dtype)k->dtype),
                             cr_dtype_name((cr_dtype)v->dtype));
    if (m && (m->dim != 4 || m->size[0] != q->size[0] || m->size[1] != q->size[1] ||
              m->size[2] != q->size[2] || m->size[3] != k->size[2] ||
              (m->dtype != CR_B8 && m->dtype != q->dtype)))
        return cr_frame_fail(f, "attn_mask %s doesn't fit query %s and key %s", cr_describe(m),
                             cr_describe(q), cr_describe(k));
    return true;
}

bool cr_infer_blocked_attention(cr_frame *f)
{
    if (!check(f, 0, 3))
        return false;
    const cr_tensor *q = f->in[0];
    return out_as(f, 0, q, f->in[2]->size[3]) &&
           cr_frame_out(f, 1, q->dtype == CR_F64 ? CR_F64 : CR_F32, 3, q->size);
}

bool cr_infer_blocked_attention_backward(cr_frame *f)
{
    if (!check(f, 1, 6))
        return false;
    const cr_tensor *g = f->in[0], *q = f->in[1], *y = f->in[4], *lse = f->in[5];
    const int64_t width = f->in[3]->size[3];
    for (int d = 0; d < 4; d++) {
        int64_t size = d < 3 ? q->size[d] : width;
        if (g->dim != 4 || y->dim != 4 || g->size[d] != size || y->size[d] != size ||
            lse->dim != 3 || (d < 3 && lse->size[d] != size))
            return cr_frame_fail(f, "grad_output %s, output %s and logsumexp %s don't fit query %s",
                                 cr_describe(g), cr_describe(y), cr_describe(lse), cr_describe(q));
    }
    if (g->dtype != q->dtype || y->dtype != q->dtype ||
        lse->dtype != (q->dtype == CR_F64 ? CR_F64 : CR_F32))
        return cr_frame_fail(f, "expected grad_output and output of query's dtype");
    return out_as(f, 0, q, q->size[3]) && out_as(f, 1, f->in[2], q->size[3]) &&
           out_as(f, 2, f->in[3], width);
}
