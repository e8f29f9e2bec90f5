// Scans along one dimension: an item takes a lane of `terms` elements. step: the strides of output, input and indices.
kernel void scan(space lanes, VALUE(y), VALUE(a), VALUE(z), int op, int dtype, long terms, long4 step)
{
    START(y);
    START(a);
    START(z);
    INDEX lane = (INDEX)get_global_id(0), at[3];
    if (lane >= (INDEX)lanes.count)
        return;
    places(&lanes, lane, at, 3);
    carry c = {0, 0, 0, 0};
    for (INDEX t = 0; t < (INDEX)terms; t++) {
        c = join(CHOSEN_OP, c, term(load(a, at[1] + t * (INDEX)step.y, CHOSEN_DTYPE), t), true);
        store(y, at[0] + t * (INDEX)step.x, value_of(CHOSEN_OP, c, CHOSEN_DTYPE), CHOSEN_DTYPE);
        if (CHOSEN_OP == R_AMAX || CHOSEN_OP == R_AMIN)
            store_long(z, at[2] + t * (INDEX)step.z, (long)c.at, I64);
    }
}
