// A step of a stable merge sort: runs of `width` elements, sorted already (a single element is), become runs of twice that.
// An item places one element: it comes after those before it in its own run, and after those of the other run that go before
// it, which a binary search counts. The first step (WIDTH_ONE) reads the input and counts within whole blocks instead.
// Values: to, from; indices likewise. Strides along the dimension: x to, y from, z indices to, w indices from.
bool before(T a, T b, bool descending)
{
    bool a_nan = a != a, b_nan = b != b; // NaN is the greatest
    if (a_nan || b_nan)
        return descending ? a_nan && !b_nan : b_nan && !a_nan;
    return descending ? a > b : a < b;
}

kernel void sort(space lanes, VALUE(y), VALUE(a), VALUE(z), VALUE(b), int op, int dtype, long terms, long width, long4 step)
{
    START(y);
    START(a);
    START(z);
    START(b);
    INDEX i = (INDEX)get_global_id(0), n = (INDEX)terms, w = (INDEX)width, at[4];
    if (i >= (INDEX)lanes.count * n)
        return;
    INDEX lane = i / n, me = i - lane * n, to;
    bool descending = op != 0;
    places(&lanes, lane, at, 4);
#define KEY(k) load(a, at[1] + (k) * (INDEX)step.y, CHOSEN_DTYPE)
    T x = KEY(me);
#ifdef FIRST
    INDEX block = me / w * w, end = min(block + w, n);
    to = block;
    for (INDEX k = block; k < end; k++) {
        T other = KEY(k);
        to += before(other, x, descending) || (k < me && !before(x, other, descending));
    }
    long place = (long)me;
#else
    INDEX pair = me / (2 * w) * (2 * w), middle = min(pair + w, n), end = min(pair + 2 * w, n);
    bool left = me < middle;
    INDEX low = left ? middle : pair, high = left ? end : middle, start = low;
    while (low < high) { // the first of the other run that does not go before x; equal ones of the left run do
        INDEX k = low + (high - low) / 2;
        T other = KEY(k);
        if (before(other, x, descending) || (!left && !before(x, other, descending)))
            low = k + 1;
        else
            high = k;
    }
    to = pair + (me - (left ? pair : middle)) + (low - start);
    long place = ((global const long *)b)[at[3] + me * (INDEX)step.w];
#endif
    store(y, at[0] + to * (INDEX)step.x, x, CHOSEN_DTYPE);
    store_long(z, at[2] + to * (INDEX)step.z, place, I64);
}
