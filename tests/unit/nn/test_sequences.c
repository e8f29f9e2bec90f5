/* Recurrent layers and packed sequences from a given state: outputs and gradients as PyTorch has them, with the backend's
 * own kernels and without; and what holds for Transformers, too: mixed precision, initial values, dropping between layers. */
#include "sequences.h"

START_TEST(recurrent_layers_agree_with_pytorch)
{
    CHECK(rnn, cr_rnn(3, 5), 1);
    CHECK(rnn_relu, cr_rnn(3, 5, 2, .nonlinearity = "relu", .batch_first = true), 2);
    CHECK(rnn_wide, cr_rnn(3, 70, .bidirectional = true), 2);
    CHECK(lstm, cr_lstm(3, 5), 1);
    CHECK(lstm_deep, cr_lstm(3, 4, 3, .bidirectional = true, .batch_first = true), 3);
    CHECK(lstm_no_bias, cr_lstm(3, 5, .no_bias = true), 3);
    CHECK(lstm_wide, cr_lstm(3, 19), 3);
    CHECK(lstm_proj, cr_lstm(3, 5, 2, .proj_size = 2, .bidirectional = true), 3);
    CHECK(gru, cr_gru(3, 5), 2);
    CHECK(gru_deep, cr_gru(3, 4, 2, .bidirectional = true), 1);
    CHECK(gru_wide, cr_gru(3, 18, .no_bias = true), 2);
}
END_TEST

START_TEST(cells_agree_with_pytorch)
{
    CHECK(rnn_cell, cr_rnn_cell(3, 5), 2);
    CHECK(rnn_cell_relu, cr_rnn_cell(3, 5, .nonlinearity = "relu"), 1);
    CHECK(lstm_cell, cr_lstm_cell(3, 5), 3);
    CHECK(lstm_cell_plain, cr_lstm_cell(3, 5, .no_bias = true), 1);
    CHECK(gru_cell, cr_gru_cell(3, 5), 2);
}
END_TEST

/* Packs, runs and pads: the outputs are the packed data, the padded output and the states. */
static size_t pack_and_run(cr_module *module, cr_tensor *const *in, size_t n, cr_tensor **out,
                           bool batch_first)
{
    cr_packed_sequence p =
        cr_pack_padded_sequence(in[0], value(current_case, "lengths"), .batch_first = batch_first,
                                .no_enforce_sorted = true);
    cr_tensor *h, *c = NULL, *lengths;
    bool lstm = !strcmp(module->type->name, "LSTM");
    cr_packed_sequence y = cr_forward_packed(module, p, n > 1 ? in[1] : NULL, n > 2 ? in[2] : NULL,
                                             &h, lstm ? &c : NULL);
    out[0] = y.data;
    out[1] = cr_pad_packed_sequence(y, &lengths, .padding_value = 0.5,
                                    .total_length = cr_tensor_size(in[0], batch_first) + 1,
                                    .batch_first = batch_first);
    assert_close("lengths", lengths, value(current_case, "lengths"), 0);
    out[2] = h;
    out[3] = c;
    return c ? 4 : 3;
}

static size_t through_packing(cr_module *module, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    return pack_and_run(module, in, n, out, false);
}

static size_t packed_first(cr_module *module, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    return pack_and_run(module, in, n, out, true);
}

START_TEST(packed_sequences_agree_with_pytorch)
{
    CHECK_BY(packed_all,
             cr_lstm(3, 5, 2, .proj_size = 2, .bidirectional = true, .batch_first = true), 3,
             packed_first);
    CHECK_BY(packed_relu,
             cr_rnn(3, 4, 3, .nonlinearity = "relu", .no_bias = true, .bidirectional = true), 2,
             through_packing);
    CHECK_BY(packed_gru_first, cr_gru(3, 4, 2, .batch_first = true), 1, packed_first);
    CHECK_BY(packed_lstm, cr_lstm(3, 5, 2, .bidirectional = true), 3, through_packing);
    CHECK_BY(packed_gru, cr_gru(3, 5, .bidirectional = true), 2, through_packing);
    CHECK_BY(packed_rnn, cr_rnn(3, 5), 1, through_packing);
    CHECK_BY(packed_proj, cr_lstm(3, 5, .proj_size = 2), 1, through_packing);
}
END_TEST

