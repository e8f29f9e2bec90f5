/* Tables that were read: counted, and looked at. */
#include "core/io/csv_table.h"

#include <stdlib.h>
#include <string.h>

#include <cresset/ops.h>

#include "core/base/error.h"

cr_table *cr_table_retain(cr_table *table)
{
    if (table)
        atomic_fetch_add_explicit(&table->refs, 1, memory_order_relaxed);
    return table;
}

void cr_table_release(cr_table *table)
{
    if (!table || atomic_fetch_sub_explicit(&table->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (int i = 0; i < table->ncolumns; i++) {
        column *c = &table->columns[i];
        free(c->name);
        free(c->numbers);
        cr_release(c->tensor);
        cr_map_free(&c->categories);
    }
    free(table->columns);
    free(table);
}

int64_t cr_table_rows(const cr_table *table)
{
    return table ? table->rows : 0;
}

int cr_table_columns(const cr_table *table)
{
    return table ? table->ncolumns : 0;
}

static const column *column_of(const cr_table *table, int i)
{
    return table && i >= 0 && i < table->ncolumns ? &table->columns[i] : NULL;
}

int cr_table_find(const cr_table *table, const char *name)
{
    for (int i = 0; name && i < cr_table_columns(table); i++)
        if (!strcmp(table->columns[i].name, name))
            return i;
    return -1;
}

const char *cr_table_name(const cr_table *table, int i)
{
    const column *c = column_of(table, i);
    return c ? c->name : NULL;
}

cr_column_kind cr_table_kind(const cr_table *table, int i)
{
    const column *c = column_of(table, i);
    return c ? c->kind : CR_COLUMN_INT;
}

int64_t cr_table_missing(const cr_table *table, int i)
{
    const column *c = column_of(table, i);
    return c ? c->missing : 0;
}

cr_tensor *cr_table_column(const cr_table *table, int i)
{
    const column *c = column_of(table, i);
    if (!c && table)
        return cr_fail("cr_table_column: there is no column %d, the table has %d", i,
                       table->ncolumns);
    return c ? c->tensor : NULL;
}

int64_t cr_table_categories(const cr_table *table, int i)
{
    const column *c = column_of(table, i);
    return c ? (int64_t)c->categories.count : 0;
}

const char *cr_table_category(const cr_table *table, int i, int64_t category)
{
    const column *c = column_of(table, i);
    bool known = c && category >= 0 && (uint64_t)category < c->categories.count;
    return known ? c->categories.entries[category].key : NULL;
}

cr_tensor *cr_table_tensor(const cr_table *table, cr_dtype dtype, cr_ints columns)
{
    if (!table)
        return NULL;
    int64_t count = columns.count ? columns.count : table->ncolumns;
    cr_tensor **list = calloc((size_t)count + 1, sizeof *list), *result = NULL;
    if (!list)
        return cr_fail_memory("a list of columns", (size_t)count * sizeof *list);
    CR_SCOPE {
        int64_t i = 0;
        for (; i < count; i++) {
            int64_t at = !columns.count ? i : columns.data ? columns.data[i] : columns.one;
            cr_tensor *c = at >= 0 && at < table->ncolumns ? table->columns[at].tensor : NULL;
            if (!c)
                cr_fail("cr_table_tensor: there is no column %lld, the table has %d", (long long)at,
                        table->ncolumns);
            if (!(list[i] = cr_to_dtype(c, dtype)))
                break;
        }
        if (i == count)
            result = cr_stack(cr_make_tensors(list, (size_t)count), .dim = 1);
        if (result)
            cr_keep(result);
    }
    free(list);
    return result;
}
