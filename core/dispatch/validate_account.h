/* Under CRESSET_VALIDATE=1, what stands between a wrapper and the backend behind it: a table that
 * passes everything on and counts what the wrapper has of it. */
#ifndef CRESSET_CORE_DISPATCH_VALIDATE_ACCOUNT_H
#define CRESSET_CORE_DISPATCH_VALIDATE_ACCOUNT_H

#include <cresset/backend.h>

/* The table to hand to the wrapper of that name in place of inner: inner itself where validation is
 * off, null (with the error set) without memory. Lives until cr_account_close. A device that is
 * closed before all that was taken from it was given back, or that is never closed, is an error
 * that names the wrapper. */
const cr_backend *cr_account_table(const cr_backend *inner, const char *wrapper);
/* After all wrappers have given back their tables (unwrap). */
void cr_account_close(void);

#endif
