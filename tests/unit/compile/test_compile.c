/* Captured graphs: inference and whole training steps agree with eager running, guards tell kinds of calls apart, what can't be
 * captured runs eagerly and says why, and a replay allocates nothing but what it returns. */
#include "models.h"

/* ---- agreement ---- */

/* Fused chains may round once less. */
static double tolerance_of(model_kind kind)
{
    (void)kind;
    return 2e-5;
}

START_TEST(training_steps_agree_with_eager)
{
    model a = make_model((model_kind)_i), b = make_model((model_kind)_i);
    cr_compiled *step = cr_compile_step(b.net, b.optimizer, loss_of, NULL);
    for (int k = 0; k < 8; k++)
        CR_SCOPE {
            cr_tensor *batch[2];
            make_batch((model_kind)_i, k, batch);
            if (k == 5) { /* a number of the optimiser takes effect */
                cr_set_lr(a.optimizer, 0.003);
                cr_set_lr(b.optimizer, 0.003);
            }
            cr_manual_seed(77);
            cr_zero_grad(a.optimizer);
            cr_tensor *loss = loss_of(NULL, a.net, batch, 2);
            cr_backward(loss);
            cr_step(a.optimizer);
            cr_manual_seed(77);
            cr_tensor *ours = cr_compiled_call(step, batch[0], batch[1]);
            assert_same(a.name, ours, loss, tolerance_of((model_kind)_i));
            ck_assert_msg(k < 2 || !cr_compile_reason(step), "%s: %s", a.name,
                          cr_compile_reason(step));
            ck_assert(!cr_requires_grad(ours));
        }
    cr_named_tensor p = cr_parameters(a.net), q = cr_parameters(b.net);
    while (cr_next_tensor(&p) && cr_next_tensor(&q)) {
        assert_same(p.name, q.tensor, p.tensor, 10 * tolerance_of((model_kind)_i));
        assert_same(p.name, cr_grad(q.tensor), cr_grad(p.tensor),
                    10 * tolerance_of((model_kind)_i));
    }
    CR_FOREACH_BUFFER(buffer, b.net)
    assert_same(buffer.name, buffer.tensor, cr_get_buffer(a.net, buffer.name),
                tolerance_of((model_kind)_i));
    cr_compile_stats s = stats_of(step);
    ck_assert_uint_eq(s.eager, 2);
    ck_assert_uint_eq(s.replayed, 6);
    ck_assert_uint_eq(s.graphs, 1);
    ck_assert_uint_eq(s.recorded, s.plans + s.dropped + s.fused);
    ck_assert_uint_le(s.memory, s.separate);
    assert_no_error();
}
END_TEST

START_TEST(inference_agrees_with_eager)
{
    model m = make_model((model_kind)_i);
    for (int mode = 0; mode < 2; mode++) {
        mode ? cr_eval(m.net) : cr_train(m.net);
        CR_NO_GRAD
            CR_SCOPE {
                cr_tensor *batch[2], *kept[4], *right[4];
                make_batch((model_kind)_i, 0, batch);
                cr_compiled *fast = cr_compile(m.net, batch[0]);
                for (int k = 0; k < 4; k++) { /* results stay as they are when more calls follow */
                    make_batch((model_kind)_i, k, batch);
                    cr_manual_seed(78);
                    right[k] = cr_forward(m.net, batch[0]);
                    cr_manual_seed(78);
                    kept[k] = cr_compiled_call(fast, batch[0]);
                    ck_assert_msg(!cr_compile_reason(fast), "%s", cr_compile_reason(fast));
                }
                for (int k = 0; k < 4; k++)
                    assert_same(m.name, kept[k], right[k], tolerance_of((model_kind)_i));
            }
    }
    assert_no_error();
}
END_TEST

