/* Putting shaders together; see spirv.h. A module is a header of five words and then instructions, the first word of each its
 * length and what it is: capabilities and the like, names, decorations, types and constants, and functions, in that order. */
#include "spirv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER = 5,
    BOUND = 3, /* in the header: ids are below */
    NAME_BYTES = 96
};

/* Instructions, by their numbers in the specification. */
enum {
    OP_NOP = 0,
    OP_SOURCE_CONTINUED = 2,
    OP_SOURCE = 3,
    OP_SOURCE_EXTENSION = 4,
    OP_NAME = 5,
    OP_MEMBER_NAME = 6,
    OP_STRING = 7,
    OP_LINE = 8,
    OP_ENTRY_POINT = 15,
    OP_TYPE_INT = 21,
    OP_TYPE_FLOAT = 22,
    OP_CONSTANT = 43,
    OP_FUNCTION = 54,
    OP_FUNCTION_PARAMETER = 55,
    OP_FUNCTION_END = 56,
    OP_FUNCTION_CALL = 57,
    OP_STORE = 62,
    OP_COPY_MEMORY = 63,
    OP_DECORATE = 71,
    OP_CONTROL_BARRIER = 224,
    OP_MEMORY_BARRIER = 225,
    OP_ATOMIC_STORE = 228,
    OP_LOOP_MERGE = 246,
    OP_SELECTION_MERGE = 247,
    OP_LABEL = 248,
    OP_BRANCH = 249,
    OP_SWITCH = 251,
    OP_RETURN = 253,
    OP_RETURN_VALUE = 254,
    OP_UNREACHABLE = 255,
    OP_NO_LINE = 317,
    OP_MODULE_PROCESSED = 330
};

typedef struct piece {
    char name
        [NAME_BYTES]; /* "op_add(f1;f1;f1;": the source's, and what it takes; "" if it can't be called from a body */
    uint32_t id, result; /* the result's type */
    size_t at, end;      /* its words */
} piece;

struct vk_pieces {
    const uint32_t *words;
    size_t count, functions; /* words; where the functions begin */
    uint32_t bound;
    piece *piece;                     /* in order of the module */
    uint32_t npieces, mask, *by_name; /* numbers from 1 by the names' hashes, mask + 1 of them */
    uint32_t *owner;   /* [bound] the function, from 1, that an id is defined in; 0: none */
    uint32_t *made_of; /* [bound] for the id of a function: its number, from 1 */
    uint32_t type[VK_TYPES];
    uint32_t body, entry; /* a function's number; an id */
};

static uint32_t length_of(uint32_t word)
{
    return word >> 16;
}

static uint32_t kind_of(uint32_t word)
{
    return word & 0xffff;
}

/* ---- reading ---- */

/* Which word of an instruction within a function is its result; 0: none. */
static int result_at(uint32_t kind)
{
    switch (kind) {
    case OP_NOP:
    case OP_LINE:
    case OP_NO_LINE:
    case OP_FUNCTION_END:
    case OP_STORE:
    case OP_COPY_MEMORY:
    case OP_CONTROL_BARRIER:
    case OP_MEMORY_BARRIER:
    case OP_ATOMIC_STORE:
    case OP_LOOP_MERGE:
    case OP_SELECTION_MERGE: return 0;
    case OP_LABEL: return 1;
    default: return kind >= OP_BRANCH && kind <= OP_UNREACHABLE ? 0 : 2;
    }
}

static vk_type type_of(const vk_pieces *p, uint32_t id)
{
    for (int t = VK_OF_NONE + 1; t < VK_TYPES; t++)
        if (p->type[t] == id)
            return (vk_type)t;
    return VK_OF_NONE;
}

static void note_declaration(vk_pieces *p, const uint32_t *at)
{
    uint32_t kind = kind_of(at[0]);
    if (kind == OP_TYPE_FLOAT && at[2] == 32)
        p->type[VK_OF_FLOAT] = at[1];
    else if (kind == OP_TYPE_FLOAT && at[2] == 64)
        p->type[VK_OF_DOUBLE] = at[1];
    else if (kind == OP_TYPE_INT && at[2] == 32)
        p->type[at[3] ? VK_OF_INT : VK_OF_UINT] = at[1];
    else if (kind == OP_TYPE_INT && at[2] == 64 && at[3])
        p->type[VK_OF_LONG] = at[1];
    else if (kind == OP_ENTRY_POINT)
        p->entry = at[2];
}

