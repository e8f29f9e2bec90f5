/* The pickles of PyTorch's checkpoints: the bytes become data.pkl of a zip with one storage, whose checksums are right, so
 * that the machine is reached. */
#include "fuzz.h"

static uint32_t crc_of(const uint8_t *data, size_t size)
{
    static uint32_t table[256];
    for (uint32_t i = 0; i < 256 && !table[255]; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
        table[i] = crc;
    }
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++)
        crc = crc >> 8 ^ table[(crc ^ data[i]) & 255];
    return ~crc;
}

static uint8_t *add(uint8_t *to, uint64_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *to++ = (uint8_t)(i < 8 ? number >> 8 * i : 0);
    return to;
}

/* A header of the zip: a member's own, or with `central` its entry in the directory. */
static uint8_t *add_header(uint8_t *to, bool central, const char *name, uint32_t crc, size_t size,
                           size_t at)
{
    to = add(to, central ? 0x02014b50 : 0x04034b50, 4);
    to = add(to, 20, central ? 4 : 2);
    to = add(to, 0, 8);
    to = add(add(add(to, crc, 4), size, 4), size, 4);
    to = add(add(to, strlen(name), 2), 0, 2);
    if (central)
        to = add(add(to, 0, 10), at, 4);
    memcpy(to, name, strlen(name));
    return to + strlen(name);
}

static const char *fuzz_zip(const uint8_t *pickle, size_t size)
{
    static uint8_t bytes[1 << 20];
    static const uint8_t storage[48] = {0};
    size = size < sizeof bytes / 2 ? size : sizeof bytes / 2;
    uint32_t crc = crc_of(pickle, size), crc_storage = crc_of(storage, sizeof storage);
    uint8_t *to = add_header(bytes, false, "a/data.pkl", crc, size, 0);
    memcpy(to, pickle, size);
    to += size;
    size_t second = (size_t)(to - bytes);
    to = add_header(to, false, "a/data/0", crc_storage, sizeof storage, 0);
    memcpy(to, storage, sizeof storage);
    to += sizeof storage;
    size_t directory = (size_t)(to - bytes);
    to = add_header(to, true, "a/data.pkl", crc, size, 0);
    to = add_header(to, true, "a/data/0", crc_storage, sizeof storage, second);
    size_t length = (size_t)(to - bytes) - directory;
    to = add(add(add(to, 0x06054b50, 4), 0, 4), 2, 2);
    to = add(add(add(add(to, 2, 2), length, 4), directory, 4), 0, 2);
    return fuzz_file(bytes, (size_t)(to - bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CR_SCOPE {
        fuzz_finish(cr_load_torch(fuzz_zip(data, size)));
    }
    return 0;
}