START_TEST(a_call_can_be_given_what_a_call_returned)
{
    model m = make_model(RESIDUAL);
    cr_module *block = cr_module_at(m.net, 0);
    cr_eval(block);
    CR_NO_GRAD {
        cr_tensor *x = cr_randn(CR_INTS(2, 3, 8, 8)), *y = x, *z = x;
        cr_compiled *fast = cr_compile(block, x);
        for (int k = 0; k < 5; k++) {
            y = cr_compiled_call(fast, y);
            z = cr_forward(block, z);
        }
        assert_same("chain", y, z, 1e-4);
        ck_assert_uint_eq(stats_of(fast).replayed, 5);
    }
    assert_no_error();
}
END_TEST

/* ---- guards ---- */

START_TEST(other_shapes_and_modes_get_graphs_of_their_own)
{
    cr_module *net = cr_sequential(cr_linear(4, 4), cr_dropout(0.5));
    CR_NO_GRAD {
        cr_compiled *fast = cr_compile(net, cr_randn(CR_INTS(2, 4)));
        cr_tensor *x = cr_randn(CR_INTS(3, 4));
        for (int k = 0; k < 3; k++)
            cr_compiled_call(fast, x);
        ck_assert_uint_eq(stats_of(fast).graphs, 2);
        cr_eval(net);
        for (int k = 0; k < 3; k++)
            assert_same("eval", cr_compiled_call(fast, x), cr_forward(net, x), 1e-6);
        ck_assert_uint_eq(stats_of(fast).graphs, 3);
        cr_train(net);
        cr_compiled_call(fast, x);
        ck_assert_ptr_null(cr_compile_reason(fast));
        cr_tensor *strided = cr_t(cr_randn(CR_INTS(4, 3)));
        cr_eval(net);
        for (int k = 0; k < 3; k++)
            assert_same("strided", cr_compiled_call(fast, strided), cr_forward(net, strided), 1e-6);
        ck_assert_uint_eq(stats_of(fast).graphs, 4);
        for (int n = 4; n < 12; n++)
            for (int k = 0; k < 3; k++)
                assert_same("many", cr_compiled_call(fast, cr_ones(CR_INTS(n, 4))),
                            cr_forward(net, cr_ones(CR_INTS(n, 4))), 1e-6);
        ck_assert(strstr(cr_compile_reason(fast), "more kinds"));
        ck_assert_uint_eq(stats_of(fast).graphs, 8);
    }
    assert_no_error();
}
END_TEST

START_TEST(parameters_changed_in_place_or_moved_take_effect)
{
    cr_module *net = cr_linear(3, 2);
    CR_NO_GRAD {
        cr_tensor *x = cr_randn(CR_INTS(2, 3));
        cr_compiled *fast = cr_compile(net, x);
        cr_fill_scalar_(cr_get_parameter(net, "bias"), 5);
        assert_same("in place", cr_compiled_call(fast, x), cr_forward(net, x), 0);
        ck_assert_ptr_null(cr_compile_reason(fast));
        cr_module_to(net, .dtype = CR_F64);
        cr_module_to(net, .dtype = CR_F32); /* other memory */
        cr_fill_scalar_(cr_get_parameter(net, "bias"), 7);
        for (int k = 0; k < 3; k++)
            assert_same("moved", cr_compiled_call(fast, x), cr_forward(net, x), 0);
        ck_assert_ptr_null(cr_compile_reason(fast));
    }
    assert_no_error();
}
END_TEST

/* x + y, and in place on x: what shares memory is another kind of call. */
static size_t add_into(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    cr_add_(in[0], in[1]);
    out[0] = cr_mul(in[0], in[1]);
    out[1] = in[0];
    return 2;
}

