/* cr_fit: what it learns, when it stops, and that a run stopped anywhere goes on exactly. */
#include <check.h>
#include <cresset/cresset.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/cresset-fit-XXXXXX";
static char state_path[64], best_path[64];

/* Two classes of points; a net with dropout and batch norm, so that the generator and buffers count. */
typedef struct setup {
    cr_module *net, *loss;
    cr_loader *train, *validation;
    cr_optimizer *optimizer;
    cr_scheduler *scheduler;
} setup;

static cr_dataset *points(uint64_t seed, int64_t n)
{
    cr_manual_seed(seed);
    cr_tensor *x = cr_randn(CR_INTS(n, 4));
    cr_tensor *y = cr_to_dtype(cr_gt_scalar(cr_sum_dim(x, 1), 0), CR_I64);
    return cr_tensor_dataset(x, y);
}

/* Each time with another number of workers, which must not matter. */
static setup make(void)
{
    static int made;
    setup s;
    cr_dataset *train = points(1, 96), *validation = points(2, 40);
    cr_manual_seed(3);
    s.net = cr_sequential(cr_linear(4, 16), cr_batch_norm1d(16), cr_relu_layer(), cr_dropout(0.3),
                          cr_linear(16, 2));
    s.loss = cr_cross_entropy_loss();
    s.train = cr_data_loader(train, .batch_size = 10, .shuffle = true, .seed = 7,
                             .num_workers = 1 + made++ % 4);
    s.validation = cr_data_loader(validation, .batch_size = 16);
    s.optimizer = cr_adam(s.net, .lr = 0.02);
    s.scheduler = cr_step_lr(s.optimizer, 2, .gamma = 0.5);
    return s;
}

/* Ends a run after so many batches, as a killed program would without saving at the end. */
typedef struct stopper {
    int64_t after, seen;
    bool by_signal;
} stopper;

static int stop_after(void *context, const cr_fit_state *state)
{
    (void)state;
    stopper *s = context;
    if (++s->seen != s->after)
        return 0;
    if (s->by_signal) {
        raise(SIGINT);
        return 0;
    }
    return 1;
}

static cr_history *fit(const setup *s, int64_t epochs, stopper *stop, int64_t accumulate)
{
    cr_callback callback = {.context = stop, .on_batch_end = stop ? stop_after : NULL};
    return cr_fit(s->net, s->train, .optimizer = s->optimizer, .loss = s->loss, .epochs = epochs,
                  .validation = s->validation,
                  .metrics = CR_METRICS(cr_accuracy(), cr_auc(), cr_f1_score()),
                  .scheduler = s->scheduler, .clip_grad_norm = 1, .state = state_path,
                  .accumulate = accumulate, .callbacks = CR_CALLBACKS(callback));
}

static void same_history(const cr_history *a, const cr_history *b)
{
    ck_assert_uint_eq(cr_history_epochs(a), cr_history_epochs(b));
    ck_assert_uint_eq(cr_history_columns(a), cr_history_columns(b));
    for (size_t e = 0; e < cr_history_epochs(a); e++)
        for (size_t c = 0; c + 1 < cr_history_columns(a); c++) { /* the last are seconds */
            double x = cr_history_at(a, e, c), y = cr_history_at(b, e, c);
            ck_assert_msg(!memcmp(&x, &y, sizeof x), "epoch %zu, %s: %.17g and %.17g", e,
                          cr_history_name(a, c), x, y);
        }
    ck_assert_int_eq(cr_history_best_epoch(a), cr_history_best_epoch(b));
}

static void same_net(cr_module *a, cr_module *b)
{
    cr_state_dict *x = cr_module_state_dict(a), *y = cr_module_state_dict(b);
    for (size_t i = 0; i < cr_state_dict_count(x); i++)
        ck_assert_msg(cr_equal(cr_state_dict_tensor(x, i), cr_state_dict_tensor(y, i)), "%s",
                      cr_state_dict_name(x, i));
}

