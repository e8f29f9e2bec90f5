/* Parsing, checking and printing of safetensors headers. */
#include "core/io/safetensors_header.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "core/base/error.h"
#include "core/base/map.h"
#include "core/io/memory.h"

/* What safetensors calls our dtypes. */
#define DTYPES(X)      \
    X(CR_F64, "F64")   \
    X(CR_F32, "F32")   \
    X(CR_F16, "F16")   \
    X(CR_BF16, "BF16") \
    X(CR_I64, "I64")   \
    X(CR_I32, "I32")   \
    X(CR_I16, "I16")   \
    X(CR_I8, "I8")     \
    X(CR_U8, "U8")     \
    X(CR_B8, "BOOL")

static cr_dtype dtype_by_name(const char *name)
{
#define FIND(dtype, text)    \
    if (!strcmp(name, text)) \
        return dtype;
    DTYPES(FIND)
#undef FIND
    return CR_DTYPE_NONE;
}

static const char *name_of(cr_dtype dtype)
{
#define NAME(value, text) \
    if (dtype == value)   \
        return text;
    DTYPES(NAME)
#undef NAME
    return "";
}

/* ---- parsing ---- */

/* A whole number from 0 to 2^53, below which doubles, as cJSON has them, are exact. */
static bool get_whole(const cJSON *item, uint64_t *value)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0) ||
        item->valuedouble > 9007199254740992.0 || floor(item->valuedouble) != item->valuedouble)
        return false;
    *value = (uint64_t)item->valuedouble;
    return true;
}

/* The object's three members, each exactly once and nothing else. */
static int find_members(const char *path, const cJSON *tensor, const cJSON *members[3])
{
    static const char *const names[] = {"dtype", "shape", "data_offsets"};
    members[0] = members[1] = members[2] = NULL;
    if (!cJSON_IsObject(tensor))
        return CR_FAIL_INT("%s: '%.200s' is not described by an object", path, tensor->string);
    const cJSON *member;
    cJSON_ArrayForEach(member, tensor)
    {
        int which = 0;
        while (which < 3 && strcmp(member->string, names[which]))
            which++;
        if (which == 3 || members[which])
            return CR_FAIL_INT("%s: '%.200s' has %s '%.200s'", path, tensor->string,
                               which == 3 ? "an unknown member" : "twice the member",
                               member->string);
        members[which] = member;
    }
    for (int i = 0; i < 3; i++)
        if (!members[i])
            return CR_FAIL_INT("%s: '%.200s' has no member '%s'", path, tensor->string, names[i]);
    return 0;
}

static int parse_shape(const char *path, const cJSON *shape, cr_safetensors_entry *entry)
{
    if (!cJSON_IsArray(shape))
        return CR_FAIL_INT("%s: the shape of '%.200s' is no array", path, entry->name);
    const cJSON *size;
    cJSON_ArrayForEach(size, shape)
    {
        uint64_t value;
        if (!get_whole(size, &value))
            return CR_FAIL_INT("%s: the shape of '%.200s' holds something else than whole numbers",
                               path, entry->name);
        if (entry->dim == CR_MAX_RANK)
            return CR_FAIL_INT("%s: '%.200s' has more than %d dimensions", path, entry->name,
                               CR_MAX_RANK);
        entry->sizes[entry->dim++] = (int64_t)value;
    }
    return 0;
}

static int parse_offsets(const char *path, const cJSON *offsets, size_t data_size,
                         cr_safetensors_entry *entry)
{
    uint64_t begin, end;
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !get_whole(offsets->child, &begin) || !get_whole(offsets->child->next, &end))
        return CR_FAIL_INT("%s: the data_offsets of '%.200s' are not two whole numbers", path,
                           entry->name);
    if (begin > end || end > data_size)
        return CR_FAIL_INT("%s: '%.200s' lies at bytes %llu to %llu, but the data has %zu", path,
                           entry->name, (unsigned long long)begin, (unsigned long long)end,
                           data_size);
    entry->begin = (size_t)begin;
    entry->end = (size_t)end;
    return 0;
}

