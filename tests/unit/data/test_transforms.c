/* Transforms beside torchvision's results; draws that threads and epochs do not disturb; image folders. */
#include <check.h>
#include <cresset/cresset.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static cr_state_dict *golden;

static cr_tensor *get(const char *name)
{
    cr_tensor *t = cr_state_dict_get(golden, name);
    ck_assert_msg(t != NULL, "no %s", name);
    return t;
}

static void same(const char *name, cr_transform *transform, const char *from, double tolerance)
{
    cr_tensor *made = cr_transform_apply(transform, get(from), 1, 0);
    ck_assert_msg(made != NULL, "%s: %s", name, cr_error());
    cr_tensor *expected = get(name);
    ck_assert_msg(cr_tensor_dtype(made) == cr_tensor_dtype(expected), "%s: dtype", name);
    for (int d = 0; d < 3; d++)
        ck_assert_msg(cr_tensor_size(made, d) == cr_tensor_size(expected, d), "%s: size %d: %d",
                      name, d, (int)cr_tensor_size(made, d));
    double worst =
        cr_item(cr_max(cr_abs(cr_sub(cr_to_dtype(made, CR_F32), cr_to_dtype(expected, CR_F32)))));
    ck_assert_msg(worst <= tolerance, "%s: off by %g", name, worst);
}

START_TEST(places_are_torchvisions)
{
    static const struct {
        const char *name;
        int64_t h, w, edge;
    } sizes[] = {{"down", 5, 4, 0}, {"up", 17, 14, 0}, {"edge", 0, 0, 6}};
    for (int i = 0; i < 3; i++) {
        cr_resize_options o = {.size = sizes[i].edge, .size_hw = {sizes[i].h, sizes[i].w}};
        char name[64];
        snprintf(name, sizeof name, "resize_%s", sizes[i].name);
        same(name, cr_transform_resize_with(&o), "to_float", 2e-6);
        o.no_antialias = true;
        snprintf(name, sizeof name, "resize_%s_plain", sizes[i].name);
        same(name, cr_transform_resize_with(&o), "to_float", 2e-6);
        o.nearest = true;
        snprintf(name, sizeof name, "resize_%s_nearest", sizes[i].name);
        same(name, cr_transform_resize_with(&o), "to_float", 0);
    }
    same("center_crop", cr_transform_center_crop(6, 5), "to_float", 0);
    same("center_crop_larger", cr_transform_center_crop(14, 6), "to_float", 0);
    static const char *const modes[] = {"pad_constant", "pad_edge", "pad_reflect", "pad_symmetric"};
    for (int m = 0; m < 4; m++)
        same(modes[m],
             cr_transform_pad(.padding_ltrb = {1, 2, 3, 4}, .fill = 0.5,
                              .padding_mode = (cr_pad_mode)m),
             "to_float", 0);
    same("rotate_25", cr_transform_random_rotation(.range = {25, 25}), "to_float", 0);
    same("rotate_-90", cr_transform_random_rotation(.range = {-90, -90}), "to_float", 0);
    same("rotate_180", cr_transform_random_rotation(.range = {180, 180}), "to_float", 0);
    same("rotate_bilinear", cr_transform_random_rotation(.range = {25, 25}, .bilinear = true),
         "to_float", 2e-5);
}
END_TEST

START_TEST(values_are_torchvisions)
{
    static const double mean[] = {0.1, 0.2, 0.3}, std[] = {0.5, 0.6, 0.7};
    same("to_float", cr_transform_to_float(), "image", 0);
    same("normalize", cr_transform_normalize_with(mean, 3, std, 3), "to_float", 1e-6);
    static const char *const kinds[][2] = {{"float", "to_float"}, {"bytes", "image"}};
    for (int k = 0; k < 2; k++) {
        double tolerance = k ? 0 : 1e-6;
        char name[64];
#define NAME(what) (snprintf(name, sizeof name, what "_%s", kinds[k][0]), name)
        same(NAME("grayscale"), cr_transform_grayscale(3), kinds[k][1], tolerance);
        same(NAME("brightness"), cr_transform_color_jitter(.brightness_range = {1.5, 1.5}),
             kinds[k][1], tolerance);
        same(NAME("contrast"), cr_transform_color_jitter(.contrast_range = {0.5, 0.5}), kinds[k][1],
             k ? 1 : tolerance); /* torch's float32 mean rounds otherwise */
        same(NAME("saturation"), cr_transform_color_jitter(.saturation_range = {1.7, 1.7}),
             kinds[k][1], tolerance);
    }
    same("hue", cr_transform_color_jitter(.hue_range = {0.2, 0.2}), "to_float", 2e-6);
}
END_TEST

