/* idx, the format of MNIST: two zero bytes, a byte for the dtype, one for the number of dimensions,
 * the sizes as big-endian 32-bit numbers, and the elements, big-endian and row-major. Often
 * gzipped. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/io.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/inflate.h"
#include "core/io/memory.h"

enum { MAGIC = 4, HEADER_MOST = MAGIC + 4 * CR_MAX_RANK };

typedef struct idx_header {
    cr_dtype dtype;
    int dim;
    int64_t sizes[CR_MAX_RANK];
    size_t header; /* bytes before the elements */
    size_t bytes;  /* of the elements */
} idx_header;

static cr_dtype dtype_of(unsigned char code)
{
    switch (code) {
    case 0x08: return CR_U8;
    case 0x09: return CR_I8;
    case 0x0b: return CR_I16;
    case 0x0c: return CR_I32;
    case 0x0d: return CR_F32;
    case 0x0e: return CR_F64;
    default: return CR_DTYPE_NONE;
    }
}

/* From the first bytes of the array, count of them; what is missing is an error. */
static int parse_header(const char *path, const unsigned char *bytes, size_t count, idx_header *h)
{
    if (count < MAGIC)
        return CR_FAIL_INT("%s: an idx file begins with 4 bytes of magic number, here are %zu",
                           path, count);
    h->dtype = dtype_of(bytes[2]);
    if (bytes[0] || bytes[1] || !h->dtype)
        return CR_FAIL_INT("%s: is no idx file: its magic number is %02x%02x%02x%02x, expected "
                           "0000 and a dtype of 08, 09 or 0b to 0e",
                           path, bytes[0], bytes[1], bytes[2], bytes[3]);
    if (bytes[3] > CR_MAX_RANK)
        return CR_FAIL_INT("%s: has %d dimensions, at most %d are supported", path, bytes[3],
                           CR_MAX_RANK);
    h->dim = bytes[3];
    h->header = MAGIC + 4 * (size_t)h->dim;
    if (count < h->header)
        return CR_FAIL_INT("%s: is cut short: its header of %d dimensions has %zu bytes, here are "
                           "%zu",
                           path, h->dim, h->header, count);
    for (int i = 0; i < h->dim; i++) {
        const unsigned char *at = bytes + MAGIC + 4 * i;
        h->sizes[i] =
            (int64_t)((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]);
    }
    if (!cr_io_bytes(h->dtype, h->dim, h->sizes, &h->bytes)) {
        cr_text text = {0};
        cr_text_add_sizes(&text, h->sizes, h->dim);
        cr_fail("%s: its sizes %s are more than memory can hold", path, text.data ? text.data : "");
        cr_text_free(&text);
        return -1;
    }
    return 0;
}

/* Says what a file of another length than its header promises is. */
static void *fail_length(const char *path, const idx_header *h, const char *what, size_t found)
{
    cr_text text = {0};
    cr_text_add_sizes(&text, h->sizes, h->dim);
    cr_fail("%s: %s: %s%s needs %zu bytes of elements, found %s%zu", path, what,
            cr_dtype_name(h->dtype), text.data ? text.data : "", h->bytes,
            found > h->bytes ? "at least " : "", found);
    cr_text_free(&text);
    return NULL;
}

static cr_tensor *finish(unsigned char *memory, const idx_header *h)
{
    size_t size = cr_dtype_size(h->dtype);
    if (memory && cr_io_is_little_endian())
        cr_io_swap_bytes(memory, size > 1 ? h->bytes / size : 0, size);
    return cr_io_adopt(memory, h->dtype, h->dim, h->sizes, NULL);
}

static cr_tensor *load_plain(const char *path, cr_file_map *map)
{
    const unsigned char *bytes = cr_file_map_data(map);
    size_t size = cr_file_map_size(map);
    idx_header h;
    if (parse_header(path, bytes, size, &h))
        return NULL;
    size_t found = size - h.header;
    if (found != h.bytes)
        return fail_length(path, &h, found < h.bytes ? "is cut short" : "goes on too long", found);
    if (cr_dtype_size(h.dtype) == 1)
        return cr_io_map_tensor(map, bytes + h.header, h.dtype, h.dim, h.sizes, NULL);
    unsigned char *memory = cr_io_allocate(path, h.bytes);
    if (memory)
        memcpy(memory, bytes + h.header, h.bytes);
    return finish(memory, &h);
}

/* One sentence for what went wrong with a gzip stream, or null if nothing did. */
static const char *words_of(cr_inflate_result result)
{
    switch (result) {
    case CR_INFLATE_WHOLE: return NULL;
    case CR_INFLATE_CUT: return "its gzip stream is cut short";
    case CR_INFLATE_LONGER: return "goes on too long";
    case CR_INFLATE_TRAILING: return "has bytes behind its gzip stream";
    case CR_INFLATE_DAMAGED: return "its gzip stream is damaged";
    case CR_INFLATE_NO_MEMORY: return "there is no memory to inflate it";
    }
    return "its gzip stream is damaged";
}

static cr_tensor *load_gzip(const char *path, cr_file_map *map)
{
    const unsigned char *source = cr_file_map_data(map);
    size_t size = cr_file_map_size(map), made;
    unsigned char start[HEADER_MOST];
    cr_inflate_result result =
        cr_inflate(CR_INFLATE_GZIP, source, size, start, sizeof start, true, &made);
    if (result != CR_INFLATE_WHOLE && made < MAGIC)
        return cr_fail("%s: %s", path, words_of(result));
    idx_header h;
    if (parse_header(path, start, made, &h))
        return NULL;
    size_t whole = h.header + h.bytes;
    if (!cr_inflate_can_hold(size, whole))
        return cr_fail("%s: its header asks for %zu bytes of elements, more than a gzip file of "
                       "%zu bytes can hold",
                       path, h.bytes, size);
    /* The elements come behind the header; moving them to the front keeps them aligned. */
    unsigned char *memory = cr_io_allocate(path, whole);
    if (!memory)
        return NULL;
    result = cr_inflate(CR_INFLATE_GZIP, source, size, memory, whole, false, &made);
    if (result == CR_INFLATE_WHOLE && made == whole) {
        memmove(memory, memory + h.header, h.bytes);
        return finish(memory, &h);
    }
    free(memory);
    if (result == CR_INFLATE_LONGER)
        return fail_length(path, &h, "goes on too long", h.bytes + 1);
    if (result == CR_INFLATE_WHOLE || result == CR_INFLATE_CUT)
        return fail_length(path, &h, "is cut short", made > h.header ? made - h.header : 0);
    return cr_fail("%s: %s", path, words_of(result));
}

cr_tensor *cr_load_idx(const char *path)
{
    cr_file_map *map = cr_file_map_open(path);
    if (!map)
        return NULL;
    const unsigned char *bytes = cr_file_map_data(map);
    bool gzip = cr_file_map_size(map) >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
    cr_tensor *tensor = gzip ? load_gzip(path, map) : load_plain(path, map);
    cr_file_map_release(map);
    return tensor;
}
