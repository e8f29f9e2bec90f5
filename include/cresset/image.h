/* Images: PNG by libpng and JPEG by libjpeg, where the library was built with them. */
#ifndef CRESSET_IMAGE_H
#define CRESSET_IMAGE_H

#include <cresset/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cr_image_mode {
    CR_IMAGE_UNCHANGED, /* as many channels as the file has */
    CR_IMAGE_GRAY,
    CR_IMAGE_GRAY_ALPHA, /* PNG alone */
    CR_IMAGE_RGB,
    CR_IMAGE_RGBA /* PNG alone */
} cr_image_mode;

typedef struct cr_load_image_options {
    const char *path;
    cr_image_mode mode;
    int64_t max_pixels; /* 2²⁶: larger ones are refused before memory is taken */
    int end_;
} cr_load_image_options;

/* Reads an image, PNG or JPEG by its first bytes, as torchvision.io.read_image: a uint8 tensor of (channels, height, width) of the
 * scope. Palettes and 16 bits become 8 bits a channel; without an alpha channel, transparent pixels are laid over black. Errors:
 * another format, one that the library was built without, a damaged or truncated file, more than max_pixels. */
CR_API cr_tensor *cr_load_image_with(const cr_load_image_options *options);
#ifndef __cplusplus
#define cr_load_image(...) \
    cr_load_image_with(&(const cr_load_image_options){__VA_ARGS__, .end_ = 0})
#endif

/* Writes a uint8 tensor of (1, 2, 3 or 4 channels, height, width) as PNG. Returns 0, or an error. */
CR_API int cr_save_png(const char *path, cr_tensor *image);

/* Whether PNG and JPEG can be read. */
CR_API bool cr_has_png(void);
CR_API bool cr_has_jpeg(void);

#ifdef __cplusplus
}
#endif
#endif
