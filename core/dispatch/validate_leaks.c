/* Leaks: what is taken and given back several times must not let the heap grow each time. What a
 * backend keeps after the first time (a cache, a compiled kernel) is its own affair. Where the C
 * library can't tell the heap's size, and under sanitizers, which replace it, nothing is found here;
 * a leak checker finds it there. */
#include "core/dispatch/validate_leaks.h"

#include <stdlib.h>
#include <string.h>
#if defined __GLIBC__
#include <malloc.h>
#endif

#include "core/base/thread.h"
#include "core/dispatch/host.h"

/* A heap that keeps freed pieces for later grows for some rounds: a leak grows in all of them. */
enum { ROUNDS = 48, JUDGED = 8 };

static size_t heap_in_use(void)
{
#if defined __GLIBC__ && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
#else
    return 0;
#endif
}

/* Pieces that glibc keeps for the thread that freed them, up to seven of each small size, count as in use: a leak that is handed
 * such a one does not show. So they are taken while rounds are watched. */
enum { SIZES = 64, SPARES = 7 };

typedef struct growth {
    size_t least; /* of the last rounds */
    int round;
    void *spare[SIZES * SPARES];
} growth;

static void watch(growth *g)
{
    *g = (growth){0};
    for (size_t i = 0; i < SIZES * SPARES; i++)
        g->spare[i] = malloc(24 + 16 * (i / SPARES)); /* null does no harm */
}

static void leave(growth *g)
{
    for (size_t i = 0; i < SIZES * SPARES; i++)
        free(g->spare[i]);
}

/* Whether another round is needed: not after one without growth. */
static bool note(growth *g, size_t before, size_t after)
{
    size_t grown = after > before ? after - before : 0;
    if (g->round <= ROUNDS - JUDGED || grown < g->least)
        g->least = grown;
    return grown && ++g->round < ROUNDS;
}

cr_status cr_check_alloc_leaks(cr_checked_device *d)
{
    growth g;
    cr_status status = CR_OK;
    watch(&g);
    for (bool more = true; more;) {
        cr_buffer *buffer = NULL;
        size_t before = heap_in_use();
        status = d->backend->alloc(d->inner, 4096, &buffer);
        if (status != CR_OK)
            break;
        d->backend->free(d->inner, buffer);
        more = note(&g, before, heap_in_use());
    }
    leave(&g);
    if (status != CR_OK)
        return CR_OK; /* the core's own call will meet it */
    return g.least
               ? cr_violation(d, "free", "%zu bytes of each allocation are not given back", g.least)
               : CR_OK;
}

cr_status cr_check_open_leaks(const cr_checked_device *d, int index)
{
    growth g;
    cr_status status = CR_OK;
    watch(&g);
    for (bool more = true; more;) {
        cr_device *device = NULL;
        size_t before = heap_in_use();
        status = d->backend->device_open(d->backend, index, &device);
        if (status != CR_OK)
            break;
        d->backend->device_close(device);
        more = note(&g, before, heap_in_use());
    }
    leave(&g);
    if (status != CR_OK)
        return CR_OK; /* the core's own call will meet it */
    static const char words[] = "%zu bytes stay allocated each time that a device is closed";
    if (g.least && d->host)
        return cr_violation(d, "device_close", words, g.least);
    if (g.least) { /* maybe a driver's */
        cr_violation(d, "device_close", words, g.least);
        cr_log_message(CR_LOG_WARNING, "%s", cr_backend_words());
    }
    return CR_OK;
}

cr_status cr_check_plan_leaks(cr_checked_device *d, const char *op, const cr_graph *graph,
                              const cr_plan_info *info)
{
    static char seen;
    if (cr_map_find(&d->probed, op))
        return CR_OK;
    if (!cr_map_set(&d->probed, op, &seen))
        return CR_OUT_OF_MEMORY;
    growth g;
    uint32_t n = graph->ninputs + graph->noutputs + 1;
    uint64_t *layouts = malloc(n * sizeof *layouts);
    size_t *bytes = malloc(n * sizeof *bytes);
    watch(&g);
    for (bool more = layouts && bytes; more;) {
        cr_plan *plan = NULL;
        cr_plan_info again = *info;
        memset(layouts, 0, n * sizeof *layouts);
        memset(bytes, 0, n * sizeof *bytes);
        again.workspace = 0;
        again.output_layouts = layouts;
        again.output_bytes = bytes;
        if (CR_HAS(info, cr_plan_info, input_bytes) && info->input_layouts) {
            again.input_layouts = layouts + graph->noutputs;
            again.input_bytes = bytes + graph->noutputs;
        }
        size_t before = heap_in_use();
        if (d->backend->plan(d->inner, graph, &again, &plan) == CR_OK && plan)
            d->backend->plan_free(plan);
        more = note(&g, before, heap_in_use());
    }
    leave(&g);
    free(layouts);
    free(bytes);
    return g.least
               ? cr_violation(d, op, "plan_free leaves %zu bytes of each plan allocated", g.least)
               : CR_OK;
}
