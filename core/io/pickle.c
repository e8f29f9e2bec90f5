/* The pickle machine: a stack, marks on it, and a memo. */
#include "core/io/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"

typedef cr_pickle_value value;

enum { CHUNK = 1 << 16 };
typedef struct chunk {
    struct chunk *next;
    size_t used, size;
} chunk;

struct cr_pickle {
    const char *what;
    const unsigned char *bytes;
    size_t at, size;
    chunk *chunks;
    value **stack, **memo;
    size_t depth, stack_room, memo_room;
    value *root;
};

enum { DONE = 1 };

static int fail(const cr_pickle *p, const char *words)
{
    return CR_FAIL_INT("%s: byte %zu of the pickle: %s", p->what, p->at, words);
}

/* Memory that lasts as long as the pickle; zeroed. */
static void *take(cr_pickle *p, size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    if (!p->chunks || bytes > p->chunks->size - p->chunks->used) {
        size_t size = bytes > CHUNK ? bytes : CHUNK;
        chunk *made = calloc(1, sizeof *made + size);
        if (!made)
            return cr_fail_memory("a pickle", size);
        made->size = size;
        made->next = p->chunks;
        p->chunks = made;
    }
    void *memory = (char *)(p->chunks + 1) + p->chunks->used;
    p->chunks->used += bytes;
    return memory;
}

static bool grow(cr_pickle *p, value ***list, size_t *room, size_t needed)
{
    if (needed <= *room)
        return true;
    size_t more = *room ? *room : 64;
    while (more < needed)
        more *= 2;
    value **bigger = realloc(*list, more * sizeof **list);
    if (!bigger)
        return cr_fail_memory("a pickle", more * sizeof **list);
    memset(bigger + *room, 0, (more - *room) * sizeof *bigger);
    *list = bigger;
    *room = more;
    return true;
}

static int push(cr_pickle *p, value *v)
{
    if (!v || !grow(p, &p->stack, &p->stack_room, p->depth + 1))
        return -1;
    p->stack[p->depth++] = v;
    return 0;
}

static int push_new(cr_pickle *p, cr_pickle_kind kind, int64_t i)
{
    value *v = take(p, sizeof *v);
    if (!v)
        return -1;
    v->kind = (uint8_t)kind;
    v->i = i;
    return push(p, v);
}

/* The top of the stack, or null if there is none or a mark. */
static value *top(const cr_pickle *p, size_t below)
{
    if (p->depth <= below)
        return NULL;
    value *v = p->stack[p->depth - 1 - below];
    return v->kind == CR_PICKLE_MARK ? NULL : v;
}

/* Where the values after the last mark begin; SIZE_MAX, and the error, without a mark. */
static size_t find_mark(const cr_pickle *p)
{
    for (size_t i = p->depth; i-- > 0;)
        if (p->stack[i]->kind == CR_PICKLE_MARK)
            return i + 1;
    fail(p, "there is no mark");
    return SIZE_MAX;
}

static bool append(cr_pickle *p, value *list, value *const *items, size_t count)
{
    if (list->count + count > list->capacity) {
        size_t capacity = (list->count + count) * 2;
        value **bigger = take(p, capacity * sizeof *bigger);
        if (!bigger)
            return false;
        if (list->count)
            memcpy(bigger, list->items, list->count * sizeof *bigger);
        list->items = bigger;
        list->capacity = capacity;
    }
    if (count)
        memcpy(list->items + list->count, items, count * sizeof *items);
    list->count += count;
    return true;
}

/* ---- reading bytes ---- */

static const unsigned char *next(cr_pickle *p, size_t count)
{
    if (count > p->size - p->at) {
        fail(p, "it is cut short");
        return NULL;
    }
    const unsigned char *at = p->bytes + p->at;
    p->at += count;
    return at;
}

static uint64_t little(const unsigned char *at, int count)
{
    uint64_t number = 0;
    for (int i = count; i-- > 0;)
        number = number << 8 | at[i];
    return number;
}

static int push_number(cr_pickle *p, int bytes, bool is_signed)
{
    const unsigned char *at = next(p, (size_t)bytes);
    if (!at)
        return -1;
    uint64_t number = little(at, bytes);
    if (is_signed && bytes < 8 && bytes && at[bytes - 1] & 0x80)
        number |= UINT64_MAX << 8 * bytes;
    return push_new(p, CR_PICKLE_INT, (int64_t)number);
}

static int push_long(cr_pickle *p)
{
    const unsigned char *length = next(p, 1);
    if (!length)
        return -1;
    if (*length > 8)
        return fail(p, "an integer of more than 64 bits");
    return push_number(p, *length, true);
}

