/* What a cell of a table says. */
#ifndef CRESSET_CORE_IO_CSV_CELL_H
#define CRESSET_CORE_IO_CSV_CELL_H

#include <string.h>

#include <cresset/base.h>

typedef enum cr_cell_kind { CR_CELL_INT, CR_CELL_FLOAT, CR_CELL_TEXT } cr_cell_kind;

/* Reads a number; spaces around it don't count. An integer of at most 18 digits is whole, and value has it too. Texts leave both as
 * they are. The point is a point in every locale. */
cr_cell_kind cr_cell_number(const char *cell, size_t length, int64_t *whole, double *value);

/* Whether a cell is empty or one of the words for "not available". */
bool cr_cell_is_missing(const char *cell, size_t length);

extern const double cr_powers_of_ten[23];
extern const uint64_t cr_whole_powers_of_ten[9];

#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

/* Appends up to eight digits at `at` to *digits, and returns how many there are. Eight bytes are read. */
static inline int take_digits(const char *at, uint64_t *digits)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    word ^= 0x3030303030303030u; /* digits are 0 to 9 now */
    uint64_t others = ((word + 0x7676767676767676u) | word) & 0x8080808080808080u;
    if (others & 0x80)
        return 0;
    int count = others ? __builtin_ctzll(others) / 8 : 8;
    word <<= 64 - 8 * count; /* zeros before them; pairs, then fours, then all eight are joined */
    word = (word * 10 + (word >> 8)) & 0x00ff00ff00ff00ffu;
    word = (word * 100 + (word >> 16)) & 0x0000ffff0000ffffu;
    word = (word * 10000 + (word >> 32)) & 0xffffffffu;
    *digits = *digits * cr_whole_powers_of_ten[count] + word;
    return count;
}

/* The same for the digits that text begins with, a minus before them and a point between them at most: where the number ends, or null
 * where it isn't one that this reads, or less than 40 bytes are left. What stands behind is not looked at. */
static inline const char *cr_cell_plain_number(const char *at, const char *end, cr_cell_kind *kind,
                                               int64_t *whole, double *value)
{
    if (end - at < 40)
        return NULL;
    bool negative = *at == '-';
    at += negative;
    uint64_t digits = 0;
    int before = take_digits(at, &digits), behind = 0;
    if (before == 8)
        before += take_digits(at + 8, &digits);
    at += before;
    *kind = CR_CELL_INT;
    if (*at == '.') {
        *kind = CR_CELL_FLOAT;
        behind = take_digits(++at, &digits);
        if (behind == 8)
            behind += take_digits(at + 8, &digits);
        at += behind;
    }
    /* as many could go on, or be more than a double holds exactly */
    if (!(before + behind) || before == 16 || behind == 16 || before + behind > 18 ||
        (*kind == CR_CELL_FLOAT && digits > (uint64_t)1 << 53))
        return NULL;
    *whole = negative ? -(int64_t)digits : (int64_t)digits;
    double number = (double)digits / cr_powers_of_ten[behind];
    *value = negative ? -number : number;
    return at;
}
#else
static inline const char *cr_cell_plain_number(const char *at, const char *end, cr_cell_kind *kind,
                                               int64_t *whole, double *value)
{
    (void)at, (void)end, (void)kind, (void)whole, (void)value;
    return NULL;
}
#endif

#endif
