/* Tables of comma-separated values. One pass reads numbers, and the texts of columns that begin with one; a column that turns out
 * later to hold texts is read once more, as categories. csv_number.c reads numbers, csv_table.c is what comes out. */
#include <cresset/csv.h>

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/ops.h>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/text.h"
#include "core/io/csv_cell.h"
#include "core/io/csv_table.h"
#include "core/io/memory.h"

enum { COLUMNS_MOST = 100000 };

typedef struct reader {
    const char *path, *at, *end;
    char separator, quote;
    bool plain; /* neither of them is part of a number */
    int64_t line;
    cr_table *table;
    int64_t room;     /* rows there is memory for */
    cr_text cell;     /* a quoted cell without its doubled quotes */
    const char *data; /* where the first row begins */
    int64_t data_line;
} reader;

static bool fail(const reader *r, const char *words)
{
    return cr_fail("%s: line %" PRId64 ": %s", r->path, r->line, words);
}

/* ---- cells ---- */

/* A cell in quotes; the cursor is on the first of them. */
static bool quoted_cell(reader *r, const char **cell, size_t *length)
{
    const char *from = ++r->at;
    bool doubled = false;
    r->cell.length = 0;
    for (;;) {
        const char *close = memchr(r->at, r->quote, (size_t)(r->end - r->at));
        if (!close)
            return fail(r, "a quote is not closed");
        for (const char *c = r->at; (c = memchr(c, '\n', (size_t)(close - c))); c++)
            r->line++;
        bool again = close + 1 < r->end && close[1] == r->quote;
        if (again || doubled)
            cr_text_add_bytes(&r->cell, from, (size_t)(close - from) + again);
        doubled |= again;
        r->at = close + 1 + again;
        if (!again) {
            *cell = doubled ? r->cell.data : from;
            *length = doubled ? r->cell.length : (size_t)(close - from);
            return !r->cell.failed || cr_fail_memory("a cell", r->cell.length);
        }
        from = r->at;
    }
}

/* Reads a cell; the cursor stands behind it, at a separator, a line's end or the file's. */
static bool next_cell(reader *r, const char **cell, size_t *length)
{
    if (r->at < r->end && *r->at == r->quote) {
        if (!quoted_cell(r, cell, length))
            return false;
        bool good = r->at == r->end || *r->at == r->separator || *r->at == '\n' ||
                    (*r->at == '\r' && (r->at + 1 == r->end || r->at[1] == '\n'));
        return good || fail(r, "text behind a closing quote");
    }
    /* all in locals: what a char pointer reads might be the reader itself, for all that the compiler knows */
    const char *from = r->at, *at = from, *end = r->end, separator = r->separator;
    while (at < end && *at != separator && *at != '\n')
        at++;
    if ((at == end || *at == '\n') && at > from && at[-1] == '\r')
        at--;
    r->at = at;
    *cell = from;
    *length = (size_t)(at - from);
    return true;
}

/* Whether the line goes on behind a cell; the cursor moves over the separator or the line's end. */
static bool line_goes_on(reader *r)
{
    if (r->at < r->end && *r->at == r->separator)
        return r->at++, true;
    if (r->at < r->end && *r->at == '\r')
        r->at++;
    if (r->at < r->end)
        r->at++;
    r->line++;
    return false;
}

/* Passes over empty lines; false at the file's end. */
static bool find_line(reader *r)
{
    for (; r->at < r->end; r->at++) {
        if (*r->at == '\n')
            r->line++;
        else if (*r->at != '\r' || (r->at + 1 < r->end && r->at[1] != '\n'))
            return true;
    }
    return false;
}

/* ---- the header ---- */

static char *copy_text(const char *from, size_t length)
{
    char *copy = malloc(length + 1);
    if (!copy)
        return cr_fail_memory("a name", length + 1);
    memcpy(copy, from, length);
    copy[length] = 0;
    return copy;
}

static bool add_column(reader *r, size_t *room, const char *name, size_t length)
{
    cr_table *t = r->table;
    if (t->ncolumns == COLUMNS_MOST)
        return fail(r, "it has more than 100000 columns");
    if ((size_t)t->ncolumns == *room) {
        size_t more = *room ? *room * 2 : 16;
        column *bigger = realloc(t->columns, more * sizeof *bigger);
        if (!bigger)
            return cr_fail_memory("a table's columns", more * sizeof *bigger);
        t->columns = bigger;
        *room = more;
    }
    if (memchr(name, 0, length))
        return fail(r, "a name holds a null");
    column *c = &t->columns[t->ncolumns];
    *c = (column){.name = copy_text(name, length)};
    t->ncolumns += c->name != NULL;
    return c->name != NULL;
}

