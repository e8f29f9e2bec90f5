/* The backends that are linked into the library: none, unless it was configured with
 * CRESSET_STATIC_BACKENDS, whose table (made by cmake) stands in the place of this one. */
#include "core/dispatch/loader.h"

__attribute__((weak)) const cr_static_backend cr_static_backends[] = {{NULL, NULL}};
