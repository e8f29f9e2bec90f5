/* Tensors of ONNX: raw bytes, or lists of numbers. */
#include <stdlib.h>
#include <string.h>

#include "core/io/memory.h"
#include "core/io/onnx.h"

cr_dtype onnx_dtype(int64_t number)
{
    static const cr_dtype dtypes[] = {
        [1] = CR_F32, [2] = CR_U8, [3] = CR_I8,   [5] = CR_I16,  [6] = CR_I32,
        [7] = CR_I64, [9] = CR_B8, [10] = CR_F16, [11] = CR_F64, [16] = CR_BF16};
    return number > 0 && number < (int64_t)(sizeof dtypes / sizeof *dtypes) ? dtypes[number]
                                                                            : CR_DTYPE_NONE;
}

/* Unsigned integers that the library hasn't are read as the next wider dtype that holds them: their bytes in a file; 0 for others. */
static size_t unsigned_bytes(int64_t number)
{
    return number == 4 ? 2 : number == 12 ? 4 : number == 13 ? 8 : 0;
}

/* What a TensorProto says. */
typedef struct proto_tensor {
    int64_t type;
    int dim;
    int64_t sizes[CR_MAX_RANK];
    const unsigned char *raw;
    size_t raw_size, count; /* numbers in lists */
    bool external;
} proto_tensor;

enum { DIMS = 1, TYPE, FLOATS = 4, INT32S, INT64S = 7, RAW = 9, DOUBLES, UINT64S, EXTERNAL = 13 };

static bool add_dim(const char *what, proto_tensor *t, uint64_t size)
{
    if (t->dim == CR_MAX_RANK)
        return cr_fail("%s: it has more than %d dimensions", what, CR_MAX_RANK);
    t->sizes[t->dim++] = (int64_t)size;
    return true;
}

/* Calls with each number of a list, packed or not, and counts them; to null only counts. */
static bool read_list(const cr_wire_field *f, int width, unsigned char *to, size_t room,
                      size_t *count, size_t size)
{
    cr_wire list = cr_wire_of(f->bytes, f->size);
    uint64_t value = f->value;
    if (f->wire == CR_WIRE_BYTES && width && (f->size % (size_t)width))
        return false;
    while (f->wire != CR_WIRE_BYTES || list.at < list.end) {
        if (f->wire == CR_WIRE_BYTES && width) {
            value = 0;
            for (int i = 0; i < width; i++)
                value |= (uint64_t)list.at[i] << 8 * i;
            list.at += width;
        } else if (f->wire == CR_WIRE_BYTES && !cr_wire_varint(&list, &value)) {
            return false;
        }
        if (to) {
            if (*count == room)
                return false;
            uint64_t bits = value;
            uint32_t low = (uint32_t)value;
            uint16_t half = (uint16_t)value;
            uint8_t byte = (uint8_t)value;
            memcpy(to + *count * size,
                   size == 8   ? (void *)&bits
                   : size == 4 ? (void *)&low
                   : size == 2 ? (void *)&half
                               : (void *)&byte,
                   size);
        }
        ++*count;
        if (f->wire != CR_WIRE_BYTES)
            break;
    }
    return true;
}

static int width_of(uint32_t number)
{
    return number == FLOATS ? 4 : number == DOUBLES ? 8 : 0;
}

/* The list that holds elements of a dtype. */
static uint32_t list_of(cr_dtype dtype, int64_t number)
{
    return unsigned_bytes(number) > 2 ? UINT64S
           : dtype == CR_F32          ? FLOATS
           : dtype == CR_F64          ? DOUBLES
           : dtype == CR_I64          ? INT64S
                                      : INT32S;
}

static bool scan(const char *what, cr_wire m, proto_tensor *t)
{
    cr_wire_field f;
    *t = (proto_tensor){0};
    while (cr_wire_next(&m, &f)) {
        if (f.number == TYPE) {
            t->type = (int64_t)f.value;
        } else if (f.number == DIMS && f.wire == CR_WIRE_BYTES) {
            cr_wire list = cr_wire_of(f.bytes, f.size);
            uint64_t size;
            while (list.at < list.end)
                if (!cr_wire_varint(&list, &size) || !add_dim(what, t, size))
                    return cr_error() ? false : cr_fail("%s: it is damaged", what);
        } else if (f.number == DIMS) {
            if (!add_dim(what, t, f.value))
                return false;
        } else if (f.number == RAW && f.wire == CR_WIRE_BYTES) {
            t->raw = f.bytes;
            t->raw_size = f.size;
        } else if (f.number == EXTERNAL) {
            t->external = true;
        }
    }
    return !m.damaged || cr_fail("%s: it is damaged", what);
}

