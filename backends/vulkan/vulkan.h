/* The vulkan backend's inner contract. From the bottom up:
 *
 *   instance.c   which devices there are          device.c    one of them, opened
 *   memory.c     blocks cut into buffers          constants.c what a plan leaves on the device
 *   record.c     dispatches into command buffers, barriers, submission, waiting
 *   transfer.c   to and from the host             pipeline.c  shaders into pipelines, built once
 *   checked.c    values as descriptors            matrix.c    cooperative matrices
 *   texels.c     values as texels, for llvmpipe   profile.c  where the time goes, if asked
 *   exit.c       the end of the process           module.c    a shader's words, as the driver gets them
 *   plan.c       from an operation's name to its family, and what families share
 *   spirv.c      shaders out of pieces           linked.c    their pipelines
 *   chain.c      several operations as one plan  chain_body.c  what they share with chain_reduce.c
 *
 * and one file for each family of plans. A plan is one or more launches: a pipeline, a block of
 * constants that was written when the plan was made, and addresses and numbers of the run. */
#ifndef CRESSET_BACKENDS_VULKAN_H
#define CRESSET_BACKENDS_VULKAN_H

#include <cresset/backend.h>

#include <vulkan/vulkan.h>

extern const cr_host *vk_host;

/* ---- errors ---- */

const char *vk_result_name(VkResult result);
/* Says what failed and returns the status that fits. A lost device stays lost: it is marked, and
 * the kernels that were sent last are named. */
cr_status vk_failed(cr_device *d, VkResult result, const char *what);
/* What every call on a lost device answers. */
cr_status vk_still_lost(cr_device *d);

/* ---- memory ---- */

/* Device memory that Vulkan gave in one piece: one VkBuffer over all of it. */
typedef struct vk_block {
    VkDeviceMemory memory;
    VkBuffer buffer;
    VkDeviceAddress address;
    char *mapped; /* the host's address, or null */
    size_t size, used;
    VkBufferView view;      /* all of it as texels, or null; see texels.c */
    VkDescriptorSet texels; /* the view, and the buffer */
    struct vk_span *first;  /* its parts in order of address */
    struct vk_block *next;
} vk_block;

/* A part of a block, in use or free. A span in use is the core's cr_buffer. */
typedef struct vk_span {
    vk_block *block;
    size_t offset, size;
    struct vk_span *before, *after;
    bool taken;
} vk_span;

/* The core's buffer: the span first, then what the recorder knows of its use. */
struct cr_buffer {
    vk_span span;
    VkDeviceAddress address;
    uint64_t read_epoch, write_epoch; /* see record.c */
    uint64_t used_by, written_by;     /* submissions */
};

typedef struct vk_pinned vk_pinned; /* pinned.c */

typedef struct vk_memory {
    vk_block *blocks;
    size_t next_size; /* of the next block */
    uint32_t type;    /* the memory type for tensors, and whether it can be mapped */
    bool mapped, cached;
} vk_memory;

/* Picks the memory type. */
cr_status vk_memory_init(cr_device *d);
void vk_memory_close(cr_device *d);
cr_status vk_alloc(cr_device *d, size_t bytes, cr_buffer **buffer);
void vk_free(cr_device *d, cr_buffer *buffer);
/* A block of its own: for staging and constants. wanted: memory properties, the first that exist
 * are taken. */
cr_status vk_block_new(cr_device *d, size_t size, uint32_t type, VkBufferUsageFlags usage,
                       vk_block *block);
void vk_block_free(cr_device *d, vk_block *block);
/* A memory type with all of `must` and, where there is a choice, `wish`; UINT32_MAX if none. */
uint32_t vk_memory_type(const cr_device *d, VkMemoryPropertyFlags must, VkMemoryPropertyFlags wish);

/* ---- constants: what a plan writes once, and its kernels read as a uniform block ---- */

enum { VK_CONSTANT_BYTES = 1024 }; /* the most that a plan's block holds */

