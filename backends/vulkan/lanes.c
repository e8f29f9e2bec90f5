/* Lanes: what is left of a value when one dimension is taken out. See plan.h. */
#include "plan.h"

vk_lanes vk_lanes_of(int nvalues, const cr_meta *const *values, int dim)
{
    vk_lanes l = {.terms = values[0]->rank ? values[0]->size[dim] : 1};
    cr_meta rest[VK_SPACE_VALUES];
    const cr_meta *metas[VK_SPACE_VALUES];
    for (int v = 0; v < nvalues; v++) {
        rest[v] = *values[v];
        if (values[v]->rank) {
            l.step[v] = (uint32_t)values[v]->stride[dim];
            rest[v].size[dim] = 1;
        }
        for (int d = 0; d < values[0]->rank; d++)
            rest[v].size[d] = d == dim ? 1 : values[0]->size[d];
        metas[v] = &rest[v];
    }
    l.space = vk_space_of(nvalues, metas, false);
    return l;
}

void vk_lane_dims(vk_dim *dims, const vk_lanes *lanes)
{
    for (int d = 0; d < lanes->space.rank; d++) {
        dims[d] = vk_dim_of((uint32_t)lanes->space.size[d]);
        for (int v = 0; v < VK_DIM_VALUES; v++)
            dims[d].stride[v] = (uint32_t)lanes->space.stride[v][d];
    }
}