/* Goes through the instructions once; false where lengths or ids make no sense. */
static bool read_functions(vk_pieces *p)
{
    piece *now = NULL;
    for (size_t i = HEADER; i < p->count;) {
        const uint32_t *at = p->words + i;
        uint32_t length = length_of(at[0]), kind = kind_of(at[0]);
        if (!length || length > p->count - i)
            return false;
        if (kind == OP_FUNCTION && length == 5) {
            if (!p->npieces)
                p->functions = i;
            now = &p->piece[p->npieces++];
            *now = (piece){.id = at[2], .result = at[1], .at = i};
        }
        if (now) {
            int result = result_at(kind);
            if (result && (length <= (uint32_t)result || at[result] >= p->bound))
                return false;
            if (result)
                p->owner[at[result]] = p->npieces;
            if (kind == OP_FUNCTION)
                p->made_of[at[2]] = p->npieces;
        } else {
            note_declaration(p, at);
        }
        i += length;
        if (now && kind == OP_FUNCTION_END) {
            now->end = i;
            now = NULL;
        }
    }
    return p->npieces && !now;
}

/* Whether it takes and gives plain values. */
static bool is_callable(const vk_pieces *p, const piece *f)
{
    for (size_t i = f->at + 5; kind_of(p->words[i]) == OP_FUNCTION_PARAMETER;
         i += length_of(p->words[i]))
        if (!type_of(p, p->words[i + 1]))
            return false;
    return true;
}

static void read_name(vk_pieces *p, const uint32_t *at)
{
    uint32_t length = length_of(at[0]), function = at[1] < p->bound ? p->made_of[at[1]] : 0;
    if (!function || !is_callable(p, &p->piece[function - 1]))
        return;
    char *name = p->piece[function - 1].name;
    size_t n = 0;
    for (uint32_t w = 2; w < length; w++)
        for (int byte = 0; byte < 4; byte++) {
            char c = (char)(at[w] >> 8 * byte & 0xff);
            if (!c)
                break;
            if (n + 1 == NAME_BYTES) { /* none that a body asks for */
                name[0] = 0;
                return;
            }
            name[n++] = c;
        }
    name[n] = 0;
}

static uint32_t hash_words(uint32_t h, const uint32_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        h = (h ^ words[i]) * 16777619u;
    return h ^ h >> 15;
}

static uint32_t hash_name(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 16777619u;
    return h ^ h >> 15;
}

/* Where the name is in the table, or would be. */
static uint32_t *place_of(const vk_pieces *p, const char *name)
{
    uint32_t at = hash_name(name) & p->mask;
    while (p->by_name[at] && strcmp(p->piece[p->by_name[at] - 1].name, name))
        at = (at + 1) & p->mask;
    return &p->by_name[at];
}

static void read_names(vk_pieces *p)
{
    for (size_t i = HEADER; i < p->functions; i += length_of(p->words[i]))
        if (kind_of(p->words[i]) == OP_NAME && length_of(p->words[i]) > 2)
            read_name(p, p->words + i);
    for (uint32_t f = 0; f < p->npieces; f++)
        if (p->piece[f].name[0])
            *place_of(p, p->piece[f].name) = f + 1;
}

static uint32_t count_functions(const uint32_t *words, size_t count)
{
    uint32_t n = 0;
    for (size_t i = HEADER; i < count && length_of(words[i]); i += length_of(words[i]))
        n += kind_of(words[i]) == OP_FUNCTION;
    return n;
}

vk_pieces *vk_pieces_new(const uint32_t *words, size_t count, const char *body, const char **why)
{
    *why = "the pieces of shaders are not a module";
    if (count <= HEADER || words[0] != 0x07230203)
        return NULL;
    *why = "the host has no memory left for the pieces of shaders";
    vk_pieces *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    uint32_t n = count_functions(words, count);
    p->words = words;
    p->count = count;
    p->bound = words[BOUND];
    p->mask = 1;
    while (p->mask < 2 * n)
        p->mask = 2 * p->mask + 1;
    p->piece = calloc((size_t)n + 1, sizeof *p->piece);
    p->by_name = calloc((size_t)p->mask + 1, sizeof *p->by_name);
    p->owner = calloc((size_t)p->bound + 1, sizeof *p->owner);
    p->made_of = calloc((size_t)p->bound + 1, sizeof *p->made_of);
    if (!p->piece || !p->by_name || !p->owner || !p->made_of) {
        vk_pieces_free(p);
        return NULL;
    }
    *why = "the pieces of shaders are not as their compiler should leave them";
    bool well = read_functions(p);
    if (well) {
        char name[NAME_BYTES];
        read_names(p);
        snprintf(name, sizeof name, "%s(u1;", body);
        p->body = *place_of(p, name);
    }
    if (well && p->body && p->type[VK_OF_UINT] && p->entry < p->bound && p->made_of[p->entry])
        return p;
    vk_pieces_free(p);
    return NULL;
}