START_TEST(sequences_are_packed_padded_and_taken_apart)
{
    cr_tensor *a = cr_tensor_f32(CR_INTS(2), 1, 2), *b = cr_tensor_f32(CR_INTS(3), 3, 4, 5),
              *c = cr_tensor_f32(CR_INTS(1), 6), *lengths;
    cr_tensors list = CR_TENSORS(a, b, c);
    assert_close("padded", cr_pad_sequence(list, .padding_value = -1),
                 cr_tensor_f32(CR_INTS(3, 3), 1, 3, 6, 2, 4, -1, -1, 5, -1), 0);
    cr_packed_sequence p = cr_pack_sequence(list, .no_enforce_sorted = true);
    assert_close("data", p.data, cr_tensor_f32(CR_INTS(6), 3, 1, 6, 4, 2, 5), 0);
    assert_close("batch_sizes", p.batch_sizes, cr_tensor_i64(CR_INTS(3), 3, 2, 1), 0);
    assert_close("sorted", p.sorted_indices, cr_tensor_i64(CR_INTS(3), 1, 0, 2), 0);
    assert_close("unsorted", p.unsorted_indices, cr_tensor_i64(CR_INTS(3), 1, 0, 2), 0);
    assert_close("back", cr_pad_packed_sequence(p, &lengths, .batch_first = true),
                 cr_tensor_f32(CR_INTS(3, 3), 1, 2, 0, 3, 4, 5, 6, 0, 0), 0);
    assert_close("lengths", lengths, cr_tensor_i64(CR_INTS(3), 2, 3, 1), 0);
    cr_tensors apart = cr_unpack_sequence(p);
    ck_assert_int_eq(apart.count, 3);
    assert_close("a", apart.data[0], a, 0);
    assert_close("b", apart.data[1], b, 0);
    assert_close("c", apart.data[2], c, 0);
    cr_packed_sequence sorted = cr_pack_sequence(CR_TENSORS(b, a, c));
    ck_assert(sorted.data && !sorted.sorted_indices && !sorted.unsorted_indices);
    assert_no_error();
}
END_TEST

START_TEST(packing_refuses_what_is_no_length)
{
    cr_tensor *x = cr_zeros(CR_INTS(3, 2, 1));
    ck_assert_ptr_null(cr_pack_padded_sequence(x, cr_tensor_i64(CR_INTS(2), 2, 3)).data);
    assert_error_has("must be sorted in decreasing order");
    ck_assert_ptr_null(cr_pack_padded_sequence(x, cr_tensor_i64(CR_INTS(2), 3, 0)).data);
    assert_error_has("Length of all samples has to be greater than 0");
    ck_assert_ptr_null(cr_pack_padded_sequence(x, cr_tensor_i64(CR_INTS(2), 4, 1)).data);
    assert_error("pack_padded_sequence: a length of 4 is more than the input's 3 steps");
    ck_assert_ptr_null(cr_pack_padded_sequence(x, cr_tensor_i64(CR_INTS(3), 1, 1, 1)).data);
    assert_error_has("but got 3 (batch_size=2)");
    ck_assert_ptr_null(cr_pack_padded_sequence(x, cr_zeros(2)).data);
    assert_error_has("lengths must be a vector of int64");
    ck_assert_ptr_null(cr_pad_sequence(((cr_tensors){NULL, 0})));
    assert_error("pad_sequence: received an empty list of sequences");
    cr_packed_sequence p = cr_pack_sequence(CR_TENSORS(cr_zeros(CR_INTS(3, 1))));
    ck_assert_ptr_null(cr_pad_packed_sequence(p, NULL, .total_length = 2));
    assert_error_has("max sequence length being 3");
    p.batch_sizes = cr_tensor_i64(CR_INTS(2), 1, 2);
    ck_assert_ptr_null(cr_pad_packed_sequence(p, NULL));
    assert_error_has("batch_sizes don't fit");
    ck_assert_ptr_null(cr_forward_packed(cr_rnn(1, 2), p, NULL, NULL, NULL, NULL).data);
    assert_error_has("batch_sizes");
    assert_no_error();
}
END_TEST

