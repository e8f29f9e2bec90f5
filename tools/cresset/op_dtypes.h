/* Which dtypes the operations take. */
#ifndef CRESSET_TOOLS_OP_DTYPES_H
#define CRESSET_TOOLS_OP_DTYPES_H

#include <stdint.h>

/* A set for each row of the table, to be freed; null without the conformance samples. Empty for rows that have none. */
uint16_t *op_dtypes(void);
/* Prints a set in words: "floating", "all but bool", or a list. */
void print_op_dtypes(uint16_t taken);

#endif
