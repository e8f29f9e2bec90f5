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

const vk_pieces *vk_pieces_of(cr_device *d, vk_kit kit)
{
    static const struct {
        const char *body;
        vk_shader shader, narrow;
    } kits[] = {{"chain", VK_SHADER_chain, VK_SHADER_chain_narrow},
                {"element", VK_SHADER_chain_reduce, VK_SHADER_chain_reduce_narrow}};
    vk_pieces **pieces = &d->pipelines.pieces[kit];
    const char *why;
    size_t bytes;
    if (*pieces)
        return *pieces;
    const uint32_t *words =
        vk_shader_words(d, d->profile->f64 ? kits[kit].shader : kits[kit].narrow, &bytes);
    *pieces = vk_pieces_new(words, bytes / sizeof *words, kits[kit].body, &why);
    if (!*pieces)
        vk_host->fail(vk_host, CR_FAILED, "%s", why);
    return *pieces;
}

void vk_linked_free(vk_pipeline *pipeline)
{
    vk_body_free(&((linked *)pipeline)->body);
}

static VkResult build(cr_device *d, linked *one)
{
    uint32_t *words;
    size_t count;
    VkShaderModule module;
    if (!vk_body_link(&one->body, &words, &count))
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    VkResult result = vk_module_new(d, words, count * sizeof *words, &module);
    free(words);
    if (result != VK_SUCCESS)
        return result;
    result = vk_pipeline_build(d, &one->base, module, &one->base.handle[VK_BY_VALUES]);
    vkDestroyShaderModule(d->handle, module, NULL);
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
    VkResult result = build(d, one);
    if (result != VK_SUCCESS) {
        cr_status status = vk_failed(d, result, one->name);
        free(one);
        return status;
    }
    body->code = NULL;
    d->pipelines.built++;
    *at = &one->base;
    *pipeline = &one->base;
    return CR_OK;
}