/* However a run is stopped, its continuation has the curves of one that wasn't. */
static void goes_on_exactly(bool by_signal, int64_t accumulate)
{
    remove(state_path);
    setup whole = make();
    cr_history *expected = fit(&whole, 6, NULL, accumulate);
    ck_assert_msg(expected != NULL, "%s", cr_error());
    ck_assert_uint_eq(cr_history_epochs(expected), 6);
    ck_assert_double_gt(cr_history_last(expected, "val_accuracy"), 0.8);
    remove(state_path);
    static const int64_t stops[] = {1, 13, 10, 9}; /* batches: first, middle, the end of an epoch */
    cr_history *history = NULL;
    setup s = {0};
    for (int i = 0; i < 5; i++) {
        s = make();
        if (i)
            cr_manual_seed(1000 + (uint64_t)i); /* whatever the program drew before */
        stopper stop = {.after = i < 4 ? stops[i] : 0, .by_signal = by_signal};
        history = fit(&s, 6, &stop, accumulate);
        ck_assert_msg(history != NULL, "%s", cr_error());
        ck_assert_str_eq(cr_history_reason(history), i == 4      ? "finished"
                                                     : by_signal ? "interrupted"
                                                                 : "stopped by a callback");
        ck_assert(cr_history_interrupted(history) == (i < 4 && by_signal));
    }
    same_history(expected, history);
    same_net(whole.net, s.net);
    /* once more: everything is there already */
    setup again = make();
    same_history(expected, fit(&again, 6, NULL, accumulate));
    same_net(whole.net, again.net);
}

START_TEST(a_run_stopped_by_a_callback_goes_on_exactly)
{
    goes_on_exactly(false, 1);
}
END_TEST

START_TEST(a_run_stopped_by_ctrl_c_goes_on_exactly)
{
    struct sigaction before, after;
    sigaction(SIGINT, NULL, &before);
    goes_on_exactly(true, 1);
    sigaction(SIGINT, NULL, &after);
    ck_assert(after.sa_handler == before.sa_handler);
}
END_TEST

START_TEST(a_run_with_accumulation_goes_on_exactly)
{
    goes_on_exactly(true, 3);
}
END_TEST

START_TEST(more_epochs_may_be_asked_for_later)
{
    remove(state_path);
    setup whole = make();
    cr_history *expected = fit(&whole, 5, NULL, 1);
    remove(state_path);
    setup a = make(), b = make();
    fit(&a, 2, NULL, 1);
    same_history(expected, fit(&b, 5, NULL, 1));
}
END_TEST

START_TEST(a_state_of_something_else_is_refused_and_kept)
{
    remove(state_path);
    setup s = make();
    ck_assert_ptr_nonnull(fit(&s, 1, NULL, 1));
    cr_module *other = cr_sequential(cr_linear(4, 2));
    ck_assert_ptr_null(cr_fit(other, s.train, .optimizer = cr_sgd(other, .lr = 0.1), .loss = s.loss,
                              .epochs = 3, .state = state_path));
    ck_assert_msg(strstr(cr_error(), "can't go on from") && strstr(cr_error(), "columns"), "%s",
                  cr_error());
    cr_clear_error();
    setup again = make();
    ck_assert_uint_eq(cr_history_epochs(fit(&again, 2, NULL, 1)), 2);
    ck_assert_int_eq(cr_write_file(state_path, "no tensors at all", 17), 0);
    ck_assert_ptr_null(fit(&again, 3, NULL, 1));
    cr_clear_error();
}
END_TEST

/* A loss that is what the script says, whatever the net does. */
typedef struct script {
    const double *values;
    int64_t at;
} script;

static cr_tensor *scripted(void *context, cr_module *net, const cr_batch *batch,
                           cr_tensor **prediction)
{
    script *s = context;
    *prediction = cr_forward(net, batch->input);
    cr_tensor *zero = cr_mul_scalar(cr_sum(*prediction), 1e-3);
    return net->training ? zero : cr_full(CR_EMPTY, cr_float_scalar(s->values[s->at++]));
}

