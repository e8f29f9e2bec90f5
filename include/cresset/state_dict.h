/* State dicts: names with tensors and numbers, in order; what modules, optimisers and schedulers
 * save and load.
 *
 * A module's dict holds its parameters and persistent buffers ("conv1.weight"). An optimiser's
 * holds PyTorch's two parts with dotted names: "state.0.momentum_buffer" (by the parameter's
 * number), "param_groups.0.lr". A tensor in a dict shares the memory of what it was taken from, as
 * in PyTorch: clone it to keep a copy while training goes on. */
#ifndef CRESSET_STATE_DICT_H
#define CRESSET_STATE_DICT_H

#include <cresset/call.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cr_state_dict cr_state_dict;

/* An empty dict of the scope. */
CR_API cr_state_dict *cr_state_dict_new(void);
CR_API cr_state_dict *cr_state_dict_retain(cr_state_dict *dict);
CR_API void cr_state_dict_release(cr_state_dict *dict);

/* How many entries; the i-th one's name, and its tensor (null if it is a number, a list or a
 * string). Null and no error past the end. Borrowed from the dict. */
CR_API size_t cr_state_dict_count(const cr_state_dict *dict);
CR_API const char *cr_state_dict_name(const cr_state_dict *dict, size_t i);
CR_API cr_tensor *cr_state_dict_tensor(const cr_state_dict *dict, size_t i);

/* By name; null and no error if there is no such entry, or (cr_state_dict_get) none with a tensor.
 * Borrowed. */
CR_API cr_tensor *cr_state_dict_get(const cr_state_dict *dict, const char *name);
CR_API const cr_value *cr_state_dict_value(const cr_state_dict *dict, const char *name);

/* Sets an entry, new (at the end) or not. A tensor is retained; of another value, lists and strings
 * are copied. Returns 0, or an error: a list of tensors, a tensor that is null. */
CR_API int cr_state_dict_set(cr_state_dict *dict, const char *name, cr_tensor *tensor);
CR_API int cr_state_dict_set_value(cr_state_dict *dict, const char *name, cr_value value);
/* Takes an entry out. Returns 0, or an error if there is none. */
CR_API int cr_state_dict_remove(cr_state_dict *dict, const char *name);

typedef struct cr_state_entry {
    const char *name;
    cr_tensor *tensor;     /* null if it is none */
    const cr_value *value; /* any entry's; a tensor's too */
    const cr_state_dict *dict_;
    size_t next_;
} cr_state_entry;

/* An iterator at its beginning (of a null dict: at its end), and the step to the next entry: false at the end. The entry is borrowed. */
CR_API cr_state_entry cr_state_entries(const cr_state_dict *dict);
CR_API bool cr_next_state_entry(cr_state_entry *entry);

/* for name, value in dict.items(): CR_FOREACH_STATE (s, dict) printf("%s\n", s.name); */
#define CR_FOREACH_STATE(s, dict) \
    for (cr_state_entry s = cr_state_entries(dict); cr_next_state_entry(&s);)

#ifdef __cplusplus
}
#endif
#endif
