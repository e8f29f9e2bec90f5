/* PNG by libpng's simple interface, which neither prints nor jumps. */
#include "core/io/image.h"

#include "core/base/error.h"

#ifdef CRESSET_PNG
#include <png.h>
#include <stdlib.h>
#include <string.h>

bool cr_has_png(void)
{
    return true;
}

static const png_uint_32 formats[] = {0, PNG_FORMAT_GRAY, PNG_FORMAT_GA, PNG_FORMAT_RGB,
                                      PNG_FORMAT_RGBA};

bool cr_read_png(const cr_load_image_options *o, const unsigned char *bytes, size_t size,
                 cr_pixels *p)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_memory(&image, bytes, size)) {
        png_image_free(&image);
        return cr_fail("%s: is no PNG image that can be read: %s", o->path, image.message);
    }
    image.format =
        o->mode ? formats[o->mode] : image.format & (PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_ALPHA);
    *p = (cr_pixels){NULL, image.width, image.height, (int)PNG_IMAGE_SAMPLE_CHANNELS(image.format)};
    /* a bit a pixel at least, deflated at most a thousandfold: more than that is a lie */
    if ((uint64_t)image.width * image.height / 8 / 1032 > size) {
        png_image_free(&image);
        return cr_fail("%s: %u by %u pixels are more than a file of %zu bytes can hold", o->path,
                       image.width, image.height, size);
    }
    const png_color black = {0, 0, 0};
    bool good = cr_pixels_make(o, p) && png_image_finish_read(&image, &black, p->data, 0, NULL);
    /* a warning is a damaged file, too */
    good = good && !PNG_IMAGE_FAILED(image);
    if (!good && !cr_error())
        cr_fail("%s: is damaged: %s", o->path, image.message);
    png_image_free(&image);
    return good;
}

unsigned char *cr_write_png(const char *path, const cr_pixels *p, size_t *size)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)p->width,
                       .height = (png_uint_32)p->height,
                       .format = formats[p->channels]};
    png_alloc_size_t most = PNG_IMAGE_PNG_SIZE_MAX(image);
    unsigned char *file = malloc(most);
    if (!file)
        return cr_fail_memory(path, most);
    if (png_image_write_to_memory(&image, file, &most, 0, p->data, 0, NULL)) {
        *size = most;
        return file;
    }
    free(file);
    return cr_fail("%s: it can't be written as PNG: %s", path, image.message);
}
#else
bool cr_has_png(void)
{
    return false;
}

bool cr_read_png(const cr_load_image_options *o, const unsigned char *bytes, size_t size,
                 cr_pixels *p)
{
    return cr_fail("%s: this library was built without PNG", o->path);
}

unsigned char *cr_write_png(const char *path, const cr_pixels *p, size_t *size)
{
    return cr_fail("%s: this library was built without PNG", path);
}
#endif
