/* Files: tensors saved and loaded as safetensors and NumPy's .npy and .npz; loaded from PyTorch's checkpoints and idx.
 *
 * Readers trust nothing: every offset, size, shape and name is checked against what the file holds,
 * memory stays in proportion to the file's size, and a file that is cut short, lies or goes on too
 * long is refused with one sentence that names it, what was expected and what was found. Loaded
 * tensors are in host memory (on the default device where that uses it, else on cpu); cr_tensor_to takes them elsewhere.
 *
 * Where a file's bytes can be used as they are, tensors lie in the file mapped to memory, without a
 * copy; writing to such a tensor changes its own pages, never the file. The file may be replaced or
 * removed meanwhile (every writer here replaces), but must not be shortened or written over in
 * place by others.
 *
 * Writers write a temporary file in the same folder, sync it, and rename it: after an error, a full
 * disk or a crash at any moment the old file is there, whole. */
#ifndef CRESSET_IO_H
#define CRESSET_IO_H

#include <cresset/state_dict.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- safetensors: https://huggingface.co/docs/safetensors ---- */

/* Saves and loads a state dict as safetensors, without further metadata: cr_save("net.safetensors",
 * cr_module_state_dict(net)). cr_save returns 0, or an error; cr_load a dict of the scope, or null.
 */
CR_API int cr_save(const char *path, const cr_state_dict *dict);
CR_API cr_state_dict *cr_load(const char *path);

typedef struct cr_save_safetensors_options {
    const char *path;
    const cr_state_dict *dict;
    const char *const *metadata; /* UTF-8 key, value, key, value, …, null; null: none */
    int end_;
} cr_save_safetensors_options;

/* Writes all entries of a dict, tensors from any device, dense and row-major: 8 bytes with the
 * header's length, the header (JSON: "__metadata__", then the tensors in the dict's order, padded
 * with spaces to a multiple of 8), and the data, wider dtypes first so that every element is
 * aligned. What cr_load_safetensors read comes out bit for bit as it was, and so does the whole
 * file if this function or the safetensors package wrote it. Entries that are no tensors go into
 * the metadata: lr 0.05 as "cresset/param_groups.0.lr": "float 0.05". Errors: a tensor named
 * "__metadata__", a name or string that is not UTF-8, a metadata key of one's own that begins with
 * "cresset/"; the disk's. */
CR_API int cr_save_safetensors_with(const cr_save_safetensors_options *options);
#ifndef __cplusplus
#define cr_save_safetensors(...) \
    cr_save_safetensors_with(&(const cr_save_safetensors_options){__VA_ARGS__, .end_ = 0})
#endif

typedef struct cr_load_safetensors_options {
    const char *path;
    char ***metadata; /* where to put the file's metadata, without what stands for the dict's
                         entries: key, value, …, null, in the file's order, in one block to be freed
                         with cr_free; null: not wanted */
    int end_;
} cr_load_safetensors_options;

/* Reads a file into a dict of the scope: the tensors in the header's order, then the other entries.
 * F64, F32, F16, BF16, I64, I32, I16, I8, U8 and BOOL, up to CR_MAX_RANK dimensions, mapped where
 * aligned. Errors: an unreadable file; a header longer than the file or 100 MB, that is no JSON or
 * has a member that does not belong or is there twice; another dtype; offsets outside of the data,
 * that don't fit shape and dtype, overlap or leave gaps; bytes of a BOOL other than 0 and 1. */
CR_API cr_state_dict *cr_load_safetensors_with(const cr_load_safetensors_options *options);
#ifndef __cplusplus
#define cr_load_safetensors(...) \
    cr_load_safetensors_with(&(const cr_load_safetensors_options){__VA_ARGS__, .end_ = 0})
#endif

/* ---- .npy, .npz: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html ---- */

/* Reads an array: versions 1 to 3, little or big endian, C or Fortran order (which becomes
 * strides): f8, f4, f2, i8, i4, i2, i1, u1 and b1. Mapped where aligned and of this machine's byte
 * order. Errors: another dtype (objects and pickles are never loaded), a header that doesn't parse,
 * more or fewer bytes than the shape asks for. */
