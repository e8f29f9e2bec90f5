/* .npy headers: a magic number, a version, a length, and a Python dictionary such as
 * {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }. */
#include <string.h>

#include "core/base/error.h"
#include "core/io/memory.h"
#include "core/io/npy.h"

static const struct {
    char letters[3];
    cr_dtype dtype;
} dtypes[] = {{"f8", CR_F64}, {"f4", CR_F32}, {"f2", CR_F16}, {"i8", CR_I64}, {"i4", CR_I32},
              {"i2", CR_I16}, {"i1", CR_I8},  {"u1", CR_U8},  {"b1", CR_B8}};

/* ---- parsing ---- */

typedef struct reader {
    const char *what;
    const char *at, *end;
} reader;

static void skip_space(reader *r)
{
    while (r->at < r->end && *r->at && strchr(" \t\r\n", *r->at))
        r->at++;
}

/* Whether c is next, past white space; if so, goes on behind it. */
static bool skip(reader *r, char c)
{
    skip_space(r);
    if (r->at < r->end && *r->at == c) {
        r->at++;
        return true;
    }
    return false;
}

static int fail_syntax(const reader *r, const char *expected)
{
    int rest = (int)(r->end - r->at < 20 ? r->end - r->at : 20);
    return CR_FAIL_INT("%s: its header is no .npy header: expected %s, found '%.*s'", r->what,
                       expected, rest, r->at);
}

/* A quoted string of fewer than size characters, without escapes. */
static int read_string(reader *r, char *to, size_t size)
{
    char quote = skip(r, '\'') ? '\'' : skip(r, '"') ? '"' : 0;
    if (!quote)
        return fail_syntax(r, "a string");
    size_t length = 0;
    while (r->at < r->end && *r->at != quote) {
        if (*r->at == '\\' || !*r->at || length + 1 == size)
            return fail_syntax(r, "a short string");
        to[length++] = *r->at++;
    }
    to[length] = 0;
    return skip(r, quote) ? 0 : fail_syntax(r, "the end of a string");
}

static int read_descr(reader *r, cr_npy_header *header)
{
    char descr[16];
    if (skip(r, '['))
        return CR_FAIL_INT("%s: has a structured dtype, which is not supported", r->what);
    if (read_string(r, descr, sizeof descr))
        return -1;
    char order = descr[0];
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(descr + (order ? 1 : 0), dtypes[i].letters))
            continue;
        header->dtype = dtypes[i].dtype;
        bool single = cr_dtype_size(header->dtype) == 1;
        if (!strchr("<>=|", order) || (order == '|' && !single))
            break;
        header->swapped = !single && ((order == '<' && !cr_io_is_little_endian()) ||
                                      (order == '>' && cr_io_is_little_endian()));
        return 0;
    }
    return CR_FAIL_INT("%s: is of the dtype '%s'; supported are f8, f4, f2, i8, i4, i2, i1, u1 and "
                       "b1%s",
                       r->what, descr, strchr(descr, 'O') ? " (objects are never loaded)" : "");
}

static int read_bool(reader *r, bool *value)
{
    static const char *const words[] = {"False", "True"};
    skip_space(r);
    for (int i = 0; i < 2; i++) {
        size_t length = strlen(words[i]);
        if ((size_t)(r->end - r->at) >= length && !memcmp(r->at, words[i], length)) {
            r->at += length;
            *value = i;
            return 0;
        }
    }
    return fail_syntax(r, "True or False");
}

static int read_shape(reader *r, cr_npy_header *header)
{
    if (!skip(r, '('))
        return fail_syntax(r, "the shape");
    bool comma = true;
    while (!skip(r, ')')) {
        if (!comma || r->at == r->end || *r->at < '0' || *r->at > '9')
            return fail_syntax(r, "a size of the shape");
        if (header->dim == CR_MAX_RANK)
            return CR_FAIL_INT("%s: has more than %d dimensions", r->what, CR_MAX_RANK);
        int64_t value = 0;
        for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
            if (value > (INT64_MAX - 9) / 10)
                return CR_FAIL_INT("%s: a size of its shape overflows", r->what);
            value = 10 * value + (*r->at - '0');
        }
        if (r->at < r->end && *r->at == 'L') /* Python 2's long integers */
            r->at++;
        header->sizes[header->dim++] = value;
        comma = skip(r, ',');
    }
    if (header->dim == 1 && !comma)
        return fail_syntax(r, "a comma in the shape of one dimension");
    return 0;
}

