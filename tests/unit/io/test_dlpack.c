/* DLPack: both forms in both directions, who owns what, and what is refused. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/cresset.h>

/* dlpack.h's structs; where the header is installed, they are compared with it. */
typedef struct tensor {
    void *data;
    int32_t device_type, device_id, ndim;
    uint8_t code, bits;
    uint16_t lanes;
    int64_t *shape, *strides;
    uint64_t byte_offset;
} tensor;
typedef struct managed {
    tensor t;
    void *context;
    void (*deleter)(struct managed *);
} managed;
typedef struct versioned {
    uint32_t major, minor;
    void *context;
    void (*deleter)(struct versioned *);
    uint64_t flags;
    tensor t;
} versioned;
#if defined __has_include
#if __has_include(<dlpack/dlpack.h>)
#include <dlpack/dlpack.h>
_Static_assert(sizeof(managed) == sizeof(DLManagedTensor) && sizeof(tensor) == sizeof(DLTensor) &&
                   offsetof(tensor, lanes) == offsetof(DLTensor, dtype.lanes) &&
                   offsetof(tensor, byte_offset) == offsetof(DLTensor, byte_offset),
               "as dlpack.h");
#endif
#endif

static int deleted;
static void count_plain(managed *m)
{
    deleted++;
    (void)m;
}
static void count_versioned(versioned *m)
{
    deleted++;
    (void)m;
}