static cr_transform *augment(void)
{
    return cr_compose(
        cr_transform_random_crop(8, .padding = 2), cr_transform_random_horizontal_flip(0.5),
        cr_transform_random_vertical_flip(0.5), cr_transform_random_resized_crop(6),
        cr_transform_random_rotation(.degrees = 20), cr_transform_color_jitter(0.2, 0.2, 0.2, 0.1),
        cr_random_apply(cr_transform_random_grayscale(0.5), 0.5), cr_transform_to_float(),
        cr_transform_normalize(0.5, 0.25));
}

/* The sum of each epoch's batches, weighted by place. */
static void fingerprints(cr_loader *loader, double *to, int epochs)
{
    for (int e = 0; e < epochs; e++) {
        to[e] = 0;
        CR_FOREACH_BATCH (batch, loader)
            to[e] += (double)(batch.index + 1) * cr_item(cr_sum(batch.input));
    }
    ck_assert_msg(!cr_error(), "%s", cr_error());
}

START_TEST(draws_depend_on_seed_epoch_and_index_only)
{
    double one[3], many[3], resumed[1];
    cr_manual_seed(0);
    cr_tensor *images = cr_to_dtype(cr_randint(256, CR_INTS(20, 3, 10, 10)), CR_U8);
    cr_dataset *set =
        cr_transform_dataset(cr_tensor_dataset(images, cr_arange(20)), augment(), .seed = 4);
    cr_loader *a = cr_data_loader(set, .batch_size = 6, .num_workers = CR_NO_WORKERS);
    fingerprints(a, one, 3);
    fingerprints(cr_data_loader(set, .batch_size = 6, .num_workers = 3), many, 3);
    ck_assert_mem_eq(one, many, sizeof one);
    ck_assert(one[0] != one[1] && one[1] != one[2]);
    cr_loader *later = cr_data_loader(set, .batch_size = 6);
    cr_loader_set_epoch(later, 2);
    fingerprints(later, resumed, 1);
    ck_assert(resumed[0] == one[2]);
}
END_TEST

START_TEST(a_flip_is_half_of_the_time)
{
    int flipped = 0;
    cr_transform *flip = cr_transform_random_horizontal_flip(0.5);
    cr_tensor *image = cr_view(cr_tensor_f32(2, 1, 2), CR_INTS(1, 1, 2));
    for (uint64_t i = 0; i < 1000; i++)
        CR_SCOPE
            flipped += cr_item(cr_select(
                           cr_select(cr_select(cr_transform_apply(flip, image, 1, i), 0, 0), 0, 0),
                           0, 0)) > 1.5;
    ck_assert_int_gt(flipped, 440);
    ck_assert_int_lt(flipped, 560);
}
END_TEST

START_TEST(mistakes_are_named)
{
    ck_assert_ptr_null(cr_transform_apply(cr_transform_random_crop(20), get("image"), 1, 0));
    ck_assert_ptr_nonnull(strstr(cr_error(), "20x20 is larger than the image's 11x9"));
    cr_clear_error();
    ck_assert_ptr_null(cr_transform_apply(cr_transform_normalize(0, 1), get("image"), 1, 0));
    ck_assert_ptr_nonnull(strstr(cr_error(), "cr_transform_to_float"));
    cr_clear_error();
    ck_assert_ptr_null(cr_transform_apply(cr_transform_pad(12, .padding_mode = CR_PAD_REFLECT),
                                          get("image"), 1, 0));
    cr_clear_error();
    ck_assert_ptr_null(cr_transform_resize(.size = -3));
    cr_clear_error();
    ck_assert_ptr_null(cr_transform_apply(cr_transform_to_float(), cr_ones(CR_INTS(2, 2)), 1, 0));
    ck_assert_ptr_nonnull(strstr(cr_error(), "(C, H, W)"));
    cr_clear_error();
}
END_TEST

