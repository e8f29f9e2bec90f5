/* Pipelines of shaders that are put together at run time, among the others of the device. See linked.h. */
#include "linked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lies in the device's table as a pipeline of no shader of the list: VK_SHADERS. */
typedef struct linked {
    vk_pipeline base;
    char name[80];
    vk_body body;
} linked;

static const struct {
    const char *body;
    vk_shader shader, narrow;
} kits[VK_KITS] = {{"chain", VK_SHADER_chain, VK_SHADER_chain_narrow},
                   {"element", VK_SHADER_chain_reduce, VK_SHADER_chain_reduce_narrow}};

static vk_shader shader_of(const cr_device *d, vk_kit kit)
{
    return d->profile->f64 ? kits[kit].shader : kits[kit].narrow;
}

static const vk_pieces *pieces_of(cr_device *d, vk_kit kit, vk_reach by)
{
    vk_pieces **pieces = &d->pipelines.pieces[kit][by];
    const char *why;
    size_t bytes;
    if (*pieces)
        return *pieces;
    const uint32_t *words = vk_shader_words(d, shader_of(d, kit), by, &bytes);
    *pieces = vk_pieces_new(words, bytes / sizeof *words, kits[kit].body, &why);
    if (!*pieces)
        vk_host->fail(vk_host, CR_FAILED, "%s", why);
    return *pieces;
}

const vk_pieces *vk_pieces_of(cr_device *d, vk_kit kit)
{
    return pieces_of(d, kit, VK_BY_VALUES);
}

static vk_kit kit_of(const cr_device *d, const vk_pipeline *pipeline)
{
    const vk_pieces *pieces = ((const linked *)pipeline)->body.pieces;
    return pieces == d->pipelines.pieces[VK_KIT_CHAIN][VK_BY_VALUES] ? VK_KIT_CHAIN : VK_KIT_REDUCE;
}

vk_shader vk_linked_shader(const cr_device *d, const vk_pipeline *pipeline)
{
    return shader_of(d, kit_of(d, pipeline));
}

void vk_linked_free(vk_pipeline *pipeline)
{
    vk_body_free(&((linked *)pipeline)->body);
}

static VkResult build(cr_device *d, const vk_pipeline *one, const vk_body *body, VkPipeline *handle)
{
    uint32_t *words;
    size_t count;
    VkShaderModule module;
    if (!vk_body_link(body, &words, &count))
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    VkResult result = vk_module_new(d, words, count * sizeof *words, true, &module);
    free(words);
    if (result != VK_SUCCESS)
        return result;
    result = vk_pipeline_build(d, one, module, handle);
    vkDestroyShaderModule(d->handle, module, NULL);
    return result;
}

VkResult vk_linked_build(cr_device *d, const vk_pipeline *one, vk_reach by, VkPipeline *handle)
{
    const vk_body *body = &((const linked *)one)->body;
    if (by == VK_BY_VALUES)
        return build(d, one, body, handle);
    const vk_pieces *pieces = pieces_of(d, kit_of(d, one), by);
    vk_body moved;
    if (!pieces || !vk_body_move(body, pieces, &moved))
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    VkResult result = build(d, one, &moved, handle);
    vk_body_free(&moved);
    return result;
}

static bool is_same(const vk_pipeline *p, const vk_body *body, uint32_t group,
                    const uint32_t *special)
{
    return p->shader == VK_SHADERS && p->group == group &&
           !memcmp(p->special, special, sizeof p->special) &&
           vk_body_equal(&((const linked *)p)->body, body);
}

cr_status vk_pipeline_linked(cr_device *d, vk_body *body, const char *name, uint32_t group,
                             const uint32_t *special, int nspecial, vk_pipeline **pipeline)
{
    uint32_t all[VK_SPECIALS] = {0};
    if (nspecial)
        memcpy(all, special, (size_t)nspecial * sizeof *special);
    if (!group)
        group = d->group;
    vk_pipeline **at =
        &d->pipelines
             .all[vk_body_hash(body) % (sizeof d->pipelines.all / sizeof *d->pipelines.all)];
    for (; *at; at = &(*at)->next)
        if (is_same(*at, body, group, all)) {
            vk_body_free(body);
            *pipeline = *at;
            return CR_OK;
        }
    if (d->lost)
        return vk_still_lost(d);
    linked *one = calloc(1, sizeof *one);
    if (!one)
        return vk_host->fail(vk_host, CR_OUT_OF_MEMORY, "the host has no %zu bytes left",
                             sizeof *one);
    snprintf(one->name, sizeof one->name, "%s", name);
    one->base.name = one->name;
    one->base.shader = VK_SHADERS;
    one->base.group = group;
    memcpy(one->base.special, all, sizeof all);
    one->body = *body;
    cr_status status = vk_pipeline_ready(
        d, &one->base, vk_can_use_texels(d, &one->base) ? VK_BY_TEXELS : VK_BY_VALUES);
    if (status != CR_OK) {
        free(one);
        return status;
    }
    body->code = NULL;
    *at = &one->base;
    *pipeline = &one->base;
    return CR_OK;
}
