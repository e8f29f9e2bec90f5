# cmake -DOUTPUT=file.h -DSOURCES=a.cl;b.cl -P embed.cmake: each source's bytes as an array kernel_NAME.
set(text "/* The kernels' sources, made by embed.cmake. */\n")
foreach(source IN LISTS SOURCES)
    get_filename_component(name ${source} NAME_WE)
    file(READ ${source} bytes HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
    string(APPEND text "static const unsigned char kernel_${name}[] = {${bytes}};\n")
endforeach()
file(WRITE ${OUTPUT} "${text}")