static bool names_differ(reader *r)
{
    cr_map names = {0};
    bool good = true;
    for (int i = 0; i < r->table->ncolumns && good; i++) {
        const char *name = r->table->columns[i].name;
        if (cr_map_find(&names, name))
            good = cr_fail("%s: two columns have the name '%.200s'", r->path, name);
        good = good && cr_map_set(&names, name, r->table);
    }
    cr_map_free(&names);
    return good;
}

/* Names the columns from the first line, or by number and goes back. */
static bool read_header(reader *r, bool no_header)
{
    size_t room = 0;
    if (!find_line(r))
        return cr_fail("%s: it has no lines", r->path);
    const char *begin = r->at;
    int64_t line = r->line;
    do {
        const char *cell;
        size_t length;
        char number[16];
        if (!next_cell(r, &cell, &length))
            return false;
        if (no_header) {
            snprintf(number, sizeof number, "%d", r->table->ncolumns);
            cell = number;
            length = strlen(number);
        }
        if (!add_column(r, &room, cell, length))
            return false;
    } while (line_goes_on(r));
    if (no_header) {
        r->at = begin;
        r->line = line;
    }
    r->data = r->at;
    r->data_line = r->line;
    return names_differ(r);
}

/* ---- the rows ---- */

static bool make_room(reader *r)
{
    if (r->table->rows < r->room)
        return true;
    /* a row has at least as many bytes as columns, so memory is in proportion to the file */
    size_t more = r->room ? (size_t)r->room * 2 : 256;
    if (r->room == 256) { /* as many as the file has, if the rest is like these */
        double rest = (double)(r->end - r->at) / (double)(r->at - r->data + 1);
        more = (size_t)(256 * (1.02 * rest + 1.1));
    }
    size_t most = (size_t)(r->end - r->data) / (size_t)r->table->ncolumns + 2;
    more = more < most ? more : most;
    for (int i = 0; i < r->table->ncolumns; i++) {
        column *c = &r->table->columns[i];
        double *bigger = realloc(c->numbers, more * sizeof *bigger);
        if (!bigger)
            return cr_fail_memory("a table's column", more * sizeof *bigger);
        c->numbers = bigger;
    }
    r->room = (int64_t)more;
    return true;
}

static double bits_of(int64_t whole)
{
    double bits;
    memcpy(&bits, &whole, sizeof bits);
    return bits;
}

static int64_t whole_of(double bits)
{
    int64_t whole;
    memcpy(&whole, &bits, sizeof whole);
    return whole;
}

/* Turns the integers that were read into numbers. */
static void become_float(column *c, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++)
        c->numbers[i] = (double)whole_of(c->numbers[i]);
    c->kind = CR_COLUMN_FLOAT;
}

/* The number of a text among its column's categories, which it may extend. */
static bool take_text(column *c, int64_t row, const char *cell, size_t length)
{
    int64_t number = -1;
    if (cr_cell_is_missing(cell, length)) {
        c->missing++;
    } else {
        char small[256], *text = length < sizeof small ? small : malloc(length + 1);
        if (!text)
            return cr_fail_memory("a cell", length + 1);
        memcpy(text, cell, length);
        text[length] = 0;
        cr_map_entry *known = cr_map_find(&c->categories, text);
        bool good = known || cr_map_set(&c->categories, text, NULL);
        number = known ? known - c->categories.entries : (int64_t)c->categories.count - 1;
        if (text != small)
            free(text);
        if (!good)
            return false;
    }
    c->numbers[row] = bits_of(number);
    return true;
}

/* A column of texts from this row on; what was missing before is so still, and numbers before have to be read again as texts. */
static bool become_category(column *c, int64_t row, const char *cell, size_t length)
{
    c->kind = CR_COLUMN_CATEGORY;
    c->again = c->missing < row;
    for (int64_t i = 0; i < row && !c->again; i++)
        c->numbers[i] = bits_of(-1);
    return c->again || take_text(c, row, cell, length);
}

static void take_number(column *c, int64_t row, cr_cell_kind kind, int64_t whole, double value)
{
    if (kind == CR_CELL_FLOAT && c->kind == CR_COLUMN_INT)
        become_float(c, row);
    c->numbers[row] = c->kind == CR_COLUMN_INT ? bits_of(whole) : value;
}

static bool take_cell(column *c, int64_t row, const char *cell, size_t length)
{
    if (c->kind == CR_COLUMN_CATEGORY)
        return c->again || take_text(c, row, cell, length);
    int64_t whole = 0;
    double value;
    cr_cell_kind kind = cr_cell_number(cell, length, &whole, &value);
    if (kind == CR_CELL_TEXT && cr_cell_is_missing(cell, length)) {
        kind = CR_CELL_FLOAT;
        value = NAN;
        c->missing++;
    }
    if (kind == CR_CELL_TEXT)
        return become_category(c, row, cell, length);
    take_number(c, row, kind, whole, value);
    return true;
}

/* Reads the cell at the cursor into a column, or (null) nowhere. */
typedef bool cell_reader(reader *r, column *c);