static int parse_tensor(const char *path, const cJSON *tensor, size_t data_size,
                        cr_safetensors_entry *entry)
{
    const cJSON *members[3];
    if (find_members(path, tensor, members))
        return -1;
    size_t length = strlen(tensor->string) + 1;
    entry->name = malloc(length);
    if (!entry->name)
        return cr_fail_memory("a tensor's name", length), -1;
    memcpy(entry->name, tensor->string, length);
    if (!cr_io_is_utf8(entry->name))
        return CR_FAIL_INT("%s: the name of a tensor is not UTF-8", path);
    const char *dtype = cJSON_IsString(members[0]) ? members[0]->valuestring : "";
    entry->dtype = dtype_by_name(dtype);
    if (!entry->dtype)
        return CR_FAIL_INT("%s: '%.200s' is of the dtype '%.40s'; supported are F64, F32, F16, "
                           "BF16, I64, I32, I16, I8, U8 and BOOL",
                           path, entry->name, dtype);
    if (parse_shape(path, members[1], entry) || parse_offsets(path, members[2], data_size, entry))
        return -1;
    size_t bytes;
    if (!cr_io_bytes(entry->dtype, entry->dim, entry->sizes, &bytes))
        return CR_FAIL_INT("%s: the shape of '%.200s' overflows", path, entry->name);
    if (bytes != entry->end - entry->begin)
        return CR_FAIL_INT("%s: '%.200s' needs %zu bytes for its dtype and shape, its offsets give "
                           "%zu",
                           path, entry->name, bytes, entry->end - entry->begin);
    return 0;
}

/* Copies the string map into one block: the pointers, then the strings. */
static char **parse_metadata(const char *path, const cJSON *object)
{
    size_t pointers = 1, bytes = 0;
    const cJSON *member;
    if (!cJSON_IsObject(object))
        return cr_fail("%s: its __metadata__ is no object", path);
    cr_map seen = {0};
    bool good = true;
    cJSON_ArrayForEach(member, object)
    {
        if (!cJSON_IsString(member)) {
            cr_fail("%s: its metadata '%.200s' is no string", path, member->string);
            good = false;
        } else if (cr_map_find(&seen, member->string)) {
            cr_fail("%s: its metadata has '%.200s' twice", path, member->string);
            good = false;
        } else if (!cr_io_is_utf8(member->string) || !cr_io_is_utf8(member->valuestring)) {
            cr_fail("%s: its metadata is not UTF-8", path);
            good = false;
        }
        if (!good || !(good = cr_map_set(&seen, member->string, NULL)))
            break;
        pointers += 2;
        bytes += strlen(member->string) + strlen(member->valuestring) + 2;
    }
    cr_map_free(&seen);
    if (!good)
        return NULL;
    char **block = malloc(pointers * sizeof *block + bytes);
    if (!block)
        return cr_fail_memory("metadata", pointers * sizeof *block + bytes);
    char *at = (char *)(block + pointers);
    size_t i = 0;
    cJSON_ArrayForEach(member, object)
    {
        const char *strings[] = {member->string, member->valuestring};
        for (int s = 0; s < 2; s++) {
            size_t length = strlen(strings[s]) + 1;
            memcpy(at, strings[s], length);
            block[i++] = at;
            at += length;
        }
    }
    block[i] = NULL;
    return block;
}

static int by_place(const void *a, const void *b)
{
    const cr_safetensors_entry *const *x = a, *const *y = b;
    if ((*x)->begin != (*y)->begin)
        return (*x)->begin < (*y)->begin ? -1 : 1;
    return ((*x)->end > (*y)->end) - ((*x)->end < (*y)->end);
}

/* The tensors must fill the data, one behind the other. */
static int check_places(const char *path, const cr_safetensors_header *header, size_t data_size)
{
    size_t bytes = (header->count + 1) * sizeof(cr_safetensors_entry *);
    const cr_safetensors_entry **order = malloc(bytes);
    if (!order)
        return cr_fail_memory("a list of tensors", bytes), -1;
    for (size_t i = 0; i < header->count; i++)
        order[i] = &header->entries[i];
    qsort(order, header->count, sizeof *order, by_place);
    size_t at = 0;
    int status = 0;
    for (size_t i = 0; i < header->count && !status; i++) {
        if (order[i]->begin < at)
            status = CR_FAIL_INT("%s: '%.200s' and '%.200s' overlap", path, order[i - 1]->name,
                                 order[i]->name);
        else if (order[i]->begin > at)
            status = CR_FAIL_INT("%s: no tensor holds the bytes from %zu to %zu of the data", path,
                                 at, order[i]->begin);
        at = order[i]->end;
    }
    free(order);
    if (!status && at != data_size)
        status = CR_FAIL_INT("%s: its tensors end at byte %zu of the data, the file has %zu", path,
                             at, data_size);
    return status;
}

