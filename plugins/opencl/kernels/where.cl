// where(condition, a, b): elements are only moved, so the class is the integer of their size (INT for 1, 2 and 4 bytes).
kernel void where(space s, VALUE(y), VALUE(condition), VALUE(a), VALUE(b), int op, int dtype)
{
    START(y);
    START(condition);
    START(a);
    START(b);
    FOR_PLACES(s, 4) {
        bool first = ((global const uchar *)condition)[at[1]] != 0;
        store(y, at[0], first ? load(a, at[2], CHOSEN_DTYPE) : load(b, at[3], CHOSEN_DTYPE), CHOSEN_DTYPE);
    }
}