static int read_dictionary(reader *r, cr_npy_header *header)
{
    bool seen[3] = {false};
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    if (!skip(r, '{'))
        return fail_syntax(r, "'{'");
    bool comma = true;
    while (!skip(r, '}')) {
        char key[16];
        if (!comma)
            return fail_syntax(r, "a comma");
        if (read_string(r, key, sizeof key))
            return -1;
        int which = 0;
        while (which < 3 && strcmp(key, keys[which]))
            which++;
        if (which == 3 || seen[which])
            return CR_FAIL_INT("%s: its header has the %s key '%s'", r->what,
                               which == 3 ? "unknown" : "repeated", key);
        seen[which] = true;
        if (!skip(r, ':'))
            return fail_syntax(r, "':'");
        if (which == 0   ? read_descr(r, header)
            : which == 1 ? read_bool(r, &header->fortran)
                         : read_shape(r, header))
            return -1;
        comma = skip(r, ',');
    }
    for (int i = 0; i < 3; i++)
        if (!seen[i])
            return CR_FAIL_INT("%s: its header has no key '%s'", r->what, keys[i]);
    skip_space(r);
    return r->at == r->end ? 0 : fail_syntax(r, "the end of the header");
}

static void set_strides(cr_npy_header *header)
{
    int64_t stride = 1;
    for (int i = 0; i < header->dim; i++) {
        int d = header->fortran ? i : header->dim - 1 - i;
        header->strides[d] = stride;
        stride *= header->sizes[d] ? header->sizes[d] : 1;
    }
}

int cr_npy_parse(const char *what, const unsigned char *bytes, size_t size, cr_npy_header *header)
{
    *header = (cr_npy_header){0};
    if (size < 10 || memcmp(bytes, "\x93NUMPY", 6))
        return CR_FAIL_INT("%s: is no .npy array: it doesn't begin with \\x93NUMPY", what);
    if (bytes[6] < 1 || bytes[6] > 3)
        return CR_FAIL_INT("%s: is of .npy version %d.%d; 1 to 3 are supported", what, bytes[6],
                           bytes[7]);
    size_t prefix = bytes[6] == 1 ? 10 : 12;
    size_t length = 0;
    for (size_t i = prefix; i-- > 8 && size >= prefix;)
        length = length << 8 | bytes[i];
    if (size < prefix || length > size - prefix)
        return CR_FAIL_INT("%s: is cut short: its header should have %zu bytes, here are %zu", what,
                           length, size < prefix ? 0 : size - prefix);
    reader r = {what, (const char *)bytes + prefix, (const char *)bytes + prefix + length};
    if (read_dictionary(&r, header))
        return -1;
    header->data = prefix + length;
    if (!cr_io_bytes(header->dtype, header->dim, header->sizes, &header->bytes))
        return CR_FAIL_INT("%s: its shape is more than memory can hold", what);
    size_t found = size - header->data;
    if (found != header->bytes)
        return CR_FAIL_INT("%s: %s: its shape and dtype ask for %zu bytes, here are %zu", what,
                           found < header->bytes ? "is cut short" : "goes on too long",
                           header->bytes, found);
    if (header->dtype == CR_B8 && !cr_io_are_bools(bytes + header->data, header->bytes))
        return CR_FAIL_INT("%s: is of dtype bool but has bytes other than 0 and 1", what);
    set_strides(header);
    return 0;
}

/* ---- printing ---- */

int cr_npy_print(const char *what, const cr_tensor *tensor, cr_text *text)
{
    const char *letters = NULL;
    cr_dtype dtype = cr_tensor_dtype(tensor);
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (dtypes[i].dtype == dtype)
            letters = dtypes[i].letters;
    if (!letters)
        return CR_FAIL_INT("%s: NumPy has no %s; save it as float32", what, cr_dtype_name(dtype));
    char order = cr_dtype_size(dtype) == 1 ? '|' : cr_io_is_little_endian() ? '<' : '>';
    cr_text dictionary = {0};
    cr_text_add(&dictionary, "{'descr': '%c%s', 'fortran_order': False, 'shape': (", order,
                letters);
    int dim = cr_tensor_dim(tensor);
    for (int d = 0; d < dim; d++)
        cr_text_add(&dictionary, d ? ", %lld" : "%lld", (long long)cr_tensor_sizes(tensor)[d]);
    cr_text_add(&dictionary, dim == 1 ? ",), }" : "), }");
    /* NumPy leaves room for the first size to grow to 21 digits, and so do we, for equal bytes */
    if (dim > 0) {
        char digits[24];
        cr_text size = {0};
        cr_text_add(&size, "%lld", (long long)cr_tensor_sizes(tensor)[0]);
        memset(digits, ' ', sizeof digits);
        if (size.length < 21)
            cr_text_add_bytes(&dictionary, digits, 21 - size.length);
        cr_text_free(&size);
    }
    while ((10 + dictionary.length + 1) % 64 && !dictionary.failed)
        cr_text_add_bytes(&dictionary, " ", 1);
    cr_text_add_bytes(&dictionary, "\n", 1);
    size_t length = dictionary.length; /* some 300 bytes at most */
    const char prefix[] = {
        '\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, (char)(length & 0xff), (char)(length >> 8)};
    char *taken = cr_text_take(&dictionary);
    if (!taken)
        return -1;
    cr_text_add_bytes(text, prefix, sizeof prefix);
    cr_text_add_bytes(text, taken, length);
    cr_free(taken);
    return text->failed ? (cr_fail_memory("a header", length), -1) : 0;
}