static int push_double(cr_pickle *p)
{
    const unsigned char *at = next(p, 8);
    if (!at || push_new(p, CR_PICKLE_FLOAT, 0))
        return -1;
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | at[i];
    memcpy(&top(p, 0)->f, &bits, sizeof bits);
    return 0;
}

static int push_text(cr_pickle *p, const unsigned char *from, size_t length)
{
    char *text = from ? take(p, length + 1) : NULL;
    if (!text || push_new(p, CR_PICKLE_STRING, 0))
        return -1;
    memcpy(text, from, length);
    top(p, 0)->text = text;
    top(p, 0)->length = length;
    return 0;
}

static int push_string(cr_pickle *p, int bytes_of_length)
{
    const unsigned char *length = next(p, (size_t)bytes_of_length);
    if (!length)
        return -1;
    uint64_t count = little(length, bytes_of_length);
    if (count > p->size - p->at)
        return fail(p, "a string is cut short");
    return push_text(p, next(p, (size_t)count), (size_t)count);
}

/* ---- names of Python ---- */

typedef enum global { ORDERED_DICT, REBUILD_TENSOR, REBUILD_PARAMETER, SIZE, STORAGE } global;

static const struct {
    const char *module, *name;
    global which;
    cr_dtype dtype;
} globals[] = {
    {"collections", "OrderedDict", ORDERED_DICT, 0},
    {"torch._utils", "_rebuild_tensor_v2", REBUILD_TENSOR, 0},
    {"torch._utils", "_rebuild_parameter", REBUILD_PARAMETER, 0},
    {"torch", "Size", SIZE, 0},
    {"torch", "DoubleStorage", STORAGE, CR_F64},
    {"torch", "FloatStorage", STORAGE, CR_F32},
    {"torch", "HalfStorage", STORAGE, CR_F16},
    {"torch", "BFloat16Storage", STORAGE, CR_BF16},
    {"torch", "LongStorage", STORAGE, CR_I64},
    {"torch", "IntStorage", STORAGE, CR_I32},
    {"torch", "ShortStorage", STORAGE, CR_I16},
    {"torch", "CharStorage", STORAGE, CR_I8},
    {"torch", "ByteStorage", STORAGE, CR_U8},
    {"torch", "BoolStorage", STORAGE, CR_B8},
};

static int push_global(cr_pickle *p, const char *module, const char *name)
{
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++) {
        if (strcmp(globals[i].module, module) || strcmp(globals[i].name, name))
            continue;
        if (push_new(p, CR_PICKLE_GLOBAL, globals[i].which))
            return -1;
        top(p, 0)->dtype = (uint8_t)globals[i].dtype;
        return 0;
    }
    cr_dtype dtype = strcmp(module, "torch") ? CR_DTYPE_NONE : cr_dtype_by_name(name);
    if (dtype)
        return push_new(p, CR_PICKLE_DTYPE, dtype);
    return CR_FAIL_INT("%s: byte %zu of the pickle: it asks for %.100s.%.100s, and only tensors, "
                       "containers, numbers and strings are let in",
                       p->what, p->at, module, name);
}

/* A line of text: from here to a newline. */
static char *line(cr_pickle *p)
{
    const unsigned char *from = p->bytes + p->at, *end = memchr(from, '\n', p->size - p->at);
    if (!end) {
        fail(p, "it is cut short");
        return NULL;
    }
    size_t length = (size_t)(end - from);
    p->at += length + 1;
    char *text = take(p, length + 1);
    if (text)
        memcpy(text, from, length);
    return text;
}

static int read_global(cr_pickle *p)
{
    const char *module = line(p), *name = module ? line(p) : NULL;
    return name ? push_global(p, module, name) : -1;
}

static int stack_global(cr_pickle *p)
{
    value *name = top(p, 0), *module = top(p, 1);
    if (!name || !module || name->kind != CR_PICKLE_STRING || module->kind != CR_PICKLE_STRING)
        return fail(p, "a name of Python that is no string");
    p->depth -= 2;
    return push_global(p, module->text, name->text);
}

/* ---- making things ---- */

static bool are_ints(const value *v)
{
    bool good = v->kind == CR_PICKLE_TUPLE || v->kind == CR_PICKLE_LIST;
    for (size_t i = 0; good && i < v->count; i++)
        good = v->items[i]->kind == CR_PICKLE_INT;
    return good;
}

