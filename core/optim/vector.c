/* Parameters as one vector, and back: torch.nn.utils.parameters_to_vector and vector_to_parameters. */
#include <stdlib.h>

#include "core/tensor/tensor.h"
#include "core/optim/optimizer.h"

/* The parameters in order; *list is the caller's to free. False, with the error set, if there are none. */
static bool list_params(cr_params params, const char *who, cr_tensor ***list, size_t *count)
{
    size_t room = params.module ? 0 : (size_t)params.list.count;
    if (params.module)
        CR_FOREACH_PARAMETER (p, params.module)
            room++;
    *count = 0;
    *list = room ? malloc(room * sizeof **list) : NULL;
    if (!*list) {
        cr_fail(room ? "%s: memory has run out" : "%s: got an empty parameter list", who);
        return false;
    }
    if (params.module)
        CR_FOREACH_PARAMETER (p, params.module)
            (*list)[(*count)++] = p.tensor;
    else
        for (; *count < room; ++*count)
            (*list)[*count] = params.list.data[*count];
    return true;
}

cr_tensor *cr_parameters_to_vector_with(cr_params params)
{
    cr_tensor **list, *vector;
    size_t count;
    cr_scope_begin();
    bool good = list_params(params, "cr_parameters_to_vector", &list, &count);
    for (size_t i = 0; good && i < count; i++)
        list[i] = cr_reshape(list[i], -1);
    vector = good ? cr_cat(cr_make_tensors(list, count)) : NULL;
    cr_keep(vector);
    cr_scope_end();
    free(list);
    return vector;
}

/* The parts of the vector, one behind the other. */
static bool copy_parts(cr_tensor *vector, cr_tensor **list, size_t count)
{
    int64_t at = 0;
    bool good = true;
    CR_SCOPE
        CR_NO_GRAD
            for (size_t i = 0; i < count && good; i++) {
                int64_t n = cr_tensor_numel(list[i]);
                cr_ints sizes =
                    cr_make_ints(cr_tensor_sizes(list[i]), (size_t)cr_tensor_dim(list[i]));
                cr_tensor *part = cr_reshape(cr_narrow(vector, 0, at, n), sizes);
                good = cr_copy_(list[i], part) != NULL;
                at += n;
            }
    return good;
}

int cr_vector_to_parameters_with(cr_tensor *vector, cr_params params)
{
    cr_tensor **list;
    size_t count;
    int64_t total = 0;
    if (!vector)
        return cr_error() ? -1 : CR_FAIL_INT("cr_vector_to_parameters: the vector is null");
    bool good = list_params(params, "cr_vector_to_parameters", &list, &count);
    for (size_t i = 0; good && i < count; i++)
        total += cr_tensor_numel(list[i]);
    if (good && (cr_tensor_dim(vector) != 1 || cr_tensor_numel(vector) != total)) {
        cr_fail("cr_vector_to_parameters: expected a vector of %lld elements, got sizes %s",
                (long long)total, cr_sizes_text(cr_tensor_dim(vector), cr_tensor_sizes(vector)));
        good = false;
    }
    good = good && copy_parts(vector, list, count);
    free(list);
    return good ? 0 : -1;
}
