/* A hash map from strings to pointers, in order of insertion. Zero is empty. Keys are copied. */
#ifndef CRESSET_CORE_BASE_MAP_H
#define CRESSET_CORE_BASE_MAP_H

#include <cresset/base.h>

typedef struct cr_map_entry {
    char *key;
    void *value;
    uint64_t hash;
} cr_map_entry;

typedef struct cr_map {
    cr_map_entry *entries; /* [count], in order of insertion */
    uint32_t *slots;       /* [nslots], a power of two: 1 + index of the entry, 0 free */
    size_t count, capacity, nslots;
} cr_map;

/* The entry of key, or null. */
cr_map_entry *cr_map_find(const cr_map *map, const char *key);
/* Sets key's value, new or not. False, with the error set, without memory. */
bool cr_map_set(cr_map *map, const char *key, void *value);
/* Takes key out, keeping the others' order, and returns its value; null if there is none. */
void *cr_map_remove(cr_map *map, const char *key);
void cr_map_free(cr_map *map);
/* FNV-1a of a string. */
uint64_t cr_hash_string(const char *string);

#endif