static float data[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
static int64_t sizes[2] = {2, 3}, strides[2] = {1, 4};

static managed sample(void)
{
    for (int i = 0; i < 12; i++)
        data[i] = (float)i;
    deleted = 0;
    return (managed){{data, 1, 0, 2, 2, 32, 1, sizes, strides, 4}, NULL, count_plain};
}

static cr_tensor *import(managed *m)
{
    return cr_from_dlpack((struct DLManagedTensor *)(void *)m);
}

START_TEST(strided_memory_comes_in_shared)
{
    managed m = sample();
    CR_SCOPE {
        cr_tensor *t = import(&m);
        ck_assert_msg(t != NULL, "%s", cr_error());
        ck_assert_ptr_eq(cr_data_ptr(t), data + 1);
        ck_assert(cr_equal(t, cr_tensor_f32(CR_INTS(2, 3), 1, 5, 9, 2, 6, 10)));
        CR_SCOPE {
            cr_tensor *view = cr_select(t, 1, 1);
            cr_mul_scalar_(view, 10);
            ck_assert(data[5] == 50 && data[6] == 60);
        }
        ck_assert_int_eq(deleted, 0);
    }
    ck_assert_int_eq(deleted, 1);
}
END_TEST

START_TEST(a_view_keeps_the_memory)
{
    managed m = sample();
    cr_tensor *held = NULL;
    CR_SCOPE {
        held = cr_retain(cr_select(import(&m), 0, 0));
    }
    ck_assert_int_eq(deleted, 0);
    cr_release(held);
    ck_assert_int_eq(deleted, 1);
}
END_TEST

START_TEST(row_major_and_empty_memory_come_in)
{
    managed m = sample();
    m.t.strides = NULL;
    int64_t none[2] = {0, 3};
    managed empty = m, zero = m; /* they outlive the scope, which gives them back */
    empty.t.shape = none;
    empty.t.data = NULL;
    zero.t.ndim = 0;
    zero.t.shape = NULL;
    CR_SCOPE {
        ck_assert(cr_equal(import(&m), cr_tensor_f32(CR_INTS(2, 3), 1, 2, 3, 4, 5, 6)));
        ck_assert_int_eq(cr_tensor_numel(import(&empty)), 0);
        ck_assert(cr_item(import(&zero)) == 1);
    }
    ck_assert_int_eq(deleted, 3);
}
END_TEST

START_TEST(read_only_memory_is_copied)
{
    managed m = sample();
    versioned v = {1, 0, NULL, count_versioned, 1, m.t};
    cr_tensor *t = cr_from_dlpack_versioned((struct DLManagedTensorVersioned *)(void *)&v);
    ck_assert_msg(t != NULL, "%s", cr_error());
    ck_assert_int_eq(deleted, 1);
    cr_zero_(t);
    ck_assert(data[1] == 1);
    v.flags = 0;
    t = cr_from_dlpack_versioned((struct DLManagedTensorVersioned *)(void *)&v);
    ck_assert_ptr_eq(cr_data_ptr(t), data + 1);
    v.major = 2;
    ck_assert_ptr_null(cr_from_dlpack_versioned((struct DLManagedTensorVersioned *)(void *)&v));
    ck_assert_ptr_nonnull(strstr(cr_error(), "DLPack 2.0"));
    cr_clear_error();
}
END_TEST

static void refuse(managed m, const char *words)
{
    ck_assert_ptr_null(import(&m));
    ck_assert_msg(cr_error() && strstr(cr_error(), words), "\"%s\" is not in \"%s\"", words,
                  cr_error());
    cr_clear_error();
    ck_assert_int_eq(deleted, 0);
}

START_TEST(what_does_not_fit_is_refused_and_stays_the_callers)
{
    const managed m = sample();
    managed bad = m;
    bad.t.device_type = 2;
    refuse(bad, "device 2:0");
    bad = m, bad.t.lanes = 4;
    refuse(bad, "4 lanes");
    bad = m, bad.t.code = 5, bad.t.bits = 64;
    refuse(bad, "code 5");
    bad = m, bad.t.ndim = 9;
    refuse(bad, "9 dimensions");
    bad = m, bad.t.ndim = -1;
    refuse(bad, "-1 dimensions");
    bad = m, bad.t.data = NULL;
    refuse(bad, "null");
    bad = m, bad.t.byte_offset = 2;
    refuse(bad, "aligned");
    int64_t negative[2] = {-1, 3}, huge[2] = {INT64_MAX / 2, INT64_MAX / 2}, back[2] = {-1, 4},
            far[2] = {INT64_MAX, 4};
    bad = m, bad.t.shape = negative;
    refuse(bad, "size -1");
    bad = m, bad.t.shape = huge;
    refuse(bad, "overflow");
    bad = m, bad.t.strides = back;
    refuse(bad, "stride -1");
    bad = m, bad.t.strides = far;
    refuse(bad, "overflow");
    ck_assert_ptr_null(cr_from_dlpack(NULL));
    cr_clear_error();
}
END_TEST

START_TEST(every_dtype_goes_out_and_comes_back)
{
    static const cr_dtype dtypes[] = {CR_F64, CR_F32, CR_F16, CR_BF16, CR_I64,
                                      CR_I32, CR_I16, CR_I8,  CR_U8,   CR_B8};
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        CR_SCOPE {
            cr_tensor *t = cr_ones(CR_INTS(3, 4), .dtype = dtypes[i], .device = "cpu");
            cr_tensor *view = cr_transpose(cr_narrow(t, 1, 1, 2), 0, 1);
            struct DLManagedTensor *out = cr_to_dlpack(view);
            const tensor *d = (const tensor *)(const void *)out;
            ck_assert_int_eq(d->ndim, 2);
            ck_assert(d->shape[0] == 2 && d->strides[0] == 1 && d->strides[1] == 4);
            ck_assert_ptr_eq((char *)d->data + d->byte_offset, cr_data_ptr(view));
            cr_tensor *back = cr_from_dlpack(out);
            ck_assert_int_eq(cr_tensor_dtype(back), dtypes[i]);
            ck_assert(cr_equal(back, view));
            struct DLManagedTensorVersioned *second = cr_to_dlpack_versioned(view);
            ck_assert(cr_equal(cr_from_dlpack_versioned(second), view));
        }
    ck_assert_ptr_null(cr_error());
}
END_TEST

START_TEST(what_is_lent_outlives_our_scope)
{
    managed *out = NULL;
    CR_SCOPE {
        out = (managed *)(void *)cr_to_dlpack(cr_add_scalar(cr_zeros(4, .device = "cpu"), 7));
    }
    ck_assert(((float *)out->t.data)[3] == 7);
    out->deleter(out);
    CR_SCOPE {
        cr_tensor *leaf = cr_requires_grad_(cr_ones(2), 1);
        ck_assert_ptr_null(cr_to_dlpack(leaf));
        ck_assert_ptr_nonnull(strstr(cr_error(), "detach"));
        cr_clear_error();
        managed *detached = (managed *)(void *)cr_to_dlpack(cr_detach(leaf));
        detached->deleter(detached);
        ck_assert_ptr_null(cr_to_dlpack(NULL));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dlpack");
    TCase *c = tcase_create("dlpack");
    tcase_add_test(c, strided_memory_comes_in_shared);
    tcase_add_test(c, a_view_keeps_the_memory);
    tcase_add_test(c, row_major_and_empty_memory_come_in);
    tcase_add_test(c, read_only_memory_is_copied);
    tcase_add_test(c, what_does_not_fit_is_refused_and_stays_the_callers);
    tcase_add_test(c, every_dtype_goes_out_and_comes_back);
    tcase_add_test(c, what_is_lent_outlives_our_scope);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed || cr_exit();
}
