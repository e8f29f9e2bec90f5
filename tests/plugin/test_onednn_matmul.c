#include "onednn_compare.h"
Suite *matmul_suite(void)
{
    return suite_create("products");
}
