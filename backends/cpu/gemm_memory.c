#include "gemm_memory.h"

#include "cpu.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

typedef struct gemm_memory {
    struct {
        size_t bytes;
        cr_buffer *at;
        uint64_t number; /* of the work that it was taken for; 0: none */
    } of[CPU_GEMM_KINDS];
} gemm_memory;

static pthread_key_t memory_key;
static pthread_once_t memory_once = PTHREAD_ONCE_INIT;
static bool memory_works;

static void drop_memory(void *memory)
{
    gemm_memory *m = memory;
    for (int kind = 0; kind < CPU_GEMM_KINDS; kind++)
        cpu_memory_free(m->of[kind].at);
    free(m);
}

static void make_memory_key(void)
{
    memory_works = !pthread_key_create(&memory_key, drop_memory);
}

uint64_t cpu_gemm_number(void)
{
    static uint64_t last;
    return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

void *cpu_gemm_memory(cpu_gemm_kind kind, size_t bytes)
{
    bool fresh;
    return cpu_gemm_memory_for(kind, bytes, 0, &fresh);
}

void *cpu_gemm_memory_for(cpu_gemm_kind kind, size_t bytes, uint64_t number, bool *fresh)
{
    pthread_once(&memory_once, make_memory_key);
    gemm_memory *m = memory_works ? pthread_getspecific(memory_key) : NULL;
    if (!m) {
        m = memory_works ? calloc(1, sizeof *m) : NULL;
        if (!m || pthread_setspecific(memory_key, m)) {
            free(m);
            return NULL;
        }
    }
    *fresh = m->of[kind].number != number || m->of[kind].bytes < bytes;
    m->of[kind].number = number;
    if (m->of[kind].bytes < bytes) {
        cpu_memory_free(m->of[kind].at);
        m->of[kind].bytes = cpu_memory_alloc(bytes, &m->of[kind].at) == CR_OK ? bytes : 0;
        if (!m->of[kind].bytes)
            m->of[kind].at = NULL;
    }
    return m->of[kind].at;
}
