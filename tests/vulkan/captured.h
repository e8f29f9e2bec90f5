/* Tests of captured graphs on a Vulkan device: what is captured computes what eager running computes, to the bit, in as few
 * dispatches as it should, by shaders that are valid. A program lists its tests in `captured_tests`; captured.c has main. Every
 * module that the driver gets is written down (by a function that stands before Vulkan's own) and shown to spirv-val at the end. */
#ifndef CRESSET_TESTS_VULKAN_CAPTURED_H
#define CRESSET_TESTS_VULKAN_CAPTURED_H

#include <cresset/cresset.h>

#include <check.h>

/* The program's: its suite's name, how many shaders there are at least, and its tests. */
extern const char *const captured_name;
extern const int captured_modules;
void captured_tests(TCase *tests);

/* The default device. */
extern const char *device;

void no_error(const char *what);
/* To the bit, but that any NaN is as good as another. */
void assert_same(const char *what, cr_tensor *a, cr_tensor *b);
/* How many dispatches reached values as texels so far; and in the last replay of agree. */
extern int texels_bound, texels_replayed;
/* Runs it until it is a graph, compares, and counts the dispatches of a replay. */
cr_compile_stats agree(const char *what, cr_compiled_function f, void *context,
                       cr_tensor *const *in, size_t nin, int *replayed);

/* ---- operations by name ---- */

enum { FLOATS = 1, WHOLES = 2, BOOLS = 4, NUMBERS = FLOATS | WHOLES, ANY = 7 };

/* args: t a tensor of the dtype, b of bools, n a number. After a colon: what its text attribute is. */
typedef struct operation {
    const char *name, *args;
    int of;
    bool to_bool;
} operation;

/* whole: numbers are four times as large, and whole. Null after an error. */
cr_tensor *apply(const operation *o, cr_tensor *const *tensors, const double *numbers, bool whole);

/* ---- values ---- */

void seed_with(uint64_t seed);
uint32_t draw(uint32_t below);
int kind_of(cr_dtype dtype);
/* Small and large, and what is special. */
cr_tensor *values(cr_dtype dtype, int64_t n);
/* Of three dimensions, contiguous or in other strides; unless whole, repeated in some. */
cr_tensor *operand(cr_dtype dtype, const int64_t *sizes, bool whole);

#endif
