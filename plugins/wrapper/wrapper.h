/* What wrappers have in common: a table that passes every call on to another backend's, with two
 * functions of the wrapper's own around each call. The wrapper is compiled together with wrapper.c,
 * gives it the names and functions declared at the end, and needs nothing else of Cresset but the
 * public header. */
#ifndef CRESSET_PLUGINS_WRAPPER_H
#define CRESSET_PLUGINS_WRAPPER_H

#include <cresset/backend.h>

/* The calls that are passed on one by one. */
typedef enum wrap_kind {
    WRAP_ALLOC,
    WRAP_COPY,
    WRAP_PLAN,
    WRAP_RUN,
    WRAP_FREE,
    WRAP_SYNC
} wrap_kind;

typedef struct wrap_backend {
    cr_backend table; /* first: what the core holds is this */
    const cr_backend *inner;
    char name[80];
} wrap_backend;

struct cr_device {
    const wrap_backend *backend;
    cr_device *inner;
    cr_device_info info; /* as shown to the core */
    bool shares;         /* whether the inner backend's buffers are host addresses */
    int number;          /* counted from 0 in the order of opening */
};

/* A value that a plan reads or writes: its dtype and the bytes that it spans. */
typedef struct wrap_value {
    int32_t dtype;
    size_t bytes;
} wrap_value;

struct cr_plan {
    cr_device *device;
    cr_plan *inner;
    char *op; /* "add.Tensor"; of more nodes joined by '+' */
    uint32_t ninputs, noutputs;
    bool marked;         /* the wrapper's to use */
    void *own;           /* the wrapper's to use */
    wrap_value values[]; /* inputs, then outputs */
};

/* One call. What does not belong to the kind is null or 0. */
typedef struct wrap_call {
    wrap_kind kind;
    cr_device *device;
    const char *op; /* of plan and run */
    cr_plan *plan;  /* of run; of plan once it was made */
    const cr_run *run;
    cr_buffer *buffer; /* of alloc once it was made; of copies and free */
    bool inward;       /* of a copy: to the device */
    const void *from;  /* of a copy to the device; before may exchange it */
    void *to;          /* of a copy to the host */
    size_t offset, bytes;
    int64_t began;    /* the wrapper's to use */
    uint64_t ordinal; /* the wrapper's to use */
} wrap_call;

extern const cr_host *wrap_host;

/* ---- the wrapper's own ---- */

extern const char wrap_name[], wrap_version[];
/* Once, when the shared object is loaded: reads the environment. Anything but CR_OK refuses the
 * load. */
cr_status wrap_start(void);
/* Around each call: anything but CR_OK from before is the answer, and the inner backend isn't
 * asked; after sees the inner answer (or before's) and gives the one that the core gets. */
cr_status wrap_before(wrap_call *call);
cr_status wrap_after(wrap_call *call, cr_status status);
/* May change what the core is told of a device. */
void wrap_describe(cr_device_info *info);
/* A device was opened; is about to be closed. */
void wrap_opened(cr_device *device);
void wrap_closing(cr_device *device);

#endif
