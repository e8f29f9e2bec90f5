/* The services that the core hands to backends. */
#ifndef CRESSET_CORE_DISPATCH_HOST_H
#define CRESSET_CORE_DISPATCH_HOST_H

#include <cresset/backend.h>

extern const cr_host cr_host_services;

/* What a backend said last through fail in this thread, or ""; cleared by asking, valid until the
 * next failure. */
const char *cr_backend_words(void);

#endif