/* Fills memory with all lists of the message. */
static bool fill(cr_wire m, cr_dtype dtype, int64_t number, unsigned char *to, size_t room)
{
    cr_wire_field f;
    size_t count = 0;
    bool good = true;
    while (good && cr_wire_next(&m, &f))
        if (f.number == list_of(dtype, number))
            good = read_list(&f, width_of(f.number), to, room, &count, cr_dtype_size(dtype));
    return good && count == room;
}

/* Raw unsigned integers of some bytes each, least first, as wider ones. */
static void widen(const unsigned char *from, size_t bytes, cr_dtype dtype, unsigned char *to,
                  size_t count)
{
    for (size_t i = 0; i < count; i++, from += bytes) {
        uint64_t value = 0;
        for (size_t k = 0; k < bytes; k++)
            value |= (uint64_t)from[k] << 8 * k;
        uint32_t low = (uint32_t)value;
        if (dtype == CR_I32)
            memcpy(to + 4 * i, &low, sizeof low);
        else
            memcpy(to + 8 * i, &value, sizeof value);
    }
}

/* Whether what was read as unsigned integers of some bytes each is in their range, and in that of the dtype. */
static bool in_range(const unsigned char *memory, size_t bytes, cr_dtype dtype, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t value = 0;
        int32_t low;
        memcpy(dtype == CR_I32 ? (void *)&low : (void *)&value, memory + i * cr_dtype_size(dtype),
               cr_dtype_size(dtype));
        value = dtype == CR_I32 ? low : value;
        if (value < 0 || (bytes < 8 && value >> 8 * bytes))
            return false;
    }
    return true;
}

cr_tensor *onnx_read_tensor(const char *what, cr_file_map *map, const unsigned char *bytes,
                            size_t size)
{
    proto_tensor t;
    cr_wire m = cr_wire_of(bytes, size);
    if (!scan(what, m, &t))
        return NULL;
    size_t small = unsigned_bytes(t.type), needed;
    cr_dtype dtype = small ? small == 2 ? CR_I32 : CR_I64 : onnx_dtype(t.type);
    if (!dtype)
        return cr_fail("%s: a tensor of ONNX's type %lld is not supported", what,
                       (long long)t.type);
    if (t.external)
        return cr_fail("%s: a tensor in another file is not supported", what);
    if (!cr_io_bytes(dtype, t.dim, t.sizes, &needed))
        return cr_fail("%s: its sizes are negative or overflow", what);
    size_t room = needed / cr_dtype_size(dtype);
    if (t.raw) {
        size_t raw = small ? room * small : needed;
        if (t.raw_size != raw)
            return cr_fail("%s: it needs %zu bytes, here are %zu", what, raw, t.raw_size);
        if (dtype == CR_B8 && !cr_io_are_bools(t.raw, t.raw_size))
            return cr_fail("%s: bools have bytes other than 0 and 1", what);
        if (map && !small && cr_io_is_little_endian())
            return cr_io_map_tensor(map, t.raw, dtype, t.dim, t.sizes, NULL);
    } else if (room > size) {
        /* each number of a list takes a byte at least */
        return cr_fail("%s: it needs %zu numbers, and has only %zu bytes", what, room, size);
    }
    unsigned char *memory = cr_io_allocate(what, needed);
    if (!memory)
        return NULL;
    if (t.raw && small) {
        widen(t.raw, small, dtype, memory, room);
    } else if (t.raw) {
        memcpy(memory, t.raw, needed);
        if (!cr_io_is_little_endian())
            cr_io_swap_bytes(memory, room, cr_dtype_size(dtype));
    } else if (!fill(m, dtype, t.type, memory, room) ||
               (dtype == CR_B8 && !cr_io_are_bools(memory, needed))) {
        free(memory);
        return cr_fail("%s: its numbers are damaged, or not the %zu that its sizes ask for", what,
                       room);
    }
    if (small && !in_range(memory, small, dtype, room)) {
        free(memory);
        return cr_fail(
            "%s: unsigned integers are out of range; above 2^63 - 1 they are not supported", what);
    }
    return cr_io_adopt(memory, dtype, t.dim, t.sizes, NULL);
}

cr_tensor *cr_load_onnx_tensor(const char *path)
{
    cr_file_map *map = cr_file_map_open(path);
    if (!map)
        return NULL;
    cr_tensor *t = onnx_read_tensor(path, map, cr_file_map_data(map), cr_file_map_size(map));
    cr_file_map_release(map);
    return t;
}
