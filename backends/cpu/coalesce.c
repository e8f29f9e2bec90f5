/* Merging and ordering dimensions. See space.h. */
#include "space.h"

int cpu_coalesce(int nvalues, const cr_meta *const *values, int64_t *size,
                 int64_t (*stride)[CR_MAX_RANK])
{
    int order[CR_MAX_RANK], rank = 0;
    for (int d = 0; d < values[0]->rank; d++)
        if (values[0]->size[d] != 1)
            order[rank++] = d;
    /* By insertion, stable: a dimension goes before those whose strides are smaller in the first value that tells. */
    for (int i = 1; i < rank; i++)
        for (int j = i; j > 0; j--) {
            int a = order[j - 1], b = order[j], v = 0;
            while (v < nvalues && values[v]->stride[a] == values[v]->stride[b])
                v++;
            if (v == nvalues || values[v]->stride[a] > values[v]->stride[b])
                break;
            order[j - 1] = b;
            order[j] = a;
        }
    int merged = 0;
    for (int i = 0; i < rank; i++) {
        int d = order[i];
        bool joins = merged > 0;
        for (int v = 0; joins && v < nvalues; v++)
            joins = stride[v][merged - 1] == values[v]->stride[d] * values[v]->size[d];
        if (!joins)
            merged++;
        size[merged - 1] = joins ? size[merged - 1] * values[0]->size[d] : values[0]->size[d];
        for (int v = 0; v < nvalues; v++)
            stride[v][merged - 1] = values[v]->stride[d];
    }
    return merged;
}