START_TEST(inputs_are_changed_in_place_and_may_share_memory)
{
    cr_compiled *c = cr_compile_function(add_into, NULL, NULL);
    cr_tensor *y = cr_tensor_f32(2, 3, 4);
    for (int k = 0; k < 4; k++) {
        cr_tensor *x = cr_tensor_f32(2, k, 1), *out[2];
        int64_t version = cr_tensor_version(x);
        ck_assert(!cr_compiled_call_many(c, (cr_tensor *[]){x, y}, 2, out, 2));
        ck_assert(cr_tensor_version(x) > version);
        assert_same("x", x, cr_tensor_f32(2, k + 3, 5), 0);
        assert_same("product", out[0], cr_tensor_f32(2, 3 * k + 9, 20), 0);
        ck_assert(cr_is_same_storage(out[1], x));
    }
    ck_assert_ptr_null(cr_compile_reason(c));
    for (int k = 0; k < 4; k++) {
        cr_tensor *x = cr_tensor_f32(2, k, 1), *out[2];
        ck_assert(!cr_compiled_call_many(c, (cr_tensor *[]){x, x}, 2, out, 2));
        assert_same("square", out[0], cr_tensor_f32(2, 4 * k * k, 4), 0);
    }
    ck_assert_uint_eq(stats_of(c).graphs, 2);
    assert_no_error();
}
END_TEST

/* ---- gradients ---- */

static size_t only_backward(void *net, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)n;
    cr_tensor *loss = cr_sum(cr_forward(net, in[0]));
    if (cr_backward(loss))
        return 0;
    out[0] = cr_detach(loss);
    return 1;
}

START_TEST(gradients_add_up_where_they_are_not_dropped)
{
    cr_module *net = cr_linear(3, 2), *twin = cr_linear(3, 2);
    CR_NO_GRAD {
        cr_copy_(cr_get_parameter(twin, "weight"), cr_get_parameter(net, "weight"));
        cr_copy_(cr_get_parameter(twin, "bias"), cr_get_parameter(net, "bias"));
    }
    cr_compiled *c = cr_compile_function(only_backward, net, net);
    for (int k = 0; k < 12; k++)
        CR_SCOPE {
            cr_tensor *x = cr_randn(CR_INTS(4, 3)), *out;
            if (k == 8) { /* now they begin at nothing, which is another kind of call */
                cr_module_zero_grad(net);
                cr_module_zero_grad(twin);
            }
            ck_assert(!cr_compiled_call_many(c, &x, 1, &out, 1));
            only_backward(twin, &x, 1, &out);
            assert_same("gradient", cr_grad(cr_get_parameter(net, "weight")),
                        cr_grad(cr_get_parameter(twin, "weight")), 1e-5);
        }
    ck_assert_uint_gt(stats_of(c).replayed, 2);
    assert_no_error();
}
END_TEST

START_TEST(a_dropped_gradient_comes_back_at_the_next_step)
{
    model m = make_model(MLP);
    cr_compiled *step = cr_compile_step(m.net, m.optimizer, loss_of, NULL);
    cr_tensor *batch[2];
    make_batch(MLP, 0, batch);
    for (int k = 0; k < 4; k++) {
        cr_compiled_call(step, batch[0], batch[1]);
        ck_assert_ptr_nonnull(cr_grad(cr_parameter_at(cr_module_at(m.net, 0), 0)));
        cr_zero_grad(m.optimizer);
    }
    ck_assert_uint_eq(stats_of(step).replayed, 2);
    assert_no_error();
}
END_TEST

/* ---- what can't be captured ---- */

static size_t until_small(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    out[0] = in[0];
    while (cr_item(cr_max(cr_abs(out[0]))) > 1)
        out[0] = cr_mul_scalar(out[0], 0.5);
    out[0] = cr_mul_scalar(out[0], 3);
    return 1;
}

static size_t growing(void *times, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)n;
    out[0] = in[0];
    for (int k = 0; k < *(int *)times; k++)
        out[0] = cr_add(out[0], in[0]);
    ++*(int *)times;
    return 1;
}

static size_t scaled(void *by, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)n;
    out[0] = cr_mul_scalar(in[0], *(double *)by);
    *(double *)by += 1;
    return 1;
}

static size_t fresh_constant(void *by, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)n;
    out[0] = cr_add(in[0], cr_tensor_f32(2, *(double *)by, 1));
    *(double *)by += 1;
    return 1;
}

