/* The pipeline cache on disk: one file for each device and driver, in the user's cache folder. Its
 * header says whose it is, of which build of the shaders, and what the data hash to; a file that
 * doesn't agree is passed over and later replaced: so no driver is trusted to tell old shaders from
 * new ones, and what old ones left behind doesn't pile up. */
#include "vulkan.h"

#include "shader_hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_BYTES = 256 << 20 };

typedef struct cache_header {
    char magic[8];
    uint32_t vendor, device, driver, api;
    uint8_t uuid[VK_UUID_SIZE];
    uint64_t shaders, bytes, hash;
} cache_header;

static uint64_t hash_of(const unsigned char *data, size_t size)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < size; i++)
        h = (h ^ data[i]) * 1099511628211u;
    return h;
}

static cache_header header_of(const cr_device *d, const void *data, size_t size)
{
    const vk_profile *p = d->profile;
    cache_header h = {.magic = "CRVKPC2",
                      .vendor = p->vendor,
                      .device = p->device,
                      .driver = p->driver_version,
                      .api = p->api,
                      .shaders = VK_SHADERS_HASH,
                      .bytes = size,
                      .hash = hash_of(data, size)};
    memcpy(h.uuid, p->cache_uuid, sizeof h.uuid);
    return h;
}

/* The folder ($XDG_CACHE_HOME or ~/.cache, and "cresset" in it); false where there is none. */
static bool folder_of(char *path, size_t size, bool make)
{
    const char *base = vk_env("XDG_CACHE_HOME"), *home = vk_env("HOME");
    int n;
    if (base && base[0] == '/')
        n = snprintf(path, size, "%s", base);
    else if (home && home[0] == '/')
        n = snprintf(path, size, "%s/.cache", home);
    else
        return false;
    if (n < 0 || (size_t)n + sizeof "/cresset" > size)
        return false;
    if (make && mkdir(path, 0700) && errno != EEXIST)
        return false;
    memcpy(path + n, "/cresset", sizeof "/cresset");
    return !make || !mkdir(path, 0700) || errno == EEXIST;
}

static bool path_of(const cr_device *d, char *path, size_t size, bool make)
{
    const vk_profile *p = d->profile;
    char folder[512];
    if (!folder_of(folder, sizeof folder, make))
        return false;
    int n = snprintf(path, size, "%s/vulkan-%04x-%04x-%08x.bin", folder, p->vendor, p->device,
                     (unsigned)hash_of(p->cache_uuid, VK_UUID_SIZE));
    return n > 0 && (size_t)n < size;
}

void vk_cache_read(cr_device *d, void **data, size_t *size)
{
    char path[640];
    cache_header found;
    struct stat s;
    *data = NULL;
    *size = 0;
    if (!path_of(d, path, sizeof path, false))
        return;
    FILE *file = fopen(path, "rbe");
    if (!file)
        return;
    bool whole = !fstat(fileno(file), &s) && S_ISREG(s.st_mode) &&
                 (s.st_uid == geteuid() || s.st_uid == 0) && !(s.st_mode & S_IWOTH) &&
                 fread(&found, sizeof found, 1, file) == 1 && found.bytes <= MOST_BYTES &&
                 (uint64_t)s.st_size == sizeof found + found.bytes;
    void *bytes = whole && found.bytes ? malloc((size_t)found.bytes) : NULL;
    if (bytes && fread(bytes, (size_t)found.bytes, 1, file) == 1) {
        cache_header mine = header_of(d, bytes, (size_t)found.bytes);
        if (!memcmp(&mine, &found, sizeof mine)) {
            *data = bytes;
            *size = (size_t)found.bytes;
            bytes = NULL;
        }
    }
    free(bytes);
    fclose(file);
    if (!*data)
        vk_host->log(vk_host, 1,
                     "vulkan: %s is not this driver's or is broken; pipelines are "
                     "built anew",
                     path);
}

void vk_cache_write(cr_device *d, const void *data, size_t size)
{
    char path[640], temporary[700];
    if (size > MOST_BYTES || !path_of(d, path, sizeof path, true))
        return;
    snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    int fd = mkstemp(temporary);
    if (fd < 0)
        return;
    FILE *file = fdopen(fd, "wb");
    if (!file) {
        close(fd);
        unlink(temporary);
        return;
    }
    cache_header header = header_of(d, data, size);
    bool written = fwrite(&header, sizeof header, 1, file) == 1 && fwrite(data, size, 1, file) == 1;
    written = !fflush(file) && !fsync(fd) && written;
    written = !fclose(file) && written;
    if (!written || rename(temporary, path)) {
        unlink(temporary);
        vk_host->log(vk_host, 1, "vulkan: %s cannot be written", path);
    }
}
