/* Scopes: a stack of (object, release) pairs per thread, and the places where each open scope
 * begins in it. Keeping an entry swaps it to its scope's front and moves the front past it, so it
 * is the outer scope's from then on. */
#include "core/base/scope.h"

#include <stdlib.h>

#include "core/base/error.h"

bool cr_scope_grow(void)
{
    cr_thread *thread = &cr_this_thread;
    size_t capacity = thread->entry_capacity ? 2 * thread->entry_capacity : 64;
    cr_scope_entry *entries = realloc(thread->entries, capacity * sizeof *entries);
    if (!entries) {
        cr_fail_memory("a scope", capacity * sizeof *entries);
        return false;
    }
    cr_thread_register();
    thread->entries = entries;
    thread->entry_capacity = capacity;
    return true;
}

void *cr_scope_add(void *object, void (*release)(void *object))
{
    if (!object)
        return NULL;
    if (cr_scope_push(object, release))
        return object;
    release(object);
    return NULL;
}

void cr_scope_begin(void)
{
    cr_thread *thread = &cr_this_thread;
    if (CR_UNLIKELY(thread->nstarts == thread->start_capacity)) {
        size_t capacity = thread->start_capacity ? 2 * thread->start_capacity : 16;
        size_t *starts = realloc(thread->starts, capacity * sizeof *starts);
        if (!starts) {
            thread->lost_scopes++;
            cr_fail_memory("a scope", capacity * sizeof *starts);
            return;
        }
        cr_thread_register();
        thread->starts = starts;
        thread->start_capacity = capacity;
    }
    thread->starts[thread->nstarts++] = thread->nentries;
}

static void release_down_to(cr_thread *thread, size_t start)
{
    while (thread->nentries > start) { /* a release may push and pop entries of its own */
        cr_scope_entry entry = thread->entries[--thread->nentries];
        entry.release(entry.object);
    }
}

void cr_scope_end(void)
{
    cr_thread *thread = &cr_this_thread;
    if (CR_UNLIKELY(thread->lost_scopes)) {
        thread->lost_scopes--;
        return;
    }
    if (CR_UNLIKELY(!thread->nstarts)) {
        cr_fail("cr_scope_end: no scope is open in this thread");
        return;
    }
    size_t start = thread->starts[thread->nstarts - 1];
    release_down_to(thread, start);
    thread->nstarts--;
}

int cr_scope_depth(void)
{
    return (int)cr_this_thread.nstarts;
}

void cr_scope_unwind(int depth)
{
    while (cr_scope_depth() > depth && depth >= 0)
        cr_scope_end();
}

static size_t scope_start(const cr_thread *thread)
{
    return thread->nstarts ? thread->starts[thread->nstarts - 1] : 0;
}

bool cr_scope_keep(void *object)
{
    cr_thread *thread = &cr_this_thread;
    if (!thread->nstarts)
        return false; /* the thread's own scope has nothing outside */
    size_t start = scope_start(thread);
    for (size_t i = thread->nentries; i-- > start;) {
        if (thread->entries[i].object == object) {
            cr_scope_entry entry = thread->entries[i];
            thread->entries[i] = thread->entries[start];
            thread->entries[start] = entry;
            thread->starts[thread->nstarts - 1]++;
            return true;
        }
    }
    return false;
}

bool cr_scope_drop(void *object)
{
    cr_thread *thread = &cr_this_thread;
    for (size_t i = thread->nentries, start = scope_start(thread); i-- > start;) {
        cr_scope_entry entry = thread->entries[i];
        if (entry.object != object)
            continue;
        thread->entries[i] = thread->entries[--thread->nentries];
        entry.release(object);
        return true;
    }
    return false;
}

bool cr_scope_forget(void *object)
{
    cr_thread *thread = &cr_this_thread;
    size_t scope = thread->nstarts, end = thread->nentries;
    for (;;) {
        size_t start = scope ? thread->starts[scope - 1] : 0;
        for (size_t i = end; i-- > start;) {
            if (thread->entries[i].object != object)
                continue;
            if (scope == thread->nstarts) {
                thread->entries[i] = thread->entries[thread->nentries - 1];
            } else { /* an outer scope's: close the gap so that the inner ones keep their order */
                for (size_t j = i; j + 1 < thread->nentries; j++)
                    thread->entries[j] = thread->entries[j + 1];
                for (size_t s = scope; s < thread->nstarts; s++)
                    thread->starts[s]--;
            }
            thread->nentries--;
            return true;
        }
        if (!scope)
            return false;
        end = start;
        scope--;
    }
}
