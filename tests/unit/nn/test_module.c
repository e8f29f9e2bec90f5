/* Modules: children, parameters and buffers, iterators, modes, hooks, lifetimes, modules of one's own. */
#include "golden.h"

CR_MODULE(Pair, first, second);
CR_FORWARD(Pair, x)
{
    return cr_forward(self->second, cr_forward(self->first, x));
}

typedef struct Scale {
    cr_module module;
    cr_tensor *weight, *offset;
    cr_module *inner;
    int64_t width;
} Scale;
CR_MODULE_TYPE(Scale);
CR_FORWARD(Scale, x, y)
{
    return cr_add(cr_mul(cr_forward(self->inner, x), self->weight), y);
}

static cr_module *scale(int64_t width)
{
    Scale *self = CR_NEW(Scale, .width = width);
    CR_SET(self, weight, cr_full(width, 2.0));
    CR_SET_BUFFER(self, offset, cr_zeros(width));
    CR_SET(self, inner, cr_linear(width, width));
    return (cr_module *)self;
}

typedef struct Split {
    cr_module module;
} Split;
CR_MODULE_TYPE(Split);
CR_FORWARD_MANY(Split, x)
{
    (void)self;
    out[0] = cr_neg(x);
    out[1] = cr_mul_scalar(x, 2);
    return out[0] && out[1] ? 2 : 0;
}

static void check_names(cr_named_tensor it, const char *expected)
{
    char all[1024] = "";
    while (cr_next_tensor(&it))
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s ", it.name);
    ck_assert_str_eq(all, expected);
}

START_TEST(a_module_of_ones_own_is_called_with_its_children)
{
    cr_module *net = CR_NEW(Pair, .first = cr_linear(3, 4), .second = cr_relu_layer());
    cr_tensor *x = cr_randn(CR_INTS(2, 3)), *y = cr_forward(net, x);
    cr_tensor *expected = cr_relu(cr_f_linear(x, cr_get_parameter(net, "first.weight"),
                                              .bias = cr_get_parameter(net, "first.bias")));
    assert_close("pair", y, expected, 1e-6);
    ck_assert_str_eq(net->type->name, "Pair");
    check_names(cr_parameters(net), "first.weight first.bias ");
    ck_assert_ptr_null(CR_NEW(Pair, .first = cr_identity()));
    assert_error("Pair: the child \"second\" is null");
}
END_TEST

START_TEST(members_parameters_and_several_inputs_work_without_the_short_form)
{
    cr_module *net = scale(3);
    cr_tensor *x = cr_ones(CR_INTS(2, 3)), *y = cr_ones(CR_INTS(2, 3));
    cr_tensor *z = cr_forward(net, x, y);
    cr_tensor *inner = cr_forward(((Scale *)net)->inner, x);
    assert_close("scale", z, cr_add_scalar(cr_mul_scalar(inner, 2), 1), 1e-6);
    ck_assert_int_eq(((Scale *)net)->width, 3);
    check_names(cr_parameters(net), "weight inner.weight inner.bias ");
    check_names(cr_buffers(net), "offset ");
    ck_assert_ptr_null(cr_forward(net, x));
    assert_error("Scale: forward takes 2 inputs, 1 given");
    cr_tensor *other = cr_register_parameter(net, "weight", cr_zeros(3));
    ck_assert_ptr_eq(((Scale *)net)->weight, other);
    ck_assert_int_eq(cr_unregister(net, "weight"), 0);
    ck_assert_ptr_null(((Scale *)net)->weight);
    assert_no_error();
}
END_TEST

START_TEST(a_call_may_return_several_tensors)
{
    cr_tensor *out[2], *x = cr_ones(3);
    ck_assert_int_eq(cr_forward_many(CR_NEW(Split), out, 2, x), 0);
    ck_assert_double_eq(cr_item(cr_sum(out[0])), -3);
    ck_assert_double_eq(cr_item(cr_sum(out[1])), 6);
}
END_TEST

