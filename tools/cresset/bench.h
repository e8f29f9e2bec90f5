/* The benchmark's rows: what is timed, and how a timing is printed. */
#ifndef CRESSET_TOOLS_BENCH_H
#define CRESSET_TOOLS_BENCH_H

#include <cresset/cresset.h>

/* Work of one row: done once a call, with what `with` points to. Tensors that it makes belong to a scope that the caller ends. */
typedef void bench_work(void *with);

/* Times fn, and prints "name median unit least most" with tabs, unless --only leaves the row out. unit "us": microseconds a call;
 * a rate ("images/s"): amount divided by the seconds of a call. After an error nothing more is timed. */
void bench_row(const char *name, const char *unit, double amount, bench_work *fn, void *with);
/* Whether --only lets a row pass whose name begins so: for what is costly to prepare. */
bool bench_wants(const char *name);

void bench_operations(void); /* bench_ops.c */
void bench_models(void);     /* bench_models.c */
void bench_sequences(void);  /* bench_sequences.c */
void bench_captured(void);   /* bench_captured.c */
void bench_data(void);       /* bench_data.c */
void bench_memory(void);     /* bench_memory.c; only when asked for, like the next */
void bench_costs(void);      /* bench_costs.c */

#endif