/* A child that trains with its state saved after every step; it is killed after some time, unless that is 0. Returns whether it
 * came to its end. Nothing is computed before in this process: threads don't survive a fork. */
static bool trains_in_a_child(const char *path, int milliseconds)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (!child) {
        setup s = make();
        cr_history *h = cr_fit(s.net, s.train, .optimizer = s.optimizer, .loss = s.loss,
                               .epochs = 12, .validation = s.validation, .scheduler = s.scheduler,
                               .metrics = CR_METRICS(cr_auc()), .state = path, .save_every = 1);
        if (!h)
            fprintf(stderr, "%s\n", cr_error());
        _exit(h ? 0 : 3);
    }
    if (milliseconds) {
        usleep((useconds_t)milliseconds * 1000);
        kill(child, SIGKILL);
    }
    int status;
    waitpid(child, &status, 0);
    ck_assert_msg(WIFSIGNALED(status) || !WEXITSTATUS(status), "a child failed");
    return WIFEXITED(status);
}

START_TEST(a_run_killed_again_and_again_goes_on_exactly)
{
    char whole[80];
    int kills = 0;
    snprintf(whole, sizeof whole, "%s/whole.safetensors", folder);
    remove(state_path);
    ck_assert(trains_in_a_child(whole, 0));
    while (!trains_in_a_child(state_path, kills < 12 ? 40 + 37 * kills % 90 : 0))
        kills++;
    ck_assert_int_ge(kills, 1);
    cr_state_dict *a = cr_load(whole), *b = cr_load(state_path);
    ck_assert_uint_eq(cr_state_dict_count(a), cr_state_dict_count(b));
    CR_FOREACH_STATE(e, a)
    if (e.tensor && strcmp(e.name, "history.values")) /* there are seconds in it */
        ck_assert_msg(cr_equal(e.tensor, cr_state_dict_get(b, e.name)), "%s", e.name);
    remove(whole);
}
END_TEST

START_TEST(training_stops_early_and_the_best_is_loaded)
{
    static const double values[] = {3, 2, 2.5, 1.95, 2.5, 9};
    script s = {values, 0};
    cr_dataset *set = cr_tensor_dataset(cr_ones(CR_INTS(4, 2)));
    cr_module *net = cr_linear(2, 1);
    cr_loader *loader = cr_data_loader(set, .batch_size = 4);
    cr_history *h = cr_fit(net, loader, .optimizer = cr_sgd(net, .lr = 1),
                           .loss_function = scripted, .loss_context = &s, .validation = loader,
                           .epochs = 6, .patience = 2, .min_delta = 0.1, .checkpoint = best_path);
    ck_assert_msg(h != NULL, "%s", cr_error());
    ck_assert_str_eq(cr_history_reason(h), "stopped early");
    ck_assert_uint_eq(cr_history_epochs(h), 4); /* 1.95 is not better by 0.1 */
    ck_assert_int_eq(cr_history_best_epoch(h), 1);
    ck_assert_double_eq(cr_history_best_value(h), 2);
    cr_state_dict *best = cr_load(best_path);
    ck_assert(cr_equal(cr_state_dict_get(best, "weight"), cr_get_parameter(net, "weight")));
    s.at = 0;
    cr_history *last =
        cr_fit(net, loader, .optimizer = cr_sgd(net, .lr = 1), .loss_function = scripted,
               .loss_context = &s, .validation = loader, .epochs = 3, .keep_last = true);
    ck_assert_uint_eq(cr_history_epochs(last), 3);
    ck_assert(!cr_equal(cr_state_dict_get(best, "weight"), cr_get_parameter(net, "weight")));
}
END_TEST

