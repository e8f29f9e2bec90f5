/* Images: the format by the first bytes, and pixels to tensors and back. */
#include "core/io/image.h"

#include <stdlib.h>
#include <string.h>

#include <cresset/ops.h>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/io/memory.h"

bool cr_pixels_make(const cr_load_image_options *o, cr_pixels *p)
{
    int64_t most = o->max_pixels ? o->max_pixels : (int64_t)1 << 26;
    if (p->width < 1 || p->height < 1 || p->width > most / p->height)
        return cr_fail("%s: an image of %lld by %lld pixels is more than the %lld that are allowed",
                       o->path, (long long)p->width, (long long)p->height, (long long)most);
    size_t bytes = (size_t)p->width * (size_t)p->height * (size_t)p->channels;
    p->data = malloc(bytes);
    return p->data || cr_fail_memory(o->path, bytes);
}

cr_tensor *cr_load_image_with(const cr_load_image_options *o)
{
    if (!o || !o->path)
        return cr_fail("cr_load_image: the path is null");
    if ((unsigned)o->mode > CR_IMAGE_RGBA || o->max_pixels < 0)
        return cr_fail("cr_load_image: the mode or max_pixels is out of range");
    cr_file_map *map = cr_file_map_open(o->path);
    if (!map)
        return NULL;
    const unsigned char *bytes = cr_file_map_data(map);
    size_t size = cr_file_map_size(map);
    cr_pixels p = {0};
    bool good;
    if (size >= 8 && !memcmp(bytes, "\x89PNG\r\n\x1a\n", 8))
        good = cr_read_png(o, bytes, size, &p);
    else if (size >= 3 && !memcmp(bytes, "\xff\xd8\xff", 3))
        good = cr_read_jpeg(o, bytes, size, &p);
    else
        good = cr_fail("%s: is neither a PNG nor a JPEG image", o->path);
    cr_file_map_release(map);
    cr_tensor *image = NULL;
    CR_SCOPE {
        const int64_t sizes[] = {p.height, p.width, p.channels};
        if (good)
            image = cr_contiguous(
                cr_permute(cr_io_adopt(p.data, CR_U8, 3, sizes, NULL), CR_INTS(2, 0, 1)));
        if (image)
            cr_keep(image);
    }
    if (!good)
        free(p.data);
    return image;
}

int cr_save_png(const char *path, cr_tensor *image)
{
    if (!path || !image)
        return CR_FAIL_INT("cr_save_png: needs a path and an image, the %s is null",
                           path ? "image" : "path");
    const int64_t *sizes = cr_tensor_sizes(image);
    if (cr_tensor_dtype(image) != CR_U8 || cr_tensor_dim(image) != 3 || sizes[0] < 1 ||
        sizes[0] > 4 || !cr_tensor_numel(image) || sizes[1] > INT32_MAX || sizes[2] > INT32_MAX)
        return CR_FAIL_INT(
            "%s: an image is uint8 of (1 to 4 channels, height, width), not %s of %d dimensions",
            path, cr_dtype_name(cr_tensor_dtype(image)), cr_tensor_dim(image));
    int status = -1;
    CR_SCOPE {
        cr_tensor *rows = cr_contiguous(cr_permute(image, CR_INTS(1, 2, 0)));
        size_t bytes, size;
        void *owned = NULL;
        cr_pixels p = {NULL, sizes[2], sizes[1], (int)sizes[0]};
        p.data = (unsigned char *)(uintptr_t)cr_io_elements(rows, &bytes, &owned);
        unsigned char *file = p.data ? cr_write_png(path, &p, &size) : NULL;
        if (file)
            status = cr_file_write(path, file, size);
        free(file);
        free(owned);
    }
    return status;
}
