/* Values that are no tensors, as text: how a state dict's numbers, lists and strings travel in a
 * file's metadata. "int 3", "float 0.05", "bool true", "string adam", "ints 1,2", "floats
 * 0.9,0.999", "bools true,false", "dtype float32", "device cpu", "none". */
#ifndef CRESSET_CORE_IO_VALUE_TEXT_H
#define CRESSET_CORE_IO_VALUE_TEXT_H

#include <cresset/call.h>

#include "core/base/text.h"

/* Adds a value's text; floats with as many digits as give the same bits again. Returns 0, or -1
 * with the error set: a tensor, or a list of them. */
int cr_value_print(const cr_value *value, cr_text *text);

/* Reads such a text. *block is what the value's list lies in, the caller's to free, or null;
 * strings point into text. Returns 0, or -1 with the error set, naming `what`. */
int cr_value_parse(const char *what, const char *text, cr_value *value, void **block);

#endif
