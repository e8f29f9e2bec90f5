/* The memory of tensors on the processor. Small pieces come from malloc; large ones from the system, to which they go back when
 * they are freed (malloc would keep them among what is in use), in large pages: their first touch is several times cheaper, and
 * so is what strides over them. Those that don't fill some share them. The two words before a piece say where its memory
 * begins and whose it is. */
#define _GNU_SOURCE
#include "cpu.h"
#include "region.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    LINE = 64,
    MAPPED = 1 << 20 /* from so many bytes on from the system */
};

typedef struct origin {
    void *begin;   /* shared: its span */
    size_t mapped; /* bytes that are the system's; else: */
} origin;

enum { OF_MALLOC = 0, SHARED = 1 };

/* A piece that begins `before` bytes or more into memory, with its origin noted. */
static void *place(void *memory, size_t before, size_t align, size_t mapped)
{
    char *piece = cpu_up((char *)memory + before, align);
    ((origin *)(void *)piece)[-1] = (origin){memory, mapped};
    return piece;
}

static void *from_malloc(size_t bytes)
{
    void *memory = malloc(bytes + LINE + sizeof(origin));
    return memory ? place(memory, sizeof(origin), LINE, OF_MALLOC) : NULL;
}

/* Of the system's small pages, which are not 4 KiB everywhere. */
static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void *shared(size_t bytes)
{
    cpu_span *span = cpu_span_take(bytes + LINE);
    if (!span)
        return NULL;
    char *piece = (char *)cpu_span_begin(span) + LINE;
    ((origin *)(void *)piece)[-1] = (origin){span, SHARED};
    return piece;
}

static void *from_system(size_t bytes)
{
    const size_t page = page_size(), whole = (bytes + page - 1) / page * page;
    if (bytes >= 2 * (size_t)CPU_LARGE_PAGE) {
        void *memory = cpu_map_large(page, whole, 0);
        return memory ? place(memory, page, page, page + whole) : NULL;
    }
    void *piece = shared(bytes);
    if (piece)
        return piece;
    void *memory =
        mmap(NULL, page + whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory != MAP_FAILED ? place(memory, LINE, LINE, page + whole) : NULL;
}

/* The address sanitizer watches the ends of pieces only where they are malloc's own. */
#if defined __SANITIZE_ADDRESS__
enum { WATCHED = 1 };
#else
enum { WATCHED = 0 };
#endif

cr_status cpu_memory_alloc(size_t bytes, cr_buffer **buffer)
{
    void *piece = NULL;
    bool countable = bytes <= PTRDIFF_MAX - 2 * (size_t)CPU_LARGE_PAGE;
    if (countable && WATCHED)
        piece = posix_memalign(&piece, LINE, bytes) ? NULL : piece;
    else if (countable)
        piece = bytes < MAPPED ? from_malloc(bytes) : from_system(bytes);
    if (!piece)
        return cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY,
                              "the system has no %zu bytes of memory left", bytes);
    *buffer = piece;
    return CR_OK;
}

void cpu_memory_free(cr_buffer *buffer)
{
    if (WATCHED || !buffer) {
        free(buffer);
        return;
    }
    origin from = ((origin *)(void *)buffer)[-1];
    if (from.mapped == SHARED)
        cpu_span_give(from.begin);
    else if (from.mapped)
        munmap(from.begin, from.mapped);
    else
        free(from.begin);
}
