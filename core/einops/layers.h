/* What the modules of this room share. */
#ifndef CRESSET_CORE_EINOPS_LAYERS_H
#define CRESSET_CORE_EINOPS_LAYERS_H

#include "core/einops/pattern.h"

/* Copies, the caller's to free: a list with its names in one block, and a string. Null, and the error, without memory. */
cr_axis *cr_ein_copy_axes(const cr_axis *axes);
char *cr_ein_copy_text(const char *text);

#endif