START_TEST(containers_name_number_and_print_their_children)
{
    cr_module *net = cr_sequential("fc", cr_linear(1, 2), cr_relu_layer(.inplace = true));
    cr_module *dict = cr_module_dict("x", net, "y", cr_sequential());
    cr_module *list = cr_module_list(cr_identity(), dict);
    char *text = cr_module_to_string(list);
    ck_assert_str_eq(text, "ModuleList(\n"
                           "  (0): Identity()\n"
                           "  (1): ModuleDict(\n"
                           "    (x): Sequential(\n"
                           "      (fc): Linear(in_features=1, out_features=2, bias=True)\n"
                           "      (1): ReLU(inplace=True)\n"
                           "    )\n"
                           "    (y): Sequential()\n"
                           "  )\n"
                           ")");
    cr_free(text);
    text = cr_module_to_string(cr_parameter_list(cr_zeros(CR_INTS(2, 3)), cr_zeros(4)));
    ck_assert_str_eq(text, "ParameterList(\n"
                           "    (0): Parameter containing: [torch.float32 of size 2x3]\n"
                           "    (1): Parameter containing: [torch.float32 of size 4]\n"
                           ")");
    cr_free(text);
    ck_assert_uint_eq(cr_module_count(list), 2);
    ck_assert_ptr_eq(cr_module_at(list, -1), dict);
    ck_assert_ptr_eq(cr_get_submodule(list, "1.x"), net);
    ck_assert_str_eq(cr_module_at(net, 1)->type->name, "ReLU");
    assert_no_error();
    ck_assert_ptr_null(cr_module_at(list, 2));
    assert_error("ModuleList: index 2 is out of range: there are 2 children");
    ck_assert_ptr_null(cr_forward(list, cr_ones(1)));
    assert_error("Module [ModuleList] is missing the required \"forward\" function");
    ck_assert_ptr_null(cr_sequential("a"));
    assert_error("Sequential: the name \"a\" is followed by nothing, not by a module");
    ck_assert_ptr_null(cr_sequential(cr_linear(-1, 2)));
    cr_clear_error();
    ck_assert_ptr_null(cr_get_parameter(list, "1.x.fc.wait"));
    assert_error("ModuleList has no parameter `1.x.fc.wait`");
}
END_TEST

START_TEST(what_is_shared_is_listed_once)
{
    cr_module *fc = cr_linear(2, 2);
    cr_module *net = cr_sequential("a", fc, "b", cr_sequential("c", fc), "d", cr_linear(2, 2));
    cr_register_parameter(cr_module_child(net, "d"), "weight", cr_get_parameter(fc, "weight"));
    check_names(cr_parameters(net), "a.weight a.bias d.bias ");
    char all[128] = "";
    CR_FOREACH_MODULE(m, net)
    snprintf(all + strlen(all), sizeof all - strlen(all), "[%s]", m.name);
    ck_assert_str_eq(all, "[][a][b][d]");
    ck_assert_int_eq(cr_parameter_count(net), 8);
    all[0] = 0;
    CR_FOREACH_STATE(s, cr_module_state_dict(net))
    snprintf(all + strlen(all), sizeof all - strlen(all), "%s ", s.name);
    ck_assert_str_eq(all, "a.weight a.bias b.c.weight b.c.bias d.weight d.bias ");
    cr_module_requires_grad_(fc, false);
    ck_assert_int_eq(cr_trainable_parameter_count(net), 2);
    assert_no_error();
}
END_TEST

START_TEST(loops_nest_and_may_be_left)
{
    cr_module *net = cr_sequential(cr_linear(2, 2), cr_linear(2, 2));
    int steps = 0;
    CR_FOREACH_PARAMETER (p, net) {
        CR_FOREACH_PARAMETER (q, net) {
            steps++;
            if (q.tensor == p.tensor)
                break;
        }
        CR_SCOPE
            CR_FOREACH_CHILD(c, net)
        steps += 100;
    }
    ck_assert_int_eq(steps, 1 + 2 + 3 + 4 + 800);
    CR_FOREACH_PARAMETER (p, NULL)
        ck_abort();
    assert_error_has("the module is null");
}
END_TEST

START_TEST(names_are_checked)
{
    cr_module *net = cr_sequential("fc", cr_linear(1, 1));
    ck_assert_ptr_null(cr_add_module(net, "a.b", cr_identity()));
    assert_error("Sequential: module name can't contain \".\", got: a.b");
    ck_assert_ptr_null(cr_add_module(net, "", cr_identity()));
    assert_error("Sequential: module name can't be empty string \"\"");
    ck_assert_ptr_null(cr_register_parameter(net, "fc", cr_zeros(1)));
    assert_error("Sequential: attribute 'fc' already exists");
    ck_assert_ptr_null(cr_add_module(net, "self", net));
    assert_error("Sequential: the module \"self\" contains the one that it is to be registered in");
    ck_assert_ptr_null(cr_add_module(net, "none", NULL));
    assert_error("Sequential: the module to be registered as \"none\" is null");
    ck_assert_ptr_nonnull(cr_add_module(net, "fc", cr_identity()));
    ck_assert_uint_eq(cr_module_count(net), 1);
}
END_TEST

