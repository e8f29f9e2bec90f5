#!/usr/bin/env python3
"""Shares memory with NumPy both ways through DLPack. Usage: dlpack_numpy.py libcresset.so"""
import ctypes
import gc
import sys

try:
    import numpy as np
    np.from_dlpack
except (ImportError, AttributeError):
    print("no NumPy with from_dlpack")
    sys.exit(77)

cr = ctypes.CDLL(sys.argv[1])
pointer = ctypes.c_void_p
for name in "cr_from_dlpack cr_to_dlpack cr_data_ptr cr_retain cr_tensor_literal_ cr_detach".split():
    getattr(cr, name).restype = pointer
    getattr(cr, name).argtypes = [pointer]
cr.cr_tensor_sizes.restype = cr.cr_tensor_strides.restype = ctypes.POINTER(ctypes.c_int64)
cr.cr_tensor_sizes.argtypes = cr.cr_tensor_strides.argtypes = [pointer]
cr.cr_tensor_dim.argtypes = cr.cr_tensor_dtype.argtypes = [pointer]
cr.cr_dtype_name.restype = cr.cr_error.restype = ctypes.c_char_p
cr.cr_tensor_write.argtypes = cr.cr_tensor_read.argtypes = [pointer, pointer, ctypes.c_size_t]
cr.cr_tensor_copy_from.restype = pointer
cr.cr_tensor_copy_from.argtypes = [pointer, ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_int64),
                                   ctypes.c_char_p]
cr.cr_dtype_by_name.argtypes = [ctypes.c_char_p]

api = ctypes.pythonapi
api.PyCapsule_GetPointer.restype = pointer
api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
api.PyCapsule_SetName.argtypes = [ctypes.py_object, ctypes.c_char_p]
api.PyCapsule_New.restype = ctypes.py_object
api.PyCapsule_New.argtypes = [pointer, ctypes.c_char_p, pointer]
USED = b"used_dltensor"


def take(array):
    capsule = array.__dlpack__()
    tensor = cr.cr_from_dlpack(api.PyCapsule_GetPointer(capsule, b"dltensor"))
    assert tensor, cr.cr_error()
    api.PyCapsule_SetName(capsule, USED)
    return tensor


class Ours:
    """What NumPy asks of another library's array."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __dlpack__(self, stream=None):
        managed = cr.cr_to_dlpack(self.tensor)
        assert managed, cr.cr_error()
        return api.PyCapsule_New(managed, b"dltensor", None)

    def __dlpack_device__(self):
        return (1, 0)


def shape_of(tensor):
    dim = cr.cr_tensor_dim(tensor)
    return [cr.cr_tensor_sizes(tensor)[i] for i in range(dim)], [cr.cr_tensor_strides(tensor)[i] for i in range(dim)]


def numpy_to_us():
    for dtype in "float64 float32 float16 int64 int32 int16 int8 uint8".split():
        array = np.arange(24, dtype=dtype).reshape(2, 3, 4)
        for view in (array, array.transpose(2, 0, 1), array[:, 1:, ::2], array[0], array[:0]):
            cr.cr_scope_begin()
            references = sys.getrefcount(view)
            tensor = take(view)
            assert cr.cr_dtype_name(cr.cr_tensor_dtype(tensor)).decode() == dtype
            sizes, strides = shape_of(tensor)
            assert tuple(sizes) == view.shape, (sizes, view.shape)
            if view.size:
                assert [s * view.itemsize for s in strides] == list(view.strides)
                assert cr.cr_data_ptr(tensor) == view.ctypes.data
                new = np.arange(100, 100 + view.size, dtype=dtype).reshape(view.shape)
                assert cr.cr_tensor_write(tensor, new.ctypes.data, new.nbytes) == 0
                assert (view == new).all()
                view += 1
                copy = np.empty_like(new)
                assert cr.cr_tensor_read(tensor, copy.ctypes.data, copy.nbytes) == 0
                assert (copy == view).all()
            cr.cr_scope_end()
            gc.collect()
            assert sys.getrefcount(view) == references, "the array is still held"


def us_to_numpy():
    for dtype in "float64 float32 float16 int64 int32 int16 int8 uint8".split():
        cr.cr_scope_begin()
        source = np.arange(12, dtype=dtype).reshape(3, 4)
        sizes = (ctypes.c_int64 * 2)(3, 4)
        tensor = cr.cr_tensor_copy_from(source.ctypes.data, cr.cr_dtype_by_name(dtype.encode()), 2, sizes, b"cpu")
        array = np.from_dlpack(Ours(tensor))
        assert array.dtype == source.dtype and (array == source).all()
        assert array.ctypes.data == cr.cr_data_ptr(tensor)
        source += 3
        assert cr.cr_tensor_write(tensor, source.ctypes.data, source.nbytes) == 0
        assert (array == source).all()
        cr.cr_scope_end()
        assert (array == source).all()  # our tensor is gone from its scope, the memory is not
        del array
        gc.collect()


numpy_to_us()
us_to_numpy()
print("memory is shared both ways")
