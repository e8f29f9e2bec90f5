/* Pinned memory: batches that lie in it, tensors put there, and devices that have none. And what the plugin serves for besides: that
 * memory which the host can't see isn't lent through DLPack. */
#include <check.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/cresset.h>

#include "data/pinned_plugin.h"

enum { ROWS = 200, WIDTH = 24, BATCH = 16, BATCHES = 13 };

static const pinned_counts *counts;

/* The plugin as the default backend, behind wrappers ("chaos:") or none. It stays loaded. */
static void use_plugin(const char *wrappers)
{
    const char *path = getenv("CRESSET_PINNED_PLUGIN");
    char backend[1024];
    ck_assert_ptr_nonnull(path);
    snprintf(backend, sizeof backend, "%s%s", wrappers, path);
    setenv("CRESSET_BACKEND", backend, 1);
    void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(plugin != NULL, "%s", dlerror());
    counts = dlsym(plugin, "pinned_plugin_counts");
    ck_assert_ptr_nonnull(counts);
}

static cr_dataset *rows(void)
{
    cr_tensor *x =
        cr_reshape(cr_arange(ROWS * WIDTH, .dtype = CR_F32, .device = "cpu"), CR_INTS(ROWS, WIDTH));
    return cr_tensor_dataset(x, cr_arange(ROWS, .device = "cpu"));
}

/* All of an epoch's batches are held, and looked at when the last one is there. */
static void check_epoch(cr_loader *loader, const char *device)
{
    CR_SCOPE {
        cr_tensor *inputs[BATCHES];
        int n = 0;
        CR_FOREACH_BATCH (batch, loader) {
            ck_assert_int_lt(n, BATCHES);
            ck_assert_str_eq(cr_tensor_device(batch.input), device);
            inputs[n++] = cr_retain(batch.input);
        }
        ck_assert_msg(!cr_error(), "%s", cr_error());
        ck_assert_int_eq(n, BATCHES);
        for (int b = 0; b < n; b++) {
            float values[BATCH * WIDTH];
            size_t count = (size_t)cr_tensor_numel(inputs[b]);
            ck_assert_int_eq(cr_tensor_read(inputs[b], values, count * sizeof *values), 0);
            for (size_t i = 0; i < count; i++)
                ck_assert_float_eq(values[i], (float)(b * BATCH * WIDTH + (int)i));
            cr_release(inputs[b]);
        }
    }
}

static void check_loader(const char *device)
{
    cr_loader *loader =
        cr_data_loader(rows(), .batch_size = BATCH, .num_workers = 2, .pin_memory = true);
    ck_assert_msg(loader != NULL, "%s", cr_error());
    for (int epoch = 0; epoch < 3; epoch++)
        check_epoch(loader, device);
}

START_TEST(batches_go_from_pinned_memory_to_the_device)
{
    use_plugin("");
    check_loader("pinned");
    ck_assert_int_eq(counts->direct, 3 * BATCHES * 2);
    ck_assert_int_eq(counts->plain, 0);
    ck_assert_int_le(counts->made, 7); /* 4 ahead, 2 being made, 1 in hand */
    cr_exit();
    ck_assert_int_eq(counts->freed, counts->made);
}
END_TEST

START_TEST(wrappers_and_the_checking_table_pass_it_on)
{
    use_plugin("chaos:");
    setenv("CRESSET_VALIDATE", "1", 1);
    check_loader("chaos:pinned");
    ck_assert_int_eq(counts->direct, 3 * BATCHES * 2);
    cr_exit();
    ck_assert_int_gt(counts->made, 0);
    ck_assert_int_eq(counts->freed, counts->made);
}
END_TEST

START_TEST(a_backend_without_it_gets_ordinary_memory)
{
    setenv("PINNED_PLUGIN_PLAIN", "1", 1);
    use_plugin("");
    check_loader("pinned");
    ck_assert_int_eq(counts->made, 0);
    ck_assert_int_eq(counts->direct, 0);
    cr_tensor *x = cr_ones(CR_INTS(3), .device = "cpu");
    ck_assert_ptr_eq(cr_tensor_pin_memory(x, NULL), x);
    ck_assert(!cr_tensor_is_pinned(x));
    ck_assert_int_eq(cr_exit(), 0);
}
END_TEST

START_TEST(stopping_early_leaves_nothing)
{
    use_plugin("");
    for (int workers = CR_NO_WORKERS; workers <= 3; workers += 2) {
        cr_loader *loader =
            cr_data_loader(rows(), .batch_size = BATCH, .num_workers = workers, .pin_memory = true);
        CR_FOREACH_BATCH (batch, loader)
            if (batch.index == 2)
                break;
    }
    cr_exit();
    ck_assert_int_gt(counts->made, 0);
    ck_assert_int_eq(counts->freed, counts->made);
}
END_TEST