static void write_image(const char *folder, const char *name, unsigned char value)
{
    char path[512];
    snprintf(path, sizeof path, "%s", folder);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unsigned char bytes[11 + 6] = "P6\n2 1\n255\n";
    memset(bytes + 11, value, 6);
    ck_assert_int_eq(cr_write_file(path, bytes, sizeof bytes), 0);
}

START_TEST(a_folder_a_class)
{
    char root[] = "/tmp/cresset-images-XXXXXX", path[256], command[300];
    ck_assert_ptr_nonnull(mkdtemp(root));
    snprintf(path, sizeof path, "%s/dog", root);
    write_image(path, "b.ppm", 20);
    write_image(path, "a.PPM", 10);
    snprintf(path, sizeof path, "%s/cat", root);
    write_image(path, "x.ppm", 30);
    ck_assert_int_eq(cr_write_file(strcat(path, "/notes.txt"), "no image", 8), 0);
    cr_dataset *set = cr_image_folder(root, cr_transform_to_float());
    ck_assert_msg(set != NULL, "%s", cr_error());
    ck_assert_int_eq(cr_dataset_length(set), 3);
    ck_assert_int_eq(cr_image_folder_class_count(set), 2);
    ck_assert_str_eq(cr_image_folder_class(set, 1), "dog");
    static const double values[] = {30, 10, 20}, labels[] = {0, 1, 1};
    for (int i = 0; i < 3; i++) {
        cr_sample sample;
        ck_assert_int_eq(cr_dataset_get(set, i, &sample), 0);
        ck_assert_int_eq(cr_tensor_size(sample.tensors[0], 2), 2);
        ck_assert_double_eq_tol(cr_item(cr_max(sample.tensors[0])), values[i] / 255, 1e-6);
        ck_assert_double_eq(cr_item(sample.tensors[1]), labels[i]);
    }
    if (cr_has_png()) {
        snprintf(path, sizeof path, "%s/dog/d.png", root);
        ck_assert_int_eq(
            cr_save_png(path, cr_full(CR_INTS(1, 4, 5), cr_int_scalar(7), .dtype = CR_U8)), 0);
        cr_sample sample;
        ck_assert_int_eq(cr_dataset_get(cr_image_folder(root), 3, &sample), 0);
        ck_assert_int_eq(cr_tensor_size(sample.tensors[0], 0), 3); /* grey becomes RGB */
        ck_assert_double_eq(cr_item(cr_min(sample.tensors[0])), 7);
        remove(path);
    }
    snprintf(path, sizeof path, "%s/dog/c.ppm", root);
    ck_assert_int_eq(cr_write_file(path, "P6\n9999 9999\n255\nabc", 20), 0);
    int n = 0;
    CR_FOREACH_BATCH (batch, cr_data_loader(cr_image_folder(root), .batch_size = 4))
        n++;
    ck_assert_int_eq(n, 0);
    ck_assert_ptr_nonnull(strstr(cr_error(), "c.ppm"));
    cr_clear_error();
    ck_assert_ptr_null(cr_image_folder("/nowhere/at/all"));
    cr_clear_error();
    snprintf(command, sizeof command, "rm -r %s", root);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
    golden = cr_load(CR_TESTS_FOLDER "/golden/data/transforms.safetensors");
    Suite *suite = suite_create("transforms");
    TCase *tests = tcase_create("transforms");
    tcase_add_test(tests, places_are_torchvisions);
    tcase_add_test(tests, values_are_torchvisions);
    tcase_add_test(tests, draws_depend_on_seed_epoch_and_index_only);
    tcase_add_test(tests, a_flip_is_half_of_the_time);
    tcase_add_test(tests, mistakes_are_named);
    tcase_add_test(tests, a_folder_a_class);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