START_TEST(control_flow_and_changing_numbers_run_eagerly_and_say_why)
{
    cr_tensor *x = cr_tensor_f32(2, 5, 3);
    int times = 0;
    double by = 1, constant = 1;
    cr_compiled *a = cr_compile_function(until_small, NULL, NULL),
                *b = cr_compile_function(growing, &times, NULL),
                *c = cr_compile_function(scaled, &by, NULL),
                *d = cr_compile_function(fresh_constant, &constant, NULL);
    for (int k = 0; k < 6; k++) {
        cr_tensor *big = cr_mul_scalar(x, 1 << k), *right;
        ck_assert_uint_eq(until_small(NULL, &big, 1, &right), 1);
        assert_same("loop", cr_compiled_call(a, big), right, 0);
        assert_same("growing", cr_compiled_call(b, x), cr_mul_scalar(x, k + 1), 0);
        assert_same("scaled", cr_compiled_call(c, x), cr_mul_scalar(x, k + 1), 0);
        assert_same("constant", cr_compiled_call(d, x), cr_tensor_f32(2, 6 + k, 4), 0);
    }
    ck_assert_msg(strstr(cr_compile_reason(a), "read on the host"), "%s", cr_compile_reason(a));
    ck_assert_msg(strstr(cr_compile_reason(b), "changes from call to call"), "%s",
                  cr_compile_reason(b));
    ck_assert_msg(strstr(cr_compile_reason(c), "a number changes"), "%s", cr_compile_reason(c));
    ck_assert_msg(strstr(cr_compile_reason(d), "give it as an input"), "%s", cr_compile_reason(d));
    assert_no_error();
}
END_TEST

START_TEST(results_to_differentiate_run_eagerly)
{
    model m = make_model(MLP);
    cr_tensor *batch[2];
    make_batch(MLP, 0, batch);
    cr_compiled *fast = cr_compile(m.net, batch[0]);
    for (int k = 0; k < 3; k++) {
        cr_tensor *y = cr_compiled_call(fast, batch[0]);
        ck_assert(cr_requires_grad(y));
        ck_assert(!cr_backward(cr_sum(y)));
        ck_assert(strstr(cr_compile_reason(fast), "differentiated"));
    }
    CR_AUTOCAST (NULL, .dtype = CR_BF16)
        cr_compiled_call(fast, batch[0]);
    ck_assert(strstr(cr_compile_reason(fast), "autocast"));
    assert_no_error();
}
END_TEST

static size_t fails(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    out[0] = cr_matmul(in[0], in[0]);
    return out[0] != NULL;
}

START_TEST(mistakes_are_told)
{
    cr_tensor *x = cr_ones(CR_INTS(2, 3));
    cr_compiled *c = cr_compile_function(fails, NULL, NULL);
    ck_assert_ptr_null(cr_compiled_call(c, x));
    ck_assert(strstr(cr_error(), "matmul") || strstr(cr_error(), "mm"));
    cr_clear_error();
    ck_assert_ptr_nonnull(cr_compiled_call(c, cr_ones(CR_INTS(2, 2))));
    ck_assert_ptr_null(cr_compile_with(NULL, NULL, 0));
    ck_assert(strstr(cr_error(), "module is null"));
    cr_clear_error();
    ck_assert_ptr_null(cr_compiled_call(NULL, x));
    ck_assert(strstr(cr_error(), "compiled is null"));
    cr_clear_error();
    cr_tensor *out[2];
    for (int k = 0; k < 3; k++) {
        cr_tensor *square = cr_ones(CR_INTS(2, 2));
        ck_assert_int_eq(cr_compiled_call_many(c, &square, 1, out, 2), -1);
        ck_assert(strstr(cr_error(), "2 outputs are asked for"));
        cr_clear_error();
    }
    cr_module *net = cr_linear(3, 2);
    ck_assert_ptr_null(cr_compile_step(net, NULL, loss_of, NULL));
    ck_assert(strstr(cr_error(), "optimizer is null"));
    cr_clear_error();
    ck_assert_ptr_null(cr_compile(net, cr_ones(CR_INTS(2, 5))));
    ck_assert_ptr_nonnull(cr_error());
    cr_clear_error();
}
END_TEST

/* ---- memory ---- */

