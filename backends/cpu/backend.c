/* The cpu backend's entry point: the device, its memory, and the way from an operation's name to
 * its planner. */
#include "convert.h"
#include "fused.h"

#include <cblas.h>
#include "variant.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined __x86_64__
#include <cpuid.h>
#endif

/* ---- families, one set of tables for each instruction set ---- */

#define CPU_FAMILY(name) extern const cpu_op cpu_family_##name##_base[];
#include "families.def"
#undef CPU_FAMILY
static const cpu_op *const families_base[] = {
#define CPU_FAMILY(name) cpu_family_##name##_base,
#include "families.def"
#undef CPU_FAMILY
};
enum { FAMILIES = sizeof families_base / sizeof *families_base };

#if CPU_VARIANTS > 1
#define CPU_FAMILY(name)                          \
    extern const cpu_op cpu_family_##name##_v3[]; \
    extern const cpu_op cpu_family_##name##_v4[];
#include "families.def"
#undef CPU_FAMILY
static const cpu_op *const families_v3[] = {
#define CPU_FAMILY(name) cpu_family_##name##_v3,
#include "families.def"
#undef CPU_FAMILY
};
static const cpu_op *const families_v4[] = {
#define CPU_FAMILY(name) cpu_family_##name##_v4,
#include "families.def"
#undef CPU_FAMILY
};

/* x86-64-v3 as its definition has it, from the processor and, for the registers' state, the system.
 */
static bool has_v3(void)
{
    unsigned a, b, c, d, e;
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
        !__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2"))
        return false;
    return __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C && c & bit_MOVBE &&
           __get_cpuid(0x80000001u, &a, &b, &e, &d) && e & bit_LZCNT;
}

