/* Operations on the onednn backend against the cpu backend in double precision, through the boxed call. */
#ifndef CRESSET_TESTS_PLUGIN_ONEDNN_COMPARE_H
#define CRESSET_TESTS_PLUGIN_ONEDNN_COMPARE_H

#include <check.h>

#include <cresset/cresset.h>
#include <cresset/ops.h>

/* How the backend should come by the result. */
typedef enum way { ANY_WAY, NATIVE, NOT_NATIVE } way;

/* Runs the operation on "onednn" with the arguments as they are and on "cpu" with every tensor in float64, and holds the
 * outputs together: no element differs by more than `tolerance` of the reference's greatest. Masked outputs are absent on
 * both. The same call again has to give the same bits. */
void compare(const char *op, const cr_value *args, size_t nargs, double tolerance, way expected);
/* The same with keywords, none of them a tensor. */
void compare_with(const char *op, const cr_value *args, size_t nargs, const cr_keyword *kw,
                  size_t nkw, double tolerance, way expected);

/* Whether oneDNN has AVX-512 to itself: without it some families, and bf16 in all (`compare` knows that), are not its own. */
bool has_avx512(void);

/* What rounding allows for sums of the dtype. */
double tolerance_of(cr_dtype dtype);

/* A random tensor of the dtype on "onednn". */
cr_tensor *some(cr_dtype dtype, int rank, const int64_t *size);
/* The same, its memory in the order of the channels-last layout. */
cr_tensor *some_channels_last(cr_dtype dtype, int rank, const int64_t *size);

cr_value v_tensor(cr_tensor *t);
cr_value v_int(int64_t i);
cr_value v_bool(bool b);
cr_value v_float(double f);
cr_value v_ints(const int64_t *ints, int count);
cr_value v_bools(const uint8_t *bools, int count);

/* How often the operation ran as the backend's own plan so far. */
uint64_t native_count(const char *op);

Suite *conv_suite(void);
Suite *matmul_suite(void);
Suite *eltwise_suite(void);
Suite *layout_suite(void);
Suite *rows_suite(void);
Suite *resample_suite(void);
Suite *captured_suite(void);
Suite *binary_suite(void);
Suite *rnn_suite(void);

#endif
