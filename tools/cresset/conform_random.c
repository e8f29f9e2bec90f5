/* Random numbers in conformance: the bits are Philox's, the same on every device, and what is drawn from them is the same too. */
#include "conform.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Philox4x32-10 with the seed as key: Salmon et al., 2011. */
static void philox(uint64_t seed, uint64_t block, uint32_t out[4])
{
    uint32_t c[4] = {(uint32_t)block, (uint32_t)(block >> 32), 0, 0},
             k[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    for (int i = 0; i < 10; i++) {
        uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k[0], (uint32_t)b,
                            (uint32_t)(a >> 32) ^ c[3] ^ k[1], (uint32_t)a};
        memcpy(c, next, sizeof c);
        k[0] += 0x9E3779B9u;
        k[1] += 0xBB67AE85u;
    }
    memcpy(out, c, sizeof c);
}

/* Calls of any length follow each other block by block. */
static bool bits_are_philox(const char *device)
{
    static const int64_t lengths[] = {1, 4, 5, 16, 3, 1000, 70001};
    static uint32_t got[70001];
    const uint64_t seed = 0x123456789abcdef0u;
    uint64_t block = 0;
    cr_manual_seed(seed);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        cr_tensor *t = cr_random_bits(lengths[i], .device = device);
        if (!t || cr_tensor_read(t, got, (size_t)lengths[i] * sizeof *got))
            return false;
        for (int64_t k = 0; k < lengths[i]; k += 4, block++) {
            uint32_t words[4];
            philox(seed, block, words);
            int64_t left = lengths[i] - k < 4 ? lengths[i] - k : 4;
            if (memcmp(got + k, words, (size_t)left * sizeof *words))
                return false;
        }
    }
    return true;
}

/* What a sampler draws on the device and on cpu after the same seed; within `tolerance` of each other. */
typedef cr_tensor *sampler(const char *device, cr_dtype dtype);

static bool drawn_alike(const char *device, sampler *draw, cr_dtype dtype, double tolerance)
{
    cr_tensor *a, *b;
    cr_manual_seed(42);
    a = cr_tensor_to(draw(device, dtype), "cpu");
    cr_manual_seed(42);
    b = draw("cpu", dtype);
    if (!a || !b)
        return false;
    return tolerance == 0
               ? cr_equal(a, b)
               : cr_allclose(a, b, .rtol = CR_SOME(tolerance), .atol = CR_SOME(tolerance)) == 1;
}

static cr_tensor *uniform(const char *device, cr_dtype dtype)
{
    return cr_rand(CR_INTS(37, 11), .dtype = dtype, .device = device);
}
static cr_tensor *normal(const char *device, cr_dtype dtype)
{
    return cr_randn(CR_INTS(37, 11), .dtype = dtype, .device = device);
}
static cr_tensor *coins(const char *device, cr_dtype dtype)
{
    return cr_bernoulli(cr_full(CR_INTS(37, 11), 0.3, .dtype = dtype, .device = device));
}
static cr_tensor *integers(const char *device, cr_dtype dtype)
{
    return cr_randint(1000, CR_INTS(37, 11), .dtype = dtype, .device = device);
}
static cr_tensor *permutation(const char *device, cr_dtype dtype)
{
    return cr_randperm(777, .dtype = dtype, .device = device);
}
static cr_tensor *dropout(const char *device, cr_dtype dtype)
{
    return cr_f_dropout(cr_ones(CR_INTS(37, 11), .dtype = dtype, .device = device), 0.4, true);
}
static cr_tensor *choices(const char *device, cr_dtype dtype)
{
    cr_tensor *weights = cr_add_scalar(cr_arange(20, .dtype = dtype, .device = device), 1);
    return cr_multinomial(weights, 50, .replacement = true);
}
static cr_tensor *waiting(const char *device, cr_dtype dtype)
{
    return cr_exponential_(cr_empty(CR_INTS(37, 11), .dtype = dtype, .device = device));
}

int conform_random(const char *device, bool quiet)
{
    static const struct {
        const char *name;
        sampler *draw;
        cr_dtype dtype;
        double tolerance; /* where logarithms or cosines are taken */
    } samplers[] = {
        {"uniform float32", uniform, CR_F32, 0},   {"uniform float64", uniform, CR_F64, 0},
        {"uniform bfloat16", uniform, CR_BF16, 0}, {"normal float32", normal, CR_F32, 1e-5},
        {"normal float64", normal, CR_F64, 1e-12}, {"bernoulli", coins, CR_F32, 0},
        {"randint", integers, CR_I64, 0},          {"randperm", permutation, CR_I64, 0},
        {"dropout", dropout, CR_F32, 1e-6},        {"multinomial", choices, CR_F32, 0},
        {"exponential", waiting, CR_F32, 1e-5}};
    int failed = 0;
    for (int i = -1; i < (int)(sizeof samplers / sizeof *samplers); i++) {
        bool good = false;
        CR_SCOPE
            good = (i < 0 ? bits_are_philox(device)
                          : drawn_alike(device, samplers[i].draw, samplers[i].dtype,
                                        samplers[i].tolerance)) &&
                   !cr_error();
        if (!quiet || !good)
            printf("random: %-44s %s%s%s\n",
                   i < 0 ? "bits are Philox's, call after call" : samplers[i].name,
                   good ? "pass" : "FAIL", cr_error() ? ": " : "", cr_error() ? cr_error() : "");
        cr_clear_error();
        failed += !good;
    }
    return failed;
}
