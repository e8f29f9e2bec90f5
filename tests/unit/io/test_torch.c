/* PyTorch's checkpoints: what PyTorch 1.13 wrote is read, and what could do harm is refused. */
#include "files.h"

#include <cresset/ops.h>

START_TEST(every_dtype_is_read)
{
    static const cr_dtype dtypes[] = {CR_F64, CR_F32, CR_F16, CR_BF16, CR_I64,
                                      CR_I32, CR_I16, CR_I8,  CR_U8,   CR_B8};
    cr_state_dict *dict = cr_load_torch(golden("dtypes.pt"));
    ck_assert_msg(dict != NULL, "%s", cr_error());
    ck_assert_uint_eq(cr_state_dict_count(dict), 10);
    for (int i = 0; i < 10; i++) {
        cr_tensor *t = cr_state_dict_get(dict, cr_dtype_name(dtypes[i]));
        ck_assert_int_eq(cr_tensor_dtype(t), dtypes[i]);
        cr_tensor *expected = cr_reshape(cr_arange(6, .dtype = CR_I64), CR_INTS(2, 3));
        if (dtypes[i] == CR_B8)
            expected = cr_remainder_scalar(expected, 2);
        ck_assert(cr_equal(cr_to_dtype(t, CR_I64), expected));
    }
}
END_TEST

START_TEST(a_state_dict_is_read_in_order)
{
    static const char *const names[] = {"fc.weight",
                                        "fc.bias",
                                        "norm.weight",
                                        "norm.bias",
                                        "norm.running_mean",
                                        "norm.running_var",
                                        "norm.num_batches_tracked"};
    cr_state_dict *dict = cr_load_torch(golden("state_dict.pt"));
    ck_assert_msg(dict != NULL, "%s", cr_error());
    ck_assert_uint_eq(cr_state_dict_count(dict), 7);
    for (size_t i = 0; i < 7; i++)
        ck_assert_str_eq(cr_state_dict_name(dict, i), names[i]);
    ck_assert(cr_equal(cr_state_dict_get(dict, "fc.weight"),
                       cr_tensor_f32(CR_INTS(2, 3), 0, 1, 2, 3, 4, 5)));
    ck_assert_int_eq(cr_item_int(cr_state_dict_get(dict, "norm.num_batches_tracked")), 0);
}
END_TEST

static const cr_value *value_of(const cr_state_dict *dict, const char *name, int tag)
{
    const cr_value *v = cr_state_dict_value(dict, name);
    ck_assert_msg(v != NULL, "%s is missing", name);
    ck_assert_int_eq(v->tag, tag);
    return v;
}

START_TEST(a_checkpoint_is_flattened)
{
    cr_state_dict *d = cr_load_torch(golden("checkpoint.pt"));
    ck_assert_msg(d != NULL, "%s", cr_error());
    ck_assert(cr_item(cr_select(cr_state_dict_get(d, "model.fc.bias"), 0, 1)) != 0);
    ck_assert(value_of(d, "optimizer.param_groups.0.lr", CR_FLOAT)->as.f == 0.125);
    const cr_value *betas = value_of(d, "optimizer.param_groups.0.betas", CR_FLOAT_LIST);
    ck_assert(betas->count == 2 && betas->as.floats[0] == 0.5 && betas->as.floats[1] == 0.75);
    ck_assert_int_eq(value_of(d, "optimizer.param_groups.0.params", CR_INT_LIST)->count, 4);
    ck_assert_int_eq(cr_tensor_dim(cr_state_dict_get(d, "optimizer.state.0.exp_avg")), 2);
    ck_assert_int_eq(value_of(d, "epoch", CR_INT)->as.i, 3);
    ck_assert(value_of(d, "best", CR_FLOAT)->as.f == 0.75);
    ck_assert_str_eq(value_of(d, "name", CR_STRING)->as.s, "net");
    value_of(d, "none", CR_NONE);
    ck_assert_int_eq(value_of(d, "done", CR_BOOL)->as.i, 1);
    ck_assert_int_eq(value_of(d, "shape", CR_INT_LIST)->as.ints[1], 4);
    ck_assert_int_eq(value_of(d, "dtype", CR_DTYPE)->as.i, CR_F16);
    ck_assert_str_eq(value_of(d, "mixed.1", CR_STRING)->as.s, "two");
    ck_assert_int_eq(value_of(d, "big", CR_INT)->as.i, (int64_t)1 << 40);
    ck_assert_int_eq(value_of(d, "negative", CR_INT)->as.i, -3);
    ck_assert(cr_item(cr_state_dict_get(d, "scalar")) == 2.5);
    ck_assert_int_eq(cr_tensor_numel(cr_state_dict_get(d, "empty")), 0);
    ck_assert_int_eq(cr_tensor_size(cr_state_dict_get(d, "parameter"), 0), 2);
}
END_TEST

