/* What a cell of a table says. */
#ifndef CRESSET_CORE_IO_CSV_CELL_H
#define CRESSET_CORE_IO_CSV_CELL_H

#include <cresset/base.h>

typedef enum cr_cell_kind { CR_CELL_INT, CR_CELL_FLOAT, CR_CELL_TEXT } cr_cell_kind;

/* Reads a number; spaces around it don't count. An integer of at most 18 digits is whole, and value has it too. Texts leave both as
 * they are. The point is a point in every locale. */
cr_cell_kind cr_cell_number(const char *cell, size_t length, int64_t *whole, double *value);

/* Whether a cell is empty or one of the words for "not available". */
bool cr_cell_is_missing(const char *cell, size_t length);

#endif