typedef struct vk_constant {
    VkDescriptorSet set; /* of the slab, bound with `offset` */
    uint32_t offset;
    struct vk_slab *slab;
    struct vk_constant *next; /* while it waits to be used again */
    uint64_t retired_by;
} vk_constant;

typedef struct vk_constants {
    struct vk_slab *slabs;
    vk_constant *spare, *retired;
    VkDescriptorSetLayout layout;
    uint32_t slot; /* bytes of a slot: VK_CONSTANT_BYTES, aligned */
} vk_constants;

cr_status vk_constants_init(cr_device *d);
void vk_constants_close(cr_device *d);
cr_status vk_constant_new(cr_device *d, const void *data, size_t bytes, vk_constant **constant);
/* May be called while the device still reads it. Null is fine. */
void vk_constant_free(cr_device *d, vk_constant *constant);

/* ---- values as descriptors, for the checked flavour: checked.c ---- */

struct vk_launch;
enum { VK_CHECKED_SLOTS = 10 }; /* the addresses of vk_args and, last, the report */

typedef struct vk_values {
    VkDescriptorSetLayout layout;
    PFN_vkCmdPushDescriptorSetKHR push;
    size_t most; /* bytes that one reaches */
} vk_values;

cr_status vk_values_init(cr_device *d);
void vk_values_close(cr_device *d);
/* Pushes what the launch has bound, and puts places into its arguments where addresses were. */
void vk_values_push(cr_device *d, VkCommandBuffer commands, struct vk_launch *launch);

/* ---- values as texels: texels.c ---- */

enum { VK_TEXELS_BLOCK, VK_TEXELS_ARGS, VK_TEXELS_SETS };

typedef struct vk_texels {
    bool on; /* the device gains by them */
    VkDescriptorSetLayout layout[VK_TEXELS_SETS];
    VkDescriptorPool pool;
    vk_block args; /* of the launches of each slot */
    VkDescriptorSet args_set;
} vk_texels;

cr_status vk_texels_init(cr_device *d);
void vk_texels_close(cr_device *d);
/* Makes a block readable as texels, where that can be, and undoes it. */
void vk_texels_add(cr_device *d, vk_block *block);
void vk_texels_remove(cr_device *d, vk_block *block);
/* The block whose texels the launch can use; null: it goes by address. */
const vk_block *vk_texels_of(const cr_device *d, const struct vk_launch *launch);
/* Gives the launch that is being recorded its block and its arguments. */
void vk_texels_bind(cr_device *d, const vk_block *block, struct vk_launch *launch);

/* ---- pipelines ---- */

/* What a pipeline gets at memory by: values as the device binds them, or texels. */
typedef enum vk_reach { VK_BY_VALUES, VK_BY_TEXELS, VK_BY } vk_reach;

typedef enum vk_shader {
#define VK_SHADER(name, exact, flavours) VK_SHADER_##name,
#include "shader_list.h"
#undef VK_SHADER
    VK_SHADERS
} vk_shader;

enum { VK_SPECIALS = 12 }; /* specialisation constants, after the group's size */

typedef struct vk_pipeline {
    VkPipeline handle[VK_BY]; /* null: not built yet */
    const char *name;
    vk_shader shader;
    uint32_t group; /* invocations of a group */
    uint32_t special[VK_SPECIALS];
    uint64_t ticks, least, runs; /* see profile.c */
    bool sent[VK_BY];            /* has been run before; see exit.c */
    struct vk_pipeline *next;
} vk_pipeline;

typedef struct vk_pipelines {
    vk_pipeline *all[256];
    VkShaderModule modules[VK_SHADERS][VK_BY];
    VkPipelineLayout layout;
    VkPipelineCache cache;
    size_t loaded; /* bytes that came from the disk */
    uint32_t built;
    struct vk_pieces *pieces[2][VK_BY]; /* see linked.h; null until they are wanted */
} vk_pipelines;

