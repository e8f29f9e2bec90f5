/* Schemas in PyTorch's notation, parsed: "add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1)
 * -> Tensor". */
#ifndef CRESSET_CORE_OPS_SCHEMA_H
#define CRESSET_CORE_OPS_SCHEMA_H

#include <cresset/call.h>

typedef enum cr_arg_type {
    CR_ARG_TENSOR,
    CR_ARG_TENSORS,
    CR_ARG_SCALAR,
    CR_ARG_INT,
    CR_ARG_FLOAT,
    CR_ARG_BOOL,
    CR_ARG_STRING,
    CR_ARG_DTYPE,
    CR_ARG_DEVICE,
    CR_ARG_INTS,
    CR_ARG_FLOATS,
    CR_ARG_BOOLS,
    CR_ARG_LAYOUT,        /* accepted, must be none: only strided tensors exist */
    CR_ARG_MEMORY_FORMAT, /* accepted: 0 contiguous, 1 preserve */
    CR_ARG_GENERATOR      /* accepted, must be none: the process has one */
} cr_arg_type;

enum { CR_MAX_ARGS = 20, CR_MAX_RETURNS = 7 };

typedef struct cr_arg {
    char name[28];
    uint8_t type;           /* cr_arg_type */
    bool optional;          /* T? : none may be given */
    bool elements_optional; /* Tensor?[] */
    bool keyword_only;      /* after '*' */
    bool has_default;
    bool written;      /* Tensor(a!) */
    int16_t fixed;     /* int[2]: 2; a single number fills it. 0 otherwise */
    cr_value fallback; /* the default; lists point into fallback_ints */
    int64_t fallback_ints[2];
    char fallback_text[12];
} cr_arg;

typedef struct cr_return {
    char name[28];
    bool list;
    int8_t alias; /* the argument that is returned, when it is one that is written; -1 */
    uint8_t type;
} cr_return;

typedef struct cr_schema {
    char name[72]; /* with overload: "add.Tensor" */
    uint8_t bare;  /* length of the name without overload */
    uint8_t nargs, nreturns;
    cr_return returns[CR_MAX_RETURNS];
    cr_arg args[CR_MAX_ARGS]; /* the last member: kept schemas are cut after nargs */
} cr_schema;

/* Parses text. False with a sentence in why (of `size` bytes) if it isn't a schema. */
bool cr_schema_parse(const char *text, cr_schema *schema, char *why, size_t size);
/* The schema of a row's in-place form ("add_.Tensor(Tensor(a!) self, …") or of its out form with
 * that overload name. False if into is too small. */
bool cr_schema_inplace_text(const char *text, char *into, size_t size);
bool cr_schema_out_text(const char *text, const char *overload, char *into, size_t size);

/* What PyTorch calls the type: "Tensor", "int[2]", "Scalar?". */
const char *cr_arg_type_name(const cr_arg *arg, char *buffer, size_t size);

#endif
