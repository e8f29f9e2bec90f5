/* PyTorch's checkpoints: a zip with a pickle, data.pkl, that says what there is, and a member data/<key> for each storage. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cresset/io.h>
#include <cresset/ops.h>

#include "core/base/error.h"
#include "core/base/map.h"
#include "core/base/text.h"
#include "core/io/memory.h"
#include "core/io/pickle.h"
#include "core/io/zip.h"

enum { DEPTH_MOST = 32 };

typedef struct reader {
    const char *path;
    cr_file_map *map;
    cr_zip zip;
    const char *root; /* "archive/", what stands before data.pkl */
    size_t root_length;
    cr_map storages; /* tensors over whole storages, by key */
    cr_state_dict *dict;
    cr_text name; /* of what is being read */
    size_t visits, visits_most;
} reader;

static const cr_zip_member *find_member(const reader *r, const char *name, size_t length)
{
    for (size_t i = 0; i < r->zip.count; i++) {
        const char *full = r->zip.members[i].name;
        if (!strncmp(full, r->root, r->root_length) &&
            !strncmp(full + r->root_length, name, length) && !full[r->root_length + length])
            return &r->zip.members[i];
    }
    return NULL;
}

/* ---- storages ---- */

static cr_tensor *map_storage(reader *r, const cr_pickle_value *v)
{
    char name[64] = "data/";
    size_t size = cr_dtype_size((cr_dtype)v->dtype);
    if (v->length >= sizeof name - 5 || strlen(v->text) != v->length)
        return cr_fail("%s: a storage's key of %zu bytes is out of place", r->path, v->length);
    memcpy(name + 5, v->text, v->length + 1);
    const cr_zip_member *member = find_member(r, name, strlen(name));
    if (!member)
        return cr_fail("%s: it has no member '%s'", r->path, name);
    if (member->method)
        return cr_fail("%s: '%s' is compressed, PyTorch stores it plainly", r->path, name);
    if (v->i < 0 || (uint64_t)v->i > member->size / size || (size_t)v->i * size != member->size)
        return cr_fail("%s: '%s' should hold %" PRId64 " elements of %s, it has %zu bytes", r->path,
                       name, v->i, cr_dtype_name((cr_dtype)v->dtype), member->size);
    const unsigned char *bytes = cr_file_map_data(r->map) + member->begin;
    if (v->dtype == CR_B8 && !cr_io_are_bools(bytes, member->size))
        return cr_fail("%s: '%s' should hold bools, but has bytes other than 0 and 1", r->path,
                       name);
    if (cr_io_is_little_endian())
        return cr_io_map_tensor(r->map, bytes, (cr_dtype)v->dtype, 1, &v->i, NULL);
    void *copy = cr_io_allocate(name, member->size);
    if (copy) {
        memcpy(copy, bytes, member->size);
        cr_io_swap_bytes(copy, (size_t)v->i, size);
    }
    return cr_io_adopt(copy, (cr_dtype)v->dtype, 1, &v->i, NULL);
}

/* The tensor over a whole storage, the same one each time. Borrowed. */
static cr_tensor *find_storage(reader *r, const cr_pickle_value *v)
{
    cr_map_entry *known = cr_map_find(&r->storages, v->text);
    if (known) {
        cr_tensor *t = known->value;
        if (cr_tensor_dtype(t) != (cr_dtype)v->dtype || cr_tensor_numel(t) != v->i)
            return cr_fail("%s: the storage '%.60s' is said to be of two kinds", r->path, v->text);
        return t;
    }
    cr_tensor *made = map_storage(r, v);
    if (!made || !cr_map_set(&r->storages, v->text, made))
        return NULL;
    return cr_retain(made);
}

