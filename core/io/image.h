/* What the formats of images share. */
#ifndef CRESSET_CORE_IO_IMAGE_H
#define CRESSET_CORE_IO_IMAGE_H

#include <cresset/image.h>

/* Pixels of 8 bits, channels together, rows from the top; from malloc. */
typedef struct cr_pixels {
    unsigned char *data;
    int64_t width, height;
    int channels;
} cr_pixels;

/* Memory for the pixels of a file. False, and the error, above max_pixels and without memory. */
bool cr_pixels_make(const cr_load_image_options *options, cr_pixels *pixels);

/* Each reads a file in memory. False, and the error; data is then null or to be freed. */
bool cr_read_png(const cr_load_image_options *options, const unsigned char *bytes, size_t size,
                 cr_pixels *pixels);
bool cr_read_jpeg(const cr_load_image_options *options, const unsigned char *bytes, size_t size,
                  cr_pixels *pixels);
/* A PNG file in memory from malloc; null and the error. */
unsigned char *cr_write_png(const char *path, const cr_pixels *pixels, size_t *size);

#endif
