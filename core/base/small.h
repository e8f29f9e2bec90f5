/* Memory for the small structs that come and go with every operation: tensors, nodes, what hangs on them. Freed pieces wait in
 * lists by size, a set for each thread, so that taking one costs no lock and no search, and with a constant size no call. */
#ifndef CRESSET_CORE_BASE_SMALL_H
#define CRESSET_CORE_BASE_SMALL_H

#include <stddef.h>

#include "core/base/thread.h"

/* Classes of 64 bytes, up to 1 KiB, and each piece begins with a line of the cache: a graph of thousands of nodes touches a third more
 * lines otherwise. A thread keeps at most four MiB of each: enough for graphs of ten thousand nodes, and little enough where one thread
 * makes what another frees. */
enum { CR_SMALL_STEP = 64, CR_SMALL_CLASSES = 17, CR_SMALL_MOST = (4 << 20) / CR_SMALL_STEP };

typedef struct cr_small_piece {
    struct cr_small_piece *next;
} cr_small_piece;

typedef struct cr_small_cache {
    cr_small_piece *first[CR_SMALL_CLASSES];
    unsigned count[CR_SMALL_CLASSES];
} cr_small_cache;

extern CR_TLS cr_small_cache *cr_small_mine; /* null: the thread has kept nothing yet */

/* Memory that begins with a line of the cache (under the address sanitizer as malloc has it); null without any. */
void *cr_line_alloc(size_t bytes);
void cr_line_free(void *piece);

/* The rare halves of what follows. */
void *cr_small_take_new(size_t bytes);
void cr_small_give_rarely(void *memory, size_t bytes);

static inline size_t cr_small_class(size_t bytes)
{
    return (bytes + CR_SMALL_STEP - 1) / CR_SMALL_STEP;
}

/* Memory of at least `bytes`, aligned to 64 (to malloc's measure under the address sanitizer), not cleared. Null when there is none: the caller sets the error. */
static inline void *cr_small_take(size_t bytes)
{
    size_t class = cr_small_class(bytes);
    cr_small_cache *c = cr_small_mine;
    if (CR_UNLIKELY(!c || class >= CR_SMALL_CLASSES || !c->first[class]))
        return cr_small_take_new(bytes);
    cr_small_piece *p = c->first[class];
    c->first[class] = p->next;
    c->count[class]--;
    return p;
}

/* Gives back what cr_small_take(bytes) gave, on any thread; null is let pass. */
static inline void cr_small_give(void *memory, size_t bytes)
{
    size_t class = cr_small_class(bytes);
    cr_small_cache *c = cr_small_mine;
    if (CR_UNLIKELY(!memory || !c || class >= CR_SMALL_CLASSES ||
                    c->count[class] * class >= CR_SMALL_MOST)) {
        cr_small_give_rarely(memory, bytes);
        return;
    }
    cr_small_piece *p = memory;
    p->next = c->first[class];
    c->first[class] = p;
    c->count[class]++;
}

#endif