static bool has_v4(void)
{
    return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

static bool has_amx(void)
{
    unsigned a, b, c, d;
    enum { BF16 = 1u << 22, TILES = 1u << 24 };
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && d & BF16 && d & TILES;
}
#endif

extern const cpu_row_loops cpu_rows_base, cpu_rows_v3, cpu_rows_v4;
const cpu_row_loops *cpu_rows = &cpu_rows_base;
bool cpu_may_use_amx;

/* The best that the machine has, or the one that CRESSET_CPU_ISA asks for ("base", "v3", "v4": AVX-512 without AMX), for
 * tests. */
static const cpu_op *const *choose_families(void)
{
#if CPU_VARIANTS > 1
    const char *asked = getuid() == geteuid() ? getenv("CRESSET_CPU_ISA") : NULL;
    bool base = asked && !strcmp(asked, "base"), v3 = asked && !strcmp(asked, "v3");
    if (!base && !v3 && has_v4()) {
        cpu_may_use_amx = has_amx() && !(asked && !strcmp(asked, "v4"));
        cpu_rows = &cpu_rows_v4;
        return families_v4;
    }
    if (!base && has_v3()) {
        cpu_rows = &cpu_rows_v3;
        return families_v3;
    }
#endif
    return families_base;
}

/* ---- names ---- */

enum { SLOTS = 2048 }; /* a power of two, well above the number of operations */
static const cpu_op *slots[SLOTS];

static uint32_t hash_of(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    return h ^ h >> 15;
}

/* Where the name is, or the free slot where it would be. */
static const cpu_op **slot_of(const char *name)
{
    uint32_t i = hash_of(name);
    while (slots[i % SLOTS] && strcmp(slots[i % SLOTS]->name, name))
        i++;
    return &slots[i % SLOTS];
}

/* Of two families with one name, the first one listed is taken. */
static bool fill_slots(void)
{
    const cpu_op *const *families = choose_families();
    int count = 0;
    for (int f = 0; f < FAMILIES; f++)
        for (const cpu_op *op = families[f]; op->name; op++) {
            const cpu_op **slot = slot_of(op->name);
            if (!*slot) {
                if (++count > SLOTS / 2)
                    return false;
                *slot = op;
            }
        }
    return true;
}

/* ---- the device and its memory ---- */

struct cr_device {
    int index;
};
static struct cr_device only_device;

static cr_status device_count(const cr_backend *self, int *count)
{
    (void)self;
    *count = 1;
    return CR_OK;
}

static char processor[256] = "CPU";
static pthread_once_t processor_asked = PTHREAD_ONCE_INIT;

/* Once: on virtual machines these questions take many microseconds. */
static void ask_processor(void)
{
#if defined __x86_64__
    unsigned word[12], most = __get_cpuid_max(0x80000000u, NULL);
    if (most < 0x80000004u)
        return;
    for (unsigned i = 0; i < 3; i++)
        __get_cpuid(0x80000002u + i, &word[4 * i], &word[4 * i + 1], &word[4 * i + 2],
                    &word[4 * i + 3]);
    char brand[sizeof word + 1] = {0};
    memcpy(brand, word, sizeof word);
    size_t from = strspn(brand, " "), to = strlen(brand);
    while (to > from && brand[to - 1] == ' ')
        to--;
    if (to > from) {
        memcpy(processor, brand + from, to - from);
        processor[to - from] = 0;
    }
#endif
}

static cr_status device_info(const cr_backend *self, int index, cr_device_info *info)
{
    (void)self;
    if (index != 0)
        return cpu_host->fail(cpu_host, CR_INVALID, "there is one cpu device, not number %d",
                              index);
    if (openblas_get_parallel() == 1) /* threads of its own: ours share its work out */
        openblas_set_num_threads(1);
    pthread_once(&processor_asked, ask_processor);
    memcpy(info->name, processor, sizeof processor);
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    info->memory = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    info->alignment = 64;
    info->rank = 200;
    info->host_memory = 1;
    return CR_OK;
}

static cr_status device_open(const cr_backend *self, int index, cr_device **device)
{
    (void)self;
    if (index != 0)
        return cpu_host->fail(cpu_host, CR_INVALID, "there is one cpu device, not number %d",
                              index);
    if (openblas_get_parallel() == 1) /* threads of its own: ours share its work out */
        openblas_set_num_threads(1);
    *device = &only_device;
    return CR_OK;
}

static void device_close(cr_device *device)
{
    (void)device;
}

static cr_status alloc_memory(cr_device *device, size_t bytes, cr_buffer **buffer)
{
    (void)device;
    return cpu_memory_alloc(bytes, buffer);
}

static void free_memory(cr_device *device, cr_buffer *buffer)
{
    (void)device;
    cpu_memory_free(buffer);
}

static void *host_pointer(cr_device *device, cr_buffer *buffer)
{
    (void)device;
    return buffer;
}

static cr_status copy_in(cr_device *device, cr_buffer *to, size_t offset, const void *from,
                         size_t bytes)
{
    (void)device;
    memmove((char *)to + offset, from, bytes);
    return CR_OK;
}

static cr_status copy_out(cr_device *device, void *to, cr_buffer *from, size_t offset, size_t bytes)
{
    (void)device;
    memmove(to, (char *)from + offset, bytes);
    return CR_OK;
}

/* ---- plans ---- */

enum { FEW_VALUES = 64 }; /* inputs and outputs that need no memory of their own while planning */

static bool is_sound(const cr_meta *meta)
{
    if (meta->layout || meta->rank < 0 || meta->rank > CR_MAX_RANK || !cpu_dtype_size(meta->dtype))
        return false;
    for (int d = 0; d < meta->rank; d++)
        if (meta->size[d] < 0 || meta->stride[d] < 0)
            return false;
    return true;
}

/* The node's values and their places among the graph's; false for what the backend cannot take. */
static bool find_values(const cr_graph *graph, const uint32_t *wanted, uint32_t count,
                        const uint32_t *list, uint32_t listed, int first, const cr_meta **metas,
                        int *places)
{
    uint32_t next = 0; /* mostly they come in the list's order */
    for (uint32_t i = 0; i < count; i++) {
        metas[i] = NULL;
        places[i] = -1;
        if (wanted[i] == CR_NO_VALUE)
            continue;
        for (uint32_t n = 0; n < listed; n++, next = (next + 1) % listed)
            if (list[next] == wanted[i]) {
                places[i] = first + (int)next;
                metas[i] = &graph->values[wanted[i]];
                break;
            }
        if (metas[i] && !is_sound(metas[i]))
            return false;
    }
    return true;
}

static const cpu_op *find_op(const char *name)
{
    return *slot_of(name);
}

static cr_status plan_graph(cr_device *device, const cr_graph *graph, cr_plan_info *info,
                            cr_plan **plan)
{
    (void)device;
    if (graph->nnodes > 1) {
        cpu_graph_call whole = {.call.info = info, .graph = graph, .find = find_op};
        const cpu_op *fused = find_op(CPU_FUSED);
        return fused ? fused->plan(&whole.call, plan) : CR_UNSUPPORTED;
    }
    if (graph->nnodes != 1)
        return CR_UNSUPPORTED;
    const cr_graph_node *node = &graph->nodes[0];
    const cpu_op *op = *slot_of(node->op);
    if (!op)
        return CR_UNSUPPORTED;
    size_t nin = node->ninputs, count = nin + node->noutputs;
    const cr_meta *few_metas[FEW_VALUES], **metas = few_metas;
    int few_places[FEW_VALUES], *places = few_places;
    if (count > FEW_VALUES) {
        metas = malloc(count * sizeof *metas);
        places = malloc(count * sizeof *places);
    }
    cr_status status = CR_UNSUPPORTED;
    if (!metas || !places) {
        status = cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "no memory for a plan");
    } else if (find_values(graph, node->inputs, node->ninputs, graph->inputs, graph->ninputs, 0,
                           metas, places) &&
               find_values(graph, node->outputs, node->noutputs, graph->outputs, graph->noutputs,
                           (int)graph->ninputs, metas + nin, places + nin)) {
        cpu_call call = {node,         metas,         metas + nin,    places,
                         places + nin, node->ninputs, node->noutputs, info};
        status = op->plan(&call, plan);
    }
    if (count > FEW_VALUES) {
        free(metas);
        free(places);
    }
    return status;
}

static cr_status run_plan(cr_plan *plan, const cr_run *run)
{
    return plan->run(plan, run);
}

static void free_plan(cr_plan *plan)
{
    if (plan && plan->destroy)
        plan->destroy(plan);
    free(plan);
}

static const cr_backend table = {
    .struct_size = sizeof table,
    .abi_major = CR_ABI_MAJOR,
    .abi_minor = CR_ABI_MINOR,
    .name = "cpu",
    .version = "0.1.0",
    .device_count = device_count,
    .device_info = device_info,
    .device_open = device_open,
    .device_close = device_close,
    .alloc = alloc_memory,
    .free = free_memory,
    .host_pointer = host_pointer,
    .copy_in = copy_in,
    .copy_out = copy_out,
    .plan = plan_graph,
    .run = run_plan,
    .plan_free = free_plan,
};

CR_BACKEND_EXPORT const cr_backend *cresset_backend_entry(const cr_host *host);

const cr_backend *cresset_backend_entry(const cr_host *host)
{
    cpu_host = host;
    memset(slots, 0, sizeof slots);
    if (!fill_slots()) {
        host->fail(host, CR_FAILED, "the cpu backend has more operations than its table of names");
        return NULL;
    }
    return &table;
}
