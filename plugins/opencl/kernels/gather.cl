// y[…] = a[… with the index's element in one dimension]; elements are only moved. An index outside [0, size) gives 0,
// and is left in fault (ocl_fault in opencl.h).
kernel void gather(space s, VALUE(y), VALUE(index), VALUE(a), int op, int dtype, long size, long jump, int dim, global long *fault)
{
    START(y);
    START(index);
    START(a);
    FOR_PLACES(s, 3) {
        long k = ((global const long *)index)[at[1]];
        if (k < 0 || k >= size)
            wrong(fault, k, size, dim);
        store(y, at[0], k >= 0 && k < size ? load(a, at[2] + (INDEX)k * (INDEX)jump, CHOSEN_DTYPE) : 0, CHOSEN_DTYPE);
    }
}