/* Accumulated halves of a batch step like the batch; clipping bounds the step. */
START_TEST(accumulation_and_clipping)
{
    cr_manual_seed(0);
    cr_tensor *x = cr_randn(CR_INTS(8, 3)), *y = cr_randn(CR_INTS(8, 1));
    cr_dataset *set = cr_tensor_dataset(x, y);
    cr_module *a = cr_linear(3, 1), *b = cr_linear(3, 1), *c = cr_linear(3, 1);
    cr_module_load_state_dict(b, cr_module_state_dict(a));
    cr_module_load_state_dict(c, cr_module_state_dict(a));
    cr_tensor *before = cr_clone(cr_detach(cr_get_parameter(c, "weight"))),
              *bias = cr_clone(cr_detach(cr_get_parameter(c, "bias")));
    cr_module *mse = cr_mse_loss_layer();
    cr_fit(a, cr_data_loader(set, .batch_size = 8), .optimizer = cr_sgd(a, .lr = 0.1), .loss = mse);
    cr_history *h =
        cr_fit(b, cr_data_loader(set, .batch_size = 4), .optimizer = cr_sgd(b, .lr = 0.1),
               .loss = mse, .accumulate = 2, .record_grad_norm = true);
    ck_assert_msg(h != NULL, "%s", cr_error());
    ck_assert(cr_allclose(cr_get_parameter(a, "weight"), cr_get_parameter(b, "weight")));
    ck_assert_double_gt(cr_history_last(h, "grad_norm"), 0.01);
    cr_fit(c, cr_data_loader(set, .batch_size = 8), .optimizer = cr_sgd(c, .lr = 1), .loss = mse,
           .clip_grad_norm = 1e-3);
    double dw = cr_item(cr_norm(cr_sub(cr_detach(cr_get_parameter(c, "weight")), before))),
           db = cr_item(cr_norm(cr_sub(cr_detach(cr_get_parameter(c, "bias")), bias)));
    ck_assert_double_eq_tol(sqrt(dw * dw + db * db), 1e-3, 2e-6);
}
END_TEST

START_TEST(mixed_precision_learns_too)
{
    setup s = make();
    cr_history *h = cr_fit(s.net, s.train, .optimizer = s.optimizer, .loss = s.loss, .epochs = 6,
                           .validation = s.validation, .metrics = CR_METRICS(cr_accuracy()),
                           .autocast = CR_BF16);
    ck_assert_msg(h != NULL, "%s", cr_error());
    ck_assert_double_gt(cr_history_last(h, "val_accuracy"), 0.8);
    ck_assert_int_eq(cr_tensor_dtype(cr_get_parameter(s.net, "0.weight")), CR_F32);
}
END_TEST

/* In half precision, with a schedule of steps. */
START_TEST(a_scaled_loss_goes_on_exactly)
{
    cr_history *h[2] = {NULL};
    cr_module *net[2];
    double scale[2];
    for (int stopped = 0; stopped < 2; stopped++) {
        remove(state_path);
        for (int part = 0; part <= stopped; part++) {
            setup s = make();
            cr_grad_scaler *scaler = cr_grad_scaler_new(.init_scale = 1e7, .growth_interval = 8);
            stopper stop = {.after = stopped && !part ? 14 : 0};
            cr_callback callback = {.context = &stop, .on_batch_end = stop_after};
            h[stopped] =
                cr_fit(s.net, s.train, .optimizer = s.optimizer, .loss = s.loss, .epochs = 3,
                       .state = state_path, .autocast = CR_F16, .scaler = scaler,
                       .scheduler = cr_step_lr(s.optimizer, 7, .gamma = 0.9),
                       .scheduler_per_step = true, .callbacks = CR_CALLBACKS(callback));
            net[stopped] = s.net;
            ck_assert_msg(h[stopped] != NULL, "%s", cr_error());
            scale[stopped] = cr_scaler_get_scale(scaler);
        }
    }
    same_history(h[0], h[1]);
    same_net(net[0], net[1]);
    ck_assert_double_eq(scale[0], scale[1]);
    ck_assert_double_lt(scale[0], 1e7); /* steps were skipped until it fitted */
    ck_assert_double_lt(cr_history_last(h[0], "loss"), cr_history_get(h[0], 0, "loss"));
}
END_TEST