cr_status vk_pipelines_init(cr_device *d);
void vk_pipelines_close(cr_device *d);
/* The pipeline of a shader with these constants, built at its first use. group 0: the device's
 * usual size. CR_UNSUPPORTED where the shader has no flavour for the device. */
cr_status vk_pipeline_get(cr_device *d, vk_shader shader, uint32_t group, const uint32_t *special,
                          int count, vk_pipeline **pipeline);
/* Builds what gets at memory so, if it isn't there yet. */
cr_status vk_pipeline_ready(cr_device *d, vk_pipeline *pipeline, vk_reach by);
/* Whether the shader has a flavour that uses texels; whether the pipeline can. */
bool vk_has_texels(vk_shader shader);
bool vk_can_use_texels(const cr_device *d, const vk_pipeline *pipeline);
/* The parts of it, for pipelines of other modules (linked.c): a module of words, a pipeline of a module, for which `one` says
 * all but the handle, and a shader's words in the device's flavour, or in that of texels; null where there is no such one. */
VkResult vk_module_new(cr_device *d, const uint32_t *words, size_t bytes, bool exact,
                       VkShaderModule *module);
VkResult vk_pipeline_build(cr_device *d, const vk_pipeline *one, VkShaderModule module,
                           VkPipeline *handle);
const uint32_t *vk_shader_words(const cr_device *d, vk_shader shader, vk_reach by, size_t *bytes);
/* The cache file: reads it into *data (the caller frees) if it belongs to this device and driver
 * and is whole; writes it under a temporary name first. Failure only means a slower start. */
void vk_cache_read(cr_device *d, void **data, size_t *size);
void vk_cache_write(cr_device *d, const void *data, size_t size);

/* ---- cooperative matrices: matrix.c ---- */

typedef struct vk_matrix_choice {
    vk_shader shader;
    uint32_t group; /* 0: none */
} vk_matrix_choice;

/* Whether the device is to be opened with them. */
bool vk_matrix_wanted(const cr_device *d);
/* Tries those there are; those that compute wrongly are not used, which is said. */
cr_status vk_matrix_init(cr_device *d);
/* The kernel for products of the dtype by them; false where there is none. */
bool vk_matrix_kernel(const cr_device *d, int32_t dtype, vk_shader *shader, uint32_t *group);

/* ---- recording ---- */

/* VK_WORD_BLOCK: where texels are read, the low half of the address of their block. */
enum { VK_ARGS_AT = 9, VK_ARGS_NUMBERS = 3, VK_ARGS_WORDS = 6, VK_WORD_BLOCK = 5 };

/* What every kernel gets as push constants; shaders/kernel.glsl has the same. */
typedef struct vk_args {
    uint64_t status;                  /* where this one reports a bad index */
    uint64_t at[VK_ARGS_AT];          /* addresses of values */
    uint64_t number[VK_ARGS_NUMBERS]; /* the run's numbers, as bits of the kernel's type */
    uint32_t word[VK_ARGS_WORDS];
} vk_args;

enum { VK_USES = 12 };

typedef struct vk_launch {
    vk_pipeline *pipeline;
    const vk_constant *constant; /* or null */
    vk_args args;
    uint32_t groups[3];
    uint32_t reporter; /* see vk_reporter */
    struct {
        cr_buffer *buffer;
        bool writes;
    } use[VK_USES];
    int nuses;
    struct {
        const cr_buffer *buffer; /* or null */
        size_t offset;
    } bound[VK_ARGS_AT]; /* for checked.c */
} vk_launch;

/* Sets args.at[slot] to the binding's address plus bytes, and notes the use of its buffer. */
void vk_bind(vk_launch *launch, int slot, const cr_binding *binding, size_t bytes, bool writes);
cr_status vk_record(cr_device *d, vk_launch *launch);
/* Notes that a command about to be recorded reads or writes the buffers, puts the barrier before it
 * that this needs, and gives the command buffer. */