START_TEST(a_pinned_tensor_may_change_after_its_copy)
{
    use_plugin("");
    cr_tensor *x = cr_ones(CR_INTS(4, 8), .device = "cpu");
    cr_tensor *pinned = cr_tensor_pin_memory(cr_transpose(x, 0, 1), NULL);
    ck_assert(cr_tensor_is_pinned(pinned) && !cr_tensor_is_pinned(x));
    ck_assert_str_eq(cr_tensor_device(pinned), "cpu");
    ck_assert_ptr_eq(cr_tensor_pin_memory(pinned, "pinned"), pinned);
    cr_tensor *there = cr_tensor_to(cr_narrow(pinned, 0, 2, 6), "pinned");
    ck_assert_int_eq(counts->direct, 1);
    cr_zero_(pinned);
    ck_assert_double_eq(cr_item(cr_sum(there)), 6 * 4);
    ck_assert_ptr_null(cr_tensor_pin_memory(there, NULL));
    ck_assert_ptr_nonnull(strstr(cr_error(), "only tensors in host memory can be pinned"));
    cr_clear_error();
    ck_assert_ptr_null(cr_tensor_pin_memory(x, "nowhere"));
    cr_clear_error();
    ck_assert_int_eq(cr_exit(), 0);
    ck_assert_int_eq(counts->freed, counts->made);
}
END_TEST

static int first_inputs(void *context, const cr_sample *samples, int64_t count, cr_sample *batch)
{
    (void)context, (void)count;
    batch->tensors[batch->count++] = samples[0].tensors[0];
    return 0;
}

START_TEST(batches_of_the_host_are_pinned_for_the_default_device)
{
    use_plugin("");
    for (int own = 0; own < 2; own++) {
        cr_loader *loader = cr_data_loader(rows(), .batch_size = BATCH, .pin_memory = true,
                                           .device = "cpu", .collate = own ? first_inputs : NULL);
        CR_FOREACH_BATCH (batch, loader) {
            ck_assert(cr_tensor_is_pinned(batch.input));
            ck_assert_str_eq(cr_tensor_device(batch.input), "cpu");
        }
    }
    ck_assert_ptr_null(cr_data_loader(rows(), .pin_memory = true, .pin_memory_device = "nowhere"));
    cr_clear_error();
    ck_assert_int_eq(cr_exit(), 0);
    ck_assert_int_eq(counts->freed, counts->made);
}
END_TEST

START_TEST(cpu_needs_none)
{
    setenv("CRESSET_BACKEND", "cpu", 1);
    check_loader("cpu");
    cr_tensor *x = cr_ones(CR_INTS(3));
    ck_assert_ptr_eq(cr_tensor_pin_memory(x, NULL), x);
    ck_assert(!cr_tensor_is_pinned(x) && !cr_tensor_is_pinned(NULL));
    ck_assert_int_eq(cr_exit(), 0);
}
END_TEST

START_TEST(memory_that_the_host_cannot_see_is_not_lent)
{
    use_plugin("");
    cr_tensor *x = cr_ones(CR_INTS(3));
    ck_assert_str_eq(cr_tensor_device(x), "pinned");
    ck_assert_ptr_null(cr_to_dlpack(x));
    ck_assert_msg(strstr(cr_error(), "cpu"), "%s", cr_error());
    cr_clear_error();
    ck_assert_ptr_null(cr_to_dlpack_versioned(x));
    cr_clear_error();
    typedef struct managed { /* DLManagedTensor, up to the sizes */
        void *data;
        int32_t device_type, device_id, ndim;
    } managed;
    managed *lent = (managed *)(void *)cr_to_dlpack(cr_tensor_to(x, "cpu"));
    ck_assert_msg(lent != NULL, "%s", cr_error());
    ck_assert_int_eq(lent->device_type, 1);
    ck_assert_int_eq(lent->ndim, 1);
    cr_tensor *back = cr_from_dlpack((struct DLManagedTensor *)(void *)lent);
    ck_assert(cr_equal(cr_tensor_to(back, "pinned"), x));
    ck_assert_int_eq(cr_exit(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pinned");
    TCase *tests = tcase_create("pinned");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, batches_go_from_pinned_memory_to_the_device);
    tcase_add_test(tests, wrappers_and_the_checking_table_pass_it_on);
    tcase_add_test(tests, a_backend_without_it_gets_ordinary_memory);
    tcase_add_test(tests, stopping_early_leaves_nothing);
    tcase_add_test(tests, a_pinned_tensor_may_change_after_its_copy);
    tcase_add_test(tests, batches_of_the_host_are_pinned_for_the_default_device);
    tcase_add_test(tests, cpu_needs_none);
    tcase_add_test(tests, memory_that_the_host_cannot_see_is_not_lent);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