static int call_tensor(cr_pickle *p, value *args)
{
    value **a = args->items;
    if (args->count < 6 || a[0]->kind != CR_PICKLE_STORAGE || a[1]->kind != CR_PICKLE_INT ||
        !are_ints(a[2]) || !are_ints(a[3]) || a[2]->count != a[3]->count)
        return fail(p, "a tensor isn't made of storage, offset, sizes and strides");
    if (push_new(p, CR_PICKLE_TENSOR, 0) || !append(p, top(p, 0), a, 4))
        return -1;
    return 0;
}

static int call(cr_pickle *p)
{
    value *args = top(p, 0), *what = top(p, 1);
    if (!args || !what || args->kind != CR_PICKLE_TUPLE || what->kind != CR_PICKLE_GLOBAL)
        return fail(p, "it calls something that isn't let in");
    p->depth -= 2;
    switch (what->i) {
    case ORDERED_DICT:
        if (args->count)
            return fail(p, "an OrderedDict with arguments");
        return push_new(p, CR_PICKLE_DICT, 0);
    case REBUILD_TENSOR: return call_tensor(p, args);
    case REBUILD_PARAMETER:
        if (args->count < 1 || args->items[0]->kind != CR_PICKLE_TENSOR)
            return fail(p, "a parameter isn't made of a tensor");
        return push(p, args->items[0]);
    case SIZE:
        if (args->count != 1 || !are_ints(args->items[0]))
            return fail(p, "a Size isn't made of integers");
        return push(p, args->items[0]);
    default: return fail(p, "it calls a type of storage");
    }
}

static int persistent(cr_pickle *p)
{
    value *id = top(p, 0), **a = id ? id->items : NULL;
    if (!id || id->kind != CR_PICKLE_TUPLE || id->count != 5 || a[0]->kind != CR_PICKLE_STRING ||
        strcmp(a[0]->text, "storage") || a[1]->kind != CR_PICKLE_GLOBAL || a[1]->i != STORAGE ||
        a[2]->kind != CR_PICKLE_STRING || a[4]->kind != CR_PICKLE_INT || a[4]->i < 0)
        return fail(p, "a persistent id that is no storage");
    p->depth--;
    if (push_new(p, CR_PICKLE_STORAGE, a[4]->i))
        return -1;
    value *v = top(p, 0);
    v->dtype = a[1]->dtype;
    v->text = a[2]->text;
    v->length = a[2]->length;
    return 0;
}

static int make_tuple(cr_pickle *p, size_t from)
{
    if (from == SIZE_MAX)
        return -1;
    value *v = take(p, sizeof *v);
    if (!v)
        return -1;
    v->kind = CR_PICKLE_TUPLE;
    return append(p, v, p->stack + from, p->depth - from) ? (p->depth = from, push(p, v)) : -1;
}

static int make_short_tuple(cr_pickle *p, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!top(p, i))
            return fail(p, "the stack is too short");
    return make_tuple(p, p->depth - count);
}

static int pop_mark(cr_pickle *p)
{
    size_t from = find_mark(p);
    if (from == SIZE_MAX)
        return -1;
    p->depth = from - 1;
    return 0;
}

/* Adds what lies from `from` on the stack to the container below it. */
static int extend(cr_pickle *p, cr_pickle_kind kind, size_t from, size_t below)
{
    if (from == SIZE_MAX)
        return -1;
    value *to = from > below ? p->stack[from - 1 - below] : NULL;
    size_t count = p->depth - from;
    if (!to || to->kind != kind || (kind == CR_PICKLE_DICT && count % 2))
        return fail(p, "items without their container");
    if (!append(p, to, p->stack + from, count))
        return -1;
    p->depth = from - below;
    return 0;
}

static int add_last(cr_pickle *p, cr_pickle_kind kind, size_t count)
{
    for (size_t i = 0; i <= count; i++)
        if (!top(p, i))
            return fail(p, "items without their container");
    return extend(p, kind, p->depth - count, 0);
}

/* An object's attributes: a state dict's "_metadata". Left out. */
static int build(cr_pickle *p)
{
    value *state = top(p, 0), *object = top(p, 1);
    if (!state || !object || object->kind != CR_PICKLE_DICT || state->kind != CR_PICKLE_DICT)
        return fail(p, "attributes of something that is no dict");
    p->depth--;
    return 0;
}

/* ---- the memo ---- */

static int put(cr_pickle *p, uint64_t index)
{
    /* every entry takes at least two bytes of the pickle to write, so higher ones lie */
    if (index > p->size || !top(p, 0))
        return fail(p, "a memo that is out of place");
    if (!grow(p, &p->memo, &p->memo_room, (size_t)index + 1))
        return -1;
    p->memo[index] = top(p, 0);
    return 0;
}

