/* Several arrays: NumPy's .npz, a zip of .npy files. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cresset/io.h>

#include "core/base/error.h"
#include "core/io/inflate.h"
#include "core/io/memory.h"
#include "core/io/npy.h"
#include "core/io/zip.h"

/* ---- loading ---- */

static bool crc_is(const unsigned char *bytes, size_t count, uint32_t expected)
{
    uLong crc = crc32(0, NULL, 0);
    while (count) {
        uInt piece = count < UINT_MAX ? (uInt)count : UINT_MAX;
        crc = crc32(crc, bytes, piece);
        bytes += piece;
        count -= piece;
    }
    return crc == expected;
}

/* Turns an array in memory from malloc, which it takes over, into a tensor. */
static cr_tensor *tensor_of(const char *what, unsigned char *bytes, size_t size)
{
    cr_npy_header h;
    if (cr_npy_parse(what, bytes, size, &h)) {
        free(bytes);
        return NULL;
    }
    memmove(bytes, bytes + h.data, h.bytes); /* to the front, which is aligned */
    if (h.swapped)
        cr_io_swap_bytes(bytes, h.bytes / cr_dtype_size(h.dtype), cr_dtype_size(h.dtype));
    return cr_io_adopt(bytes, h.dtype, h.dim, h.sizes, h.strides);
}

static cr_tensor *load_stored(const char *what, cr_file_map *map, const cr_zip_member *member)
{
    const unsigned char *bytes = cr_file_map_data(map) + member->begin;
    if (!crc_is(bytes, member->size, member->crc))
        return cr_fail("%s: is damaged: its checksum is wrong", what);
    cr_npy_header h;
    if (cr_npy_parse(what, bytes, member->size, &h))
        return NULL;
    if (!h.swapped)
        return cr_io_map_tensor(map, bytes + h.data, h.dtype, h.dim, h.sizes, h.strides);
    unsigned char *copy = cr_io_allocate(what, member->size);
    if (!copy)
        return NULL;
    memcpy(copy, bytes, member->size);
    return tensor_of(what, copy, member->size);
}

static cr_tensor *load_deflated(const char *what, cr_file_map *map, const cr_zip_member *member)
{
    unsigned char *bytes = cr_io_allocate(what, member->size);
    if (!bytes)
        return NULL;
    size_t made;
    cr_inflate_result result = cr_inflate(CR_INFLATE_RAW, cr_file_map_data(map) + member->begin,
                                          member->compressed, bytes, member->size, false, &made);
    if (result == CR_INFLATE_WHOLE && made == member->size && crc_is(bytes, made, member->crc))
        return tensor_of(what, bytes, made);
    free(bytes);
    return cr_fail("%s: %s", what,
                   result == CR_INFLATE_NO_MEMORY ? "there is no memory to inflate it"
                                                  : "is damaged: it can't be inflated to its size "
                                                    "and checksum");
}

static int load_member(const char *path, cr_file_map *map, const cr_zip_member *member,
                       cr_state_dict *dict)
{
    size_t length = strlen(member->name);
    if (length < 5 || strcmp(member->name + length - 4, ".npy"))
        return CR_FAIL_INT("%s: its member '%.200s' is no .npy file", path, member->name);
    cr_text what = {0};
    cr_text_add(&what, "%s: %.200s", path, member->name);
    char *words = cr_text_take(&what);
    if (!words)
        return -1;
    cr_tensor *tensor =
        member->method ? load_deflated(words, map, member) : load_stored(words, map, member);
    free(words);
    member->name[length - 4] = 0;
    int status = tensor ? cr_state_dict_set(dict, member->name, tensor) : -1;
    cr_drop(tensor); /* the dict holds it */
    return status;
}

cr_state_dict *cr_load_npz(const char *path)
{
    cr_file_map *map = cr_file_map_open(path);
    if (!map)
        return NULL;
    cr_zip zip;
    cr_state_dict *dict = NULL;
    int status = cr_zip_list(path, cr_file_map_data(map), cr_file_map_size(map), &zip);
    if (!status && !(dict = cr_state_dict_new()))
        status = -1;
    for (size_t i = 0; i < zip.count && !status; i++)
        status = load_member(path, map, &zip.members[i], dict);
    cr_zip_free(&zip);
    cr_file_map_release(map);
    return status ? NULL : dict;
}

/* ---- saving ---- */

static int add_tensor(cr_zip_writer *zip, const char *name, const cr_tensor *tensor,
                      bool compressed)
{
    if (!tensor)
        return CR_FAIL_INT("%s: '%.200s' is no tensor, and .npz holds nothing else; cr_save does",
                           zip->path, name);
    if (!*name || strlen(name) >= 65000)
        return CR_FAIL_INT("%s: a name of %zu bytes is too %s for .npz", zip->path, strlen(name),
                           *name ? "long" : "short");
    cr_text header = {0}, member = {0};
    cr_text_add(&member, "%s.npy", name);
    char *full = cr_text_take(&member);
    size_t bytes;
    void *owned = NULL;
    const void *elements = NULL;
    if (full && !cr_npy_print(full, tensor, &header))
        elements = cr_io_elements(tensor, &bytes, &owned);
    int status =
        elements ? cr_zip_add(zip, full, compressed, header.data, header.length, elements, bytes)
                 : -1;
    free(owned);
    free(full);
    cr_text_free(&header);
    return status;
}

int cr_save_npz_with(const cr_save_npz_options *options)
{
    const char *path = options->path;
    if (!path || !options->dict)
        return CR_FAIL_INT("cr_save_npz: needs a path and a state dict, the %s is null",
                           path ? "dict" : "path");
    cr_zip_writer zip = {.file = cr_file_writer_open(path), .path = path};
    int status = zip.file ? 0 : -1;
    for (size_t i = 0; i < cr_state_dict_count(options->dict) && !status; i++)
        status = add_tensor(&zip, cr_state_dict_name(options->dict, i),
                            cr_state_dict_tensor(options->dict, i), options->compressed);
    if (!status)
        status = cr_zip_finish(&zip);
    cr_zip_writer_free(&zip);
    if (!status)
        return cr_file_writer_commit(zip.file);
    cr_file_writer_abort(zip.file);
    return -1;
}
