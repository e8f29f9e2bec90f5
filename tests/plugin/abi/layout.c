/* Where every member of ABI 1.0 lies, for 64 and for 32 bits (i386's rules of alignment). Compiled against the header of
 * 1.0 and against today's, which may only append. What has no struct_size keeps its size for ever. */
#include <cresset/backend.h>

#define BITS(wide, narrow) (sizeof(void *) == 8 ? (wide) : (narrow))
#define AT(type, member, wide, narrow) \
    _Static_assert(offsetof(type, member) == BITS(wide, narrow), #type "." #member " has moved")
#define SIZE(type, wide, narrow) \
    _Static_assert(sizeof(type) == BITS(wide, narrow), #type " has another size")
#define NUMBER(name, value) _Static_assert(name == (value), #name " has another number")

AT(cr_meta, dtype, 0, 0);
AT(cr_meta, rank, 4, 4);
AT(cr_meta, size, 8, 8);
AT(cr_meta, stride, 72, 72);
AT(cr_meta, layout, 136, 136);

AT(cr_attr, name, 0, 0);
AT(cr_attr, kind, 8, 4);
AT(cr_attr, count, 12, 8);
AT(cr_attr, as, 16, 12);

AT(cr_graph_node, struct_size, 0, 0);
AT(cr_graph_node, op, 8, 4);
AT(cr_graph_node, inputs, 16, 8);
AT(cr_graph_node, outputs, 24, 12);
AT(cr_graph_node, ninputs, 32, 16);
AT(cr_graph_node, noutputs, 36, 20);
AT(cr_graph_node, attrs, 40, 24);
AT(cr_graph_node, nattrs, 48, 28);
AT(cr_graph_node, nnumbers, 52, 32);
AT(cr_graph_node, number_names, 56, 36);

AT(cr_graph, struct_size, 0, 0);
AT(cr_graph, values, 8, 4);
AT(cr_graph, nodes, 16, 8);
AT(cr_graph, inputs, 24, 12);
AT(cr_graph, outputs, 32, 16);
AT(cr_graph, nvalues, 40, 20);
AT(cr_graph, nnodes, 44, 24);
AT(cr_graph, ninputs, 48, 28);
AT(cr_graph, noutputs, 52, 32);

AT(cr_plan_info, struct_size, 0, 0);
AT(cr_plan_info, workspace, 8, 4);
AT(cr_plan_info, output_layouts, 16, 8);
AT(cr_plan_info, output_bytes, 24, 12);

AT(cr_binding, buffer, 0, 0);
AT(cr_binding, offset, 8, 4);

AT(cr_number, f, 0, 0);
AT(cr_number, i, 8, 8);

AT(cr_run, struct_size, 0, 0);
AT(cr_run, values, 8, 4);
AT(cr_run, numbers, 16, 8);
AT(cr_run, workspace, 24, 12);
AT(cr_run, seed, 40, 20);
AT(cr_run, offset, 48, 28);

AT(cr_device_info, struct_size, 0, 0);
AT(cr_device_info, name, 8, 4);
AT(cr_device_info, memory, 264, 260);
AT(cr_device_info, alignment, 272, 268);
AT(cr_device_info, rank, 280, 272);
AT(cr_device_info, host_memory, 284, 276);

AT(cr_host, struct_size, 0, 0);
AT(cr_host, abi_major, 8, 4);
AT(cr_host, abi_minor, 12, 8);
AT(cr_host, fail, 16, 12);
AT(cr_host, log, 24, 16);
AT(cr_host, num_threads, 32, 20);

AT(cr_backend, struct_size, 0, 0);
AT(cr_backend, abi_major, 8, 4);
AT(cr_backend, abi_minor, 12, 8);
AT(cr_backend, name, 16, 12);
AT(cr_backend, version, 24, 16);
AT(cr_backend, device_count, 32, 20);
AT(cr_backend, device_info, 40, 24);
AT(cr_backend, device_open, 48, 28);
AT(cr_backend, device_close, 56, 32);
AT(cr_backend, alloc, 64, 36);
AT(cr_backend, free, 72, 40);
AT(cr_backend, host_pointer, 80, 44);
AT(cr_backend, copy_in, 88, 48);
AT(cr_backend, copy_out, 96, 52);
AT(cr_backend, sync, 104, 56);
AT(cr_backend, plan, 112, 60);
AT(cr_backend, run, 120, 64);
AT(cr_backend, plan_free, 128, 68);

SIZE(cr_meta, 144, 144);
SIZE(cr_attr, 24, 20);
SIZE(cr_binding, 16, 8);
SIZE(cr_number, 16, 16);

NUMBER(CR_OK, 0);
NUMBER(CR_UNSUPPORTED, 1);
NUMBER(CR_INVALID, 2);
NUMBER(CR_OUT_OF_MEMORY, 3);
NUMBER(CR_DEVICE_LOST, 4);
NUMBER(CR_FAILED, 5);
NUMBER(CR_DTYPE_NONE, 0);
NUMBER(CR_F64, 1);
NUMBER(CR_F32, 2);
NUMBER(CR_F16, 3);
NUMBER(CR_BF16, 4);
NUMBER(CR_I64, 5);
NUMBER(CR_I32, 6);
NUMBER(CR_I16, 7);
NUMBER(CR_I8, 8);
NUMBER(CR_U8, 9);
NUMBER(CR_B8, 10);
NUMBER(CR_ATTR_INT, 1);
NUMBER(CR_ATTR_INTS, 2);
NUMBER(CR_ATTR_TEXT, 3);
NUMBER(CR_ABI_MAJOR, 1);
NUMBER(CR_MAX_RANK, 8);
NUMBER(CR_NO_VALUE, UINT32_MAX);
