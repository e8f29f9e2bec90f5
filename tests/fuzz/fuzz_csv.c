/* CSV files; the first byte chooses options. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    CR_SCOPE {
        cr_table *t = cr_load_csv(fuzz_file(data + 1, size - 1), .no_header = data[0] & 1,
                                  .separator = data[0] & 2 ? ';' : 0, .skip = data[0] >> 2 & 1);
        for (int i = 0; i < cr_table_columns(t); i++)
            fuzz_touch(cr_table_column(t, i));
        fuzz_finish(t);
    }
    return 0;
}
