/* safetensors files: 8 bytes with the header's length, the header, the tensors' bytes. A dict's
 * entries that are no tensors travel in the metadata, under keys that begin with "cresset/". */
#include <stdlib.h>
#include <string.h>

#include <cresset/io.h>

#include "core/base/error.h"
#include "core/io/memory.h"
#include "core/io/safetensors_header.h"
#include "core/io/value_text.h"

/* As the safetensors package: a longer header is refused. */
static const uint64_t header_most = 100000000;

static const char value_prefix[] = "cresset/";

static bool is_value_key(const char *key)
{
    return !strncmp(key, value_prefix, sizeof value_prefix - 1);
}

/* ---- loading ---- */

static uint64_t read_length(const unsigned char *bytes)
{
    uint64_t length = 0;
    for (int i = 7; i >= 0; i--)
        length = length << 8 | bytes[i];
    return length;
}

static int parse_file(const char *path, cr_file_map *map, cr_safetensors_header *header,
                      const unsigned char **data)
{
    const unsigned char *bytes = cr_file_map_data(map);
    size_t size = cr_file_map_size(map);
    *header = (cr_safetensors_header){0};
    if (size < 8)
        return CR_FAIL_INT("%s: a safetensors file begins with the 8 bytes of its header's length, "
                           "here are %zu",
                           path, size);
    uint64_t length = read_length(bytes);
    if (length > size - 8 || length > header_most)
        return CR_FAIL_INT(
            "%s: its header should have %llu bytes, but %s", path, (unsigned long long)length,
            length > size - 8 ? "the file ends before" : "at most 100 MB are allowed");
    *data = bytes + 8 + length;
    return cr_safetensors_parse(path, (const char *)bytes + 8, (size_t)length,
                                size - 8 - (size_t)length, header);
}

static cr_tensor *load_tensor(const char *path, cr_file_map *map, const unsigned char *bytes,
                              const cr_safetensors_entry *entry)
{
    size_t count = entry->end - entry->begin, size = cr_dtype_size(entry->dtype);
    if (entry->dtype == CR_B8 && !cr_io_are_bools(bytes, count))
        return cr_fail("%s: '%.200s' is of dtype BOOL but has bytes other than 0 and 1", path,
                       entry->name);
    if (cr_io_is_little_endian())
        return cr_io_map_tensor(map, bytes, entry->dtype, entry->dim, entry->sizes, NULL);
    void *memory = cr_io_allocate(path, count);
    if (!memory)
        return NULL;
    memcpy(memory, bytes, count);
    cr_io_swap_bytes(memory, count / size, size);
    return cr_io_adopt(memory, entry->dtype, entry->dim, entry->sizes, NULL);
}

/* Moves what stands for the dict's entries from the metadata into the dict, leaving the rest. */
static int take_values(const char *path, char **metadata, cr_state_dict *dict)
{
    size_t kept = 0;
    for (size_t i = 0; metadata && metadata[i]; i += 2) {
        if (!is_value_key(metadata[i])) {
            metadata[kept++] = metadata[i];
            metadata[kept++] = metadata[i + 1];
            continue;
        }
        const char *name = metadata[i] + sizeof value_prefix - 1;
        cr_value value;
        void *block;
        if (cr_state_dict_value(dict, name))
            return CR_FAIL_INT("%s: '%.200s' is both a tensor and a value", path, name);
        if (cr_value_parse(path, metadata[i + 1], &value, &block))
            return -1;
        int status = cr_state_dict_set_value(dict, name, value);
        free(block);
        if (status)
            return status;
    }
    if (metadata)
        metadata[kept] = NULL;
    return 0;
}

static int fill_dict(const char *path, cr_file_map *map, const cr_safetensors_header *header,
                     const unsigned char *data, cr_state_dict *dict)
{
    for (size_t i = 0; i < header->count; i++) {
        const cr_safetensors_entry *entry = &header->entries[i];
        cr_tensor *tensor = load_tensor(path, map, data + entry->begin, entry);
        int status = tensor ? cr_state_dict_set(dict, entry->name, tensor) : -1;
        cr_drop(tensor); /* the dict holds it */
        if (status)
            return status;
    }
    return take_values(path, header->metadata, dict);
}