static void add_type(void *context, cr_module *module)
{
    strcat(strcat(context, module->type->name), " ");
}

START_TEST(modes_and_functions_reach_everything)
{
    cr_module *net = cr_sequential(cr_dropout(0.5), cr_sequential(cr_batch_norm1d(2)));
    cr_eval(net);
    CR_FOREACH_MODULE(m, net)
    ck_assert(!m.module->training);
    cr_train(net);
    CR_FOREACH_MODULE(m, net)
    ck_assert(m.module->training);
    char all[128] = "";
    ck_assert_ptr_eq(cr_module_apply(net, add_type, all), net);
    ck_assert_str_eq(all, "Dropout BatchNorm1d Sequential Sequential ");
}
END_TEST

START_TEST(casting_keeps_tensors_and_what_holds_them)
{
    cr_module *net = cr_sequential(cr_linear(2, 2), cr_batch_norm1d(2));
    cr_tensor *weight = cr_get_parameter(net, "0.weight"), *before = cr_clone(cr_detach(weight));
    cr_backward(cr_sum(cr_forward(net, cr_randn(CR_INTS(3, 2)))));
    cr_optimizer *sgd = cr_sgd(net, .lr = 0.1, .momentum = 0.9);
    ck_assert_ptr_eq(cr_module_to(net, .dtype = CR_F64), net);
    ck_assert_ptr_eq(cr_get_parameter(net, "0.weight"), weight);
    ck_assert_int_eq(cr_tensor_dtype(weight), CR_F64);
    ck_assert_int_eq(cr_tensor_dtype(cr_grad(weight)), CR_F64);
    ck_assert_int_eq(cr_tensor_dtype(cr_get_buffer(net, "1.running_mean")), CR_F64);
    ck_assert_int_eq(cr_tensor_dtype(cr_get_buffer(net, "1.num_batches_tracked")), CR_I64);
    ck_assert(cr_requires_grad(weight) && cr_is_leaf(weight));
    assert_close("weight", weight, before, 0);
    cr_zero_grad(sgd);
    cr_tensor *x = cr_randn(CR_INTS(3, 2), .dtype = CR_F64);
    ck_assert_int_eq(cr_backward(cr_sum(cr_square(cr_forward(net, x)))), 0);
    ck_assert_int_eq(cr_step(sgd), 0);
    assert_no_error();
    ck_assert_ptr_null(cr_module_to(net, .dtype = CR_I64));
    assert_error("cr_module_to: a module's dtype must be floating, not int64");
}
END_TEST

/* ---- hooks ---- */

typedef struct seen {
    int pre, forward, backward;
    double grad_in, grad_out;
    int64_t handle;
} seen;

static int double_input(void *context, cr_module *module, cr_tensor **inputs, size_t n)
{
    (void)module, (void)n;
    ((seen *)context)->pre++;
    inputs[0] = cr_mul_scalar(inputs[0], 2);
    return 0;
}

static int add_one(void *context, cr_module *module, cr_tensor *const *inputs, size_t n,
                   cr_tensor **outputs, size_t noutputs)
{
    (void)inputs, (void)n, (void)noutputs;
    seen *s = context;
    s->forward++;
    outputs[0] = cr_add_scalar(outputs[0], 1);
    return s->handle ? cr_module_remove_hook(module, s->handle) : 0; /* while it runs */
}

static int stop(void *context, cr_module *module, cr_tensor **inputs, size_t n)
{
    (void)context, (void)module, (void)inputs, (void)n;
    cr_fail("stopped here");
    return 1;
}

static int note_grads(void *context, cr_module *module, cr_tensor **grad_inputs, size_t n,
                      cr_tensor *const *grad_outputs, size_t noutputs)
{
    (void)module, (void)n, (void)noutputs;
    seen *s = context;
    s->backward++;
    s->grad_out = cr_item(cr_sum(grad_outputs[0]));
    if (grad_inputs[0]) {
        s->grad_in = cr_item(cr_sum(grad_inputs[0]));
        grad_inputs[0] = cr_mul_scalar(grad_inputs[0], 10);
    }
    return 0;
}

