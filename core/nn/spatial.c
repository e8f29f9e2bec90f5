/* Sizes of 1 to 3 spatial dimensions. */
#include "core/nn/spatial.h"

static const int64_t *list_of(int dims, const int64_t *hw, const int64_t *dhw)
{
    const int64_t *list = dims == 2 ? hw : dims == 3 ? dhw : NULL;
    for (int i = 0; list && i < dims; i++)
        if (list[i])
            return list;
    return NULL;
}

bool cr_spatial_given(int dims, int64_t one, const int64_t *hw, const int64_t *dhw)
{
    return one || list_of(dims, hw, dhw);
}

cr_spatial cr_spatial_of(int dims, int64_t one, const int64_t *hw, const int64_t *dhw,
                         int64_t fallback)
{
    const int64_t *list = list_of(dims, hw, dhw);
    cr_spatial s = {.count = dims, .listed = list != NULL};
    for (int i = 0; i < dims; i++)
        s.at[i] = list ? list[i] : cr_or_default_int(one, fallback);
    return s;
}

void cr_spatial_repr(cr_text *text, const char *name, const cr_spatial *s)
{
    cr_text_add(text, s->listed ? "%s=(" : "%s=", name);
    for (int i = 0; i < (s->listed ? s->count : 1); i++) {
        cr_text_add(text, i ? ", " : "");
        if (s->at[i] < 0)
            cr_text_add(text, "None");
        else
            cr_text_add(text, "%lld", (long long)s->at[i]);
    }
    if (s->listed)
        cr_text_add(text, s->count == 1 ? ",)" : ")");
}

bool cr_spatial_check(const char *layer, const char *name, const cr_spatial *s, int64_t least)
{
    for (int i = 0; i < s->count; i++)
        if (s->at[i] < least) {
            cr_fail("%s: %s must be at least %lld, got %lld", layer, name, (long long)least,
                    (long long)s->at[i]);
            return false;
        }
    return true;
}

bool cr_spatial_check_rank(const cr_module *module, const cr_tensor *x, int dims)
{
    int rank = cr_tensor_dim(x);
    if (rank == dims + 1 || rank == dims + 2)
        return true;
    cr_fail("%s: Expected %dD or %dD (batch mode) tensor for input, but got: %s",
            module->type->name, dims + 1, dims + 2, cr_shape_text(x));
    return false;
}
