/* Lists of free pieces, by thread and size class. Under the address sanitizer every piece is malloc's own, so that it sees each. */
#include "core/base/small.h"

#include <stdlib.h>

#include "core/base/thread.h"

/* Classes of 64 bytes, up to 1 KiB. A thread keeps at most a MiB of each: enough for graphs of some thousand nodes, and little
 * enough where one thread makes what another frees. */
enum { STEP = 64, CLASSES = 17, MOST_BYTES = 1 << 20 };

typedef struct piece {
    struct piece *next;
} piece;

typedef struct cache {
    piece *first[CLASSES];
    unsigned count[CLASSES];
} cache;

static CR_TLS cache *mine;

#if defined __SANITIZE_ADDRESS__
enum { KEEPS = 0 };
#else
enum { KEEPS = 1 };
#endif

static void free_cache(void *unused)
{
    (void)unused;
    if (!mine)
        return;
    for (int i = 0; i < CLASSES; i++) {
        while (mine->first[i]) {
            piece *p = mine->first[i];
            mine->first[i] = p->next;
            free(p);
        }
    }
    free(mine);
    mine = NULL;
}

void *cr_small_take(size_t bytes)
{
    size_t class = (bytes + STEP - 1) / STEP;
    cache *c = mine;
    if (CR_LIKELY(c && class < CLASSES && c->first[class])) {
        piece *p = c->first[class];
        c->first[class] = p->next;
        c->count[class]--;
        return p;
    }
    return malloc(class < CLASSES ? (class ? class : 1) * STEP : bytes);
}

void cr_small_give(void *memory, size_t bytes)
{
    size_t class = (bytes + STEP - 1) / STEP;
    if (!memory)
        return;
    if (CR_UNLIKELY(!mine && KEEPS) && (mine = calloc(1, sizeof *mine)))
        cr_thread_on_end(free_cache);
    cache *c = mine;
    if (CR_UNLIKELY(!c || class >= CLASSES || c->count[class] * class >= MOST_BYTES / STEP)) {
        free(memory);
        return;
    }
    piece *p = memory;
    p->next = c->first[class];
    c->first[class] = p;
    c->count[class]++;
}
