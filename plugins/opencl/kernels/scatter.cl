// y, which is self by now, takes src's elements at the index's places. Two elements meet only within a lane along the indexed
// dimension, and an item takes a whole lane: they come in order. An index outside [0, size) is left
// out, and in fault (ocl_fault in opencl.h).
T meet(int op, T old, T x, int dtype)
{
    switch (op) {
    case R_SET: return x;
#if IS_FLOAT
    case R_SUM: return old + x;
    case R_PROD: return old * x;
#else
    case R_SUM: return (T)((U)old + (U)x);
    case R_PROD: return (T)((U)old * (U)x);
#endif
    case R_AMAX: return old != old ? old : x != x || x > old ? x : old;
    default: return old != old ? old : x != x || x < old ? x : old;
    }
}

kernel void scatter(space lanes, VALUE(y), VALUE(index), VALUE(src), int op, int dtype, long terms, long size, long4 step, int dim, global long *fault)
{
    START(y);
    START(index);
    START(src);
    INDEX lane = (INDEX)get_global_id(0), at[3];
    if (lane >= (INDEX)lanes.count)
        return;
    places(&lanes, lane, at, 3);
    for (INDEX t = 0; t < (INDEX)terms; t++) {
        long k = ((global const long *)index)[at[1] + t * (INDEX)step.y];
        if (k < 0 || k >= size) {
            wrong(fault, k, size, dim);
            continue;
        }
        INDEX to = at[0] + (INDEX)k * (INDEX)step.x;
        T x = load(src, at[2] + t * (INDEX)step.z, CHOSEN_DTYPE);
        if (CHOSEN_OP != R_SET)
            x = meet(CHOSEN_OP, load(y, to, CHOSEN_DTYPE), x, CHOSEN_DTYPE);
        store(y, to, x, CHOSEN_DTYPE);
    }
}
