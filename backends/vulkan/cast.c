/* A cast or copy as a step of another family's plan. */
#include "plan.h"

enum { TILE = 32, GROUP = 256 }; /* of shaders/transpose.comp; it pays from half a tile on */

/* Where the source's neighbours are another dimension of the space than the result's, with enough of both for tiles: those
 * two at the space's end, the source's first. False elsewhere. */
static bool is_transposed(vk_space *space)
{
    int last = space->rank - 1, from = -1;
    for (int i = 0; i < last; i++)
        from = space->stride[1][i] == 1 ? i : from;
    if (from < 0 || space->stride[0][last] != 1 || space->size[last] < TILE / 2 ||
        space->size[from] < TILE / 2)
        return false;
    vk_space before = *space;
    for (int i = from; i < last; i++) {
        int k = i < last - 1 ? i + 1 : from;
        space->size[i] = before.size[k];
        for (int v = 0; v < 2; v++)
            space->stride[v][i] = before.stride[v][k];
    }
    return true;
}

static cr_status transpose_step(cr_plan *plan, const vk_space *space, int32_t dtype)
{
    const uint32_t special[] = {(uint32_t)space->rank - 2, (uint32_t)vk_dtype_size(dtype)};
    const int64_t *size = &space->size[space->rank - 2];
    vk_grid grid = vk_grid_of(space);
    grid.count = (uint32_t)(space->numel / (size[0] * size[1]) * ((size[0] + TILE - 1) / TILE) *
                            ((size[1] + TILE - 1) / TILE));
    return vk_plan_step(plan, VK_SHADER_transpose, GROUP, special, 2, &grid, sizeof grid,
                        grid.count < 65535 ? grid.count : 65535, 1, 1);
}

cr_status vk_cast_step(cr_plan *plan, const cr_meta *from, const cr_meta *to)
{
    cr_device *d = plan->device;
    const cr_meta *values[2] = {to, from};
    vk_space space = vk_space_of(2, values, false);
    bool moves = from->dtype == to->dtype;
    if (moves && !d->is_cpu && d->profile->limits.maxComputeWorkGroupInvocations >= GROUP &&
        is_transposed(&space))
        return transpose_step(plan, &space, to->dtype);
    uint32_t special[] = {(uint32_t)space.rank, (uint32_t)from->dtype, (uint32_t)to->dtype,
                          moves ? (uint32_t)vk_dtype_size(to->dtype) : 0u};
    if (space.rank == 0 || (space.rank == 1 && space.stride[0][0] == 1 && space.stride[1][0] == 1))
        special[0] = 0;
    vk_grid grid = vk_grid_of(&space);
    return vk_plan_step(plan, d->profile->f64 ? VK_SHADER_copy : VK_SHADER_copy_narrow, 0, special,
                        4, &grid, sizeof grid, vk_groups(d, space.numel), 1, 1);
}
