/* The string map: entries in order, found through open addressing. */
#include "core/base/map.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"

uint64_t cr_hash_string(const char *string)
{
    uint64_t hash = 14695981039346656037u;
    for (; *string; string++)
        hash = (hash ^ (unsigned char)*string) * 1099511628211u;
    return hash;
}

cr_map_entry *cr_map_find(const cr_map *map, const char *key)
{
    if (!map->count)
        return NULL;
    uint64_t hash = cr_hash_string(key);
    for (size_t i = hash;; i++) {
        uint32_t slot = map->slots[i & (map->nslots - 1)];
        if (!slot)
            return NULL;
        cr_map_entry *entry = &map->entries[slot - 1];
        if (entry->hash == hash && !strcmp(entry->key, key))
            return entry;
    }
}

static void fill_slots(cr_map *map)
{
    memset(map->slots, 0, map->nslots * sizeof *map->slots);
    for (size_t e = 0; e < map->count; e++) {
        size_t i = map->entries[e].hash;
        while (map->slots[i & (map->nslots - 1)])
            i++;
        map->slots[i & (map->nslots - 1)] = (uint32_t)e + 1;
    }
}

static bool grow(cr_map *map)
{
    if (map->count < map->capacity)
        return true;
    size_t capacity = map->capacity ? 2 * map->capacity : 8;
    cr_map_entry *entries = realloc(map->entries, capacity * sizeof *entries);
    if (!entries)
        return false;
    map->entries = entries;
    uint32_t *slots = realloc(map->slots, 2 * capacity * sizeof *slots);
    if (!slots)
        return false;
    map->slots = slots;
    map->capacity = capacity;
    map->nslots = 2 * capacity;
    fill_slots(map);
    return true;
}

bool cr_map_set(cr_map *map, const char *key, void *value)
{
    cr_map_entry *old = cr_map_find(map, key);
    if (old) {
        old->value = value;
        return true;
    }
    size_t bytes = strlen(key) + 1;
    char *copy = malloc(bytes);
    if (!copy || !grow(map)) {
        free(copy);
        cr_fail_memory("a map", bytes);
        return false;
    }
    memcpy(copy, key, bytes);
    map->entries[map->count++] = (cr_map_entry){copy, value, cr_hash_string(key)};
    size_t i = map->entries[map->count - 1].hash;
    while (map->slots[i & (map->nslots - 1)])
        i++;
    map->slots[i & (map->nslots - 1)] = (uint32_t)map->count;
    return true;
}

void *cr_map_remove(cr_map *map, const char *key)
{
    cr_map_entry *entry = cr_map_find(map, key);
    if (!entry)
        return NULL;
    void *value = entry->value;
    free(entry->key);
    size_t at = (size_t)(entry - map->entries);
    memmove(entry, entry + 1, (map->count - at - 1) * sizeof *entry);
    map->count--;
    fill_slots(map);
    return value;
}

void cr_map_free(cr_map *map)
{
    for (size_t i = 0; i < map->count; i++)
        free(map->entries[i].key);
    free(map->entries);
    free(map->slots);
    *map = (cr_map){0};
}
