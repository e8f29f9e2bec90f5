/* ONNX: a net that PyTorch exported gives PyTorch's output; what isn't known or is damaged is refused. */
#include "files.h"

#include <cresset/onnx.h>
#include <cresset/ops.h>

START_TEST(an_exported_net_gives_the_same)
{
    cr_module *net = cr_load_onnx(golden("net.onnx"));
    ck_assert_msg(net != NULL, "%s", cr_error());
    ck_assert_uint_eq(cr_onnx_inputs(net), 1);
    ck_assert_str_eq(cr_onnx_input(net, 0), "x");
    ck_assert_str_eq(cr_onnx_output(net, 0), "y");
    ck_assert_ptr_null(cr_onnx_output(net, 1));
    cr_tensor *x = cr_load_npy(golden("net_x.npy")), *expected = cr_load_npy(golden("net_y.npy"));
    for (int twice = 0; twice < 2; twice++) {
        cr_tensor *y = cr_forward(net, x);
        ck_assert_msg(y != NULL, "%s", cr_error());
        ck_assert(cr_item(cr_max(cr_abs(cr_sub(y, expected)))) < 1e-6);
    }
    cr_state_dict *dict = cr_module_state_dict(net);
    ck_assert_ptr_nonnull(cr_state_dict_get(dict, "fc_weight"));
    /* gradients flow through it */
    cr_tensor *leaf = cr_requires_grad_(cr_clone(x), 1);
    ck_assert_int_eq(cr_backward(cr_sum(cr_select(cr_forward(net, leaf), 1, 0))), 0);
    ck_assert(cr_item(cr_sum(cr_abs(cr_grad(leaf)))) > 0);
}
END_TEST

START_TEST(a_wrong_call_names_the_node)
{
    cr_module *net = cr_load_onnx(golden("net.onnx"));
    ck_assert_ptr_null(cr_forward(net, cr_zeros(CR_INTS(2, 1, 8))));
    assert_error("ONNX node");
}
END_TEST

static bool load(const char *path)
{
    bool good;
    CR_SCOPE {
        good = cr_load_onnx(path) != NULL;
    }
    return good;
}

START_TEST(a_damaged_model_is_refused)
{
    size_t size;
    unsigned char *bytes = read_bytes(golden("net.onnx"), &size);
    for (size_t length = 0; length < size; length += 1 + length / 50) {
        write_bytes(at("cut.onnx"), bytes, length);
        /* a cut between two fields of the model itself leaves a model */
        if (!load(at("cut.onnx")))
            assert_error("cut.onnx");
    }
    for (size_t i = 0; i < size; i += 1 + i / 200) {
        bytes[i] ^= 0x15;
        write_bytes(at("changed.onnx"), bytes, size);
        if (!load(at("changed.onnx")))
            assert_error("changed.onnx");
        bytes[i] ^= 0x15;
    }
    free(bytes);
    ck_assert(!load(golden("float32.npy")));
    assert_error("no ONNX model");
}
END_TEST

START_TEST(operators_can_be_asked_for)
{
    ck_assert(cr_onnx_knows("Conv") && cr_onnx_knows("LSTM") && !cr_onnx_knows("Loop") &&
              !cr_onnx_knows(NULL));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("onnx");
    TCase *c = tcase_create("onnx");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_test(c, an_exported_net_gives_the_same);
    tcase_add_test(c, a_wrong_call_names_the_node);
    tcase_add_test(c, a_damaged_model_is_refused);
    tcase_add_test(c, operators_can_be_asked_for);
    suite_add_tcase(s, c);
    return run_suite(s);
}
