/* Cooperative matrices (VK_KHR_cooperative_matrix) for products of 16-bit floats: whether this build's shader compiler knew
 * them, whether the device has them in the shape that shaders/product_matrix.comp wants, and whether it computes with them
 * what it should: drivers have claimed more than they did. CRESSET_VULKAN_MATRIX=0 does without; "emulated" takes the same
 * kernel over plain shared memory, for tests, and "emulated:N" with N invocations instead of 128, which computes nonsense. */
#include "product.h"

#include <stdlib.h>
#include <string.h>

enum { M = 70, N = 90, K = 50 }; /* of the product that is tried: no multiples of a tile */

#ifndef VK_KHR_cooperative_matrix /* younger than Debian 12's headers */
#define VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME "VK_KHR_cooperative_matrix"
#define VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR \
    ((VkStructureType)1000506000)
#define VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR ((VkStructureType)1000506001)
enum {
    VK_COMPONENT_TYPE_FLOAT16_KHR = 0,
    VK_COMPONENT_TYPE_FLOAT32_KHR = 1,
    VK_SCOPE_SUBGROUP_KHR = 3
};
typedef struct VkCooperativeMatrixPropertiesKHR {
    VkStructureType sType;
    void *pNext;
    uint32_t MSize, NSize, KSize;
    int AType, BType, CType, ResultType;
    VkBool32 saturatingAccumulation;
    int scope;
} VkCooperativeMatrixPropertiesKHR;
typedef VkResult(VKAPI_PTR *PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)(
    VkPhysicalDevice, uint32_t *, VkCooperativeMatrixPropertiesKHR *);
#endif
enum { COMPONENT_BFLOAT16 = 1000141000 };

/* ---- what the device says ---- */

static bool suits(const VkCooperativeMatrixPropertiesKHR *p, int type)
{
    return p->MSize == 16 && p->NSize == 16 && p->KSize == 16 && (int)p->AType == type &&
           (int)p->BType == type && (int)p->CType == VK_COMPONENT_TYPE_FLOAT32_KHR &&
           (int)p->ResultType == VK_COMPONENT_TYPE_FLOAT32_KHR &&
           (int)p->scope == VK_SCOPE_SUBGROUP_KHR && !p->saturatingAccumulation;
}

