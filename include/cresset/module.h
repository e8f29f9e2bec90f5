/* Modules: parts of a model that hold parameters, buffers and other modules, and can be called.
 *
 * A model of one's own takes no more lines than in PyTorch. CR_MODULE names its children,
 * CR_FORWARD says what a call does, CR_NEW makes one:
 *
 *     CR_MODULE(Net, conv, pool, fc);
 *     CR_FORWARD(Net, x)
 *     {
 *         x = cr_forward(self->pool, cr_relu(cr_forward(self->conv, x)));
 *         return cr_forward(self->fc, cr_flatten(x, .start_dim = 1));
 *     }
 *     ...
 *     cr_module *net = CR_NEW(Net, .conv = cr_conv2d(1, 8, 3), .pool = cr_max_pool2d(2), .fc =
 * cr_linear(1352, 10));
 *
 * Modules are counted. The one that makes a module is its scope (see base.h), a parent keeps its
 * children, and parameters belong to modules; so a model made in main's own scope lives until
 * cr_exit. */
#ifndef CRESSET_MODULE_H
#define CRESSET_MODULE_H

#include <cresset/autograd.h>
#include <cresset/state_dict.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cr_module cr_module;
typedef cr_module *cr_child; /* so that `cr_child conv1, conv2;` declares two pointers */

enum { CR_MODULE_OUTPUTS = 8 }; /* how many tensors a call can return */

/* What a call does: reads inputs[0..ninputs), writes outputs (room for CR_MODULE_OUTPUTS; the
 * scope's) and returns how many there are; 0, after an error, if it failed. Inputs past the first
 * may be null, for "not given". */
typedef size_t (*cr_forward_function)(cr_module *self, cr_tensor *const *inputs, size_t ninputs,
                                      cr_tensor **outputs);

/* What modules of one kind have in common. Static; CR_MODULE and CR_MODULE_TYPE write one. */
typedef struct cr_module_type {
    const char *name;            /* "Net", as it is printed */
    size_t size;                 /* of the struct, which begins with a cr_module */
    cr_forward_function forward; /* null: can't be called */
    void (*destroy)(
        cr_module *self); /* frees what the struct's other members hold; null: nothing */
    /* Writes what is printed between the parentheses, as snprintf would: returns the length it
     * needs. Null: nothing. */
    int (*extra_repr)(const cr_module *self, char *to, size_t bytes);
    const char *children; /* names of consecutive cr_child members, "conv1, pool"; "" for none */
    size_t children_at;   /* offset of the first of them */
    /* Called on a deep copy, whose members are the original's byte for byte: gives it memory of its own where destroy frees it.
     * False, after cr_fail and with nothing kept, if it can't. Null with a destroy: can't be copied. */
    bool (*copied)(cr_module *self);
    /* Called before a state dict's values are copied into the module's own tensors, whose entries begin with prefix ("fc."): makes
     * tensors that are not there yet, as lazy layers do. False, after cr_fail, if it can't. Null: nothing. */
    bool (*loading)(cr_module *self, const cr_state_dict *dict, const char *prefix);
} cr_module_type;

/* The first member of every module's struct. */
struct cr_module {
    unsigned char mark_; /* 0xFF, with which no UTF-8 text begins: cr_sequential tells modules from
                            names by it */
    bool training;       /* changed by cr_train and cr_eval */
    const cr_module_type *type;
    struct cr_module_state *state_;
};

/* ---- modules of one's own ---- */

/* A module of this type that belongs to the scope, with its members copied from `members` (null:
 * zeros) and the type's children registered. Null, with the error set, if a child is null. Returns
 * void * as malloc does. */
CR_API void *cr_module_new(const cr_module_type *type, const void *members);

/* False, and an error, unless given == expected: for CR_FORWARD. */
CR_API bool cr_module_check_inputs(const cr_module *module, size_t expected, size_t given);

#ifndef __cplusplus

