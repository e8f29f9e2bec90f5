/* Scopes from inside: pushing, keeping and dropping entries of the calling thread. */
#ifndef CRESSET_CORE_BASE_SCOPE_H
#define CRESSET_CORE_BASE_SCOPE_H

#include "core/base/thread.h"

bool cr_scope_grow(void);

/* Gives the innermost scope one reference on object. False, with the error set, without memory. */
static inline bool cr_scope_push(void *object, void (*release)(void *))
{
    cr_thread *thread = &cr_this_thread;
    if (CR_UNLIKELY(thread->nentries == thread->entry_capacity) && !cr_scope_grow())
        return false;
    thread->entries[thread->nentries++] = (cr_scope_entry){object, release};
    return true;
}

/* Moves the innermost scope's entry of object one scope out. False if it has none. */
bool cr_scope_keep(void *object);
/* Releases object for the innermost scope, before its end. False if it has no entry of object. */
bool cr_scope_drop(void *object);
/* Takes one entry of object out of the innermost scope that has one, without releasing. False if
 * none has. */
bool cr_scope_forget(void *object);

#endif
