/* Shaders into pipelines: each combination of a shader and its specialisation constants is built
 * once, at the plan that first wants it. */
#include "linked.h"

#include <stdlib.h>
#include <string.h>

#include "shader_words.h"

enum { ADDRESSES, CHECKED, TEXELS, LEAN, LEAN_CHECKED, FLAVOURS }; /* see shaders/memory.glsl */

static const struct {
    const char *name;
    bool exact; /* its sums and products are rounded one by one: module.c */
    struct {
        const uint32_t *words;
        size_t bytes;
    } flavour[FLAVOURS]; /* without words: not in this one */
} shaders[] = {
#define VK_SHADER(name, exact, flavours) {#name, exact, {flavours}},
#define FLAVOUR(which, words)            [which] = {words, sizeof words},
#include "shader_list.h"
#undef FLAVOUR
#undef VK_SHADER
};

bool vk_has_texels(vk_shader shader)
{
    return shaders[shader].flavour[TEXELS].words != NULL;
}

bool vk_can_use_texels(const cr_device *d, const vk_pipeline *pipeline)
{
    return d->texels.on &&
           vk_has_texels(pipeline->shader == VK_SHADERS ? vk_linked_shader(d, pipeline)
                                                        : pipeline->shader);
}

cr_status vk_pipelines_init(cr_device *d)
{
    vk_pipelines *p = &d->pipelines;
    VkPushConstantRange push = {VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(vk_args)};
    VkDescriptorSetLayout sets[3] = {
        d->constants.layout, d->checked ? d->values.layout : d->texels.layout[VK_TEXELS_BLOCK],
        d->texels.layout[VK_TEXELS_ARGS]};
    VkPipelineLayoutCreateInfo layout = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                         .setLayoutCount = d->texels.on ? 3
                                                           : d->checked ? 2
                                                                        : 1,
                                         .pSetLayouts = sets,
                                         .pushConstantRangeCount = 1,
                                         .pPushConstantRanges = &push};
    VkResult result = vkCreatePipelineLayout(d->handle, &layout, NULL, &p->layout);
    if (result != VK_SUCCESS) {
        p->layout = VK_NULL_HANDLE;
        return vk_failed(d, result, "vkCreatePipelineLayout");
    }
    void *data = NULL;
    size_t size = 0;
    vk_cache_read(d, &data, &size);
    VkPipelineCacheCreateInfo cache = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
                                       .initialDataSize = size,
                                       .pInitialData = data};
    result = vkCreatePipelineCache(d->handle, &cache, NULL, &p->cache);
    free(data);
    p->loaded = size;
    if (result != VK_SUCCESS)
        p->cache = VK_NULL_HANDLE; /* pipelines are built without one */
    return CR_OK;
}

static void save_cache(cr_device *d)
{
    size_t size = 0;
    VkPipelineCache cache = d->pipelines.cache;
    if (!cache || d->lost || !d->pipelines.built ||
        vkGetPipelineCacheData(d->handle, cache, &size, NULL) != VK_SUCCESS ||
        size == d->pipelines.loaded)
        return;
    void *data = malloc(size);
    if (data && vkGetPipelineCacheData(d->handle, cache, &size, data) == VK_SUCCESS)
        vk_cache_write(d, data, size);
    free(data);
}

void vk_pipelines_close(cr_device *d)
{
    vk_pipelines *p = &d->pipelines;
    save_cache(d);
    for (size_t i = 0; i < sizeof p->all / sizeof *p->all; i++)
        while (p->all[i]) {
            vk_pipeline *one = p->all[i];
            p->all[i] = one->next;
            for (int by = 0; by < VK_BY; by++)
                vkDestroyPipeline(d->handle, one->handle[by], NULL);
            if (one->shader == VK_SHADERS)
                vk_linked_free(one);
            free(one);
        }
    for (int i = 0; i < VK_SHADERS; i++)
        for (int by = 0; by < VK_BY; by++)
            vkDestroyShaderModule(d->handle, p->modules[i][by], NULL);
    for (size_t i = 0; i < sizeof p->pieces / sizeof *p->pieces; i++)
        for (int by = 0; by < VK_BY; by++)
            vk_pieces_free(p->pieces[i][by]);
    vkDestroyPipelineCache(d->handle, p->cache, NULL);
    vkDestroyPipelineLayout(d->handle, p->layout, NULL);
}