static int parse_root(const char *path, const cJSON *root, size_t data_size,
                      cr_safetensors_header *header)
{
    if (!cJSON_IsObject(root))
        return CR_FAIL_INT("%s: its header is no JSON object", path);
    size_t bytes = (size_t)(cJSON_GetArraySize(root) + 1) * sizeof *header->entries;
    header->entries = malloc(bytes);
    if (!header->entries)
        return cr_fail_memory("a list of tensors", bytes), -1;
    cr_map seen = {0};
    int status = 0;
    const cJSON *member;
    cJSON_ArrayForEach(member, root)
    {
        if (cr_map_find(&seen, member->string))
            status = CR_FAIL_INT("%s: its header has '%.200s' twice", path, member->string);
        else if (!cr_map_set(&seen, member->string, NULL))
            status = -1;
        else if (!strcmp(member->string, "__metadata__"))
            status = (header->metadata = parse_metadata(path, member)) ? 0 : -1;
        else {
            cr_safetensors_entry *entry = &header->entries[header->count++];
            *entry = (cr_safetensors_entry){0};
            status = parse_tensor(path, member, data_size, entry);
        }
        if (status)
            break;
    }
    cr_map_free(&seen);
    return status ? status : check_places(path, header, data_size);
}

/* cJSON ends strings at a null, raw or escaped, so that two names could look like one. */
static bool has_null(const char *json, size_t length)
{
    static const char escaped[] = "\\u0000";
    if (memchr(json, 0, length))
        return true;
    for (const char *at = json, *end = json + length; (at = memchr(at, '\\', (size_t)(end - at)));
         at++)
        if ((size_t)(end - at) >= sizeof escaped - 1 && !memcmp(at, escaped, sizeof escaped - 1))
            return true;
    return false;
}

int cr_safetensors_parse(const char *path, const char *json, size_t length, size_t data_size,
                         cr_safetensors_header *header)
{
    *header = (cr_safetensors_header){0};
    if (!length || json[0] != '{')
        return CR_FAIL_INT("%s: its header does not begin with '{'", path);
    if (has_null(json, length))
        return CR_FAIL_INT("%s: its header holds a null character", path);
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(json, length, &end, false);
    if (!root)
        return CR_FAIL_INT("%s: its header is no valid JSON at byte %td of %zu", path,
                           end ? end - json : 0, length);
    int status = 0;
    while (end < json + length && strchr(" \t\r\n", *end))
        end++;
    if (end != json + length)
        status = CR_FAIL_INT("%s: its header goes on behind its JSON at byte %td of %zu", path,
                             end - json, length);
    if (!status)
        status = parse_root(path, root, data_size, header);
    cJSON_Delete(root);
    return status;
}

void cr_safetensors_header_free(cr_safetensors_header *header)
{
    for (size_t i = 0; i < header->count; i++)
        free(header->entries[i].name);
    free(header->entries);
    free(header->metadata);
    *header = (cr_safetensors_header){0};
}

/* ---- printing ---- */

/* As serde_json writes strings, so that files come out byte for byte as the safetensors package's.
 */
void cr_safetensors_print_string(const char *string, cr_text *text)
{
    cr_text_add_bytes(text, "\"", 1);
    for (const char *s = string; *s; s++) {
        static const char special[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
        const char *found = strchr(special, *s);
        if (found)
            cr_text_add(text, "\\%c", letters[found - special]);
        else if ((unsigned char)*s < 0x20)
            cr_text_add(text, "\\u%04x", (unsigned char)*s);
        else
            cr_text_add_bytes(text, s, 1);
    }
    cr_text_add_bytes(text, "\"", 1);
}

void cr_safetensors_print_entry(const cr_safetensors_entry *entry, cr_text *text)
{
    cr_safetensors_print_string(entry->name, text);
    cr_text_add(text, ":{\"dtype\":\"%s\",\"shape\":[", name_of(entry->dtype));
    for (int d = 0; d < entry->dim; d++)
        cr_text_add(text, d ? ",%lld" : "%lld", (long long)entry->sizes[d]);
    cr_text_add(text, "],\"data_offsets\":[%zu,%zu]}", entry->begin, entry->end);
}
