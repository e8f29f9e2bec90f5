/* A page of HTML that grows, and the parts of the report that other files write. */
#ifndef CRESSET_TOOLS_REPORT_PAGE_H
#define CRESSET_TOOLS_REPORT_PAGE_H

#include "run.h"

typedef struct page {
    char *data;
    size_t length, capacity;
    bool failed; /* without memory, or an image that couldn't be made */
} page;

#if defined __GNUC__
__attribute__((__format__(__printf__, 2, 3)))
#endif
void put(page *p, const char *format, ...);
void put_escaped(page *p, const char *text);
/* A 28 x 28 grey image as a data: URL. */
void put_pixels(page *p, const unsigned char *pixels);

/* Curves by step: loss, learning rate, norm of the gradient. */
void put_steps(page *p, const run_record *run);
/* The first images of the training set. */
void put_samples(page *p, const run_record *run);
/* How the best epoch's parameters are distributed, a histogram each. */
void put_histograms(page *p, const run_record *run);
/* The model's layers as boxes with what leaves them. */
void put_graph(page *p, const run_record *run);

#endif
