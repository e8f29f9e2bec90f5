/* Tables: comma-separated values, read into one tensor a column. */
#ifndef CRESSET_CSV_H
#define CRESSET_CSV_H

#include <cresset/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a column holds, found from all of its cells: integers; else numbers ("1.5", "-2e3", "inf", "nan"); else texts, which become
 * categories, numbered in the order in which they first come. Cells that are empty or one of "NA", "N/A", "NaN", "nan", "null",
 * "NULL", "None" are missing: NaN in a column of numbers (integers with missing cells are numbers), -1 in one of categories. */
typedef enum cr_column_kind { CR_COLUMN_INT, CR_COLUMN_FLOAT, CR_COLUMN_CATEGORY } cr_column_kind;

typedef struct cr_table cr_table;

typedef struct cr_load_csv_options {
    const char *path;
    char separator; /* ',' */
    char quote;     /* '"' */
    bool no_header; /* the first line is data; columns are named "0", "1", … */
    int64_t skip;   /* lines to pass over before the header */
    int end_;
} cr_load_csv_options;

/* Reads a file as RFC 4180 says: cells between separators, in quotes where they hold separators, quotes (doubled) or line ends;
 * lines end with \n or \r\n, the last one need not; empty lines are passed over. Spaces belong to the cells, though not to
 * numbers. The table is the scope's. Errors: a line with more or fewer cells than the first, a quote that is not closed, text
 * behind a closing quote, a null byte, two columns of one name, more than 100,000 columns. */
CR_API cr_table *cr_load_csv_with(const cr_load_csv_options *options);
#ifndef __cplusplus
#define cr_load_csv(...) cr_load_csv_with(&(const cr_load_csv_options){__VA_ARGS__, .end_ = 0})
#endif
CR_API cr_table *cr_table_retain(cr_table *table);
CR_API void cr_table_release(cr_table *table);

CR_API int64_t cr_table_rows(const cr_table *table);
CR_API int cr_table_columns(const cr_table *table);
/* The number of the column of that name, or -1 (no error). */
CR_API int cr_table_find(const cr_table *table, const char *name);
CR_API const char *cr_table_name(const cr_table *table, int column);
CR_API cr_column_kind cr_table_kind(const cr_table *table, int column);
CR_API int64_t cr_table_missing(const cr_table *table, int column); /* how many cells */

/* A column's values: int64 (integers), float64 (numbers) or int64 (categories). Borrowed from the table. Null and an error for a
 * column that there isn't. */
CR_API cr_tensor *cr_table_column(const cr_table *table, int column);

/* The text of a category, and how many there are; null and 0 for other columns and numbers. Borrowed. */
CR_API const char *cr_table_category(const cr_table *table, int column, int64_t category);
CR_API int64_t cr_table_categories(const cr_table *table, int column);

/* Columns side by side, (rows, columns), as a tensor of the scope: cr_table_tensor(table, CR_F32, CR_INTS(0, 2)); all of them for
 * CR_EMPTY. Categories are their numbers. */
CR_API cr_tensor *cr_table_tensor(const cr_table *table, cr_dtype dtype, cr_ints columns);

#ifdef __cplusplus
}
#endif
#endif
