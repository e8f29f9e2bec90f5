/* A host of its own for kernel tests: it opens a backend's shared object through backend.h alone, makes values of any
 * dtype and layout, and plans and runs single operations on them. */
#ifndef CRESSET_TESTS_PLUGIN_KERNEL_HOST_H
#define CRESSET_TESTS_PLUGIN_KERNEL_HOST_H

#include <check.h>

#include <cresset/backend.h>

/* Check writes every assertion that holds to a file, which is most of the time with millions of them. */
#undef ck_assert_msg
#define ck_assert_msg(expr, ...) \
    ((expr) ? (void)0 : _ck_assert_failed(__FILE__, __LINE__, #expr, __VA_ARGS__))

/* An element as a test sees it: f for floats, i for integers and bool; each is set from the other where it can be. */
typedef struct cell {
    double f;
    int64_t i;
} cell;

typedef enum layout {
    DENSE,
    TURNED,     /* column-major */
    SPACED,     /* with gaps */
    REPEATED,   /* inputs only: stride 0 along the first dimension */
    REPEATED_1, /* inputs only: stride 0 along the last */
    ROWS        /* without gaps along the last alone */
} layout;

typedef struct value {
    cr_meta meta;
    char *memory;
    size_t bytes;
} value;

enum { MOST_VALUES = 6 };

typedef struct operation {
    const char *name;
    value *in[MOST_VALUES], *out[MOST_VALUES];
    cr_attr attrs[4];
    const char *numbers[4];
    cr_number number[4];
    uint64_t seed, offset;
    int nin, nout, nattrs, nnumbers;
} operation;

extern int host_threads;     /* what num_threads answers */
extern bool host_few;        /* a part of the shapes and layouts is enough */
extern char host_words[512]; /* what fail said last */

/* Fails the test program when the backend cannot be opened. */
void host_open(const char *path);
void host_close(void);

/* CR_UNSUPPORTED and the like come back; values are read and written in place. */
cr_status operation_run(const operation *op);

value value_new(int32_t dtype, int rank, const int64_t *size, layout how);
void value_free(value *v);
int64_t value_numel(const value *v);
/* By the element's number in row-major order. value_set rounds and wraps to the dtype. */
cell value_get(const value *v, int64_t i);
void value_set(value *v, int64_t i, cell c);
/* What the cell would be after value_set and value_get. */
cell value_round(int32_t dtype, cell c);
/* Repeatable contents: small numbers, now and then an extreme one, NaN and infinity among floats if `special`. */
void value_fill(value *v, uint32_t seed, bool special);

bool is_float(int32_t dtype);
size_t dtype_bytes(int32_t dtype);
/* Steps of the dtype between two elements; NaN equals NaN. */
double cells_apart(int32_t dtype, cell a, cell b);

cr_attr attr_int(const char *name, int64_t i);
cr_attr attr_ints(const char *name, const int64_t *ints, int count);
cr_attr attr_text(const char *name, const char *text);

/* Shapes that the tests go through. */
typedef struct shape {
    int rank;
    int64_t size[CR_MAX_RANK];
} shape;
extern const shape shapes[];
extern const int nshapes;

Suite *elementwise_suite(void);
Suite *copy_suite(void);
Suite *reduce_suite(void);
Suite *index_suite(void);
Suite *product_suite(void);
Suite *convolution_suite(void);

#endif