START_TEST(recurrent_layers_refuse_what_does_not_fit)
{
    cr_tensor *x = cr_zeros(CR_INTS(4, 2, 3));
    ck_assert_ptr_null(cr_forward(cr_lstm(5, 2), x));
    assert_error("LSTM: input.size(-1) must be equal to input_size. Expected 5, got 3");
    ck_assert_ptr_null(cr_forward(cr_gru(3, 2), x, cr_zeros(CR_INTS(1, 3, 2))));
    assert_error("GRU: Expected hidden size (1, 2, 2), got [1, 3, 2]");
    ck_assert_ptr_null(cr_forward(cr_lstm(3, 2), x, cr_zeros(CR_INTS(1, 2, 2))));
    assert_error("LSTM: forward needs both h_0 and c_0, or neither");
    ck_assert_ptr_null(cr_forward(cr_gru(3, 2), x, cr_zeros(CR_INTS(1, 2))));
    assert_error("GRU: For batched 3-D input, hx should also be 3-D but got 2-D tensor");
    ck_assert_ptr_null(cr_forward(cr_rnn(3, 2), cr_zeros(3)));
    assert_error("RNN: Expected input to be 2-D or 3-D but received 1-D tensor");
    ck_assert_ptr_null(cr_forward(cr_rnn(3, 2), cr_zeros(CR_INTS(0, 2, 3))));
    assert_error_has("Expected sequence length to be larger than 0 in RNN");
    ck_assert_ptr_null(cr_gru(3, 2, .proj_size = 1));
    assert_error("GRU: proj_size argument is only supported for LSTM, not RNN or GRU");
    ck_assert_ptr_null(cr_lstm(3, 2, .proj_size = 2));
    assert_error_has("proj_size has to be smaller than hidden_size");
    ck_assert_ptr_null(cr_lstm(3, 2, .dropout = 1.5));
    assert_error_has("should be a number in range [0, 1]");
    ck_assert_ptr_null(cr_rnn(3, 2, .nonlinearity = "sin"));
    assert_error("RNN: Unknown nonlinearity 'sin'");
    ck_assert_ptr_null(cr_rnn(3, 0));
    assert_error_has("must be positive");
    ck_assert_ptr_null(cr_forward(cr_lstm_cell(3, 2), cr_zeros(CR_INTS(2, 4))));
    assert_error("lstm_cell: input has inconsistent input_size: got 4 expected 3");
    ck_assert_ptr_null(
        cr_forward(cr_gru_cell(3, 2), cr_zeros(CR_INTS(2, 3)), cr_zeros(CR_INTS(1, 2))));
    assert_error("gru_cell: Input batch size 2 doesn't match hidden batch size 1");
    assert_no_error();
}
END_TEST

START_TEST(recurrent_layers_print_as_in_pytorch)
{
    check_text(cr_lstm(3, 4), "LSTM(3, 4)");
    check_text(cr_lstm(3, 4, 2, .proj_size = 2, .no_bias = true, .batch_first = true,
                       .dropout = 0.5, .bidirectional = true),
               "LSTM(3, 4, proj_size=2, num_layers=2, bias=False, batch_first=True, dropout=0.5, "
               "bidirectional=True)");
    check_text(cr_rnn(3, 4, .nonlinearity = "relu"), "RNN(3, 4)");
    check_text(cr_gru(3, 4, 2), "GRU(3, 4, num_layers=2)");
    check_text(cr_rnn_cell(3, 4, .nonlinearity = "relu"), "RNNCell(3, 4, nonlinearity=relu)");
    check_text(cr_gru_cell(3, 4, .no_bias = true), "GRUCell(3, 4, bias=False)");
    check_text(cr_lstm_cell(3, 4), "LSTMCell(3, 4)");
    assert_no_error();
}
END_TEST

static cr_tensor *run_rnn(void *context, cr_tensor *const *in, size_t n)
{
    cr_tensor *out[2];
    return cr_forward_many_with(context, in, n, out, 2) ? NULL
                                                        : cr_mul(cr_sum(out[0]), cr_sum(out[1]));
}

START_TEST(recurrent_layers_can_be_differentiated_twice)
{
    cr_module *layers[] = {cr_lstm(2, 3, .dtype = CR_F64), cr_gru(2, 3, .dtype = CR_F64),
                           cr_rnn(2, 3, .dtype = CR_F64)};
    for (int i = 0; i < 3; i++) {
        cr_tensor *in[3];
        for (int k = 0; k < 3; k++)
            in[k] = cr_requires_grad_(
                cr_randn(k ? CR_INTS(1, 2, 3) : CR_INTS(3, 2, 2), .dtype = CR_F64), 1);
        ck_assert_msg(cr_gradcheck(run_rnn, layers[i], in, i ? 2 : 3, NULL), "%s", cr_error());
        ck_assert_msg(cr_gradgradcheck(run_rnn, layers[i], in, i ? 2 : 3, NULL), "%s", cr_error());
    }
    assert_no_error();
}
END_TEST

