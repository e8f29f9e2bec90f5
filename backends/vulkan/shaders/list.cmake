# Every shader that is built: its name in C, its source, its macros. CLASS_ is the type computed in; the kernels marked
# narrow are for devices without f64.
vulkan_shader(copy copy.comp HAS_F64)
vulkan_shader(copy_narrow copy.comp)
vulkan_shader(fill fill.comp)
vulkan_shader(arange arange.comp HAS_F64)
vulkan_shader(arange_narrow arange.comp)
