/* Reads the sizes and windows of pooling operations. */
#include "pool.h"

static bool window_ints(const cr_graph_node *node, const char *name, int dims, int64_t least,
                        const int64_t *fallback, int64_t to[3])
{
    int count = 0;
    const int64_t *from = cpu_attr_ints(node, name, &count);
    for (int d = 3 - dims; d < 3; d++) {
        if (from && count == 1)
            to[d] = from[0];
        else if (from && count == dims)
            to[d] = from[d - 3 + dims];
        else if ((!from || count == 0) && fallback)
            to[d] = fallback[d];
        else
            return false;
        if (to[d] < least || to[d] > INT32_MAX)
            return false;
    }
    return true;
}

bool cpu_pool_shape(const cr_graph_node *node, const cr_meta *x, const cr_meta *y, int dims,
                    bool window, pool_shape *s)
{
    static const int64_t none[3] = {0, 0, 0}, one[3] = {1, 1, 1};
    if (!x || !y || x->rank != y->rank || (x->rank != dims + 1 && x->rank != dims + 2))
        return false;
    *s = (pool_shape){.planes = 1, .in_size = 1, .out_size = 1};
    for (int d = 0; d < 3; d++)
        s->in[d] = s->out[d] = s->k[d] = s->stride[d] = s->dil[d] = 1;
    for (int d = 0; d < x->rank; d++) {
        int spatial = d - (x->rank - dims);
        if (spatial < 0) {
            if (x->size[d] != y->size[d])
                return false;
            s->planes *= x->size[d];
            continue;
        }
        s->in[3 - dims + spatial] = x->size[d];
        s->out[3 - dims + spatial] = y->size[d];
        s->in_size *= x->size[d];
        s->out_size *= y->size[d];
    }
    s->count_pad = cpu_attr_int(node, "count_include_pad", 1) != 0;
    s->divisor = cpu_attr_int(node, "divisor_override", 0);
    return !window || (window_ints(node, "kernel_size", dims, 1, NULL, s->k) &&
                       window_ints(node, "stride", dims, 1, s->k, s->stride) &&
                       window_ints(node, "padding", dims, 0, none, s->pad) &&
                       window_ints(node, "dilation", dims, 1, one, s->dil));
}