CR_API cr_tensor *cr_load_npy(const char *path);
/* Writes a tensor, dense and row-major, version 1.0, bytes as numpy.save's. Errors: bfloat16, which
 * NumPy doesn't have. */
CR_API int cr_save_npy(const char *path, const cr_tensor *tensor);

/* Reads a zip of .npy files into a dict of the scope whose names lack ".npy": stored members are
 * mapped where aligned, deflated ones inflated; checksums are checked. Zip64 is read. Errors: as
 * above, other compressions, encryption, members that overlap or are there twice. */
CR_API cr_state_dict *cr_load_npz(const char *path);

typedef struct cr_save_npz_options {
    const char *path;
    const cr_state_dict *dict;
    bool compressed; /* deflate, as numpy.savez_compressed; otherwise stored, as numpy.savez, and
                        aligned for mapping */
    int end_;
} cr_save_npz_options;

/* Writes all tensors of a dict. Errors: an entry that is no tensor; bfloat16; a name that is empty
 * or has 65,000 bytes or more; the disk's. */
CR_API int cr_save_npz_with(const cr_save_npz_options *options);
#ifndef __cplusplus
#define cr_save_npz(...) cr_save_npz_with(&(const cr_save_npz_options){__VA_ARGS__, .end_ = 0})
#endif

/* ---- PyTorch's checkpoints: what torch.save writes since 1.6 ---- */

/* Reads the zip that torch.save(net.state_dict(), path) writes into a dict of the scope. Dicts and lists within dicts become names
 * with dots, {"model": {"fc.weight": …}, "epoch": 3} the entries "model.fc.weight" and "epoch"; lists of numbers are one entry.
 * Tensors are mapped, without reading them, and those that shared a storage share it again; parameters come as plain tensors. The
 * pickle inside is never run: it may name OrderedDict, torch's storages, Size, dtypes and the two functions that rebuild tensors,
 * and nothing else. Errors: anything else in it; the older format, which is no zip; a tensor that leaves its storage; complex,
 * quantised and sparse tensors. */
CR_API cr_state_dict *cr_load_torch(const char *path);

/* ---- idx: http://yann.lecun.com/exdb/mnist (the format of MNIST and Fashion-MNIST) ---- */

/* Reads an array, plain or gzipped (told by the first bytes, not by the name): uint8, int8, int16,
 * int32, float32, float64, big endian in the file. Errors: a wrong magic number or dtype, more than
 * CR_MAX_RANK dimensions, sizes that overflow, that the file can't hold, or that leave bytes over;
 * a damaged gzip stream. */
CR_API cr_tensor *cr_load_idx(const char *path);

/* ---- images ---- */

/* A PNG file in memory, the caller's to cr_free, and its size: of an image (C, H, W) with 1, 3 or 4
 * channels, or (H, W), uint8 or floating from 0 to 1. Null and an error for others. */
CR_API unsigned char *cr_encode_png(cr_tensor *image, size_t *size);

/* ---- CIFAR's binary files: https://www.cs.toronto.edu/~kriz/cifar.html ---- */

typedef struct cr_cifar {
    cr_tensor *images; /* uint8 (N, 3, 32, 32), in the mapped file */
    cr_tensor *labels; /* int64 (N) */
    cr_tensor *coarse; /* CIFAR-100's groups of labels; else null */
} cr_cifar;

/* Reads a file of CIFAR-10 (labels 1: data_batch_1.bin) or CIFAR-100 (labels 2: train.bin). The tensors are the scope's; images is
 * null, with the error set, for a size that is no whole number of records. */
CR_API cr_cifar cr_load_cifar(const char *path, int labels);

/* ---- any file ---- */

/* Writes a file whole or not at all: to a temporary name in the same folder, synced, then renamed over an older one, which
 * stays as it was on any failure. Returns 0, or an error that names the path. */
CR_API int cr_write_file(const char *path, const void *data, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
