/* The functions of one number that the C library lacks, or has with a hidden state. f32 computes them in f64. */
#ifndef CRESSET_BACKENDS_CPU_SPECIAL_H
#define CRESSET_BACKENDS_CPU_SPECIAL_H

double cpu_lgamma(double x);
double cpu_digamma(double x);
double cpu_erfinv(double x);

#endif