cr_state_dict *cr_load_safetensors_with(const cr_load_safetensors_options *options)
{
    if (options->metadata)
        *options->metadata = NULL;
    cr_file_map *map = cr_file_map_open(options->path);
    if (!map)
        return NULL;
    cr_safetensors_header header;
    const unsigned char *data = NULL;
    cr_state_dict *dict = NULL;
    bool good = !parse_file(options->path, map, &header, &data) && (dict = cr_state_dict_new()) &&
                !fill_dict(options->path, map, &header, data, dict);
    if (good && options->metadata) {
        *options->metadata = header.metadata;
        header.metadata = NULL;
    }
    cr_safetensors_header_free(&header);
    cr_file_map_release(map);
    return good ? dict : NULL;
}

cr_state_dict *cr_load(const char *path)
{
    return cr_load_safetensors_with(&(const cr_load_safetensors_options){.path = path});
}

/* ---- saving ---- */

static int print_metadata(const char *path, const char *const *metadata, cr_text *text)
{
    for (size_t i = 0; metadata && metadata[i]; i += 2) {
        const char *key = metadata[i], *value = metadata[i + 1];
        if (!value)
            return CR_FAIL_INT("%s: the metadata '%.200s' has no value", path, key);
        if (!cr_io_is_utf8(key) || !cr_io_is_utf8(value))
            return CR_FAIL_INT("%s: metadata must be UTF-8", path);
        if (is_value_key(key))
            return CR_FAIL_INT("%s: metadata keys such as '%.200s' are taken: they stand for "
                               "entries of the dict",
                               path, key);
        for (size_t j = 0; j < i; j += 2)
            if (!strcmp(key, metadata[j]))
                return CR_FAIL_INT("%s: the metadata '%.200s' is there twice", path, key);
        cr_text_add(text, i ? "," : "");
        cr_safetensors_print_string(key, text);
        cr_text_add(text, ":");
        cr_safetensors_print_string(value, text);
    }
    return 0;
}

/* Adds "cresset/<name>": "<type> <value>", behind a comma unless text is empty. */
static int print_value(const char *path, const char *name, const cr_value *value, cr_text *text)
{
    cr_text key = {0}, words = {0};
    cr_text_add(&key, "%s%s", value_prefix, name);
    int status = cr_value_print(value, &words);
    char *k = cr_text_take(&key), *w = status ? NULL : cr_text_take(&words);
    cr_text_free(&words);
    if (!k || !w)
        status = -1;
    else if (strlen(w) == 0 || !cr_io_is_utf8(k) || !cr_io_is_utf8(w))
        status = CR_FAIL_INT("%s: the name or the value of '%.200s' is not UTF-8", path, name);
    if (!status) {
        cr_text_add(text, text->length ? "," : "");
        cr_safetensors_print_string(k, text);
        cr_text_add(text, ":");
        cr_safetensors_print_string(w, text);
    }
    free(k);
    free(w);
    return status;
}

/* What is known of a tensor but its place. */
static int describe(const char *path, const char *name, const cr_tensor *tensor,
                    cr_safetensors_entry *entry)
{
    if (!strcmp(name, "__metadata__") || !cr_io_is_utf8(name))
        return CR_FAIL_INT("%s: a tensor can't be named '%.200s'%s", path, name,
                           cr_io_is_utf8(name) ? "" : ", which is not UTF-8");
    *entry = (cr_safetensors_entry){.name = (char *)(uintptr_t)name, /* only read from */
                                    .dtype = cr_tensor_dtype(tensor),
                                    .dim = cr_tensor_dim(tensor)};
    memcpy(entry->sizes, cr_tensor_sizes(tensor), (size_t)entry->dim * sizeof *entry->sizes);
    if (!cr_io_bytes(entry->dtype, entry->dim, entry->sizes, &entry->end))
        return CR_FAIL_INT("%s: the sizes of '%.200s' overflow", path, name);
    return 0;
}

/* Gives each tensor its place: wider elements first, so that all are aligned without gaps. */
static int place(const char *path, cr_safetensors_entry *entries, size_t count)
{
    size_t at = 0;
    for (size_t width = 8; width; width /= 2) {
        for (size_t i = 0; i < count; i++) {
            if (cr_dtype_size(entries[i].dtype) != width)
                continue;
            if (entries[i].end > SIZE_MAX / 2 - at)
                return CR_FAIL_INT("%s: the tensors are more than a file can hold", path);
            entries[i].begin = at;
            at = entries[i].end += at;
        }
    }
    return 0;
}

