/* What the processor can do at the most: the limits beside which tools/bench sets its rows. Prints, with tabs between,
 * row, median, unit, least, most, of N threads together:
 *   limit/f32, limit/bf16  multiplications and additions in registers, by the widest instructions that there are
 *   limit/cache            a copy that stays in each core's own cache; bytes read and written
 *   limit/copy             a copy of 128 MiB
 *   limit/stream           the same by stores that go around the caches
 * usage: limits [--threads N] */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#endif

#include "timing.h"

enum {
    REPEATS = 7,
    MOST_THREADS = 256,
    CHAINS =
        12, /* independent sums in SUMS: more than the latency of a multiplication times two a cycle */
    CACHED = 64 << 10,
    LARGE = 128 << 20
};

typedef float lanes __attribute__((vector_size(16)));
typedef long long line __attribute__((vector_size(64), aligned(64)));

typedef struct measure {
    void (*body)(const struct measure *m, char *from, char *to, long times);
    double amount; /* of one time, of one thread */
    long times;
    size_t bytes; /* of a thread's piece of either array */
    char *from, *to;
    pthread_barrier_t barrier;
} measure;

/* ---- arithmetic ---- */

/* Each sum has a name: the compiler keeps those of an array in memory. */
#define STEP(sum, next) \
    sum = next(sum);    \
    __asm__ volatile("" : KEEP(sum))
#define SUMS(type, first, next)                                                    \
    type s0 = first, s1 = first, s2 = first, s3 = first, s4 = first, s5 = first;   \
    type s6 = first, s7 = first, s8 = first, s9 = first, s10 = first, s11 = first; \
    for (; times > 0; times--) {                                                   \
        STEP(s0, next);                                                            \
        STEP(s1, next);                                                            \
        STEP(s2, next);                                                            \
        STEP(s3, next);                                                            \
        STEP(s4, next);                                                            \
        STEP(s5, next);                                                            \
        STEP(s6, next);                                                            \
        STEP(s7, next);                                                            \
        STEP(s8, next);                                                            \
        STEP(s9, next);                                                            \
        STEP(s10, next);                                                           \
        STEP(s11, next);                                                           \
    }

#if defined __x86_64__
#define KEEP(x) "+v"(x)

__attribute__((target("avx512f"))) static void f32_512(const measure *m, char *from, char *to,
                                                       long times)
{
    __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(1e-3f);
    (void)m, (void)from, (void)to;
#define NEXT(sum) _mm512_fmadd_ps(sum, x, y)
    SUMS(__m512, x, NEXT)
#undef NEXT
}

__attribute__((target("avx2,fma"))) static void f32_256(const measure *m, char *from, char *to,
                                                        long times)
{
    __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(1e-3f);
    (void)m, (void)from, (void)to;
#define NEXT(sum) _mm256_fmadd_ps(sum, x, y)
    SUMS(__m256, x, NEXT)
#undef NEXT
}

__attribute__((target("avx512f,avx512bf16"))) static void bf16_512(const measure *m, char *from,
                                                                   char *to, long times)
{
    __m512bh x = (__m512bh)_mm512_set1_epi16(0x3c00), y = (__m512bh)_mm512_set1_epi16(0x3800);
    (void)m, (void)from, (void)to;
#define NEXT(sum) _mm512_dpbf16_ps(sum, x, y)
    SUMS(__m512, _mm512_setzero_ps(), NEXT)
#undef NEXT
}

