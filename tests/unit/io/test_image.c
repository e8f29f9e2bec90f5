/* Images and CIFAR: Pillow's files are read, PNG comes back, and damaged ones are refused. */
#include "files.h"

#include <cresset/image.h>
#include <cresset/ops.h>

enum { W = 11, H = 7 };

static void assert_pixels(cr_tensor *image, int channels, int tolerance)
{
    ck_assert_msg(image != NULL, "%s", cr_error());
    ck_assert_int_eq(cr_tensor_dtype(image), CR_U8);
    ck_assert(cr_tensor_size(image, 0) == channels && cr_tensor_size(image, 1) == H &&
              cr_tensor_size(image, 2) == W);
    unsigned char pixels[4 * H * W];
    ck_assert_int_eq(cr_tensor_read(image, pixels, (size_t)channels * H * W), 0);
    for (int c = 0; c < channels; c++)
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
                int expected = c == 3 ? 255 : 10 * x + 7 * y + 50 * c;
                ck_assert_int_le(abs(pixels[(c * H + y) * W + x] - expected), tolerance);
            }
}

START_TEST(png_images_are_read)
{
    if (!cr_has_png())
        return;
    assert_pixels(cr_load_image(golden("gray.png")), 1, 0);
    assert_pixels(cr_load_image(golden("gray_alpha.png")), 2, 0);
    assert_pixels(cr_load_image(golden("rgb.png")), 3, 0);
    assert_pixels(cr_load_image(golden("rgba.png")), 4, 0);
    assert_pixels(cr_load_image(golden("palette.png")), 3, 0);
    assert_pixels(cr_load_image(golden("rgba.png"), CR_IMAGE_RGB), 3, 0);
    ck_assert_int_eq(cr_tensor_size(cr_load_image(golden("gray.png"), CR_IMAGE_RGB), 0), 3);
    ck_assert_int_eq(cr_tensor_size(cr_load_image(golden("rgb.png"), CR_IMAGE_GRAY), 0), 1);
}
END_TEST

START_TEST(jpeg_images_are_read)
{
    if (!cr_has_jpeg())
        return;
    assert_pixels(cr_load_image(golden("gray.jpg")), 1, 2);
    assert_pixels(cr_load_image(golden("rgb.jpg")), 3, 3);
    assert_pixels(cr_load_image(golden("progressive.jpg")), 3, 3);
    ck_assert_int_eq(cr_tensor_size(cr_load_image(golden("rgb.jpg"), CR_IMAGE_GRAY), 0), 1);
    ck_assert_ptr_null(cr_load_image(golden("rgb.jpg"), CR_IMAGE_RGBA));
    assert_error("no alpha channel");
}
END_TEST

START_TEST(png_images_come_back)
{
    if (!cr_has_png())
        return;
    for (int channels = 1; channels <= 4; channels++) {
        cr_tensor *image =
            cr_randint(256, CR_INTS(channels, 5, 9), .dtype = CR_U8, .device = "cpu");
        ck_assert_int_eq(cr_save_png(at("x.png"), image), 0);
        ck_assert(cr_equal(cr_load_image(at("x.png")), image));
    }
    ck_assert_int_ne(cr_save_png(at("x.png"), cr_zeros(CR_INTS(3, 4, 4))), 0);
    assert_error("an image is uint8");
}
END_TEST

static bool load(const char *path)
{
    return cr_load_image(path, .max_pixels = 1 << 20) != NULL;
}

START_TEST(a_cut_image_is_refused)
{
    static const char *const names[] = {"rgb.png", "palette.png", "rgb.jpg", "progressive.jpg"};
    for (int i = 0; i < 4; i++) {
        if (!(i < 2 ? cr_has_png() : cr_has_jpeg()))
            continue;
        size_t size;
        unsigned char *bytes = read_bytes(golden(names[i]), &size);
        /* what is behind the last pixel may be missing: a PNG's end, a JPEG's marker */
        for (size_t length = 0; length + (i < 2 ? 16 : 8) < size; length++) {
            write_bytes(at("cut"), bytes, length);
            ck_assert_msg(!load(at("cut")), "%s of %zu bytes was read", names[i], length);
            assert_error("cut");
        }
        for (size_t k = 0; k < size; k++) {
            bytes[k] ^= 0x55;
            write_bytes(at("changed"), bytes, size);
            CR_SCOPE {
                if (!load(at("changed")))
                    assert_error("changed");
            }
            bytes[k] ^= 0x55;
        }
        free(bytes);
    }
    ck_assert(!load(golden("float32.npy")));
    assert_error("neither a PNG nor a JPEG");
    if (cr_has_png()) {
        ck_assert_ptr_null(cr_load_image(golden("rgb.png"), .max_pixels = 76));
        assert_error("more than the 76 that are allowed");
    }
}
END_TEST

START_TEST(cifar_is_read)
{
    static unsigned char file[3 * 3074];
    for (size_t i = 0; i < sizeof file; i++)
        file[i] = (unsigned char)(i % 251);
    write_bytes(at("ten.bin"), file, 3 * 3073);
    cr_cifar ten = cr_load_cifar(at("ten.bin"), 1);
    ck_assert_msg(ten.images != NULL, "%s", cr_error());
    ck_assert(cr_tensor_size(ten.images, 0) == 3 && cr_tensor_size(ten.images, 3) == 32 &&
              !ten.coarse);
    ck_assert_int_eq(cr_item_int(cr_select(ten.labels, 0, 2)), 2 * 3073 % 251);
    cr_tensor *pixel =
        cr_select(cr_select(cr_select(cr_select(ten.images, 0, 1), 0, 2), 0, 3), 0, 4);
    ck_assert_int_eq(cr_item_int(pixel), (3073 + 1 + 2 * 1024 + 3 * 32 + 4) % 251);
    write_bytes(at("hundred.bin"), file, sizeof file);
    cr_cifar hundred = cr_load_cifar(at("hundred.bin"), 2);
    ck_assert_int_eq(cr_item_int(cr_select(hundred.labels, 0, 1)), 3075 % 251);
    ck_assert_int_eq(cr_item_int(cr_select(hundred.coarse, 0, 1)), 3074 % 251);
    ck_assert_ptr_null(cr_load_cifar(at("hundred.bin"), 1).images);
    assert_error("no whole number of records");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("image");
    TCase *c = tcase_create("image");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, make_folder, remove_folder);
    tcase_add_test(c, png_images_are_read);
    tcase_add_test(c, jpeg_images_are_read);
    tcase_add_test(c, png_images_come_back);
    tcase_add_test(c, a_cut_image_is_refused);
    tcase_add_test(c, cifar_is_read);
    suite_add_tcase(s, c);
    return run_suite(s);
}
