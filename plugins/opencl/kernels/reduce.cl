// Reductions: over `inner` for each element of `outer` (its values: output, input). An item folds a whole output; or, GROUP
// defined, the GROUP items of a work-group share one, each a part, and join
// them in a fixed order.
kernel void reduce(space outer, space inner, VALUE(y), VALUE(a), int op, int dtype)
{
    START(y);
    START(a);
#ifdef GROUP
    const INDEX out = (INDEX)get_group_id(0), me = (INDEX)get_local_id(0);
    const INDEX share = ((INDEX)inner.count + GROUP - 1) / GROUP, first = min(me * share, (INDEX)inner.count);
    const INDEX end = min(first + share, (INDEX)inner.count);
#else
    const INDEX out = (INDEX)get_global_id(0), first = 0, end = (INDEX)inner.count;
    if (out >= (INDEX)outer.count)
        return;
#endif
    INDEX at[2], in[1], left = 0;
    places(&outer, out, at, 2);
    carry c = {0, 0, 0, 0};
    for (INDEX t = first; t < end; t++) {
        left = next_places(&inner, t, left, in, 1);
        c = join(CHOSEN_OP, c, term(load(a, at[1] + in[0], CHOSEN_DTYPE), t), false);
    }
#ifdef GROUP
    local carry shared[GROUP];
    shared[me] = c;
    for (int rest = GROUP / 2; rest > 0; rest /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me < rest)
            shared[me] = join(CHOSEN_OP, shared[me], shared[me + rest], false);
    }
    if (me != 0)
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