/* Fills the entries of the dict's tensors, and prints the header, padded. */
static int make_header(const cr_save_safetensors_options *o, cr_safetensors_entry *entries,
                       size_t *ntensors, cr_text *text)
{
    cr_text metadata = {0};
    int status = print_metadata(o->path, o->metadata, &metadata);
    for (size_t i = 0; i < cr_state_dict_count(o->dict) && !status; i++) {
        const char *name = cr_state_dict_name(o->dict, i);
        const cr_tensor *tensor = cr_state_dict_tensor(o->dict, i);
        status = tensor ? describe(o->path, name, tensor, &entries[(*ntensors)++])
                        : print_value(o->path, name, cr_state_dict_value(o->dict, name), &metadata);
    }
    if (!status)
        status = place(o->path, entries, *ntensors);
    cr_text_add(text, "{");
    if (metadata.length || o->metadata) {
        cr_text_add(text, "\"__metadata__\":{");
        cr_text_add_bytes(text, metadata.data ? metadata.data : "", metadata.length);
        cr_text_add(text, *ntensors ? "}," : "}");
    }
    text->failed |= metadata.failed;
    cr_text_free(&metadata);
    for (size_t i = 0; i < *ntensors && !status; i++) {
        cr_text_add(text, i ? "," : "");
        cr_safetensors_print_entry(&entries[i], text);
    }
    cr_text_add(text, "}");
    while (text->length % 8 && !text->failed)
        cr_text_add(text, " ");
    if (!status && text->length > header_most)
        status = CR_FAIL_INT("%s: its header would have %zu bytes, at most 100 MB are allowed",
                             o->path, text->length);
    return status;
}

static int write_tensor(cr_file_writer *writer, const cr_tensor *tensor)
{
    size_t bytes, size = cr_dtype_size(cr_tensor_dtype(tensor));
    void *owned;
    const void *elements = cr_io_elements(tensor, &bytes, &owned);
    if (elements && !cr_io_is_little_endian() && !owned) {
        if ((owned = cr_io_allocate("a tensor", bytes)))
            memcpy(owned, elements, bytes);
        elements = owned;
    }
    if (elements && !cr_io_is_little_endian())
        cr_io_swap_bytes(owned, bytes / size, size);
    if (elements)
        cr_file_writer_add(writer, elements, bytes);
    free(owned);
    return elements ? 0 : -1;
}

static int write_file(const char *path, const cr_state_dict *dict,
                      const cr_safetensors_entry *entries, size_t count, const char *header,
                      size_t length)
{
    cr_file_writer *writer = cr_file_writer_open(path);
    if (!writer)
        return -1;
    unsigned char prefix[8];
    for (int i = 0; i < 8; i++)
        prefix[i] = (unsigned char)((uint64_t)length >> 8 * i);
    cr_file_writer_add(writer, prefix, sizeof prefix);
    cr_file_writer_add(writer, header, length);
    for (size_t width = 8; width; width /= 2) {
        for (size_t i = 0; i < count; i++) {
            if (cr_dtype_size(entries[i].dtype) != width)
                continue;
            if (write_tensor(writer, cr_state_dict_get(dict, entries[i].name))) {
                cr_file_writer_abort(writer);
                return -1;
            }
        }
    }
    return cr_file_writer_commit(writer);
}

int cr_save_safetensors_with(const cr_save_safetensors_options *o)
{
    if (!o->path || !o->dict)
        return CR_FAIL_INT("cr_save_safetensors: needs a path and a state dict, the %s is null",
                           o->path ? "dict" : "path");
    size_t room = cr_state_dict_count(o->dict) + 1, count = 0;
    cr_safetensors_entry *entries = calloc(room, sizeof *entries);
    if (!entries)
        return cr_fail_memory("a list of tensors", room * sizeof *entries), -1;
    cr_text text = {0};
    int status = make_header(o, entries, &count, &text);
    size_t length = text.length;
    char *header = status ? NULL : cr_text_take(&text);
    cr_text_free(&text);
    if (!status)
        status = header ? write_file(o->path, o->dict, entries, count, header, length) : -1;
    free(header);
    free(entries);
    return status;
}

int cr_save(const char *path, const cr_state_dict *dict)
{
    return cr_save_safetensors_with(
        &(const cr_save_safetensors_options){.path = path, .dict = dict});
}