static int add_tensor(reader *r, const cr_pickle_value *v)
{
    const cr_pickle_value *sizes = v->items[2], *strides = v->items[3];
    cr_tensor *storage = find_storage(r, v->items[0]);
    int64_t size[CR_MAX_RANK], stride[CR_MAX_RANK];
    if (!storage)
        return -1;
    if (sizes->count > CR_MAX_RANK)
        return CR_FAIL_INT("%s: '%.200s' has %zu dimensions, at most %d are supported", r->path,
                           r->name.data, sizes->count, CR_MAX_RANK);
    for (size_t i = 0; i < sizes->count; i++) {
        size[i] = sizes->items[i]->i;
        stride[i] = strides->items[i]->i;
    }
    int status = -1;
    CR_SCOPE {
        cr_tensor *t = cr_as_strided(storage, cr_make_ints(size, sizes->count),
                                     cr_make_ints(stride, sizes->count),
                                     .storage_offset = {v->items[1]->i, true});
        status = t ? cr_state_dict_set(r->dict, r->name.data, t) : -1;
    }
    return status;
}

/* ---- other values ---- */

static int add_value(reader *r, cr_value value)
{
    return cr_state_dict_set_value(r->dict, r->name.data, value);
}

static bool all_of(const cr_pickle_value *v, cr_pickle_kind a, cr_pickle_kind b)
{
    for (size_t i = 0; i < v->count; i++)
        if (v->items[i]->kind != a && v->items[i]->kind != b)
            return false;
    return v->count > 0;
}

/* Lists of numbers are values of their own. */
static int add_numbers(reader *r, const cr_pickle_value *v)
{
    bool ints = all_of(v, CR_PICKLE_INT, CR_PICKLE_INT);
    int64_t *i = malloc(v->count * sizeof *i);
    double *f = malloc(v->count * sizeof *f);
    int status = -1;
    if (!i || !f) {
        cr_fail_memory("a list of numbers", v->count * sizeof *i);
    } else {
        for (size_t k = 0; k < v->count; k++) {
            const cr_pickle_value *item = v->items[k];
            i[k] = item->i;
            f[k] = item->kind == CR_PICKLE_INT ? (double)item->i : item->f;
        }
        cr_value value = {ints ? CR_INT_LIST : CR_FLOAT_LIST, 0, (int64_t)v->count, {0}};
        if (ints)
            value.as.ints = i;
        else
            value.as.floats = f;
        status = add_value(r, value);
    }
    free(i);
    free(f);
    return status;
}

static int add(reader *r, const cr_pickle_value *v, int depth);

static int add_item(reader *r, const char *key, size_t length, const cr_pickle_value *v, int depth)
{
    size_t before = r->name.length;
    if (memchr(key, 0, length))
        return CR_FAIL_INT("%s: a name holds a null", r->path);
    if (before)
        cr_text_add(&r->name, ".");
    cr_text_add_bytes(&r->name, key, length);
    if (r->name.failed)
        return cr_fail_memory("a name", length), -1;
    int status = add(r, v, depth + 1);
    r->name.length = before;
    if (r->name.data)
        r->name.data[before] = 0;
    return status;
}

static int add_items(reader *r, const cr_pickle_value *v, int depth)
{
    if (depth == DEPTH_MOST)
        return CR_FAIL_INT("%s: it nests deeper than %d", r->path, DEPTH_MOST);
    int status = 0;
    bool dict = v->kind == CR_PICKLE_DICT;
    for (size_t i = 0; i < v->count && !status; i += dict ? 2 : 1) {
        char number[32];
        snprintf(number, sizeof number, "%" PRId64, dict ? v->items[i]->i : (int64_t)i);
        if (dict && v->items[i]->kind == CR_PICKLE_STRING)
            status = add_item(r, v->items[i]->text, v->items[i]->length, v->items[i + 1], depth);
        else if (!dict || v->items[i]->kind == CR_PICKLE_INT)
            status = add_item(r, number, strlen(number), v->items[i + dict], depth);
        else
            status = CR_FAIL_INT("%s: a key of a dict is neither a string nor an integer", r->path);
    }
    return status;
}

