/* PNG files made in memory, by zlib alone (W3C, PNG specification, third edition): 8 bits a channel, every row behind a
 * filter byte of 0. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cresset/autograd.h>
#include <cresset/io.h>
#include <cresset/ops.h>

#include "core/base/error.h"
#include "core/io/memory.h"

static void put_u32(unsigned char *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(v >> (24 - 8 * i));
}

static size_t put_chunk(unsigned char *to, const char *type, const unsigned char *data, size_t n)
{
    put_u32(to, (uint32_t)n);
    memcpy(to + 4, type, 4);
    if (n && data != to + 8)
        memcpy(to + 8, data, n);
    put_u32(to + 8 + n, (uint32_t)crc32(0, to + 4, (uInt)n + 4));
    return n + 12;
}

/* The image's bytes, channels last, a filter byte before each row. */
static unsigned char *rows(const cr_tensor *image, int64_t c, int64_t h, int64_t w)
{
    bool bytes = cr_tensor_dtype(image) == CR_U8;
    size_t ignored;
    void *owned = NULL;
    const void *data = cr_io_elements(image, &ignored, &owned);
    unsigned char *to = data ? cr_io_allocate("a PNG", (size_t)(h * (1 + w * c))) : NULL, *at = to;
    for (int64_t y = 0; y < h && to; y++) {
        *at++ = 0;
        for (int64_t x = 0; x < w; x++)
            for (int64_t k = 0; k < c; k++) {
                size_t i = (size_t)((k * h + y) * w + x);
                float v = bytes ? 0 : ((const float *)data)[i] * 255 + 0.5F;
                *at++ = bytes ? ((const unsigned char *)data)[i]
                              : (unsigned char)(v >= 255 ? 255
                                                : v > 0  ? v
                                                         : 0);
            }
    }
    free(owned);
    return to;
}

static unsigned char *encode(const cr_tensor *image, int64_t c, int64_t h, int64_t w, size_t *size)
{
    unsigned char *raw = rows(image, c, h, w), *png = NULL;
    uLong length = (uLong)(h * (1 + w * c));
    uLongf packed = compressBound(length);
    if (raw && !(png = malloc(packed + 100)))
        cr_fail_memory("a PNG", packed + 100);
    if (png && compress2(png + 8 + 25 + 8, &packed, raw, length, 6) == Z_OK) {
        unsigned char header[13] = {[8] = 8, [9] = c == 1 ? 0 : c == 3 ? 2 : 6};
        put_u32(header, (uint32_t)w);
        put_u32(header + 4, (uint32_t)h);
        memcpy(png, "\x89PNG\r\n\x1a\n", 8);
        size_t n = 8;
        n += put_chunk(png + n, "IHDR", header, 13);
        n += put_chunk(png + n, "IDAT", png + n + 8, packed);
        n += put_chunk(png + n, "IEND", NULL, 0);
        *size = n;
    } else if (png) {
        free(png);
        png = cr_fail("cr_encode_png: zlib failed");
    }
    free(raw);
    return png;
}

unsigned char *cr_encode_png(cr_tensor *image, size_t *size)
{
    int dim = cr_tensor_dim(image);
    *size = 0;
    if (!image || dim < 2 || dim > 3)
        return cr_fail("cr_encode_png: expected an image (C, H, W) or (H, W), got %s",
                       image ? "another number of dimensions" : "null");
    const int64_t *sizes = cr_tensor_sizes(image);
    int64_t c = dim == 3 ? sizes[0] : 1, h = sizes[dim - 2], w = sizes[dim - 1];
    bool fit = h >= 1 && w >= 1 && h < 1 << 15 && w < 1 << 15;
    if ((c != 1 && c != 3 && c != 4) || !fit)
        return cr_fail("cr_encode_png: %lld channels of %lldx%lld; expected 1, 3 or 4, and up to "
                       "32767 pixels",
                       (long long)c, (long long)h, (long long)w);
    unsigned char *png = NULL;
    CR_SCOPE
        CR_NO_GRAD {
            cr_tensor *plain = cr_detach(image);
            if (cr_is_floating_point(plain) && cr_tensor_dtype(plain) != CR_F32)
                plain = cr_to_dtype(plain, CR_F32);
            if (plain && cr_tensor_dtype(plain) != CR_F32 && cr_tensor_dtype(plain) != CR_U8)
                plain = cr_fail("cr_encode_png: %s pixels; expected uint8, or floating from 0 to 1",
                                cr_dtype_name(cr_tensor_dtype(plain)));
            png = plain ? encode(plain, c, h, w, size) : NULL;
        }
    return png;
}
