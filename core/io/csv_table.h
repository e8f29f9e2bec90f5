/* A table from inside: its columns, while they are read and after. */
#ifndef CRESSET_CORE_IO_CSV_TABLE_H
#define CRESSET_CORE_IO_CSV_TABLE_H

#include <cresset/csv.h>

#include <stdatomic.h>

#include "core/base/map.h"

typedef struct column {
    char *name;
    cr_column_kind kind;
    bool again; /* the texts before the row that showed what it is have still to be read */
    int64_t missing;
    double *numbers; /* while reading; integers lie here, too, as their bits */
    cr_tensor *tensor;
    cr_map categories;
} column;

struct cr_table {
    atomic_int refs;
    int64_t rows;
    int ncolumns;
    column *columns;
};

#endif