/* Tiles of 16 x 16 sums, each over 32 products: four that don't wait for one another. */
__attribute__((target("amx-tile,amx-bf16"))) static void bf16_tiles(const measure *m, char *from,
                                                                    char *to, long times)
{
    static const struct { /* static: the compiler believes that only its first bytes are read */
        uint8_t palette, row, reserved[14];
        uint16_t columns[16];
        uint8_t rows[16];
    } shape = {.palette = 1,
               .columns = {64, 64, 64, 64, 64, 64, 64, 64},
               .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    (void)m, (void)from, (void)to;
    _tile_loadconfig(&shape);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
    for (; times > 0; times--) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_release();
}

/* Whether the processor has tiles for bf16, and the system lets this program use them. */
static int has_tiles(void)
{
    enum { ASK = 0x1023, TILE_DATA = 18 };
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && d >> 22 & 1 && d >> 24 & 1 &&
           !syscall(SYS_arch_prctl, ASK, TILE_DATA);
}

static int has_bf16(void)
{
    unsigned a, b, c, d;
    return __builtin_cpu_supports("avx512f") && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
           a >> 5 & 1;
}
#elif defined __aarch64__
#define KEEP(x) "+w"(x)
#else
#define KEEP(x) "+m"(x)
#endif

static void f32_plain(const measure *m, char *from, char *to, long times)
{
    lanes x = {0.999f, 0.999f, 0.999f, 0.999f}, y = {1e-3f, 1e-3f, 1e-3f, 1e-3f};
    (void)m, (void)from, (void)to;
#define NEXT(sum) (sum) * x + y
    SUMS(lanes, x, NEXT)
#undef NEXT
}

/* ---- memory ---- */

#if defined __x86_64__
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
static void
copy(const measure *m, char *from, char *to, long times)
{
    const line *a = (const line *)(void *)from;
    line *b = (line *)(void *)to;
    for (; times > 0; times--)
        for (size_t i = 0; i < m->bytes / sizeof *a; i++) {
            b[i] = a[i];
            __asm__ volatile("" ::: "memory"); /* so that it stays this loop */
        }
}

#if defined __x86_64__
static void stream(const measure *m, char *from, char *to, long times)
{
    const __m128i *a = (const __m128i *)(void *)from;
    __m128i *b = (__m128i *)(void *)to;
    for (; times > 0; times--)
        for (size_t i = 0; i < m->bytes / sizeof *a; i += 4) {
            _mm_stream_si128(b + i, _mm_load_si128(a + i));
            _mm_stream_si128(b + i + 1, _mm_load_si128(a + i + 1));
            _mm_stream_si128(b + i + 2, _mm_load_si128(a + i + 2));
            _mm_stream_si128(b + i + 3, _mm_load_si128(a + i + 3));
        }
    _mm_sfence();
}
#endif

/* ---- measuring ---- */

/* Its own times of the last repeat: whoever only waits may wake late where all cores are busy. */
typedef struct worker {
    measure *m;
    int number;
    double begun, ended;
} worker;

/* All wait for each other before and after each repeat. */
static void *work(void *argument)
{
    worker *w = argument;
    measure *m = w->m;
    size_t at = m->bytes * (size_t)w->number;
    for (int i = 0; i < REPEATS + 1; i++) {
        pthread_barrier_wait(&m->barrier);
        w->begun = now();
        m->body(m, m->from + at, m->to + at, m->times);
        w->ended = now();
        pthread_barrier_wait(&m->barrier);
    }
    return NULL;
}

/* From the first one's begin to the last one's end. */
static double span(const worker *workers, int threads)
{
    double begun = workers[0].begun, ended = workers[0].ended;
    for (int i = 1; i < threads; i++) {
        begun = workers[i].begun < begun ? workers[i].begun : begun;
        ended = workers[i].ended > ended ? workers[i].ended : ended;
    }
    return ended - begun;
}

static void row(const char *name, const char *unit, int threads, measure m)
{
    pthread_t thread[MOST_THREADS];
    worker workers[MOST_THREADS];
    double value[REPEATS];
    pthread_barrier_init(&m.barrier, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++) {
        workers[i] = (worker){.m = &m, .number = i};
        if (pthread_create(&thread[i], NULL, work, &workers[i])) {
            fprintf(stderr, "limits: no more than %d threads can be made\n", i);
            exit(1);
        }
    }
    for (int i = -1; i < REPEATS; i++) {  /* the first one warms up */
        pthread_barrier_wait(&m.barrier); /* they begin */
        pthread_barrier_wait(&m.barrier); /* they have ended */
        if (i >= 0)
            value[i] = m.amount * (double)m.times * threads / span(workers, threads);
    }
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&m.barrier);
    qsort(value, REPEATS, sizeof *value, by_value);
    printf("%s\t%.4g\t%s\t%.4g\t%.4g\n", name, value[REPEATS / 2], unit, value[0],
           value[REPEATS - 1]);
    fflush(stdout);
}

static void arithmetic(int threads)
{
    const double chains = 2e-9 * CHAINS;
    measure f32 = {.body = f32_plain, .amount = chains * 4, .times = 4000000};
#if defined __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f"))
        f32 = (measure){.body = f32_512, .amount = chains * 16, .times = 4000000};
    else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        f32 = (measure){.body = f32_256, .amount = chains * 8, .times = 4000000};
#endif
    row("limit/f32", "GFLOP/s", threads, f32);
#if defined __x86_64__
    if (has_tiles())
        row("limit/bf16", "GFLOP/s", threads,
            (measure){.body = bf16_tiles, .amount = 4 * 2e-9 * 16 * 16 * 32, .times = 1000000});
    else if (has_bf16())
        row("limit/bf16", "GFLOP/s", threads,
            (measure){.body = bf16_512, .amount = chains * 32, .times = 4000000});
#endif
}

static void memory(int threads)
{
    size_t piece = LARGE / (size_t)threads / 4096 * 4096, all = piece * (size_t)threads;
    char *from = NULL, *to = NULL;
    if (posix_memalign((void **)&from, 4096, all) || posix_memalign((void **)&to, 4096, all)) {
        fprintf(stderr, "limits: no %zu bytes of memory\n", 2 * all);
        exit(1);
    }
    memset(from, 1, all);
    memset(to, 2, all);
    size_t cached = CACHED < piece ? CACHED : piece;
    measure m = {.body = copy, .from = from, .to = to, .times = 3, .bytes = piece};
    m.amount = 2e-9 * (double)piece;
    row("limit/copy", "GB/s", threads, m);
#if defined __x86_64__
    m.body = stream;
    row("limit/stream", "GB/s", threads, m);
    m.body = copy;
#else
    row("limit/stream", "GB/s", threads, m);
#endif
    m.bytes = cached;
    m.amount = 2e-9 * (double)cached;
    m.times = 10000;
    row("limit/cache", "GB/s", threads, m);
    free(from);
    free(to);
}

int main(int argc, char **argv)
{
    long threads = sysconf(_SC_NPROCESSORS_ONLN);
    if (argc == 3 && !strcmp(argv[1], "--threads"))
        threads = strtol(argv[2], NULL, 10);
    else if (argc > 1)
        threads = 0;
    if (threads < 1 || threads > MOST_THREADS) {
        fprintf(stderr, "usage: limits [--threads N]\n");
        return 2;
    }
    memory((int)threads);
    arithmetic((int)threads);
    return 0;
}