cr_status vk_record_uses(cr_device *d, cr_buffer *reads, cr_buffer *writes, VkCommandBuffer *to);

enum { VK_SLOTS = 8, VK_NAMES = 8, VK_BATCH = 64 }; /* the most dispatches of a slot */

/* A command buffer with its staging memory, in turn. */
typedef struct vk_slot {
    VkCommandPool pool;
    VkCommandBuffer commands;
    uint64_t value; /* of the timeline when the device is done with it */
    vk_block staging;
    size_t staged;
    VkQueryPool times;            /* see profile.c */
    vk_pipeline *timed[VK_BATCH]; /* whose times they are */
    uint32_t ntimed;
} vk_slot;

/* What kernels write about a bad index; shaders/kernel.glsl has the same. There is one for each operation that looks at
 * indices, so that the message can name it. */
typedef struct vk_report {
    uint32_t set, dim;
    int64_t index, size;
    uint64_t unused;
} vk_report;

enum { VK_REPORTS = 64 };

typedef struct vk_recorder {
    vk_slot slots[VK_SLOTS];
    VkSemaphore timeline;
    vk_slot *open;                       /* being recorded, or null */
    uint64_t value;                      /* of the slot that is open or will be opened next */
    uint64_t done;                       /* the timeline's value when last looked at */
    uint64_t epoch;                      /* counts barriers */
    uint64_t copied_epoch, texels_epoch; /* that a buffer was last copied to or from, texels used */
    uint32_t count, next;                /* dispatches in the open slot; the next slot */
    bool first_runs;                     /* some of them are a pipeline's first */
    vk_block reports;
    struct {
        char name[48];       /* the operations' names, as they came */
        const char *meaning; /* cr_run.index_meaning, or null */
    } reporters[VK_REPORTS];
    int nreporters;
    const char *names[VK_NAMES]; /* of the last kernels, a ring */
    uint32_t named;
    uint64_t dispatches, barriers, submissions;
    bool timed; /* see profile.c */
} vk_recorder;

cr_status vk_recorder_init(cr_device *d);
void vk_recorder_close(cr_device *d);
/* Sends what was recorded. */
cr_status vk_submit(cr_device *d);
/* Waits until the submission of that value is done, sending it first if it is still open. */
cr_status vk_wait(cr_device *d, uint64_t value);
/* Waits for what was sent, without looking whether the device is lost or something is open. */
cr_status vk_wait_sent(cr_device *d, uint64_t value);
/* Whether it is done, without waiting. */
bool vk_is_done(cr_device *d, uint64_t value);
/* The open slot, opening one (and waiting for it, when all are under way). */
cr_status vk_open_slot(cr_device *d, vk_slot **slot);
/* The number, from 1, of an operation's report, for vk_launch.reporter; those that are one too many share the last. */
uint32_t vk_reporter(cr_device *d, const char *operation, const char *meaning);
/* What kernels reported since the last call, as an error. */
cr_status vk_check_reports(cr_device *d);

/* ---- the end of the process: exit.c ---- */

/* A device that was opened, and one that will be closed. */
void vk_exit_add(cr_device *d);
void vk_exit_remove(cr_device *d);
/* vkQueueSubmit, counted in the recorder's value, unless the process has come to its end. */
cr_status vk_exit_send(cr_device *d, const VkSubmitInfo *submit, VkResult *result);
/* What was sent last has pipelines that had not run before. */
cr_status vk_exit_after_first_runs(cr_device *d);

/* ---- the profile, for who asks for it: profile.c ---- */

cr_status vk_timer_init(cr_device *d);
/* Says what was measured. */
void vk_timer_close(cr_device *d);
void vk_timer_begin(cr_device *d, vk_slot *slot);
void vk_timer_stamp(cr_device *d, vk_slot *slot, const vk_pipeline *pipeline, bool end);
void vk_timer_read(cr_device *d, vk_slot *slot);

/* ---- transfers ---- */

