/* Modules of shaders, with what GLSL has no words for put into them as they are handed to the driver: that floats of 32 bits
 * keep their subnormals, where the device can (NVIDIA's are zero otherwise), and that sums and products of floats are rounded
 * each by itself, in kernels whose results must not depend on what else is in the kernel. A module is a header of five words
 * and then instructions, the first word of each its length and what it is. */
#include "vulkan.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER = 5, BOUND = 3 /* in the header: ids are below */ };

/* Instructions and their operands, by their numbers in the specification. */
enum {
    OP_ENTRY_POINT = 15,
    OP_EXECUTION_MODE = 16,
    OP_CAPABILITY = 17,
    OP_DECORATE = 71,
    OP_F_NEGATE = 127,
    OP_F_ADD = 129,
    OP_F_SUB = 131,
    OP_F_MUL = 133,
    OP_F_DIV = 136,
    DENORM_PRESERVE_CAPABILITY = 4464,
    DENORM_PRESERVE = 4459,
    NO_CONTRACTION = 42
};

/* Returns where the next words go. */
static uint32_t *put(uint32_t *to, const uint32_t *words, size_t count)
{
    memcpy(to, words, count * sizeof *to);
    return to + count;
}

static bool is_arithmetic(uint32_t kind)
{
    return kind == OP_F_NEGATE || kind == OP_F_ADD || kind == OP_F_SUB || kind == OP_F_MUL ||
           kind == OP_F_DIV;
}

#define EACH_INSTRUCTION(i) \
    for (size_t i = HEADER; i < count && words[i] >> 16; i += words[i] >> 16)
#define KIND(i) (words[i] & 0xffff)

/* NoContraction for what hasn't got it. has: of each id, all false. */
static uint32_t *put_uncontracted(uint32_t *to, const uint32_t *words, size_t count, bool *has)
{
    EACH_INSTRUCTION(i)
    {
        if (KIND(i) == OP_DECORATE && words[i + 2] == NO_CONTRACTION)
            has[words[i + 1]] = true;
        if (is_arithmetic(KIND(i)) && !has[words[i + 2]])
            to = put(to, (const uint32_t[]){3u << 16 | OP_DECORATE, words[i + 2], NO_CONTRACTION},
                     3);
    }
    return to;
}

/* The module with all that; null without memory. Capabilities come first of all, modes after the one entry point, and all our
 * modules decorate something. */
static uint32_t *amend(const uint32_t *words, size_t count, bool keeps, bool exact, size_t *amended)
{
    /* A decoration has three words; what it decorates has three at least. */
    uint32_t *all = malloc((2 * count + 6) * sizeof *all), *to = all;
    bool *has = calloc(words[BOUND], sizeof *has), decorated = !exact;
    if (!all || !has) {
        free(all);
        free(has);
        return NULL;
    }
    to = put(to, words, HEADER);
    if (keeps)
        to = put(to, (const uint32_t[]){2u << 16 | OP_CAPABILITY, DENORM_PRESERVE_CAPABILITY}, 2);
    EACH_INSTRUCTION(i)
    {
        if (KIND(i) == OP_DECORATE && !decorated) {
            decorated = true;
            to = put_uncontracted(to, words, count, has);
        }
        to = put(to, words + i, words[i] >> 16);
        if (KIND(i) == OP_ENTRY_POINT && keeps)
            to = put(
                to,
                (const uint32_t[]){4u << 16 | OP_EXECUTION_MODE, words[i + 2], DENORM_PRESERVE, 32},
                4);
    }
    free(has);
    *amended = (size_t)(to - all);
    return all;
}

VkResult vk_module_new(cr_device *d, const uint32_t *words, size_t bytes, bool exact,
                       VkShaderModule *module)
{
    bool keeps = d->profile->keeps_subnormals;
    size_t count = bytes / sizeof *words;
    uint32_t *amended = keeps || exact ? amend(words, count, keeps, exact, &count) : NULL;
    *module = VK_NULL_HANDLE;
    if ((keeps || exact) && !amended)
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    VkShaderModuleCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                     .codeSize = count * sizeof *words,
                                     .pCode = amended ? amended : words};
    VkResult result = vkCreateShaderModule(d->handle, &info, NULL, module);
    free(amended);
    if (result != VK_SUCCESS)
        *module = VK_NULL_HANDLE;
    return result;
}
