/* Finding and opening shared objects that are backends. */
#ifndef CRESSET_CORE_DISPATCH_LOADER_H
#define CRESSET_CORE_DISPATCH_LOADER_H

#include <cresset/dispatch.h>

/* A shared object that was looked at: loaded (backend set) or refused (refused set). Lives until
 * cr_exit. */
typedef struct cr_candidate {
    cr_backend_candidate shown;
    const cr_backend *backend;
    void *handle;
    char *path, *name, *reason;
    struct cr_candidate *outer, *inner; /* of a stack (stack.c); null for a shared object */
    bool asked;                         /* for its devices: shown.device_count is true */
} cr_candidate;

/* Whether the table is a wrapper's own. */
static inline bool cr_is_wrapper(const cr_backend *b)
{
    return CR_HAS(b, cr_backend, unwrap) && b->wrap && b->unwrap;
}

/* Whether "auto" passes it over. */
static inline bool cr_is_only_by_name(const cr_backend *b)
{
    return CR_HAS(b, cr_backend, only_by_name) && b->only_by_name;
}

/* A backend that is part of the library; a null name ends the table. Where there are any, no shared
 * object is loaded. */
typedef struct cr_static_backend {
    const char *name;
    cr_backend_entry entry;
} cr_static_backend;
extern const cr_static_backend cr_static_backends[];

/* Looks at one file; the result is added to the list either way and returned, null only without
 * memory. It is not asked for its devices, which may wake a driver. */
cr_candidate *cr_loader_try(const char *path);
/* Looks at every libcresset_*.so of the search path, once. */
void cr_loader_scan(void);
/* The loaded backend of that name, scanning for its file if need be; null if there is none. */
cr_candidate *cr_loader_find(const char *name);
/* Asks a loaded backend how many devices it has, once. False where it is or becomes refused, by its
 * answer. */
bool cr_loader_ask(cr_candidate *c);
size_t cr_loader_count(void);
cr_candidate *cr_loader_get(size_t i);
/* The folders that are searched, joined by ", ", for messages. The caller frees. */
char *cr_loader_folders(void);
/* Gives the candidate its refusal if a table (not a wrapper's own) breaks the contract. */
void cr_loader_check(cr_candidate *c, const cr_backend *table);
/* Closes all. Devices and stacks must be closed. */
void cr_loader_close(void);

#endif
