/* CRC-32C, polynomial 0x1EDC6F41 reflected, half a byte at a time (RFC 3720, B.4 has test values). */
#include "core/io/crc32c.h"

uint32_t cr_crc32c(const void *bytes, size_t count)
{
    uint32_t table[16], crc = 0xFFFFFFFFU;
    for (uint32_t i = 0; i < 16; i++) {
        table[i] = i;
        for (int bit = 0; bit < 4; bit++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0x82F63B78U : 0);
    }
    for (const unsigned char *p = bytes; count--; p++) {
        crc ^= *p;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}