void vk_pieces_free(vk_pieces *p)
{
    if (!p)
        return;
    free(p->piece);
    free(p->by_name);
    free(p->owner);
    free(p->made_of);
    free(p);
}

/* ---- bodies ---- */

vk_body vk_body_new(const vk_pieces *pieces)
{
    return (vk_body){.pieces = pieces, .next = pieces->bound};
}

void vk_body_free(vk_body *body)
{
    free(body->code);
    body->code = NULL;
}

vk_term vk_body_index(const vk_body *body)
{
    const vk_pieces *p = body->pieces;
    return (vk_term){p->words[p->piece[p->body - 1].at + 5 + 2], VK_OF_UINT};
}

vk_term vk_body_uint(vk_body *body, uint32_t value)
{
    for (uint32_t i = 0; i < body->nconstants; i++)
        if (body->constant[i] == value)
            return (vk_term){body->constant_id[i], VK_OF_UINT};
    if (body->nconstants == VK_BODY_CONSTANTS) {
        body->failed = true;
        return (vk_term){0, VK_OF_NONE};
    }
    body->constant[body->nconstants] = value;
    body->constant_id[body->nconstants] = body->next++;
    return (vk_term){body->constant_id[body->nconstants++], VK_OF_UINT};
}

static bool make_room(vk_body *body, size_t words)
{
    if (body->room - body->count >= words)
        return true;
    size_t room = 2 * body->room + words + 64;
    uint32_t *code = realloc(body->code, room * sizeof *code);
    if (!code)
        return false;
    body->code = code;
    body->room = room;
    return true;
}

/* The name as the source's compiler has it, which tells apart functions of one name. */
static void whole_name(char *to, const char *name, uint32_t nargs, const vk_term *args)
{
    static const char *const codes[VK_TYPES] = {"?", "f1;", "d1;", "i1;", "i641;", "u1;"};
    size_t n = (size_t)snprintf(to, NAME_BYTES, "%s(", name);
    for (uint32_t i = 0; i < nargs && n < NAME_BYTES; i++)
        n += (size_t)snprintf(to + n, NAME_BYTES - n, "%s", codes[args[i].type]);
}

vk_term vk_body_call(vk_body *body, const char *name, uint32_t nargs, const vk_term *args)
{
    const vk_pieces *p = body->pieces;
    char whole[NAME_BYTES];
    whole_name(whole, name, nargs, args);
    uint32_t number = *place_of(p, whole);
    if (body->failed || !number || number == p->body || !make_room(body, 4 + (size_t)nargs)) {
        body->failed = true;
        return (vk_term){0, VK_OF_NONE};
    }
    const piece *f = &p->piece[number - 1];
    uint32_t *code = body->code + body->count;
    code[0] = (4 + nargs) << 16 | OP_FUNCTION_CALL;
    code[1] = f->result;
    code[2] = body->next++;
    code[3] = f->id;
    for (uint32_t i = 0; i < nargs; i++)
        code[4 + i] = args[i].id;
    body->count += 4 + nargs;
    return (vk_term){code[2], type_of(p, f->result)};
}

/* What an id of one body is in another of the same calls. */
static uint32_t moved(const vk_body *from, const vk_body *to, uint32_t id)
{
    return id == vk_body_index(from).id ? vk_body_index(to).id
                                        : id - from->pieces->bound + to->pieces->bound;
}

bool vk_body_move(const vk_body *from, const vk_pieces *pieces, vk_body *to)
{
    const vk_pieces *p = from->pieces;
    *to = *from;
    to->pieces = pieces;
    to->next = from->next - p->bound + pieces->bound;
    to->result = from->result ? moved(from, to, from->result) : 0;
    for (uint32_t i = 0; i < from->nconstants; i++)
        to->constant_id[i] = moved(from, to, from->constant_id[i]);
    to->room = from->count;
    to->code = malloc((from->count + 1) * sizeof *to->code);
    if (!to->code)
        return false;
    for (size_t i = 0; i < from->count; i += length_of(from->code[i])) {
        const uint32_t *at = from->code + i;
        uint32_t number = *place_of(pieces, p->piece[p->made_of[at[3]] - 1].name);
        if (!number) {
            vk_body_free(to);
            return false;
        }
        to->code[i] = at[0];
        to->code[i + 1] = pieces->piece[number - 1].result;
        to->code[i + 2] = moved(from, to, at[2]);
        to->code[i + 3] = pieces->piece[number - 1].id;
        for (uint32_t k = 4; k < length_of(at[0]); k++)
            to->code[i + k] = moved(from, to, at[k]);
    }
    return true;
}