START_TEST(a_replay_allocates_only_what_it_returns)
{
    model m = make_model((model_kind)_i);
    cr_tensor *batch[2];
    make_batch((model_kind)_i, 0, batch);
    cr_compiled *step = cr_compile_step(m.net, m.optimizer, loss_of, NULL);
    cr_eval(m.net);
    for (int k = 0; k < 6; k++) {
        cr_memory_stats_result before, after;
        cr_memory_stats(NULL, &before);
        CR_SCOPE {
            cr_compiled_call(step, batch[0], batch[1]);
            cr_memory_stats(NULL, &after);
        }
        if (k < 3)
            continue;
        ck_assert_uint_eq(after.backend_allocations, before.backend_allocations);
        ck_assert_uint_eq(after.allocations, before.allocations + 1);
    }
    assert_no_error();
}
END_TEST

static size_t with_waste(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    cr_exp(cr_sin(in[0])); /* nobody reads it */
    out[0] = cr_softmax(cr_matmul(cr_softmax(cr_matmul(in[0], in[0]), -1), in[0]), -1);
    return 1;
}

static cr_tensor *mean_of(void *context, cr_module *net, cr_tensor *const *in, size_t n)
{
    (void)context, (void)n;
    return cr_mean(cr_forward(net, in[0]));
}

START_TEST(recordings_keep_their_gradients_once)
{
    enum { WEIGHT = 4 << 20 };
    cr_module *net = cr_linear(1024, 1024);
    cr_compiled *step = cr_compile_step(net, cr_sgd(net, .lr = 0.1), mean_of, NULL);
    cr_tensor *x = cr_randn(CR_INTS(2, 1024));
    cr_memory_stats_result s;
    cr_reset_peak_memory_stats(NULL);
    for (int i = 0; i < 4; i++)
        CR_SCOPE
            ck_assert_ptr_nonnull(cr_compiled_call(step, x));
    cr_memory_stats(NULL, &s);
    /* weight, gradient, and what an operation makes on the way */
    ck_assert_uint_lt(s.peak_allocated_bytes, 3 * WEIGHT + WEIGHT / 2);
    ck_assert_ptr_null(cr_compile_reason(step));
}
END_TEST

START_TEST(dead_values_are_dropped_and_places_shared)
{
    cr_tensor *x = cr_randn(CR_INTS(32, 32));
    cr_compiled *c = cr_compile_function(with_waste, NULL, NULL);
    for (int k = 0; k < 3; k++)
        cr_compiled_call(c, x);
    cr_compile_stats s = stats_of(c);
    ck_assert_uint_eq(s.recorded, 6);
    ck_assert_uint_eq(s.dropped, 2);
    ck_assert_uint_eq(s.plans, 4);
    ck_assert_uint_lt(s.memory, s.separate);
    assert_no_error();
}
END_TEST

/* ---- fusion ---- */

static size_t chain(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    out[0] = cr_mul(cr_relu(cr_add(in[0], in[1], .alpha = CR_S(0.5))), in[0]);
    return 1;
}

static size_t branches(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    cr_tensor *s = cr_sigmoid(in[0]), *t = cr_tanh(cr_mul_scalar(s, 1.5));
    out[0] = cr_add(cr_mul(s, t), in[1]); /* in[1] may have one element */
    out[1] = cr_sub(cr_exp(out[0]), s);
    return 2;
}