void vk_matrix_read(VkInstance instance, VkPhysicalDevice physical, vk_profile *p, bool bfloat)
{
    PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR get =
        (PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)(void (*)(void))
            vkGetInstanceProcAddr(instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
    uint32_t count = 0;
    if (!get || get(physical, &count, NULL) != VK_SUCCESS || !count)
        return;
    VkCooperativeMatrixPropertiesKHR *all = calloc(count, sizeof *all);
    if (!all)
        return;
    for (uint32_t i = 0; i < count; i++)
        all[i].sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
    if (get(physical, &count, all) == VK_SUCCESS)
        for (uint32_t i = 0; i < count; i++) {
            p->matrix_f16 = p->matrix_f16 || suits(&all[i], VK_COMPONENT_TYPE_FLOAT16_KHR);
            p->matrix_bf16 = p->matrix_bf16 || (bfloat && suits(&all[i], COMPONENT_BFLOAT16));
        }
    free(all);
}

/* ---- the kernels of this build ---- */

static int shader_of(const cr_device *d, int32_t dtype)
{
#ifdef VK_HAS_MATRIX_F16
    if (dtype == CR_F16 && d->profile->matrix_f16)
        return VK_SHADER_product_matrix_f16;
#endif
#ifdef VK_HAS_MATRIX_BF16
    if (dtype == CR_BF16 && d->profile->matrix_bf16)
        return VK_SHADER_product_matrix_bf16;
#endif
    return -1;
}

bool vk_matrix_wanted(const cr_device *d)
{
    const char *text = vk_env("CRESSET_VULKAN_MATRIX");
    return (!text || *text == '1') && (shader_of(d, CR_F16) >= 0 || shader_of(d, CR_BF16) >= 0);
}

/* ---- the trial: small whole numbers, whose sums are exact whatever the order ---- */

enum { A_MOST = 2, B_MOST = 3 };

static int value_of(uint32_t i, int most)
{
    return (int)((i * 2654435761u >> 16) % (uint32_t)(2 * most + 1)) - most;
}

static uint16_t bits_of(int x, int32_t dtype)
{
    cr_number n = {x, x};
    return (uint16_t)vk_element_bits(&n, dtype);
}

static cr_status fill(cr_device *d, cr_buffer *buffer, uint32_t count, int most, int32_t dtype)
{
    uint16_t *values = malloc(count * sizeof *values);
    if (!values)
        return CR_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        values[i] = bits_of(value_of(i, most), dtype);
    cr_status status = vk_copy_in(d, buffer, 0, values, count * sizeof *values);
    free(values);
    return status;
}

static int count_wrong(const uint16_t *c, int32_t dtype)
{
    int wrong = 0;
    for (uint32_t m = 0; m < M; m++)
        for (uint32_t n = 0; n < N; n++) {
            int sum = 0;
            for (uint32_t k = 0; k < K; k++)
                sum += value_of(m * K + k, A_MOST) * value_of(k * N + n, B_MOST);
            wrong += c[m * N + n] != bits_of(sum, dtype);
        }
    return wrong;
}

static cr_status multiply(cr_device *d, cr_buffer *const buffer[3], int32_t dtype)
{
    vk_product p = {.from = dtype, .to = dtype, .at = {0, 1, 2, -1}, .alpha_at = -1, .beta_at = -1};
    int one = 0;
    vk_axis_add(p.block.b_axis, &one, 1, 0, 0, 0, 0);
    vk_axis_add(p.block.m_axis, &p.m_rank, M, K, 0, N, 0);
    vk_axis_add(p.block.k_axis, &p.k_rank, K, 1, N, 0, 0);
    vk_axis_add(p.block.n_axis, &p.n_rank, N, 0, 1, 1, 0);
    cr_plan_info info = {.struct_size = sizeof info};
    cr_plan *plan = vk_plan_new(d, sizeof *plan, NULL);
    if (!plan)
        return CR_OUT_OF_MEMORY;
    vk_product_steps steps;
    const cr_binding values[3] = {{buffer[0], 0}, {buffer[1], 0}, {buffer[2], 0}};
    const cr_run run = {.struct_size = sizeof run, .values = values};
    cr_status status = vk_product_add(plan, &p, &info, &steps);
    if (status == CR_OK)
        status = vk_product_run(plan, &steps, &run);
    if (status == CR_OK)
        status = vk_sync(d);
    vk_plan_free(plan);
    return status;
}

/* The elements of the trial's product that are wrong. */
static cr_status try_matrices(cr_device *d, int32_t dtype, int *wrong)
{
    static const uint32_t count[3] = {M * K, K * N, M * N};
    cr_buffer *buffer[3] = {NULL, NULL, NULL};
    uint16_t *c = malloc(sizeof *c * M * N);
    cr_status status = c ? CR_OK : CR_OUT_OF_MEMORY;
    for (int i = 0; i < 3 && status == CR_OK; i++)
        status = vk_alloc(d, count[i] * sizeof *c, &buffer[i]);
    if (status == CR_OK)
        status = fill(d, buffer[0], count[0], A_MOST, dtype);
    if (status == CR_OK)
        status = fill(d, buffer[1], count[1], B_MOST, dtype);
    if (status == CR_OK)
        status = multiply(d, buffer, dtype);
    if (status == CR_OK)
        status = vk_copy_out(d, c, buffer[2], 0, sizeof *c * M * N);
    if (status == CR_OK)
        *wrong = count_wrong(c, dtype);
    for (int i = 0; i < 3; i++)
        if (buffer[i])
            vk_free(d, buffer[i]);
    free(c);
    return status;
}

/* ---- the choice ---- */

cr_status vk_matrix_init(cr_device *d)
{
    static const int32_t dtypes[] = {CR_F16, CR_BF16};
    const char *text = vk_env("CRESSET_VULKAN_MATRIX");
    bool emulated = text && !strncmp(text, "emulated", 8) && !d->profile->lean;
    unsigned long group = emulated && text[8] == ':' ? strtoul(text + 9, NULL, 10) : 128;
    for (int i = 0; i < 2; i++) {
        vk_matrix_choice *choice = &d->matrix[i];
        int shader = shader_of(d, dtypes[i]), wrong = 0;
        if (!emulated && (!d->matrices || shader < 0))
            continue;
        choice->shader = emulated ? VK_SHADER_product_matrix_emulated : (vk_shader)shader;
        choice->group = emulated ? (uint32_t)group : 4 * d->profile->subgroup;
        if (choice->group > d->profile->limits.maxComputeWorkGroupInvocations) {
            choice->group = 0;
            continue;
        }
        cr_status status = try_matrices(d, dtypes[i], &wrong);
        if (status != CR_OK)
            return status;
        if (wrong) {
            choice->group = 0;
            vk_host->log(vk_host, 2,
                         "vulkan: %s offers cooperative matrices of 16-bit floats, but %d of %d "
                         "elements of a product are wrong; it does without them",
                         d->profile->name, wrong, M * N);
        }
    }
    return CR_OK;
}

bool vk_matrix_kernel(const cr_device *d, int32_t dtype, vk_shader *shader, uint32_t *group)
{
    const vk_matrix_choice *c = &d->matrix[dtype == CR_BF16];
    if ((dtype != CR_F16 && dtype != CR_BF16) || !c->group)
        return false;
    *shader = c->shader;
    *group = c->group;
    return true;
}
