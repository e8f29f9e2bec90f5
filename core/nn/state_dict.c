/* State dicts: a string map from names to values that own what they hold. */
#include <cresset/state_dict.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/map.h"

struct cr_state_dict {
    atomic_int refs;
    cr_map map; /* to cr_value, each in memory of its own, lists and strings behind it */
};

static void release(void *dict)
{
    cr_state_dict_release(dict);
}

static void free_value(cr_value *value)
{
    if (value && value->tag == CR_TENSOR)
        cr_release(value->as.tensor);
    free(value);
}

cr_state_dict *cr_state_dict_new(void)
{
    cr_state_dict *dict = calloc(1, sizeof *dict);
    if (!dict)
        return cr_fail_memory("a state dict", sizeof *dict);
    atomic_init(&dict->refs, 1);
    return cr_scope_add(dict, release);
}

cr_state_dict *cr_state_dict_retain(cr_state_dict *dict)
{
    if (dict)
        atomic_fetch_add_explicit(&dict->refs, 1, memory_order_relaxed);
    return dict;
}

void cr_state_dict_release(cr_state_dict *dict)
{
    if (!dict || atomic_fetch_sub_explicit(&dict->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < dict->map.count; i++)
        free_value(dict->map.entries[i].value);
    cr_map_free(&dict->map);
    free(dict);
}

size_t cr_state_dict_count(const cr_state_dict *dict)
{
    return dict ? dict->map.count : 0;
}

static const cr_value *value_at(const cr_state_dict *dict, size_t i)
{
    return dict && i < dict->map.count ? dict->map.entries[i].value : NULL;
}

const char *cr_state_dict_name(const cr_state_dict *dict, size_t i)
{
    return dict && i < dict->map.count ? dict->map.entries[i].key : NULL;
}

cr_tensor *cr_state_dict_tensor(const cr_state_dict *dict, size_t i)
{
    const cr_value *value = value_at(dict, i);
    return value && value->tag == CR_TENSOR ? value->as.tensor : NULL;
}

const cr_value *cr_state_dict_value(const cr_state_dict *dict, const char *name)
{
    cr_map_entry *entry = dict && name ? cr_map_find(&dict->map, name) : NULL;
    return entry ? entry->value : NULL;
}

cr_tensor *cr_state_dict_get(const cr_state_dict *dict, const char *name)
{
    const cr_value *value = cr_state_dict_value(dict, name);
    return value && value->tag == CR_TENSOR ? value->as.tensor : NULL;
}

/* Bytes behind a value: of its list or string. */
static size_t bytes_behind(const cr_value *value)
{
    size_t count = value->count > 0 ? (size_t)value->count : 0;
    switch (value->tag) {
    case CR_STRING:
    case CR_DEVICE: return value->as.s ? strlen(value->as.s) + 1 : 0;
    case CR_INT_LIST:
    case CR_FLOAT_LIST: return 8 * count;
    case CR_BOOL_LIST: return count;
    default: return 0;
    }
}

int cr_state_dict_set_value(cr_state_dict *dict, const char *name, cr_value value)
{
    if (!dict || !name || value.tag == CR_TENSOR_LIST ||
        (value.tag == CR_TENSOR && !value.as.tensor)) {
        const char *what = !dict                    ? "a null dict"
                           : !name                  ? "a null name"
                           : value.tag == CR_TENSOR ? "null"
                                                    : "a list of tensors";
        return CR_FAIL_INT("cr_state_dict_set: \"%s\" can't be set: %s was given", name ? name : "",
                           what);
    }
    size_t behind = bytes_behind(&value);
    cr_value *copy = malloc(sizeof *copy + behind);
    if (!copy)
        return cr_fail_memory("a state dict", sizeof *copy + behind), -1;
    *copy = value;
    if (behind) {
        memcpy(copy + 1, value.as.s, behind);
        copy->as.s = (const char *)(copy + 1);
    }
    if (copy->tag == CR_TENSOR)
        cr_retain(copy->as.tensor);
    cr_map_entry *old = cr_map_find(&dict->map, name);
    cr_value *before = old ? old->value : NULL;
    if (!cr_map_set(&dict->map, name, copy)) {
        free_value(copy);
        return -1;
    }
    free_value(before);
    return 0;
}

int cr_state_dict_set(cr_state_dict *dict, const char *name, cr_tensor *tensor)
{
    cr_value value = {.tag = CR_TENSOR};
    value.as.tensor = tensor;
    return cr_state_dict_set_value(dict, name, value);
}

int cr_state_dict_remove(cr_state_dict *dict, const char *name)
{
    cr_value *value = dict && name ? cr_map_remove(&dict->map, name) : NULL;
    if (!value)
        return CR_FAIL_INT("cr_state_dict_remove: there is no entry \"%s\"", name ? name : "");
    free_value(value);
    return 0;
}

cr_state_entry cr_state_entries(const cr_state_dict *dict)
{
    return (cr_state_entry){.dict_ = dict};
}

bool cr_next_state_entry(cr_state_entry *entry)
{
    size_t i = entry->next_++;
    entry->name = cr_state_dict_name(entry->dict_, i);
    entry->value = value_at(entry->dict_, i);
    entry->tensor = cr_state_dict_tensor(entry->dict_, i);
    return entry->name != NULL;
}