static bool read_cell(reader *r, column *c)
{
    const char *cell;
    size_t length;
    if (c && c->kind != CR_COLUMN_CATEGORY && r->plain) {
        cr_cell_kind kind;
        int64_t whole;
        double value;
        const char *at = cr_cell_plain_number(r->at, r->end, &kind, &whole, &value);
        if (at && (*at == r->separator || *at == '\n')) {
            take_number(c, r->table->rows, kind, whole, value);
            r->at = at;
            return true;
        }
    }
    return next_cell(r, &cell, &length) && (!c || take_cell(c, r->table->rows, cell, length));
}

/* A text that was passed over when its column was thought to be one of numbers. */
static bool read_again(reader *r, column *c)
{
    const char *cell;
    size_t length;
    return next_cell(r, &cell, &length) &&
           (!c || !c->again || take_text(c, r->table->rows, cell, length));
}

static bool read_row(reader *r, cell_reader *read)
{
    int64_t line = r->line;
    int i = 0, count = r->table->ncolumns;
    bool more;
    do {
        if (!read(r, i < count ? &r->table->columns[i] : NULL))
            return false;
        i++;
        more = line_goes_on(r);
    } while (more);
    if (i != count)
        return cr_fail("%s: line %" PRId64 ": it has %d cells, expected are %d", r->path, line, i,
                       count);
    r->table->rows++;
    return true;
}

static bool read_categories(reader *r)
{
    bool any = false;
    for (int i = 0; i < r->table->ncolumns; i++) {
        if (!r->table->columns[i].again)
            continue;
        r->table->columns[i].missing = 0;
        any = true;
    }
    if (!any)
        return true;
    r->at = r->data;
    r->line = r->data_line;
    r->table->rows = 0;
    while (find_line(r))
        if (!read_row(r, read_again))
            return false;
    return true;
}

static bool make_tensors(reader *r)
{
    cr_table *t = r->table;
    for (int i = 0; i < t->ncolumns; i++) {
        column *c = &t->columns[i];
        cr_tensor *made = NULL;
        CR_SCOPE {
            /* the memory becomes the tensor's, less what there is no row for */
            double *exact = t->rows ? realloc(c->numbers, (size_t)t->rows * sizeof *exact) : NULL;
            made = cr_io_adopt(exact ? exact : c->numbers,
                               c->kind == CR_COLUMN_FLOAT ? CR_F64 : CR_I64, 1, &t->rows, NULL);
            c->numbers = NULL;
            if (made)
                c->tensor = cr_retain(made);
        }
        if (!made)
            return false;
    }
    return true;
}

static bool read_table(reader *r, const cr_load_csv_options *o)
{
    if (r->end > r->at && memchr(r->at, 0, (size_t)(r->end - r->at)))
        return cr_fail("%s: it holds a null byte, so it is no text", r->path);
    if (r->end - r->at >= 3 && !memcmp(r->at, "\xef\xbb\xbf", 3))
        r->at += 3;
    for (int64_t i = 0; i < o->skip && r->at < r->end; i++, r->line++) {
        const char *end = memchr(r->at, '\n', (size_t)(r->end - r->at));
        r->at = end ? end + 1 : r->end;
    }
    if (!read_header(r, o->no_header) || !make_room(r))
        return false;
    while (find_line(r))
        if (!make_room(r) || !read_row(r, read_cell))
            return false;
    return read_categories(r) && make_tensors(r);
}

static void release(void *table)
{
    cr_table_release(table);
}

cr_table *cr_load_csv_with(const cr_load_csv_options *o)
{
    if (!o || !o->path)
        return cr_fail("cr_load_csv: the path is null");
    char separator = o->separator ? o->separator : ',', quote = o->quote ? o->quote : '"';
    if (separator == quote || strchr("\r\n", separator) || strchr("\r\n", quote))
        return cr_fail("cr_load_csv: the separator and the quote can't be these");
    cr_file_map *map = cr_file_map_open(o->path);
    if (!map)
        return NULL;
    cr_table *table = calloc(1, sizeof *table);
    if (!table) {
        cr_file_map_release(map);
        return cr_fail_memory("a table", sizeof *table);
    }
    atomic_init(&table->refs, 1);
    const char *bytes = (const char *)cr_file_map_data(map);
    reader r = {.path = o->path,
                .at = bytes,
                .end = bytes ? bytes + cr_file_map_size(map) : bytes,
                .separator = separator,
                .quote = quote,
                .plain = !strchr("0123456789.-", separator) && !strchr("0123456789.-", quote),
                .line = 1,
                .table = table};
    bool good = read_table(&r, o);
    cr_text_free(&r.cell);
    cr_file_map_release(map);
    if (!good) {
        cr_table_release(table);
        return NULL;
    }
    return cr_scope_add(table, release);
}
