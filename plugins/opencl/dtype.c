/* Dtypes as kernels see them. */
#include "plan.h"

int ocl_class_of(int32_t dtype)
{
    switch (dtype) {
    case CR_F64: return CLASS_DOUBLE;
    case CR_F32:
    case CR_F16:
    case CR_BF16: return CLASS_FLOAT;
    case CR_I64: return CLASS_LONG;
    default: return CLASS_INT;
    }
}

bool ocl_is_float(int32_t dtype)
{
    return ocl_class_of(dtype) == CLASS_FLOAT || dtype == CR_F64;
}

size_t ocl_size_of(int32_t dtype)
{
    static const uint8_t bytes[] = {
#define BYTES(name, number, bytes, text) [number] = bytes,
        CR_DTYPES(BYTES)
#undef BYTES
    };
    return dtype > 0 && (size_t)dtype < sizeof bytes ? bytes[dtype] : 0;
}

int32_t ocl_moved_as(int32_t dtype)
{
    size_t bytes = ocl_size_of(dtype);
    return bytes == 8 ? CR_I64 : bytes == 4 ? CR_I32 : bytes == 2 ? CR_I16 : CR_U8;
}

void ocl_number(ocl_launch *launch, const cr_number *number, int32_t dtype, bool wide)
{
    const cl_double d = number->f;
    const cl_float f = (cl_float)number->f;
    const cl_long l = dtype == CR_B8 ? number->f != 0 || number->i != 0 : number->i;
    const cl_int i = (cl_int)l;
    if (dtype == CR_F64 || (wide && ocl_is_float(dtype) && launch->device->profile->f64))
        ocl_arg(launch, sizeof d, &d);
    else if (ocl_is_float(dtype))
        ocl_arg(launch, sizeof f, &f);
    else if (wide || dtype == CR_I64)
        ocl_arg(launch, sizeof l, &l);
    else
        ocl_arg(launch, sizeof i, &i);
}