START_TEST(forward_hooks_see_and_change_inputs_and_outputs)
{
    seen s = {0};
    cr_module *net = cr_identity();
    int64_t pre = cr_register_forward_pre_hook(net, double_input, &s);
    s.handle = cr_register_forward_hook(net, add_one, &s);
    ck_assert(pre > 0 && s.handle > pre);
    ck_assert_double_eq(cr_item(cr_forward(net, cr_full(CR_EMPTY, 3.0))), 7);
    ck_assert_double_eq(cr_item(cr_forward(net, cr_full(CR_EMPTY, 3.0))), 6);
    ck_assert_int_eq(cr_module_remove_hook(net, pre), 0);
    ck_assert_double_eq(cr_item(cr_forward(net, cr_full(CR_EMPTY, 3.0))), 3);
    ck_assert_int_eq(s.pre, 2);
    ck_assert_int_eq(s.forward, 1);
    assert_no_error();
    ck_assert_int_eq(cr_module_remove_hook(net, pre), -1);
    assert_error("Identity: no hook has the handle 1");
    cr_register_forward_pre_hook(net, stop, NULL);
    ck_assert_ptr_null(cr_forward(net, cr_ones(1)));
    assert_error("stopped here");
}
END_TEST

START_TEST(full_backward_hooks_see_and_change_gradients)
{
    seen s = {0};
    cr_module *net = cr_sequential(cr_tanh_layer());
    cr_register_full_backward_hook(net, note_grads, &s);
    cr_tensor *x = cr_requires_grad_(cr_zeros(4), 1);
    ck_assert_int_eq(cr_backward(cr_sum(cr_mul_scalar(cr_forward(net, x), 3))), 0);
    ck_assert_int_eq(s.backward, 1);
    ck_assert_double_eq(s.grad_out, 12);
    ck_assert_double_eq(s.grad_in, 12);
    ck_assert_double_eq(cr_item(cr_sum(cr_grad(x))), 120);
    cr_module *fc = cr_linear(2, 1);
    cr_register_full_backward_hook(fc, note_grads, &s);
    ck_assert_int_eq(cr_backward(cr_sum(cr_forward(fc, cr_ones(CR_INTS(5, 2))))), 0);
    ck_assert_int_eq(s.backward, 2); /* no input needs a gradient: called all the same */
    ck_assert_double_eq(s.grad_out, 5);
    CR_NO_GRAD
        cr_forward(net, x);
    ck_assert_int_eq(s.backward, 2);
    assert_no_error();
}
END_TEST

/* ---- lifetimes ---- */

static int destroyed;
static void count_destroyed(cr_module *module)
{
    (void)module;
    destroyed++;
}
static const cr_module_type counted_type = {
    .name = "Counted", .size = sizeof(cr_module), .destroy = count_destroyed};

START_TEST(a_scope_owns_what_is_made_in_it_and_a_parent_its_children)
{
    cr_module *parent = cr_module_list();
    CR_SCOPE {
        cr_module_append(parent, cr_module_new(&counted_type, NULL));
        cr_module_new(&counted_type, NULL);
    }
    ck_assert_int_eq(destroyed, 1);
    ck_assert_uint_eq(cr_module_count(parent), 1);
    cr_module *kept = NULL;
    CR_SCOPE
        kept = cr_module_retain(cr_module_new(&counted_type, NULL));
    ck_assert_int_eq(destroyed, 1);
    cr_module_release(kept);
    ck_assert_int_eq(destroyed, 2);
    cr_add_module(parent, "0", cr_identity());
    ck_assert_int_eq(destroyed, 3);
    assert_no_error();
}
END_TEST

START_TEST(making_and_calling_leave_nothing_in_the_scope_but_results)
{
    cr_memory_stats_result before, after;
    CR_SCOPE {
        cr_module *net = cr_sequential(cr_linear(64, 64), cr_batch_norm1d(64), cr_embedding(4, 4));
        ck_assert_ptr_nonnull(net);
    }
    cr_memory_stats(NULL, &before);
    for (int i = 0; i < 3; i++)
        CR_SCOPE
            cr_sequential(cr_linear(64, 64), cr_conv2d(3, 4, 5), cr_batch_norm1d(64));
    cr_memory_stats(NULL, &after);
    ck_assert_uint_eq(before.allocated_bytes, after.allocated_bytes);
}
END_TEST

