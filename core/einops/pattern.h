/* Patterns of axes, parsed: "b (h 2) ... -> ... (b h)". */
#ifndef CRESSET_CORE_EINOPS_PATTERN_H
#define CRESSET_CORE_EINOPS_PATTERN_H

#include <stdatomic.h>

#include <cresset/einops.h>

#include "core/base/error.h"
#include "core/tensor/tensor.h"

/* What errors tell: the function, its pattern, and what it was applied to (may be null). */
typedef struct cr_ein_call {
    const char *who, *pattern;
    const cr_tensor *tensor;
} cr_ein_call;

/* "cr_rearrange: pattern "b -> c", input float32[2]: …". Returns null. */
void *cr_ein_fail(const cr_ein_call *call, const char *format, ...) CR_PRINTF_(2, 3);

enum {
    CR_EIN_TEXT = 1024,        /* bytes of a pattern, at most */
    CR_EIN_SIDE = CR_MAX_RANK, /* axes of one side: they are a tensor's for a moment */
    CR_EIN_AXES = 8 * CR_MAX_RANK
};

typedef enum cr_ein_axis_kind {
    CR_EIN_NAMED,
    CR_EIN_NUMBER,  /* without a name, of a given size above 1 */
    CR_EIN_ELLIPSIS /* any number of axes */
} cr_ein_axis_kind;

typedef struct cr_ein_axis {
    const char *name; /* "h", "2", "..." */
    cr_ein_axis_kind kind;
    int64_t size; /* of a number; -1 */
} cr_ein_axis;

/* One side: groups, each one dimension of the tensor; the axes that it is made of, outer first. A bare
 * ellipsis is a group that stands for any number of dimensions. 1 and () are groups of no axis. */
typedef struct cr_ein_side {
    uint8_t ngroups, naxes;
    uint8_t start[CR_EIN_SIDE + 1];
    uint8_t axis[CR_EIN_SIDE]; /* indices of the pattern's axes */
    bool parenthesised[CR_EIN_SIDE];
    int8_t ellipsis; /* the group with it; -1 */
} cr_ein_side;

typedef struct cr_ein_axes {
    cr_ein_axis data[CR_EIN_AXES];
    size_t count;
    char names[2 * CR_EIN_TEXT]; /* what the names point into */
    size_t used;
} cr_ein_axes;

/* Parses one side, text up to end, adding its axes. Names that are known already keep their index;
 * a number is an axis of its own each time. `_` is a name only if underscore (then each is its own).
 * False, and the error. */
bool cr_ein_parse_side(const cr_ein_call *call, const char *text, const char *end, bool underscore,
                       cr_ein_axes *axes, cr_ein_side *side);

/* Whether a side holds the axis with this index. */
bool cr_ein_side_has(const cr_ein_side *side, size_t axis);

typedef enum cr_ein_kind { CR_EIN_REARRANGE, CR_EIN_REDUCE, CR_EIN_REPEAT } cr_ein_kind;

/* A whole pattern with an arrow, checked for its kind. Counted; several threads may share it. */
typedef struct cr_ein_pattern {
    atomic_int refs;
    cr_ein_kind kind;
    uint64_t hash;
    char *text;
    cr_ein_axes axes;
    cr_ein_side left, right;
} cr_ein_pattern;

/* A new pattern; null, and the error. */
cr_ein_pattern *cr_ein_parse(const cr_ein_call *call, cr_ein_kind kind);
void cr_ein_release(cr_ein_pattern *pattern);
/* The same from the cache, which keeps up to CR_EIN_CACHE patterns, used by all threads. */
enum { CR_EIN_CACHE = 256 };
cr_ein_pattern *cr_ein_find(const cr_ein_call *call, cr_ein_kind kind);

/* Whether it is the name of a reduction; null is none. */
bool cr_ein_is_reduction(const char *name);

#endif
