/* A cast or copy as a step of another family's plan. */
#include "plan.h"

cr_status vk_cast_step(cr_plan *plan, const cr_meta *from, const cr_meta *to)
{
    cr_device *d = plan->device;
    const cr_meta *values[2] = {to, from};
    vk_space space = vk_space_of(2, values, false);
    bool moves = from->dtype == to->dtype;
    uint32_t special[] = {(uint32_t)space.rank, (uint32_t)from->dtype, (uint32_t)to->dtype,
                          moves ? (uint32_t)vk_dtype_size(to->dtype) : 0u};
    if (space.rank == 0 || (space.rank == 1 && space.stride[0][0] == 1 && space.stride[1][0] == 1))
        special[0] = 0;
    vk_grid grid = vk_grid_of(&space);
    return vk_plan_step(plan, d->profile->f64 ? VK_SHADER_copy : VK_SHADER_copy_narrow, 0, special,
                        4, &grid, sizeof grid, vk_groups(d, space.numel), 1, 1);
}