static void collect(void *context, const char *text, size_t bytes)
{
    strncat(context, text, bytes);
}

START_TEST(progress_goes_where_the_caller_says)
{
    char shown[4096] = "";
    setup s = make();
    cr_history *h =
        cr_fit(s.net, s.train, .optimizer = s.optimizer, .loss = s.loss, .epochs = 2,
               .metrics = CR_METRICS(cr_accuracy()), .write = collect, .write_context = shown);
    ck_assert_ptr_nonnull(h);
    ck_assert_msg(strstr(shown, "epoch 1/2  loss ") && strstr(shown, "\nepoch 2/2  loss ") &&
                      strstr(shown, "  accuracy ") && !strchr(shown, '\r'),
                  "%s", shown);
    ck_assert_int_eq(cr_history_save_csv(h, best_path), 0);
}
END_TEST

START_TEST(evaluation_leaves_modes_alone)
{
    setup s = make();
    cr_evaluation result;
    cr_metric *accuracy = cr_accuracy();
    cr_metric *const list[] = {accuracy};
    cr_eval(cr_module_at(s.net, 1));
    ck_assert_int_eq(cr_evaluate(s.net, s.validation, s.loss, (cr_metrics){list, 1}, &result), 0);
    ck_assert(s.net->training && !cr_module_at(s.net, 1)->training);
    ck_assert_int_eq(result.samples, 40);
    ck_assert(result.loss > 0 && cr_metric_compute(accuracy) >= 0);
}
END_TEST

START_TEST(mistakes_are_named)
{
    setup s = make();
    ck_assert_ptr_null(cr_fit(s.net, s.train, .optimizer = s.optimizer));
    ck_assert_ptr_nonnull(strstr(cr_error(), "loss"));
    cr_clear_error();
    ck_assert_ptr_null(
        cr_fit(s.net, s.train, .optimizer = s.optimizer, .loss = s.loss, .monitor = "val_loss"));
    ck_assert_ptr_nonnull(strstr(cr_error(), "val_loss"));
    cr_clear_error();
    ck_assert_ptr_null(cr_fit(s.net, s.train, .optimizer = s.optimizer, .loss = s.loss,
                              .metrics = CR_METRICS(cr_accuracy(), cr_accuracy())));
    ck_assert_ptr_nonnull(strstr(cr_error(), "accuracy"));
    cr_clear_error();
}
END_TEST

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    snprintf(state_path, sizeof state_path, "%s/state.safetensors", folder);
    snprintf(best_path, sizeof best_path, "%s/best.safetensors", folder);
    Suite *suite = suite_create("fit");
    TCase *tests = tcase_create("fit");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_run_stopped_by_a_callback_goes_on_exactly);
    tcase_add_test(tests, a_run_stopped_by_ctrl_c_goes_on_exactly);
    tcase_add_test(tests, a_run_with_accumulation_goes_on_exactly);
    tcase_add_test(tests, more_epochs_may_be_asked_for_later);
    tcase_add_test(tests, a_state_of_something_else_is_refused_and_kept);
    tcase_add_test(tests, a_run_killed_again_and_again_goes_on_exactly);
    tcase_add_test(tests, training_stops_early_and_the_best_is_loaded);
    tcase_add_test(tests, accumulation_and_clipping);
    tcase_add_test(tests, mixed_precision_learns_too);
    tcase_add_test(tests, a_scaled_loss_goes_on_exactly);
    tcase_add_test(tests, progress_goes_where_the_caller_says);
    tcase_add_test(tests, evaluation_leaves_modes_alone);
    tcase_add_test(tests, mistakes_are_named);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    char command[96]; /* a killed program leaves its temporary files */
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) || failed;
}
