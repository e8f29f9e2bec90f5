// Reductions: over `inner` for each element of `outer` (its values: output, input). An item folds a whole output; or, GROUP
// defined, the GROUP items of a work-group share one, and join what they have in a fixed order.
kernel void reduce(space outer, space inner, VALUE(y), VALUE(a), int op, int dtype)
{
    START(y);
    START(a);
#ifdef GROUP
    INDEX out = (INDEX)get_group_id(0), first = (INDEX)get_local_id(0), step = GROUP;
#else
    INDEX out = (INDEX)get_global_id(0), first = 0, step = 1;
    if (out >= (INDEX)outer.count)
        return;
#endif
    INDEX at[2], in[1];
    places(&outer, out, at, 2);
    carry c = {0, 0, 0, 0};
    for (INDEX t = first; t < (INDEX)inner.count; t += step) {
        places(&inner, t, in, 1);
        c = join(CHOSEN_OP, c, term(load(a, at[1] + in[0], CHOSEN_DTYPE), t), false);
    }
#ifdef GROUP
    local carry shared[GROUP];
    shared[first] = c;
    for (int rest = GROUP / 2; rest > 0; rest /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (first < rest)
            shared[first] = join(CHOSEN_OP, shared[first], shared[first + rest], false);
    }
    if (first != 0)
        return;
    c = shared[0];
#endif
    if (!c.any) // nothing to fold: 0 for a sum and any, 1 for a product and all
        c.x = CHOSEN_OP == R_PROD || CHOSEN_OP == R_ALL;
    if (CHOSEN_OP == R_ARGMAX || CHOSEN_OP == R_ARGMIN)
        store_long(y, at[0], (long)c.at, I64);
    else
        store(y, at[0], value_of(CHOSEN_OP, c, CHOSEN_DTYPE), CHOSEN_DTYPE);
}
