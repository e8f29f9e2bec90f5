#define _GNU_SOURCE
#include "region.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { REGION = 32 * CPU_LARGE_PAGE }; /* of addresses; memory is what was touched */

typedef struct region region;

/* Spans of a region follow each other, and two free ones are never neighbours. */
struct cpu_span {
    char *begin;
    size_t bytes;
    bool used;
    cpu_span *before, *next;
    region *of;
};

struct region {
    char *begin;     /* a multiple of a large page */
    cpu_span *first; /* of those in it */
    region *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static region *regions;

void *cpu_map_large(size_t before, size_t bytes, int flags)
{
    const size_t length = before + bytes + CPU_LARGE_PAGE;
    char *memory =
        mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    char *large = cpu_up(memory + before, CPU_LARGE_PAGE), *begin = large - before,
         *end = large + bytes;
    if (begin > memory)
        munmap(memory, (size_t)(begin - memory));
    if (memory + length > end)
        munmap(end, (size_t)(memory + length - end));
    madvise(large, bytes, MADV_HUGEPAGE);
    return begin;
}

static region *add_region(void)
{
    region *r = malloc(sizeof *r);
    cpu_span *whole = malloc(sizeof *whole);
    char *begin = r && whole ? cpu_map_large(0, REGION, MAP_NORESERVE) : NULL;
    if (!begin) {
        free(r);
        free(whole);
        return NULL;
    }
    *whole = (cpu_span){.begin = begin, .bytes = REGION, .of = r};
    *r = (region){begin, whole, NULL};
    region **last = &regions;
    while (*last)
        last = &(*last)->next;
    return *last = r;
}

static void drop_region(region *r)
{
    region **at = &regions;
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    munmap(r->begin, REGION);
    free(r->first);
    free(r);
}

/* The first free stretch that is long enough: what is in use stays together. */
static cpu_span *find(size_t bytes)
{
    for (region *r = regions; r; r = r->next)
        for (cpu_span *s = r->first; s; s = s->next)
            if (!s->used && s->bytes >= bytes)
                return s;
    region *r = add_region();
    return r ? r->first : NULL;
}

/* What is more than so many bytes becomes a span of its own, where there is memory to note it. */
static void cut(cpu_span *s, size_t bytes)
{
    cpu_span *rest = s->bytes > bytes ? malloc(sizeof *rest) : NULL;
    if (!rest)
        return;
    *rest = (cpu_span){.begin = s->begin + bytes,
                       .bytes = s->bytes - bytes,
                       .before = s,
                       .next = s->next,
                       .of = s->of};
    if (s->next)
        s->next->before = rest;
    s->next = rest;
    s->bytes = bytes;
}

/* A span and the one after it become one. */
static void join(cpu_span *s)
{
    cpu_span *next = s->next;
    s->bytes += next->bytes;
    s->next = next->next;
    if (s->next)
        s->next->before = s;
    free(next);
}

cpu_span *cpu_span_take(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (bytes > REGION)
        return NULL;
    pthread_mutex_lock(&lock);
    cpu_span *s = find((bytes + page - 1) / page * page);
    if (s) {
        cut(s, (bytes + page - 1) / page * page);
        s->used = true;
    }
    pthread_mutex_unlock(&lock);
    return s;
}

void *cpu_span_begin(const cpu_span *span)
{
    return span->begin;
}

void cpu_span_give(cpu_span *span)
{
    pthread_mutex_lock(&lock);
    madvise(span->begin, span->bytes, MADV_DONTNEED);
    span->used = false;
    if (span->next && !span->next->used)
        join(span);
    if (span->before && !span->before->used) {
        span = span->before;
        join(span);
    }
    if (span->bytes == REGION)
        drop_region(span->of);
    pthread_mutex_unlock(&lock);
}
