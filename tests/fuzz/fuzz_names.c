/* Names that come from outside, in command lines, files and the environment: operations, dtypes, devices, and calls by name. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 500)
        return 0;
    char *name = malloc(size);
    memcpy(name, data + 1, size - 1);
    name[size - 1] = 0;
    unsigned sum = 0;
    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + data[i];
    const char *comma = strchr(name, ',');
    size_t bare = strcspn(name, ",");
    name[bare] = 0;
    const cr_op *op = cr_op_find(name);
    if (op && !cr_op_schema(name))
        abort();
    name[bare] = comma ? ',' : 0;
    cr_clear_error();
    cr_dtype dtype = cr_dtype_by_name(name);
    if (dtype && strcmp(cr_dtype_name(dtype), name) &&
        cr_dtype_by_name(cr_dtype_name(dtype)) != dtype)
        abort();
    cr_clear_error();
    CR_SCOPE {
        /* devices of backends that are there; a path would load whatever file it names */
        if ((data[0] & 1) && !strchr(name, '/')) {
            fuzz_finish(cr_tensor_to(cr_ones(CR_INTS(2), .device = "cpu"), name));
        } else if (op || sum % 64 == 0) {
            /* (the search for the names closest to an unknown one is long: for some of them)
             * one tensor, and the text behind a comma as an argument by keyword and by place */
            cr_value out[CR_MAX_FIELDS] = {{0}};
            cr_value x = {.tag = CR_TENSOR, .as.tensor = cr_ones(CR_INTS(2, 2), .device = "cpu")};
            cr_value text = {.tag = CR_STRING,
                             .count = comma ? (int64_t)strlen(comma + 1) : 0,
                             .as.s = comma ? comma + 1 : ""};
            cr_value args[2] = {x, text};
            cr_keyword keyword = {comma ? comma + 1 : "dim", {.tag = CR_INT, .as.i = data[0] >> 4}};
            size_t n = 0;
            if (comma)
                name[comma - name] = 0;
            int failed = cr_call(name, args, 1 + (data[0] >> 1 & 1), &keyword, data[0] >> 2 & 1,
                                 out, CR_MAX_FIELDS, &n);
            if (failed && !cr_error())
                abort();
            for (size_t i = 0; i < n && !failed; i++)
                cr_value_clear(&out[i]);
        }
        cr_clear_error();
    }
    free(name);
    return 0;
}