/* CR_MODULE(Net, conv1, pool); declares struct Net with those children and its type. */
#define CR_MODULE(Name, ...)  \
    typedef struct Name {     \
        cr_module module;     \
        cr_child __VA_ARGS__; \
    } Name;                   \
    CR_MODULE_TYPE_(Name, offsetof(Name, CR_FIRST_(__VA_ARGS__, 0)), #__VA_ARGS__)

/* The same for a struct written out, whose first member is `cr_module module;`. Its children,
 * parameters and buffers are set with CR_SET and CR_SET_BUFFER after CR_NEW:
 *
 *     typedef struct Scale {
 *         cr_module module;
 *         cr_tensor *weight;
 *         cr_module *inner;
 *         int64_t width;
 *     } Scale;
 *     CR_MODULE_TYPE(Scale);
 *     CR_FORWARD(Scale, x) { return cr_mul(cr_forward(self->inner, x), self->weight); }
 *
 *     cr_module *scale(int64_t width)
 *     {
 *         Scale *self = CR_NEW(Scale, .width = width);
 *         CR_SET(self, weight, cr_ones(width));
 *         CR_SET(self, inner, cr_linear(width, width));
 *         return (cr_module *)self;
 *     } */
#define CR_MODULE_TYPE(Name) CR_MODULE_TYPE_(Name, 0, "")

#define CR_MODULE_TYPE_(Name, at, names)                                                       \
    static size_t Name##_call_(cr_module *module, cr_tensor *const *inputs, size_t ninputs,    \
                               cr_tensor **outputs);                                           \
    static const cr_module_type Name##_type_ = {#Name, sizeof(Name), Name##_call_, NULL, NULL, \
                                                names, at,           NULL,         NULL}

/* CR_FORWARD(Net, x, y) { … return z; }: what a call with these tensors (1 to 8) does, with the
 * module as `self`. */
#define CR_FORWARD(Name, ...)                                                                  \
    static cr_tensor *Name##_forward_(Name *self, CR_INPUTS_(__VA_ARGS__));                    \
    static size_t Name##_call_(cr_module *module, cr_tensor *const *inputs, size_t ninputs,    \
                               cr_tensor **outputs)                                            \
    {                                                                                          \
        if (!cr_module_check_inputs(module, CR_COUNT_(__VA_ARGS__), ninputs))                  \
            return 0;                                                                          \
        outputs[0] = Name##_forward_((Name *)(void *)module, CR_SPREAD_(inputs, __VA_ARGS__)); \
        return outputs[0] != NULL;                                                             \
    }                                                                                          \
    static cr_tensor *Name##_forward_(Name *self, CR_INPUTS_(__VA_ARGS__))

/* The same for a call that returns several: the body writes out[0], out[1], … and returns how many
 * (0: failed). */
#define CR_FORWARD_MANY(Name, ...)                                                                \
    static size_t Name##_forward_(Name *self, cr_tensor **out, CR_INPUTS_(__VA_ARGS__));          \
    static size_t Name##_call_(cr_module *module, cr_tensor *const *inputs, size_t ninputs,       \
                               cr_tensor **outputs)                                               \
    {                                                                                             \
        if (!cr_module_check_inputs(module, CR_COUNT_(__VA_ARGS__), ninputs))                     \
            return 0;                                                                             \
        return Name##_forward_((Name *)(void *)module, outputs, CR_SPREAD_(inputs, __VA_ARGS__)); \
    }                                                                                             \
    static size_t Name##_forward_(Name *self, cr_tensor **out, CR_INPUTS_(__VA_ARGS__))

/* Makes a module of the scope, with its members as keywords. Children are made in the order of the
 * struct's members. */
