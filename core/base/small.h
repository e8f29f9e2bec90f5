/* Memory for the small structs that come and go with every operation: tensors, nodes, what hangs on them. Freed pieces wait in
 * lists by size, a set for each thread, so that taking one costs no lock and no search. */
#ifndef CRESSET_CORE_BASE_SMALL_H
#define CRESSET_CORE_BASE_SMALL_H

#include <stddef.h>

/* Memory of at least `bytes`, aligned as malloc's, not cleared. Null when there is none: the caller sets the error. */
void *cr_small_take(size_t bytes);

/* Gives back what cr_small_take(bytes) gave, on any thread; null is let pass. */
void cr_small_give(void *memory, size_t bytes);

#endif
