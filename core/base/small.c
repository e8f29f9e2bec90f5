/* Lists of free pieces, by thread and size class. Under the address sanitizer every piece is malloc's own, so that it sees each. */
#include "core/base/small.h"

#include <stdint.h>
#include <stdlib.h>

CR_TLS cr_small_cache *cr_small_mine;

#if defined __SANITIZE_ADDRESS__
enum { KEEPS = 0 };
#else
enum { KEEPS = 1 };
#endif

/* malloc and a step aside: what aligned_alloc cuts off and bins makes it many times as slow. The word before the piece says where its
 * memory begins. */
void *cr_line_alloc(size_t bytes)
{
    if (!KEEPS)
        return malloc(bytes ? bytes : 1); /* to the byte */
    char *memory = malloc(bytes + CR_SMALL_STEP);
    if (!memory)
        return NULL;
    char *piece = memory + CR_SMALL_STEP - (uintptr_t)memory % CR_SMALL_STEP;
    ((void **)(void *)piece)[-1] = memory;
    return piece;
}

void cr_line_free(void *piece)
{
    free(KEEPS && piece ? ((void **)piece)[-1] : piece);
}

static void free_cache(void *unused)
{
    (void)unused;
    if (!cr_small_mine)
        return;
    for (int i = 0; i < CR_SMALL_CLASSES; i++) {
        while (cr_small_mine->first[i]) {
            cr_small_piece *p = cr_small_mine->first[i];
            cr_small_mine->first[i] = p->next;
            cr_line_free(p);
        }
    }
    free(cr_small_mine);
    cr_small_mine = NULL;
}

void *cr_small_take_new(size_t bytes)
{
    size_t class = cr_small_class(bytes);
    return cr_line_alloc(KEEPS ? (class ? class : 1) * CR_SMALL_STEP : bytes);
}

void cr_small_give_rarely(void *memory, size_t bytes)
{
    if (!KEEPS || !memory || cr_small_mine || cr_small_class(bytes) >= CR_SMALL_CLASSES ||
        !(cr_small_mine = calloc(1, sizeof *cr_small_mine))) {
        cr_line_free(memory);
        return;
    }
    cr_thread_on_end(free_cache);
    cr_small_give(memory, bytes);
}
