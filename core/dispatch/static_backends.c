/* The backends that are linked into the library: none, unless it was configured with
 * CRESSET_STATIC_BACKENDS, which cmake/Backends.cmake turns into CR_STATIC_BACKENDS: "BACKEND(cpu)
 * BACKEND(onednn)". */
#include "core/dispatch/loader.h"

#ifndef CR_STATIC_BACKENDS
#define CR_STATIC_BACKENDS
#endif

#define BACKEND(name) const cr_backend *cresset_backend_entry_##name(const cr_host *host);
CR_STATIC_BACKENDS
#undef BACKEND

#define BACKEND(name) {#name, cresset_backend_entry_##name},
const cr_static_backend cr_static_backends[] = {CR_STATIC_BACKENDS{NULL, NULL}};
