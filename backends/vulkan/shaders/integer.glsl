// Division of whole numbers, with an answer where there is none.
T quotient(T a, T b)
{
    return b == T(0) ? T(0) : b == T(-1) ? -a : a / b;
}

T rest(T a, T b)
{
    return b == T(0) || b == T(-1) ? T(0) : a - a / b * b;
}