static int add(reader *r, const cr_pickle_value *v, int depth)
{
    /* a pickle that refers to itself, or again and again to what it said, would grow without end */
    if (r->visits++ == r->visits_most || r->name.length > 4096)
        return CR_FAIL_INT("%s: it repeats itself too often", r->path);
    bool container =
        v->kind == CR_PICKLE_DICT || v->kind == CR_PICKLE_LIST || v->kind == CR_PICKLE_TUPLE;
    if (!container && !r->name.length)
        return CR_FAIL_INT("%s: it holds no dict, but a single value", r->path);
    cr_value value = {0};
    switch (v->kind) {
    case CR_PICKLE_NONE: return add_value(r, value);
    case CR_PICKLE_BOOL: value.tag = CR_BOOL; break;
    case CR_PICKLE_INT: value.tag = CR_INT; break;
    case CR_PICKLE_DTYPE: value.tag = CR_DTYPE; break;
    case CR_PICKLE_FLOAT:
        value.tag = CR_FLOAT;
        value.as.f = v->f;
        return add_value(r, value);
    case CR_PICKLE_STRING:
        if (strlen(v->text) != v->length)
            return CR_FAIL_INT("%s: the string '%.200s' holds a null", r->path, r->name.data);
        value.tag = CR_STRING;
        value.count = (int64_t)v->length;
        value.as.s = v->text;
        return add_value(r, value);
    case CR_PICKLE_TENSOR: return add_tensor(r, v);
    case CR_PICKLE_LIST:
    case CR_PICKLE_TUPLE:
        if (r->name.length && all_of(v, CR_PICKLE_INT, CR_PICKLE_FLOAT))
            return add_numbers(r, v);
        return add_items(r, v, depth);
    case CR_PICKLE_DICT: return add_items(r, v, depth);
    default: return CR_FAIL_INT("%s: '%.200s' is of no kind that is loaded", r->path, r->name.data);
    }
    value.as.i = v->i;
    return add_value(r, value);
}

/* ---- the file ---- */

static const cr_zip_member *find_pickle(reader *r)
{
    static const char name[] = "data.pkl";
    const cr_zip_member *found = NULL;
    for (size_t i = 0; i < r->zip.count; i++) {
        const char *full = r->zip.members[i].name;
        size_t length = strlen(full);
        if (length < sizeof name - 1 || strcmp(full + length - (sizeof name - 1), name))
            continue;
        if (found)
            return cr_fail("%s: it has more than one data.pkl", r->path);
        found = &r->zip.members[i];
        r->root = full;
        r->root_length = length - (sizeof name - 1);
    }
    if (!found)
        return cr_fail("%s: is no PyTorch checkpoint: it has no data.pkl", r->path);
    if (found->method)
        return cr_fail("%s: its data.pkl is compressed", r->path);
    return found;
}

static int read_file(reader *r)
{
    const unsigned char *bytes = cr_file_map_data(r->map);
    if (cr_zip_list(r->path, bytes, cr_file_map_size(r->map), &r->zip))
        return -1;
    const cr_zip_member *member = find_pickle(r), *order;
    if (!member)
        return -1;
    if ((order = find_member(r, "byteorder", 9)) &&
        (order->size != 6 || order->method || memcmp(bytes + order->begin, "little", 6)))
        return CR_FAIL_INT("%s: its byte order is not little", r->path);
    if (member->size <= CR_PICKLE_MOST &&
        crc32(0, bytes + member->begin, (uInt)member->size) != member->crc)
        return CR_FAIL_INT("%s: its data.pkl is damaged: its checksum is wrong", r->path);
    cr_pickle *pickle = cr_pickle_read(r->path, bytes + member->begin, member->size);
    if (!pickle)
        return -1;
    r->visits_most = member->size + 64;
    int status = add(r, cr_pickle_root(pickle), 0);
    cr_pickle_free(pickle);
    return status;
}

cr_state_dict *cr_load_torch(const char *path)
{
    reader r = {.path = path, .map = cr_file_map_open(path)};
    if (!r.map)
        return NULL;
    int status = (r.dict = cr_state_dict_new()) ? 0 : -1;
    CR_SCOPE {
        if (!status)
            status = read_file(&r);
        for (size_t i = 0; i < r.storages.count; i++)
            cr_release(r.storages.entries[i].value);
    }
    cr_map_free(&r.storages);
    cr_zip_free(&r.zip);
    cr_text_free(&r.name);
    cr_file_map_release(r.map);
    return status ? NULL : r.dict;
}
