/* Lists of free pieces, by thread and size class. Under the address sanitizer every piece is malloc's own, so that it sees each. */
#include "core/base/small.h"

#include <stdlib.h>

CR_TLS cr_small_cache *cr_small_mine;

#if defined __SANITIZE_ADDRESS__
enum { KEEPS = 0 };
#else
enum { KEEPS = 1 };
#endif

static void free_cache(void *unused)
{
    (void)unused;
    if (!cr_small_mine)
        return;
    for (int i = 0; i < CR_SMALL_CLASSES; i++) {
        while (cr_small_mine->first[i]) {
            cr_small_piece *p = cr_small_mine->first[i];
            cr_small_mine->first[i] = p->next;
            free(p);
        }
    }
    free(cr_small_mine);
    cr_small_mine = NULL;
}

void *cr_small_take_new(size_t bytes)
{
    size_t class = cr_small_class(bytes);
    return malloc(class < CR_SMALL_CLASSES ? (class ? class : 1) * CR_SMALL_STEP : bytes);
}

void cr_small_give_rarely(void *memory, size_t bytes)
{
    if (!KEEPS || !memory || cr_small_mine || cr_small_class(bytes) >= CR_SMALL_CLASSES ||
        !(cr_small_mine = calloc(1, sizeof *cr_small_mine))) {
        free(memory);
        return;
    }
    cr_thread_on_end(free_cache);
    cr_small_give(memory, bytes);
}