#define CR_NEW(Name, ...) \
    cr_module_new(&Name##_type_, &(const Name){.module.training = true, __VA_ARGS__})

/* self.member = value: registers a child (cr_module *) or a parameter (cr_tensor *) under the
 * member's name, and keeps the member up to date when it is registered again. Nothing happens if
 * self is null. */
#define CR_SET(self, member, value)                                               \
    _Generic((self)->member, cr_module *                                          \
             : cr_module_set_child, cr_tensor *                                   \
             : cr_module_set_parameter)((self) ? &(self)->module : NULL, #member, \
                                        (self) ? &(self)->member : NULL, value)
#define CR_SET_BUFFER(self, member, value)                         \
    cr_module_set_buffer((self) ? &(self)->module : NULL, #member, \
                         (self) ? &(self)->member : NULL, value)

#define CR_COUNT_(...)                            CR_NINTH_(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define CR_NINTH_(a, b, c, d, e, f, g, h, n, ...) n
#define CR_INPUTS_(...)                           CR_JOIN_(CR_INPUTS_, CR_COUNT_(__VA_ARGS__))(__VA_ARGS__)
#define CR_INPUTS_1(a)                            cr_tensor *a
#define CR_INPUTS_2(a, ...)                       cr_tensor *a, CR_INPUTS_1(__VA_ARGS__)
#define CR_INPUTS_3(a, ...)                       cr_tensor *a, CR_INPUTS_2(__VA_ARGS__)
#define CR_INPUTS_4(a, ...)                       cr_tensor *a, CR_INPUTS_3(__VA_ARGS__)
#define CR_INPUTS_5(a, ...)                       cr_tensor *a, CR_INPUTS_4(__VA_ARGS__)
#define CR_INPUTS_6(a, ...)                       cr_tensor *a, CR_INPUTS_5(__VA_ARGS__)
#define CR_INPUTS_7(a, ...)                       cr_tensor *a, CR_INPUTS_6(__VA_ARGS__)
#define CR_INPUTS_8(a, ...)                       cr_tensor *a, CR_INPUTS_7(__VA_ARGS__)
#define CR_SPREAD_(p, ...)                        CR_JOIN_(CR_SPREAD_, CR_COUNT_(__VA_ARGS__))(p)
#define CR_SPREAD_1(p)                            p[0]
#define CR_SPREAD_2(p)                            CR_SPREAD_1(p), p[1]
#define CR_SPREAD_3(p)                            CR_SPREAD_2(p), p[2]
#define CR_SPREAD_4(p)                            CR_SPREAD_3(p), p[3]
#define CR_SPREAD_5(p)                            CR_SPREAD_4(p), p[4]
#define CR_SPREAD_6(p)                            CR_SPREAD_5(p), p[5]
#define CR_SPREAD_7(p)                            CR_SPREAD_6(p), p[6]
#define CR_SPREAD_8(p)                            CR_SPREAD_7(p), p[7]
#endif

/* What a module consists of, without macros. Registering under a name that is taken replaces what
 * was there; the place (null: none) is a member of the module's struct that is written now and
 * whenever the name is registered again. Each returns what it registered, borrowed; or null and an
 * error: an empty name or one with a dot, a name taken by something of another kind, a module that
 * would contain itself, null.
 *
 * A parameter is a floating leaf that requires grad; a tensor that is the result of operations is
 * detached first. Registering one tensor in two places shares it. A buffer is saved in the state
 * dict unless it is made non-persistent. */
CR_API cr_module *cr_module_set_child(cr_module *module, const char *name, cr_module **place,
                                      cr_module *child);
CR_API cr_tensor *cr_module_set_parameter(cr_module *module, const char *name, cr_tensor **place,
                                          cr_tensor *tensor);
CR_API cr_tensor *cr_module_set_buffer(cr_module *module, const char *name, cr_tensor **place,
                                       cr_tensor *tensor);
CR_API cr_module *cr_register_module(cr_module *module, const char *name, cr_module *child);
CR_API cr_module *cr_add_module(cr_module *module, const char *name,
                                cr_module *child); /* the same */
CR_API cr_tensor *cr_register_parameter(cr_module *module, const char *name, cr_tensor *tensor);
CR_API cr_tensor *cr_register_buffer(cr_module *module, const char *name, cr_tensor *tensor,
                                     bool persistent);
/* Takes a child, a parameter or a buffer out. Returns 0, or an error if there is none of that name.
 */
CR_API int cr_unregister(cr_module *module, const char *name);

/* ---- calling ---- */

/* Runs forward, with hooks, on n inputs and returns its first output, of the scope; null if the
 * module, the first input or the call failed. The call has a scope of its own: what forward and hooks
 * make beside the outputs goes when it returns, but for what derivatives saved and what was retained. */
CR_API cr_tensor *cr_forward_with(cr_module *module, cr_tensor *const *inputs, size_t n);
/* The same for a module with several outputs: fills outputs[0..noutputs). Returns 0, or an error:
 * fewer outputs than asked. */
CR_API int cr_forward_many_with(cr_module *module, cr_tensor *const *inputs, size_t n,
                                cr_tensor **outputs, size_t noutputs);
#ifndef __cplusplus
/* net(x), net(x, y) */
#define cr_forward(module, ...)                                \
    cr_forward_with(module, (cr_tensor *const[]){__VA_ARGS__}, \
                    sizeof((cr_tensor *const[]){__VA_ARGS__}) / sizeof(cr_tensor *))
/* a, b = net(x): cr_tensor *out[2]; cr_forward_many(net, out, 2, x); */
#define cr_forward_many(module, outputs, noutputs, ...)                                            \
    cr_forward_many_with(module, (cr_tensor *const[]){__VA_ARGS__},                                \
                         sizeof((cr_tensor *const[]){__VA_ARGS__}) / sizeof(cr_tensor *), outputs, \
                         noutputs)
#endif

/* ---- lifetimes ---- */

/* Counts of owners: retain returns its argument; the last release frees the module and lets go of what it holds. Null is ignored. */
CR_API cr_module *cr_module_retain(cr_module *module);
CR_API void cr_module_release(cr_module *module);
/* copy.deepcopy(net): a module of the scope with parameters, buffers and children of its own, modes, hooks (called with the same
 * context) and requires_grad as they are, without gradients. What is shared inside the original is shared inside the copy.
 * Other members are copied as they are. Null and an error for a type that owns memory and has no `copied`. */
CR_API cr_module *cr_module_copy(cr_module *module);

/* ---- containers ---- */

/* torch.nn.Sequential: calls its children in order, each with the result of the one before. Names
 * may stand before modules; unnamed ones are numbered: cr_sequential(cr_linear(15, 20),
 * cr_relu_layer()) cr_sequential("linear1", cr_linear(15, 20), "relu1", cr_relu_layer()) The plain
 * function takes an array of both. Null if an item is null. */
CR_API cr_module *cr_sequential_with(const void *const *items, size_t count);
/* torch.nn.ModuleList and ModuleDict: hold modules (and names) for a module that calls them itself.
 */
CR_API cr_module *cr_module_list_with(cr_module *const *modules, size_t count);
CR_API cr_module *cr_module_dict_with(const void *const *items, size_t count);
/* torch.nn.ParameterList and ParameterDict. */
CR_API cr_module *cr_parameter_list_with(cr_tensor *const *parameters, size_t count);
CR_API cr_module *cr_parameter_dict(void); /* filled with cr_register_parameter */
#ifndef __cplusplus
#define cr_sequential(...)                                           \
    cr_sequential_with(&(const void *const[]){NULL, __VA_ARGS__}[1], \
                       sizeof((const void *const[]){NULL, __VA_ARGS__}) / sizeof(void *) - 1)
#define cr_module_list(...)                                          \
    cr_module_list_with(&(cr_module *const[]){NULL, __VA_ARGS__}[1], \
                        sizeof((cr_module *const[]){NULL, __VA_ARGS__}) / sizeof(cr_module *) - 1)
#define cr_module_dict(...)                                           \
    cr_module_dict_with(&(const void *const[]){NULL, __VA_ARGS__}[1], \
                        sizeof((const void *const[]){NULL, __VA_ARGS__}) / sizeof(void *) - 1)
#define cr_parameter_list(...)                                                                     \
    cr_parameter_list_with(&(cr_tensor *const[]){NULL, __VA_ARGS__}[1],                            \
                           sizeof((cr_tensor *const[]){NULL, __VA_ARGS__}) / sizeof(cr_tensor *) - \
                               1)
#endif

/* Adds a child (a parameter) under the next number. Returns it, or null. */
CR_API cr_module *cr_module_append(cr_module *container, cr_module *child);
CR_API cr_tensor *cr_parameter_append(cr_module *container, cr_tensor *parameter);

/* ---- looking inside ---- */

/* How many children; the i-th (from the end if negative; null and an error out of range); the one
 * of that name (null and no error if there is none). Borrowed. */
CR_API size_t cr_module_count(const cr_module *module);
CR_API cr_module *cr_module_at(const cr_module *module, int64_t i);
CR_API cr_module *cr_module_child(const cr_module *module, const char *name);
/* A parameter or buffer of the module itself, by number (parameters only) or by name. As above. */
CR_API cr_tensor *cr_parameter_at(const cr_module *module, int64_t i);
CR_API cr_tensor *cr_module_tensor(const cr_module *module, const char *name);
/* By path, as "layer1.0.conv" and "layer1.0.conv.weight"; "" is the module itself. Null and an
 * error if there is none. */
CR_API cr_module *cr_get_submodule(cr_module *module, const char *path);
CR_API cr_tensor *cr_get_parameter(cr_module *module, const char *path);
CR_API cr_tensor *cr_get_buffer(cr_module *module, const char *path);

/* Lazy iterators, in PyTorch's order (a module, its own things, then its children's), with names
 * that carry the path, and everything once however often it is shared. The name is valid until the
 * next step.
 *
 *     CR_FOREACH_PARAMETER (p, net)               // named_parameters()
 *         printf("%s %d\n", p.name, cr_tensor_dim(p.tensor));
 *     CR_FOREACH_BUFFER (b, net) …                // named_buffers()
 *     CR_FOREACH_MODULE (m, net)                  // named_modules(), net first
 *         printf("%s %s\n", m.name, m.module->type->name);
 *     CR_FOREACH_CHILD (c, net) …                 // named_children()
 *
 * A loop may be left with break; what an iterator needs belongs to the scope. */
typedef struct cr_named_tensor {
    const char *name;
    cr_tensor *tensor;
    struct cr_walk *walk_;
} cr_named_tensor;
typedef struct cr_named_module {
    const char *name;
    cr_module *module;
    struct cr_walk *walk_;
} cr_named_module;

/* Iterators at their beginning (of a null module: at their end), and the step to the next one: false at the end. */
CR_API cr_named_tensor cr_parameters(cr_module *module);
CR_API cr_named_tensor cr_buffers(cr_module *module);
CR_API bool cr_next_tensor(cr_named_tensor *it);
CR_API cr_named_module cr_modules(cr_module *module);
CR_API cr_named_module cr_children(cr_module *module);
CR_API bool cr_next_module(cr_named_module *it);
#define CR_FOREACH_PARAMETER(p, net) \
    for (cr_named_tensor p = cr_parameters(net); cr_next_tensor(&p);)
#define CR_FOREACH_BUFFER(b, net) for (cr_named_tensor b = cr_buffers(net); cr_next_tensor(&b);)
#define CR_FOREACH_MODULE(m, net) for (cr_named_module m = cr_modules(net); cr_next_module(&m);)
#define CR_FOREACH_CHILD(c, net)  for (cr_named_module c = cr_children(net); cr_next_module(&c);)

/* The number of elements in all parameters (in those that require grad), each counted once. */
CR_API int64_t cr_parameter_count(cr_module *module);
CR_API int64_t cr_trainable_parameter_count(cr_module *module);

/* ---- changing everything inside; each returns the module ---- */

/* Training and evaluation mode, which dropout and batch norm ask for; new modules train. */
CR_API cr_module *cr_train(cr_module *module);
CR_API cr_module *cr_eval(cr_module *module);
/* Whether parameters require grad: cr_module_requires_grad_(backbone, false) freezes. */
CR_API cr_module *cr_module_requires_grad_(cr_module *module, bool on);
/* Drops all parameters' gradients. (cr_zero_grad of optim.h takes modules, too.) */
CR_API cr_module *cr_module_zero_grad(cr_module *module);
/* Calls function on every module inside, children first, and on the module itself last: to
 * initialise weights. */
CR_API cr_module *cr_module_apply(cr_module *module,
                                  void (*function)(void *context, cr_module *module),
                                  void *context);

typedef struct cr_module_to_options {
    const char *device; /* null: stay */
    cr_dtype dtype;     /* for floating parameters and buffers; CR_DTYPE_NONE: stay */
    int end_;
} cr_module_to_options;
/* Moves and casts parameters, their gradients and buffers. The tensors remain the same objects, so
 * optimisers and other holders see the change. Null, and everything as it was for what came after,
 * at the first failure. */
CR_API cr_module *cr_module_to_with(cr_module *module, const cr_module_to_options *options);
#ifndef __cplusplus
#define cr_module_to(module, ...) \
    cr_module_to_with(module, &(const cr_module_to_options){__VA_ARGS__, .end_ = 0})
#endif

/* ---- saving and loading ---- */

/* Parameters and persistent buffers by name, in PyTorch's order, sharing memory, outside of the
 * graph. Of the scope. */
CR_API cr_state_dict *cr_module_state_dict(cr_module *module);

typedef struct cr_load_state_dict_options {
    bool no_strict; /* missing and unexpected names are no errors (wrong sizes always are) */
    int end_;
} cr_load_state_dict_options;
/* Copies a dict's values into the module's tensors. All problems are told at once, in PyTorch's
 * words; what fits is copied even then, as there. Returns 0, or an error. */
CR_API int cr_module_load_state_dict_with(cr_module *module, const cr_state_dict *dict,
                                          const cr_load_state_dict_options *options);
#ifndef __cplusplus
#define cr_module_load_state_dict(module, ...) \
    cr_module_load_state_dict_with(            \
        module, CR_FIRST_(__VA_ARGS__, 0),     \
        &(const cr_load_state_dict_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#endif

/* ---- hooks ---- */

/* Called before forward: may replace entries of inputs. Returns 0, or non-zero (after cr_fail) to
 * stop the call. */
typedef int (*cr_forward_pre_hook)(void *context, cr_module *module, cr_tensor **inputs,
                                   size_t ninputs);
/* Called after forward: may replace entries of outputs. */
typedef int (*cr_forward_hook)(void *context, cr_module *module, cr_tensor *const *inputs,
                               size_t ninputs, cr_tensor **outputs, size_t noutputs);
/* Called in backward when the gradients with respect to the module's inputs are known (null for an
 * input that needs none): may replace entries of grad_inputs. */
typedef int (*cr_full_backward_hook)(void *context, cr_module *module, cr_tensor **grad_inputs,
                                     size_t ninputs, cr_tensor *const *grad_outputs,
                                     size_t noutputs);
/* Hooks run in the order of their registration. Each returns a handle above 0, or 0 and an error.
 */
CR_API int64_t cr_register_forward_pre_hook(cr_module *module, cr_forward_pre_hook hook,
                                            void *context);
CR_API int64_t cr_register_forward_hook(cr_module *module, cr_forward_hook hook, void *context);
CR_API int64_t cr_register_full_backward_hook(cr_module *module, cr_full_backward_hook hook,
                                              void *context);
/* Returns 0, or an error for a handle that this module does not know. */
CR_API int cr_module_remove_hook(cr_module *module, int64_t handle);

/* ---- printing ---- */

/* repr(net), exactly: nested, with two spaces a level. Free with cr_free. */
CR_API char *cr_module_to_string(const cr_module *module);
/* The same to stdout, with a newline. Returns 0, or an error. */
CR_API int cr_module_print(const cr_module *module);

/* torchkeras's summary: calls the module once, in evaluation mode, without grad, on two random
 * samples of this shape (without the batch's dimension), and lists every call of a module that is
 * no container and not the net itself, in order, with its output's shape and its number of
 * parameters (of a module called twice, or shared, only the first time: torchkeras counts it at every
 * call, so its total can be larger). The samples lie where the module's first parameter does. Modes
 * and the random state are put back and hooks removed, also after a failure. */
CR_API int cr_summary_with(cr_module *module, cr_ints input_shape); /* to stdout; 0, or an error */
CR_API char *cr_summary_to_string(cr_module *module, cr_ints input_shape); /* free with cr_free */
/* The same for a module with several inputs, or inputs that are no random numbers (words): called
 * with these, whose first dimension is the batch: cr_summary_inputs(net, CR_TENSORS(user, item)). */
CR_API int cr_summary_inputs(cr_module *module, cr_tensors inputs);
CR_API char *cr_summary_inputs_to_string(cr_module *module, cr_tensors inputs);
#ifndef __cplusplus
#define cr_summary(module, shape) cr_summary_with(module, CR_I(shape))
#endif

#ifdef __cplusplus
}
#endif
#endif