/* Ids are given out in order, so that equal calls have equal words. */
bool vk_body_equal(const vk_body *a, const vk_body *b)
{
    return a->pieces == b->pieces && a->count == b->count && a->nconstants == b->nconstants &&
           a->result == b->result && !memcmp(a->code, b->code, a->count * sizeof *a->code) &&
           !memcmp(a->constant, b->constant, a->nconstants * sizeof *a->constant) &&
           !memcmp(a->constant_id, b->constant_id, a->nconstants * sizeof *a->constant_id);
}

uint32_t vk_body_hash(const vk_body *body)
{
    return hash_words(hash_words(2166136261u, body->code, body->count), body->constant,
                      body->nconstants);
}

/* ---- linking ---- */

/* Marks what the words call, and what that calls. */
static void mark(const vk_pieces *p, const uint32_t *words, size_t count, bool *kept)
{
    for (size_t i = 0; i < count; i += length_of(words[i])) {
        if (kind_of(words[i]) != OP_FUNCTION_CALL)
            continue;
        uint32_t number = words[i + 3] < p->bound ? p->made_of[words[i + 3]] : 0;
        if (!number || kept[number])
            continue;
        kept[number] = true;
        if (number != p->body) { /* its own calls are replaced */
            const piece *f = &p->piece[number - 1];
            mark(p, p->words + f->at, f->end - f->at, kept);
        }
    }
}

typedef struct output {
    uint32_t *words;
    size_t count;
} output;

static void put(output *o, const uint32_t *words, size_t count)
{
    memcpy(o->words + o->count, words, count * sizeof *words);
    o->count += count;
}

static bool is_debug(uint32_t kind)
{
    return (kind >= OP_SOURCE_CONTINUED && kind <= OP_LINE) || kind == OP_NO_LINE ||
           kind == OP_MODULE_PROCESSED;
}

/* All before the functions, but for names, and for decorations of what is left out. */
static void put_declarations(output *o, const vk_pieces *p, const bool *kept)
{
    for (size_t i = HEADER; i < p->functions; i += length_of(p->words[i])) {
        const uint32_t *at = p->words + i;
        uint32_t kind = kind_of(at[0]);
        if (is_debug(kind))
            continue;
        uint32_t owner = kind == OP_DECORATE && at[1] < p->bound ? p->owner[at[1]] : 0;
        if (owner && (!kept[owner] || owner == p->body))
            continue;
        put(o, at, length_of(at[0]));
    }
}

static void put_body(output *o, const vk_body *body)
{
    const vk_pieces *p = body->pieces;
    const piece *f = &p->piece[p->body - 1];
    size_t i = f->at;
    while (kind_of(p->words[i]) != OP_LABEL)
        i += length_of(p->words[i]);
    i += length_of(p->words[i]);
    put(o, p->words + f->at, i - f->at);
    put(o, body->code, body->count);
    if (body->result)
        put(o, (const uint32_t[]){2u << 16 | OP_RETURN_VALUE, body->result}, 2);
    else
        put(o, (const uint32_t[]){1u << 16 | OP_RETURN}, 1);
    put(o, (const uint32_t[]){1u << 16 | OP_FUNCTION_END}, 1);
}

bool vk_body_link(const vk_body *body, uint32_t **words, size_t *count)
{
    const vk_pieces *p = body->pieces;
    bool *kept = calloc((size_t)p->npieces + 1, sizeof *kept);
    size_t most = p->count + body->count + 4 * (size_t)body->nconstants + 8;
    output o = {malloc(most * sizeof *o.words), 0};
    if (!kept || !o.words) {
        free(kept);
        free(o.words);
        return false;
    }
    uint32_t entry = p->made_of[p->entry];
    kept[entry] = true;
    mark(p, p->words + p->piece[entry - 1].at, p->piece[entry - 1].end - p->piece[entry - 1].at,
         kept);
    mark(p, body->code, body->count, kept);
    put(&o, p->words, HEADER);
    o.words[BOUND] = body->next;
    put_declarations(&o, p, kept);
    for (uint32_t i = 0; i < body->nconstants; i++)
        put(&o,
            (const uint32_t[]){4u << 16 | OP_CONSTANT, p->type[VK_OF_UINT], body->constant_id[i],
                               body->constant[i]},
            4);
    for (uint32_t f = 1; f <= p->npieces; f++) {
        const piece *one = &p->piece[f - 1];
        if (f == p->body)
            put_body(&o, body);
        else if (kept[f])
            put(&o, p->words + one->at, one->end - one->at);
    }
    free(kept);
    *words = o.words;
    *count = o.count;
    return true;
}
