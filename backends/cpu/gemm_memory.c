#include "gemm_memory.h"

#include "cpu.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

typedef struct gemm_memory {
    struct {
        size_t bytes;
        cr_buffer *at;
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

void *cpu_gemm_memory(cpu_gemm_kind kind, size_t bytes)
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
    if (m->of[kind].bytes < bytes) {
        cpu_memory_free(m->of[kind].at);
        m->of[kind].bytes = cpu_memory_alloc(bytes, &m->of[kind].at) == CR_OK ? bytes : 0;
        if (!m->of[kind].bytes)
            m->of[kind].at = NULL;
    }
    return m->of[kind].at;
}