/* Sizes under a tile, of whole tiles, with a rest, and larger than the caches; each result to the bit. */
START_TEST(elementwise_chains_run_as_one_plan)
{
    const int64_t sizes[] = {1, 7, 2048, 5000, 70001, 12000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        CR_SCOPE {
            cr_compiled *a = cr_compile_function(chain, NULL, NULL),
                        *b = cr_compile_function(branches, NULL, NULL);
            for (int k = 0; k < 4; k++)
                CR_SCOPE {
                    cr_tensor *in[2] = {cr_randn(sizes[i]), cr_randn(sizes[i])}, *out[2], *right[2];
                    chain(NULL, in, 2, right);
                    assert_same("chain", cr_compiled_call_with(a, in, 2), right[0], 0);
                    if (sizes[i] > 100000)
                        continue;
                    in[1] = cr_randn(1);
                    branches(NULL, in, 2, right);
                    ck_assert(!cr_compiled_call_many(b, in, 2, out, 2));
                    assert_same("first", out[0], right[0], 0);
                    assert_same("second", out[1], right[1], 0);
                }
            ck_assert_uint_eq(stats_of(a).fused, 2);
            ck_assert_uint_eq(stats_of(a).plans, 1);
            ck_assert_uint_eq(stats_of(a).memory, 0);
            if (sizes[i] > 100000)
                continue;
            ck_assert_uint_eq(stats_of(b).fused, 6);
            ck_assert_uint_eq(stats_of(b).plans, 1);
        }
    assert_no_error();
}
END_TEST

static size_t in_place_chain(void *context, cr_tensor *const *in, size_t n, cr_tensor **out)
{
    (void)context, (void)n;
    cr_tensor *y = cr_add(in[0], in[1]);
    cr_mul_(y, in[1]);
    cr_add_(in[0], y);               /* an input */
    out[0] = cr_mul(cr_t(y), in[0]); /* another view of what was made */
    return 1;
}

START_TEST(values_in_place_and_other_views_are_not_mistaken)
{
    cr_compiled *c = cr_compile_function(in_place_chain, NULL, NULL);
    for (int k = 0; k < 4; k++)
        CR_SCOPE {
            cr_tensor *in[2] = {cr_randn(CR_INTS(40, 40)), cr_randn(CR_INTS(40, 40))}, *right;
            cr_tensor *twin[2] = {cr_clone(in[0]), in[1]};
            in_place_chain(NULL, twin, 2, &right);
            assert_same("result", cr_compiled_call_with(c, in, 2), right, 0);
            assert_same("input", in[0], twin[0], 0);
        }
    ck_assert_ptr_null(cr_compile_reason(c));
    assert_no_error();
}
END_TEST

START_TEST(it_lives_as_long_as_it_is_held)
{
    cr_compiled *held = NULL;
    CR_SCOPE {
        cr_module *net = cr_linear(3, 2);
        CR_NO_GRAD
            held = cr_compiled_retain(cr_compile(net, cr_ones(CR_INTS(1, 3))));
    }
    CR_NO_GRAD
        ck_assert_ptr_nonnull(cr_compiled_call(held, cr_ones(CR_INTS(1, 3))));
    ck_assert_ptr_null(cr_compile_reason(held));
    cr_compiled_release(held);
    assert_no_error();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("compile");
    TCase *all = tcase_create("compile");
    tcase_set_timeout(all, 120);
    tcase_add_loop_test(all, training_steps_agree_with_eager, 0, MODELS);
    tcase_add_loop_test(all, inference_agrees_with_eager, 0, MODELS);
    tcase_add_test(all, a_call_can_be_given_what_a_call_returned);
    tcase_add_test(all, other_shapes_and_modes_get_graphs_of_their_own);
    tcase_add_test(all, parameters_changed_in_place_or_moved_take_effect);
    tcase_add_test(all, inputs_are_changed_in_place_and_may_share_memory);
    tcase_add_test(all, gradients_add_up_where_they_are_not_dropped);
    tcase_add_test(all, a_dropped_gradient_comes_back_at_the_next_step);
    tcase_add_test(all, control_flow_and_changing_numbers_run_eagerly_and_say_why);
    tcase_add_test(all, results_to_differentiate_run_eagerly);
    tcase_add_test(all, mistakes_are_told);
    tcase_add_loop_test(all, a_replay_allocates_only_what_it_returns, 0, MODELS);
    tcase_add_test(all, recordings_keep_their_gradients_once);
    tcase_add_test(all, dead_values_are_dropped_and_places_shared);
    tcase_add_test(all, elementwise_chains_run_as_one_plan);
    tcase_add_test(all, values_in_place_and_other_views_are_not_mistaken);
    tcase_add_test(all, it_lives_as_long_as_it_is_held);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
