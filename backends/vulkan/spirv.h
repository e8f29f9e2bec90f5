/* Shaders that are put together at run time out of functions that were compiled beforehand. The pieces are a module in which
 * every function is still one (compiled without optimisation), and among them one whose body is written anew: a row of calls of
 * the others, by the names that they have in the source. What nothing calls is left out. As the kernels of single operations,
 * such a module is handed over as an exact one (module.c): operations that were apart keep the roundings that they had. */
#ifndef CRESSET_BACKENDS_VULKAN_SPIRV_H
#define CRESSET_BACKENDS_VULKAN_SPIRV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct vk_pieces vk_pieces;

/* What functions take and give. VK_OF_NONE: nothing, or something else. */
typedef enum vk_type {
    VK_OF_NONE,
    VK_OF_FLOAT,
    VK_OF_DOUBLE,
    VK_OF_INT,
    VK_OF_LONG,
    VK_OF_UINT,
    VK_TYPES
} vk_type;

/* A value within the body; id 0: it failed. */
typedef struct vk_term {
    uint32_t id;
    vk_type type;
} vk_term;

/* Reads a module, which must stay. body: the name of the function that is written anew, which takes one uint. Null without
 * memory, or where the module is not understood (*why says so). */
vk_pieces *vk_pieces_new(const uint32_t *words, size_t count, const char *body, const char **why);
void vk_pieces_free(vk_pieces *pieces);

enum { VK_BODY_CONSTANTS = 64 };

typedef struct vk_body {
    const vk_pieces *pieces;
    uint32_t *code; /* owned */
    size_t count, room;
    uint32_t next;   /* id */
    uint32_t result; /* what it returns; 0: nothing */
    uint32_t constant[VK_BODY_CONSTANTS], constant_id[VK_BODY_CONSTANTS];
    uint32_t nconstants;
    bool failed; /* a call that there is no function for, or no memory */
} vk_body;

vk_body vk_body_new(const vk_pieces *pieces);
void vk_body_free(vk_body *body);
/* What the body takes. */
vk_term vk_body_index(const vk_body *body);
vk_term vk_body_uint(vk_body *body, uint32_t value);
/* A call of the function of that name that takes such arguments. */
vk_term vk_body_call(vk_body *body, const char *name, uint32_t nargs, const vk_term *args);
/* The same calls of other pieces that have the same functions. False without memory, or where one is missing. */
bool vk_body_move(const vk_body *from, const vk_pieces *pieces, vk_body *to);
/* Whether both are the same calls; a number that is then the same. */
bool vk_body_equal(const vk_body *a, const vk_body *b);
uint32_t vk_body_hash(const vk_body *body);
/* The module with this body: *words (to be freed) and their count. False without memory. */
bool vk_body_link(const vk_body *body, uint32_t **words, size_t *count);

#endif