static int put_bytes(cr_pickle *p, int bytes)
{
    const unsigned char *at = next(p, (size_t)bytes);
    return at ? put(p, little(at, bytes)) : -1;
}

static int get_bytes(cr_pickle *p, int bytes)
{
    const unsigned char *at = next(p, (size_t)bytes);
    if (!at)
        return -1;
    uint64_t index = little(at, bytes);
    if (index >= p->memo_room || !p->memo[index])
        return fail(p, "a memo that was never written");
    return push(p, p->memo[index]);
}

static int memoize(cr_pickle *p, size_t *memoized)
{
    return put(p, (*memoized)++);
}

/* ---- the machine ---- */

static int finish(cr_pickle *p)
{
    p->root = top(p, 0);
    if (!p->root || p->depth != 1)
        return fail(p, "it ends with more or less than one value");
    return DONE;
}

static int skip(cr_pickle *p, size_t count)
{
    return next(p, count) ? 0 : -1;
}

static int step(cr_pickle *p, unsigned char code, size_t *memoized)
{
    switch (code) {
    case 0x80: return skip(p, 1); /* PROTO */
    case 0x95: return skip(p, 8); /* FRAME */
    case '.': return finish(p);
    case '(': return push_new(p, CR_PICKLE_MARK, 0);
    case '0': return top(p, 0) ? (p->depth--, 0) : fail(p, "nothing to pop");
    case '1': return pop_mark(p);
    case 'N': return push_new(p, CR_PICKLE_NONE, 0);
    case 0x88: return push_new(p, CR_PICKLE_BOOL, 1);
    case 0x89: return push_new(p, CR_PICKLE_BOOL, 0);
    case 'J': return push_number(p, 4, true);
    case 'K': return push_number(p, 1, false);
    case 'M': return push_number(p, 2, false);
    case 0x8a: return push_long(p);
    case 'G': return push_double(p);
    case 'X': return push_string(p, 4);
    case 0x8c: return push_string(p, 1);
    case 0x8d: return push_string(p, 8);
    case '}': return push_new(p, CR_PICKLE_DICT, 0);
    case ']': return push_new(p, CR_PICKLE_LIST, 0);
    case ')': return push_new(p, CR_PICKLE_TUPLE, 0);
    case 't': {
        size_t from = find_mark(p);
        if (make_tuple(p, from))
            return -1;
        value *tuple = p->stack[--p->depth];
        p->depth--; /* the mark */
        return push(p, tuple);
    }
    case 0x85: return make_short_tuple(p, 1);
    case 0x86: return make_short_tuple(p, 2);
    case 0x87: return make_short_tuple(p, 3);
    case 'a': return add_last(p, CR_PICKLE_LIST, 1);
    case 'e': return extend(p, CR_PICKLE_LIST, find_mark(p), 1);
    case 's': return add_last(p, CR_PICKLE_DICT, 2);
    case 'u': return extend(p, CR_PICKLE_DICT, find_mark(p), 1);
    case 'q': return put_bytes(p, 1);
    case 'r': return put_bytes(p, 4);
    case 0x94: return memoize(p, memoized);
    case 'h': return get_bytes(p, 1);
    case 'j': return get_bytes(p, 4);
    case 'c': return read_global(p);
    case 0x93: return stack_global(p);
    case 'R': return call(p);
    case 'b': return build(p);
    case 'Q': return persistent(p);
    default:
        return CR_FAIL_INT("%s: byte %zu of the pickle: the instruction 0x%02x is not let in",
                           p->what, p->at - 1, code);
    }
}

cr_pickle *cr_pickle_read(const char *what, const unsigned char *bytes, size_t size)
{
    if (size > CR_PICKLE_MOST)
        return cr_fail("%s: its pickle has %zu bytes, at most %d are read", what, size,
                       CR_PICKLE_MOST);
    cr_pickle *p = calloc(1, sizeof *p);
    if (!p)
        return cr_fail_memory("a pickle", sizeof *p);
    p->what = what;
    p->bytes = bytes;
    p->size = size;
    size_t memoized = 0;
    int status = 0;
    while (!status) {
        const unsigned char *code = next(p, 1);
        status = code ? step(p, *code, &memoized) : -1;
    }
    if (status == DONE)
        return p;
    cr_pickle_free(p);
    return NULL;
}

const cr_pickle_value *cr_pickle_root(const cr_pickle *pickle)
{
    return pickle->root;
}

void cr_pickle_free(cr_pickle *pickle)
{
    if (!pickle)
        return;
    for (chunk *c = pickle->chunks, *after; c; c = after) {
        after = c->next;
        free(c);
    }
    free(pickle->stack);
    free(pickle->memo);
    free(pickle);
}