cr_status vk_copy_in(cr_device *d, cr_buffer *to, size_t offset, const void *from, size_t bytes);
cr_status vk_copy_out(cr_device *d, void *to, cr_buffer *from, size_t offset, size_t bytes);
void *vk_host_pointer(cr_device *d, cr_buffer *buffer);
cr_status vk_host_alloc(cr_device *d, size_t bytes, void **memory);
void vk_host_free(cr_device *d, void *memory);
cr_status vk_host_copy(cr_device *d, cr_buffer *to, size_t offset, const void *from, size_t bytes);
cr_status vk_host_wait(cr_device *d, void *memory);
cr_status vk_sync(cr_device *d);

/* ---- devices ---- */

/* What a Vulkan device is and can. */
typedef struct vk_profile {
    char name[256];
    char driver[520];
    uint32_t api, driver_version, vendor, device;
    uint8_t cache_uuid[VK_UUID_SIZE];
    VkPhysicalDeviceType type;
    uint64_t memory; /* bytes in its device-local heaps */
    uint64_t
        left; /* of them, by the budget, when the device was looked at; 0 where there is no budget */
    VkPhysicalDeviceMemoryProperties memories;
    VkPhysicalDeviceLimits limits;
    uint64_t most_allocation; /* bytes of one */
    uint32_t subgroup;        /* invocations */
    bool f64, budget, subgroup_ops, timestamps, texels;
    bool keeps_subnormals; /* of 32-bit floats, in shaders that ask for it */
    bool lean; /* no integers of 64 bits, or no small ones in memory: see shaders/lean.glsl */
    bool matrix_f16, matrix_bf16;        /* 16 x 16 x 16, sums in f32, to a subgroup */
    bool addresses, descriptors, robust; /* what the two flavours of kernels need */
    char lacks[128];                     /* what keeps it from being used, or "" */
} vk_profile;

/* Notes the cooperative matrices that the device says it has; bfloat: with that type, too. */
void vk_matrix_read(VkInstance instance, VkPhysicalDevice physical, vk_profile *p, bool bfloat);

/* Looks at the devices once and keeps what they are; says why there is none. Usable ones come
 * first, discrete before integrated before others. */
cr_status vk_profiles(const vk_profile **profiles, int *count);
/* The instance, made if need be, and the physical device of that number; instance_release when
 * done. */
cr_status vk_instance_acquire(int index, VkPhysicalDevice *physical);
void vk_instance_release(void);
/* An environment variable, but for set-uid programs. */
const char *vk_env(const char *name);

struct cr_device {
    const vk_profile *profile;
    VkPhysicalDevice physical;
    VkDevice handle;
    VkQueue queue;
    uint32_t family;
    uint32_t group; /* the usual size of a group */
    bool is_cpu;    /* the "device" is this machine's processor */
    uint32_t loops; /* iterations of all its loops that an invocation may do; see device.c */
    bool checked;   /* values are bound as descriptors, not reached by address */
    bool matrices;  /* opened with cooperative matrices */
    vk_matrix_choice matrix[2]; /* for f16 and bf16 */
    bool direct_products;       /* shaders/product_direct.comp suits it */
    bool lost;
    bool hung;  /* lost for want of an answer: it may still be at work on our memory */
    bool ended; /* lost with the process, whose end it is */
    char lost_words[512];
    struct cr_device *next_open; /* see exit.c */
    vk_memory memory;
    vk_pinned *pinned;
    vk_constants constants;
    vk_values values;
    vk_texels texels;
    vk_pipelines pipelines;
    vk_recorder recorder;
};

cr_status vk_device_open(int index, cr_device **device);
void vk_device_close(cr_device *d);
/* Whether all that was sent to a device that was given up has been done within two seconds more: it may only have been slow,
 * and its driver still be compiling. */
bool vk_is_idle_after_all(const cr_device *d);

/* Free and total bytes of the heap that tensors live in; false where the driver does not say. */
bool vk_budget(const cr_device *d, uint64_t *left, uint64_t *all);

#endif
