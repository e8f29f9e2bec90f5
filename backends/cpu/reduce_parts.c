/* Which dimensions a reduction keeps, and in which order it walks. See reduce.h. */
#include "reduce.h"

bool cpu_dims_of(const cpu_call *call, uint32_t *dims)
{
    int rank = call->in[0]->rank, count = 0;
    const int64_t *list = cpu_attr_ints(call->node, "dim", &count);
    int64_t one = cpu_attr_int(call->node, "dim", -1);
    *dims = 0;
    if (!list && one >= 0) {
        list = &one;
        count = 1;
    }
    if (!list) { /* all of them */
        *dims = (1u << rank) - 1;
        return true;
    }
    for (int i = 0; i < count; i++) {
        if (rank == 0 && list[i] == 0)
            continue;
        if (list[i] < 0 || list[i] >= rank)
            return false;
        *dims |= 1u << list[i];
    }
    return true;
}

/* Puts a dimension among `rank` others, before the first with a smaller stride in the input. */
static void insert(int rank, int64_t *size, int64_t *in, int64_t *out, int64_t n, int64_t in_stride,
                   int64_t out_stride)
{
    int i = rank;
    for (; i > 0 && in[i - 1] < in_stride; i--) {
        size[i] = size[i - 1];
        in[i] = in[i - 1];
        if (out)
            out[i] = out[i - 1];
    }
    size[i] = n;
    in[i] = in_stride;
    if (out)
        out[i] = out_stride;
}

static int merge(int rank, int64_t *size, int64_t *in, int64_t *out)
{
    int merged = 0;
    for (int i = 0; i < rank; i++) {
        bool joins = merged > 0 && in[merged - 1] == in[i] * size[i] &&
                     (!out || out[merged - 1] == out[i] * size[i]);
        merged += !joins;
        int to = merged - 1;
        int64_t n = joins ? size[to] * size[i] : size[i];
        size[to] = n;
        in[to] = in[i];
        if (out)
            out[to] = out[i];
    }
    return merged;
}

bool cpu_parts_of(cpu_parts *p, const cr_meta *in, const cr_meta *out, uint32_t reduced_dims)
{
    *p = (cpu_parts){.outputs = 1, .terms = 1};
    int64_t in_size = (int64_t)cpu_dtype_size(in->dtype),
            out_size = (int64_t)cpu_dtype_size(out->dtype);
    int reduced = __builtin_popcount(reduced_dims);
    bool keepdim = out->rank == in->rank;
    if (!keepdim && out->rank != in->rank - reduced)
        return false;
    int next = 0;
    for (int d = 0; d < in->rank; d++) {
        int64_t n = in->size[d];
        if (reduced_dims >> d & 1) {
            if (keepdim && out->size[next++] != 1)
                return false;
            p->terms *= n;
            if (n != 1)
                insert(p->reduced++, p->reduced_size, p->reduced_in, NULL, n,
                       in->stride[d] * in_size, 0);
            continue;
        }
        if (out->size[next] != n)
            return false;
        p->outputs *= n;
        if (n != 1)
            insert(p->kept++, p->kept_size, p->kept_in, p->kept_out, n, in->stride[d] * in_size,
                   out->stride[next] * out_size);
        next++;
    }
    p->kept = merge(p->kept, p->kept_size, p->kept_in, p->kept_out);
    p->reduced = merge(p->reduced, p->reduced_size, p->reduced_in, NULL);
    return true;
}
