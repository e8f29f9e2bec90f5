/* CRC-32C (Castagnoli), as TFRecord files use it. */
#ifndef CRESSET_CORE_IO_CRC32C_H
#define CRESSET_CORE_IO_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t cr_crc32c(const void *bytes, size_t count);

#endif
