/* Sizes and strides as kernels want them. See plan.h. */
#include "plan.h"

int64_t ocl_numel(const cr_meta *meta)
{
    int64_t n = 1;
    for (int d = 0; d < meta->rank; d++)
        n *= meta->size[d];
    return n;
}

ocl_space ocl_space_of(int nvalues, const cr_meta *const *values, unsigned in)
{
    ocl_space s = {.count = 1};
    for (int d = 0; d < values[0]->rank; d++) {
        const int64_t size = values[0]->size[d];
        if (!(in >> d & 1))
            continue;
        s.count *= size;
        if (size == 1)
            continue;
        /* One with the dimension before it, where a step there is `size` steps here, for every value. */
        bool joins = s.rank > 0;
        for (int v = 0; joins && v < nvalues; v++)
            joins = s.stride[v][s.rank - 1] == values[v]->stride[d] * size;
        if (joins)
            s.size[s.rank - 1] *= size;
        else
            s.size[s.rank++] = size;
        for (int v = 0; v < nvalues; v++)
            s.stride[v][s.rank - 1] = values[v]->stride[d];
    }
    return s;
}

bool ocl_is_wide(const ocl_call *call)
{
    for (int v = 0; v < call->nin + call->nout; v++) {
        const cr_meta *m = call->value[v];
        double last = 1, count = 1; /* doubles don't overflow, and are exact where it matters */
        for (int d = 0; d < m->rank; d++) {
            last += (double)(m->size[d] - 1) * (double)m->stride[d];
            count *= (double)m->size[d];
        }
        if (last > INT32_MAX || count > INT32_MAX)
            return true;
    }
    return false;
}

cr_meta ocl_without(const cr_meta *value, int dim)
{
    cr_meta m = *value;
    if (dim < m.rank)
        m.stride[dim] = 0;
    return m;
}

int ocl_flat(const ocl_space *s, int nvalues)
{
    int bits = 0;
    if (s->rank > 1)
        return -1;
    for (int v = 0; v < nvalues; v++) {
        if (s->rank && s->stride[v][0] == 1)
            bits |= 1 << v;
        else if (s->rank && s->stride[v][0] != 0)
            return -1;
    }
    return bits;
}