START_TEST(shared_storages_are_shared_again)
{
    cr_state_dict *d = cr_load_torch(golden("checkpoint.pt"));
    cr_tensor *base = cr_state_dict_get(d, "base");
    ck_assert(cr_equal(base, cr_reshape(cr_arange(12, .dtype = CR_F32), CR_INTS(3, 4))));
    ck_assert(cr_equal(cr_state_dict_get(d, "turned"), cr_t(base)));
    ck_assert(cr_equal(cr_state_dict_get(d, "column"), cr_select(base, 1, 1)));
    ck_assert(cr_is_same_storage(base, cr_state_dict_get(d, "turned")));
    cr_zero_(base);
    ck_assert(cr_item(cr_sum(cr_state_dict_get(d, "column"))) == 0);
    ck_assert(cr_item(cr_sum(cr_state_dict_get(d, "mixed.2"))) == 0);
}
END_TEST

START_TEST(other_protocols_are_read)
{
    cr_state_dict *d = cr_load_torch(golden("protocol4.pt"));
    ck_assert_msg(d != NULL, "%s", cr_error());
    ck_assert_int_eq(cr_tensor_size(cr_state_dict_get(d, "x"), 1), 4);
}
END_TEST

START_TEST(harm_and_lies_are_refused)
{
    static const struct {
        const char *name, *words;
    } cases[] = {{"evil.pt", "it asks for posix.system"},
                 {"lying.pt", "should hold 200 elements of float32, it has 48 bytes"},
                 {"outside.pt", "as_strided"},
                 {"legacy.pt", "legacy.pt"},
                 {"stored.npz", "it has no data.pkl"},
                 {"float32.npy", "float32.npy"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(!cr_load_torch(golden(cases[i].name)), "%s was read", cases[i].name);
        assert_error(cases[i].words);
    }
}
END_TEST

START_TEST(a_file_cut_anywhere_is_refused)
{
    size_t size;
    unsigned char *bytes = read_bytes(golden("state_dict.pt"), &size);
    for (size_t length = 0; length < size; length += 7) {
        write_bytes(at("cut.pt"), bytes, length);
        ck_assert_ptr_null(cr_load_torch(at("cut.pt")));
        ck_assert_ptr_nonnull(strstr(cr_error(), "cut.pt"));
        cr_clear_error();
    }
    /* any one byte changed: refused, or read as something else, but never a crash */
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0x41;
        write_bytes(at("changed.pt"), bytes, size);
        CR_SCOPE {
            if (!cr_load_torch(at("changed.pt")))
                cr_clear_error();
        }
        bytes[i] ^= 0x41;
    }
    free(bytes);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("torch");
    TCase *c = tcase_create("torch");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_test(c, every_dtype_is_read);
    tcase_add_test(c, a_state_dict_is_read_in_order);
    tcase_add_test(c, a_checkpoint_is_flattened);
    tcase_add_test(c, shared_storages_are_shared_again);
    tcase_add_test(c, other_protocols_are_read);
    tcase_add_test(c, harm_and_lies_are_refused);
    tcase_add_test(c, a_file_cut_anywhere_is_refused);
    suite_add_tcase(s, c);
    return run_suite(s);
}
