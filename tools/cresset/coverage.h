/* What the table of operations has, beside PyTorch's lists and as a page. */
#ifndef CRESSET_TOOLS_COVERAGE_H
#define CRESSET_TOOLS_COVERAGE_H

#include <cresset/cresset.h>

/* Prints what of the lists in folder is missing, and the counts. Returns 0, or -1 after a sentence on stderr. */
int print_coverage(const char *folder);

/* Prints the table as a Markdown page; the dtypes are found by trying. Returns 0, or -1 after an error. */
int print_page(void);

#endif