START_TEST(sequences_run_in_mixed_precision)
{
    cr_module *nets[] = {cr_lstm(3, 4, 2), cr_lstm(3, 4, .proj_size = 2), cr_gru(3, 4),
                         cr_rnn(3, 4)};
    cr_tensor *x = cr_randn(CR_INTS(5, 2, 3)), *wide = cr_randn(CR_INTS(5, 2, 8));
    cr_module *layer = cr_transformer_encoder_layer(8, 2, 12, CR_ZERO);
    for (int i = 0; i < 5; i++) {
        cr_module *net = i < 4 ? nets[i] : layer;
        cr_tensor *in = i < 4 ? x : wide, *y = cr_forward(net, in), *z = NULL;
        CR_AUTOCAST (NULL)
            z = cr_forward(net, in);
        assert_close("in bfloat16", z, y, 0.03);
        ck_assert_msg(!cr_backward(cr_sum(z)), "%s", cr_error());
    }
    assert_no_error();
}
END_TEST

/* Uniform in ±bound: within it, and spread over it. */
static void check_uniform(cr_module *net, const char *name, double bound)
{
    cr_tensor *t = cr_get_parameter(net, name);
    double most = cr_item(cr_max(cr_abs(t))), deviation = cr_item(cr_std(t));
    ck_assert_msg(most <= bound && most > 0.95 * bound, "%s: %g of %g", name, most, bound);
    ck_assert_double_eq_tol(deviation, bound / sqrt(3), 0.06 * bound);
}

START_TEST(initial_values_are_drawn_as_in_pytorch)
{
    cr_manual_seed(4);
    cr_module *lstm = cr_lstm(20, 64, .proj_size = 40);
    check_uniform(lstm, "weight_ih_l0", 0.125);
    check_uniform(lstm, "weight_hh_l0", 0.125);
    check_uniform(lstm, "bias_hh_l0", 0.125);
    check_uniform(lstm, "weight_hr_l0", 0.125);
    check_uniform(cr_gru_cell(20, 64), "weight_ih", 0.125);
    cr_module *net = cr_multihead_attention(48, 4, .kdim = 16);
    check_uniform(net, "k_proj_weight", sqrt(6.0 / 64));
    check_uniform(net, "out_proj.weight", 1 / sqrt(48));
    check_uniform(cr_multihead_attention(48, 4), "in_proj_weight", sqrt(6.0 / (4 * 48)));
    ck_assert_double_eq(cr_item(cr_max(cr_abs(cr_get_parameter(net, "in_proj_bias")))), 0);
    check_uniform(cr_transformer(32, 4, 1, 1, 64), "decoder.layers.0.linear1.weight",
                  sqrt(6.0 / 96));
    assert_no_error();
}
END_TEST

START_TEST(layers_drop_between_them_in_training_only)
{
    cr_manual_seed(3);
    cr_module *net = cr_gru(4, 8, 2, .dropout = 0.5);
    cr_tensor *x = cr_randn(CR_INTS(5, 2, 4));
    ck_assert(!cr_equal(cr_forward(net, x), cr_forward(net, x)));
    cr_eval(net);
    ck_assert(cr_equal(cr_forward(net, x), cr_forward(net, x)));
    cr_train(net);
    cr_module *one = cr_gru(4, 8, .dropout = 0.5); /* a single layer has no between */
    ck_assert(cr_equal(cr_forward(one, x), cr_forward(one, x)));
    assert_no_error();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sequences");
    for (int way = 0; way < WAYS; way++) {
        TCase *all = case_of_way(way);
        tcase_add_test(all, recurrent_layers_agree_with_pytorch);
        tcase_add_test(all, cells_agree_with_pytorch);
        tcase_add_test(all, packed_sequences_agree_with_pytorch);
        tcase_add_test(all, recurrent_layers_can_be_differentiated_twice);
        suite_add_tcase(suite, all);
    }
    TCase *rest = tcase_create("rest");
    tcase_set_timeout(rest, 120);
    tcase_add_checked_fixture(rest, load, finish);
    tcase_add_test(rest, sequences_are_packed_padded_and_taken_apart);
    tcase_add_test(rest, packing_refuses_what_is_no_length);
    tcase_add_test(rest, recurrent_layers_refuse_what_does_not_fit);
    tcase_add_test(rest, recurrent_layers_print_as_in_pytorch);
    tcase_add_test(rest, sequences_run_in_mixed_precision);
    tcase_add_test(rest, initial_values_are_drawn_as_in_pytorch);
    tcase_add_test(rest, layers_drop_between_them_in_training_only);
    suite_add_tcase(suite, rest);
    return run_suite(suite);
}
