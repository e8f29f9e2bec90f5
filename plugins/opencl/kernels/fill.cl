// fill (step 0) and arange: start + i step in the output's row-major order, computed in the widest float or in i64.
#if IS_FLOAT
typedef W number;
#else
typedef long number;
#endif

kernel void fill(space s, VALUE(y), int op, int dtype, number start, number step)
{
    START(y);
    FOR_PLACES(s, 1) {
#if IS_FLOAT
        W x = start;
        if (step != 0) // an infinite start stays what it is
            x = start + (W)i * step;
        store(y, at[0], narrow(x, CHOSEN_DTYPE), CHOSEN_DTYPE);
#else
        number x = (number)((ulong)start + (ulong)i * (ulong)step);
        store(y, at[0], CHOSEN_DTYPE == B8 ? x != 0 : (T)x, CHOSEN_DTYPE);
#endif
    }
}
