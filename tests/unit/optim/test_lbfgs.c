/* LBFGS: fifty steps as PyTorch takes them, with and without a line search; resuming from a file; closures. */
#include <unistd.h>

#include "nn/golden.h"

static cr_state_dict *values;
static cr_tensor *params[2];
static cr_optimizer *optimizer;
static int calls;

static void load(void)
{
    values = cr_load("tests/golden/optim/lbfgs.safetensors");
    ck_assert_msg(values != NULL, "%s", cr_error());
}

static cr_tensors fresh(void)
{
    for (int i = 0; i < 2; i++) {
        cr_tensor *start = cr_state_dict_get(values, i ? "b" : "a");
        params[i] = cr_requires_grad_(cr_clone(cr_tensor_to(start, cr_default_device())), 1);
    }
    return cr_make_tensors(params, 2);
}

static cr_tensor *closure(void *context)
{
    (void)context;
    calls++;
    cr_zero_grad(optimizer);
    cr_tensor *a = params[0], *b = params[1];
    cr_tensor *part = cr_narrow(cr_reshape(b, CR_INTS(2, 3)), 1, 0, 2);
    cr_tensor *bend = cr_sub(part, cr_square(cr_narrow(a, 1, 0, 2)));
    cr_tensor *loss =
        cr_add(cr_sum(cr_square(cr_rsub_scalar(a, 1))), cr_mul_scalar(cr_sum(cr_square(bend)), 3));
    loss = cr_add(loss, cr_mul_scalar(cr_sum(cr_pow_scalar(b, 4)), 0.1));
    ck_assert_msg(!cr_backward(loss), "%s", cr_error());
    return loss;
}

static cr_optimizer *make(const char *name)
{
    if (!strcmp(name, "lbfgs"))
        return cr_lbfgs(fresh(), .lr = 0.1, .max_iter = 4);
    if (!strcmp(name, "lbfgs_wolfe"))
        return cr_lbfgs(fresh(), .line_search_fn = "strong_wolfe", .max_iter = 5);
    return cr_lbfgs(fresh(), .line_search_fn = "strong_wolfe", .max_iter = 3, .history_size = 3,
                    .lr = 0.8);
}

static void check_at(const char *name, int step)
{
    char key[64];
    for (int i = 0; i < 2; i++) {
        snprintf(key, sizeof key, "%s.%d.%d", name, step, i);
        assert_close(key, params[i], cr_state_dict_get(values, key), 1e-5);
    }
}

/* Fifty steps; after `cut` of them (never: 0) optimiser and parameters go through a file. */
static void check(const char *name, int cut)
{
    char key[64], path[] = "/tmp/cresset-lbfgs-XXXXXX";
    double losses[50];
    int64_t counts[2];
    snprintf(key, sizeof key, "%s.losses", name);
    ck_assert_int_eq(cr_tensor_read(cr_state_dict_get(values, key), losses, sizeof losses), 0);
    snprintf(key, sizeof key, "%s.counts", name);
    ck_assert_int_eq(cr_tensor_read(cr_state_dict_get(values, key), counts, sizeof counts), 0);
    optimizer = make(name);
    ck_assert_msg(optimizer != NULL, "%s", cr_error());
    calls = 0;
    for (int n = 1; n <= 50; n++) {
        CR_SCOPE {
            cr_tensor *loss = cr_step_closure(optimizer, closure, NULL);
            ck_assert_msg(loss != NULL, "%s", cr_error());
            ck_assert_double_eq_tol(cr_item(loss), losses[n - 1], 1e-6 * (1 + losses[n - 1]));
        }
        if (n == 1 || n == 2 || n == 5 || n == 50)
            check_at(name, n);
        if (n == 10 && !cut)
            save_optimizer(name, optimizer, params, 2);
        if (n == cut) {
            int file = mkstemp(path);
            ck_assert_int_ge(file, 0);
            close(file);
            ck_assert_msg(!cr_save(path, cr_optimizer_state_dict(optimizer)), "%s", cr_error());
            cr_tensor *now[2] = {cr_clone(cr_detach(params[0])), cr_clone(cr_detach(params[1]))};
            optimizer = make(name);
            CR_NO_GRAD
                for (int i = 0; i < 2; i++)
                    cr_copy_(params[i], now[i]);
            ck_assert_msg(!cr_optimizer_load_state_dict(optimizer, cr_load(path)), "%s",
                          cr_error());
            unlink(path);
        }
    }
    cr_state_dict *dict = cr_optimizer_state_dict(optimizer);
    ck_assert_int_eq(cr_state_dict_value(dict, "state.0.n_iter")->as.i, counts[0]);
    ck_assert_int_eq(cr_state_dict_value(dict, "state.0.func_evals")->as.i, counts[1]);
    ck_assert_int_eq(calls, counts[1]);
    assert_no_error();
}

START_TEST(fixed_steps_follow_pytorch)
{
    check("lbfgs", 0);
    cr_state_dict *dict = cr_optimizer_state_dict(optimizer); /* PyTorch asks for this even so */
    ck_assert_int_eq(cr_state_dict_value(dict, "param_groups.0.line_search_fn")->tag, CR_NONE);
}
END_TEST

START_TEST(line_searches_follow_pytorch)
{
    check("lbfgs_wolfe", 0);
    check("lbfgs_history", 0);
}
END_TEST

START_TEST(a_state_dict_resumes_where_it_was_taken)
{
    check("lbfgs", 3);
    check("lbfgs_wolfe", 1);
    check("lbfgs_history", 4);
    cr_state_dict *dict = cr_optimizer_state_dict(optimizer);
    ck_assert_str_eq(cr_state_dict_value(dict, "param_groups.0.line_search_fn")->as.s,
                     "strong_wolfe");
    ck_assert_int_eq(cr_state_dict_value(dict, "param_groups.0.history_size")->as.i, 3);
}
END_TEST

static cr_tensor *no_loss(void *context)
{
    return context;
}

START_TEST(closures_and_their_errors)
{
    optimizer = cr_sgd(fresh(), .lr = 0.01);
    calls = 0;
    double first = cr_item(cr_step_closure(optimizer, closure, NULL));
    ck_assert(cr_item(cr_step_closure(optimizer, closure, NULL)) < first);
    ck_assert_int_eq(calls, 2);
    assert_no_error();
    optimizer = make("lbfgs");
    ck_assert_int_eq(cr_step(optimizer), -1);
    assert_error_has("closure");
    ck_assert_ptr_null(cr_step_closure(optimizer, no_loss, NULL));
    assert_error_has("no loss");
    ck_assert_int_eq(cr_add_param_group(optimizer, CR_TENSORS(cr_zeros(1))), -1);
    assert_error("LBFGS doesn't support per-parameter options (parameter groups)");
    ck_assert_ptr_null(cr_lbfgs(fresh(), .line_search_fn = "golden"));
    assert_error("only 'strong_wolfe' is supported");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lbfgs");
    TCase *all = tcase_create("lbfgs");
    tcase_set_timeout(all, 120);
    tcase_add_checked_fixture(all, load, finish);
    tcase_add_test(all, fixed_steps_follow_pytorch);
    tcase_add_test(all, line_searches_follow_pytorch);
    tcase_add_test(all, a_state_dict_resumes_where_it_was_taken);
    tcase_add_test(all, closures_and_their_errors);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