VkResult vk_pipeline_build(cr_device *d, const vk_pipeline *one, VkShaderModule module,
                           VkPipeline *handle)
{
    uint32_t data[1 + VK_SPECIALS] = {one->group};
    VkSpecializationMapEntry entries[1 + VK_SPECIALS];
    memcpy(data + 1, one->special, sizeof one->special);
    for (uint32_t i = 0; i < 1 + VK_SPECIALS; i++)
        entries[i] = (VkSpecializationMapEntry){i, 4 * i, 4};
    VkSpecializationInfo special = {1 + VK_SPECIALS, entries, sizeof data, data};
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = module,
                  .pName = "main",
                  .pSpecializationInfo = &special},
        .layout = d->pipelines.layout};
    return vkCreateComputePipelines(d->handle, d->pipelines.cache, 1, &info, NULL, handle);
}

const uint32_t *vk_shader_words(const cr_device *d, vk_shader shader, vk_reach by, size_t *bytes)
{
    int flavour = by == VK_BY_TEXELS ? TEXELS
                  : d->profile->lean ? d->checked ? LEAN_CHECKED : LEAN
                  : d->checked       ? CHECKED
                                     : ADDRESSES;
    *bytes = shaders[shader].flavour[flavour].bytes;
    return shaders[shader].flavour[flavour].words;
}

static VkResult build(cr_device *d, const vk_pipeline *one, vk_reach by, VkPipeline *handle)
{
    if (one->shader == VK_SHADERS)
        return vk_linked_build(d, one, by, handle);
    VkShaderModule *module = &d->pipelines.modules[one->shader][by];
    size_t bytes;
    const uint32_t *words = vk_shader_words(d, one->shader, by, &bytes);
    VkResult result =
        *module ? VK_SUCCESS : vk_module_new(d, words, bytes, shaders[one->shader].exact, module);
    return result == VK_SUCCESS ? vk_pipeline_build(d, one, *module, handle) : result;
}

cr_status vk_pipeline_ready(cr_device *d, vk_pipeline *one, vk_reach by)
{
    if (one->handle[by])
        return CR_OK;
    VkPipeline handle;
    VkResult result = build(d, one, by, &handle);
    if (result != VK_SUCCESS)
        return vk_failed(d, result, one->name);
    one->handle[by] = handle;
    d->pipelines.built++;
    return CR_OK;
}

static uint32_t hash_of(vk_shader shader, uint32_t group, const uint32_t *special)
{
    uint32_t h = 2166136261u ^ (uint32_t)shader;
    h = (h ^ group) * 16777619u;
    for (int i = 0; i < VK_SPECIALS; i++)
        h = (h ^ special[i]) * 16777619u;
    return h ^ h >> 15;
}

cr_status vk_pipeline_get(cr_device *d, vk_shader shader, uint32_t group, const uint32_t *special,
                          int count, vk_pipeline **pipeline)
{
    uint32_t all[VK_SPECIALS] = {0};
    memcpy(all, special, (size_t)count * sizeof *special);
    if (!group)
        group = d->group;
    vk_pipeline **at = &d->pipelines.all[hash_of(shader, group, all) %
                                         (sizeof d->pipelines.all / sizeof *d->pipelines.all)];
    for (; *at; at = &(*at)->next)
        if ((*at)->shader == shader && (*at)->group == group &&
            !memcmp((*at)->special, all, sizeof all)) {
            *pipeline = *at;
            return CR_OK;
        }
    if (d->lost)
        return vk_still_lost(d);
    size_t bytes;
    if (!vk_shader_words(d, shader, VK_BY_VALUES, &bytes))
        return CR_UNSUPPORTED;
    vk_pipeline *one = calloc(1, sizeof *one);
    if (!one)
        return vk_host->fail(vk_host, CR_OUT_OF_MEMORY, "the host has no %zu bytes left",
                             sizeof *one);
    one->name = shaders[shader].name;
    one->shader = shader;
    one->group = group;
    memcpy(one->special, all, sizeof all);
    cr_status status =
        vk_pipeline_ready(d, one, vk_can_use_texels(d, one) ? VK_BY_TEXELS : VK_BY_VALUES);
    if (status != CR_OK) {
        free(one);
        return status;
    }
    *at = one;
    *pipeline = one;
    return CR_OK;
}