/* Bytes that tensors hold now; the most since the last look. */
static size_t held_bytes(size_t *most)
{
    cr_memory_stats_result s;
    ck_assert_int_eq(cr_memory_stats(NULL, &s), 0);
    if (most)
        *most = s.peak_allocated_bytes;
    cr_reset_peak_memory_stats(NULL);
    return s.allocated_bytes;
}

START_TEST(what_a_call_makes_on_the_way_goes_when_it_returns)
{
    enum { BYTES = 1 << 20 };
    cr_module *net = cr_sequential(cr_sigmoid_layer(), cr_identity(), cr_relu_layer(),
                                   cr_sequential(cr_tanh_layer(), cr_tanh_layer(), cr_relu_layer()),
                                   cr_identity());
    cr_tensor *x = cr_randn(CR_INTS(BYTES / 4));
    size_t before = held_bytes(NULL), most;
    CR_SCOPE {
        CR_NO_GRAD
            cr_forward(net, x);
        ck_assert_uint_eq(held_bytes(&most) - before, BYTES); /* the result alone */
        ck_assert_uint_le(
            most - before,
            4 * BYTES); /* what is read, what is made, and what a backend does that in */
    }
    cr_requires_grad_(x, 1);
    CR_SCOPE {
        cr_tensor *y = cr_forward(net, x);
        ck_assert_uint_eq(held_bytes(NULL) - before, 5 * BYTES); /* each saves its result */
        cr_backward(cr_sum(y));
        held_bytes(&most);
        ck_assert_uint_le(most - before, 7 * BYTES + 4096);
        ck_assert_uint_le(held_bytes(NULL) - before, 2 * BYTES + 4096); /* y, and x's gradient */
    }
    ck_assert_uint_eq(held_bytes(NULL) - before, BYTES);
    assert_no_error();
}
END_TEST

/* An input, a parameter, one tensor twice: whoever owned them goes on owning them. */
CR_MODULE(Through, fc);
CR_FORWARD_MANY(Through, x)
{
    out[0] = x;
    out[1] = cr_get_parameter(&self->module, "fc.weight");
    out[2] = out[3] = cr_neg(x);
    return 4;
}

START_TEST(a_call_may_return_what_others_own)
{
    cr_tensor *x = cr_ones(3), *out[4] = {NULL};
    cr_module *net = CR_NEW(Through, .fc = cr_linear(2, 2));
    for (int i = 0; i < 3; i++)
        CR_SCOPE {
            ck_assert_int_eq(cr_forward_many(net, out, 4, x), 0);
            ck_assert_ptr_eq(out[0], x);
            ck_assert_ptr_eq(out[2], out[3]);
            ck_assert_double_eq(cr_item(cr_sum(out[3])), -3);
        }
    ck_assert_double_eq(cr_item(cr_sum(x)), 3);
    ck_assert_ptr_eq(cr_get_parameter(net, "fc.weight"), out[1]);
    ck_assert_int_eq(cr_tensor_dim(out[1]), 2);
    assert_no_error();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("modules");
    TCase *all = tcase_create("modules");
    tcase_set_timeout(all, 120);
    tcase_add_checked_fixture(all, NULL, finish);
    tcase_add_test(all, a_module_of_ones_own_is_called_with_its_children);
    tcase_add_test(all, members_parameters_and_several_inputs_work_without_the_short_form);
    tcase_add_test(all, a_call_may_return_several_tensors);
    tcase_add_test(all, containers_name_number_and_print_their_children);
    tcase_add_test(all, what_is_shared_is_listed_once);
    tcase_add_test(all, loops_nest_and_may_be_left);
    tcase_add_test(all, names_are_checked);
    tcase_add_test(all, modes_and_functions_reach_everything);
    tcase_add_test(all, casting_keeps_tensors_and_what_holds_them);
    tcase_add_test(all, forward_hooks_see_and_change_inputs_and_outputs);
    tcase_add_test(all, full_backward_hooks_see_and_change_gradients);
    tcase_add_test(all, a_scope_owns_what_is_made_in_it_and_a_parent_its_children);
    tcase_add_test(all, making_and_calling_leave_nothing_in_the_scope_but_results);
    tcase_add_test(all, what_a_call_makes_on_the_way_goes_when_it_returns);
    tcase_add_test(all, a_call_may_return_what_others_own);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
