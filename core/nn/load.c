/* A module's state dict, taken and loaded. */
#include <stdlib.h>
#include <string.h>

#include <cresset/ops.h>

#include "core/base/map.h"
#include "core/nn/nn.h"

/* What is done with each entry of a module, shared ones as often as they have names, in PyTorch's order. */
typedef struct visit {
    int (*entry)(struct visit *visit, const char *name, cr_tensor *tensor);
    const cr_state_dict *from;
    cr_state_dict *to;
    cr_map seen; /* names that the module has */
    cr_text missing, mismatched;
} visit;

static int visit_own(visit *v, const cr_slots *slots, bool buffers, cr_text *name)
{
    size_t length = name->length;
    for (size_t i = 0; i < slots->count; i++) {
        const cr_slot *slot = &slots->data[i];
        if (buffers && !slot->persistent)
            continue;
        cr_text_add(name, "%s", slot->name);
        int failed = name->failed ? -1 : v->entry(v, name->data, slot->as.tensor);
        name->length = length;
        if (failed)
            return -1;
    }
    return 0;
}

static int visit_module(visit *v, const cr_module *module, cr_text *name)
{
    const struct cr_module_state *state = module->state_;
    if (visit_own(v, &state->parameters, false, name) || visit_own(v, &state->buffers, true, name))
        return -1;
    size_t length = name->length;
    for (size_t i = 0; i < state->children.count; i++) {
        cr_text_add(name, "%s.", state->children.data[i].name);
        int failed = visit_module(v, state->children.data[i].as.module, name);
        name->length = length;
        if (failed)
            return -1;
    }
    return 0;
}

static int visit_all(visit *v, const cr_module *module)
{
    cr_text name = {0};
    int failed = visit_module(v, module, &name);
    if (name.failed)
        cr_fail_memory("a name", name.length);
    cr_text_free(&name);
    return failed;
}

/* ---- taking ---- */

static int take_entry(visit *v, const char *name, cr_tensor *tensor)
{
    int failed = -1;
    CR_SCOPE
        failed = cr_state_dict_set(v->to, name, cr_detach(tensor));
    return failed;
}

cr_state_dict *cr_module_state_dict(cr_module *module)
{
    if (!cr_is_module(module, "cr_module_state_dict"))
        return NULL;
    visit v = {.entry = take_entry, .to = cr_state_dict_new()};
    return v.to && !visit_all(&v, module) ? v.to : NULL;
}

/* ---- loading ---- */

static void add_shape(cr_text *text, const cr_tensor *t)
{
    cr_text_add(text, "torch.Size(");
    cr_text_add_sizes(text, cr_tensor_sizes(t), cr_tensor_dim(t));
    cr_text_add(text, ")");
}

static int load_entry(visit *v, const char *name, cr_tensor *tensor)
{
    if (!cr_map_set(&v->seen, name, tensor))
        return -1;
    const cr_value *value = cr_state_dict_value(v->from, name);
    if (!value) {
        cr_text_add(&v->missing, v->missing.length ? ", \"%s\"" : "\"%s\"", name);
        return 0;
    }
    if (value->tag != CR_TENSOR) {
        cr_text_add(&v->mismatched,
                    "\n\tWhile copying the parameter named \"%s\", expected torch.Tensor or "
                    "Tensor-like object "
                    "from checkpoint but received something else. ",
                    name);
        return 0;
    }
    cr_tensor *from = value->as.tensor;
    int dim = cr_tensor_dim(tensor);
    bool fits =
        dim == cr_tensor_dim(from) &&
        !memcmp(cr_tensor_sizes(tensor), cr_tensor_sizes(from), (size_t)dim * sizeof(int64_t));
    bool one = dim == 0 && cr_tensor_dim(from) == 1 &&
               cr_tensor_numel(from) == 1; /* old checkpoints' scalars */
    if (!fits && !one) {
        cr_text_add(&v->mismatched, "\n\tsize mismatch for %s: copying a param with shape ", name);
        add_shape(&v->mismatched, from);
        cr_text_add(&v->mismatched, " from checkpoint, the shape in current model is ");
        add_shape(&v->mismatched, tensor);
        cr_text_add(&v->mismatched, ".");
        return 0;
    }
    int failed = -1;
    CR_SCOPE
        CR_NO_GRAD {
            from = one ? cr_select(from, 0, 0) : from;
            failed = cr_copy_(tensor, cr_tensor_to(from, cr_tensor_device(tensor))) ? 0 : -1;
        }
    return failed;
}

/* Lets every module make the tensors that it lacks. */
static bool prepare(cr_module *module, const cr_state_dict *dict, cr_text *name)
{
    if (module->type->loading &&
        !module->type->loading(module, dict, name->length ? name->data : ""))
        return false;
    const cr_slots *children = &module->state_->children;
    const size_t length = name->length;
    for (size_t i = 0; i < children->count; i++) {
        cr_text_add(name, "%s.", children->data[i].name);
        bool good = !name->failed && prepare(children->data[i].as.module, dict, name);
        name->length = length;
        if (name->data)
            name->data[length] = 0;
        if (!good)
            return false;
    }
    return true;
}

static bool prepare_all(cr_module *module, const cr_state_dict *dict)
{
    cr_text name = {0};
    bool good = prepare(module, dict, &name);
    if (name.failed)
        cr_fail_memory("a name", name.length);
    cr_text_free(&name);
    return good;
}

/* All problems in one message, in PyTorch's words and order; null if there are none. */
static char *problems(visit *v, const char *type, bool strict)
{
    cr_text unexpected = {0}, all = {0};
    CR_FOREACH_STATE(s, v->from)
    if (!cr_map_find(&v->seen, s.name))
        cr_text_add(&unexpected, unexpected.length ? ", \"%s\"" : "\"%s\"", s.name);
    bool bad = v->mismatched.length || (strict && (v->missing.length || unexpected.length));
    if (bad) {
        cr_text_add(&all, "Error(s) in loading state_dict for %s:", type);
        if (strict && v->missing.length)
            cr_text_add(&all, "\n\tMissing key(s) in state_dict: %s. ", v->missing.data);
        if (strict && unexpected.length)
            cr_text_add(&all, "\n\tUnexpected key(s) in state_dict: %s. ", unexpected.data);
        if (v->mismatched.length)
            cr_text_add(&all, "%s", v->mismatched.data);
    }
    cr_text_free(&unexpected);
    return bad ? cr_text_take(&all) : NULL;
}

int cr_module_load_state_dict_with(cr_module *module, const cr_state_dict *dict,
                                   const cr_load_state_dict_options *options)
{
    if (!cr_is_module(module, "cr_module_load_state_dict"))
        return -1;
    if (!dict)
        return CR_FAIL_INT("cr_module_load_state_dict: the state dict is null");
    visit v = {.entry = load_entry, .from = dict};
    int failed = prepare_all(module, dict) ? visit_all(&v, module) : -1;
    char *words =
        failed ? NULL : problems(&v, module->type->name, !(options && options->no_strict));
    if (words) {
        cr_fail("%s", words);
        failed = -1;
    } else if (!failed && (v.missing.failed || v.mismatched.failed)) {
        cr_fail_memory("a state dict's names", 0);
        failed = -1;
    }
    cr_free(words);
    cr_map_free(&v.seen);
    cr_text_free(&v.missing);
    cr_text_free(&v.mismatched);
    return failed;
}
