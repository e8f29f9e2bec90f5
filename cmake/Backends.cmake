# How a backend of the tree is built: as a shared object that is loaded at run time, or, where CRESSET_STATIC_BACKENDS names
# it, as a part of libcresset. Either way it is made of the same objects; only its entry function's file differs.

# Whether the backend is to be built: all are, unless some are linked in, and then those alone, since such a library loads
# no others.
function(cresset_wants_backend name result)
    set(${result} TRUE PARENT_SCOPE)
    if(CRESSET_STATIC_BACKENDS AND NOT name IN_LIST CRESSET_STATIC_BACKENDS)
        set(${result} FALSE PARENT_SCOPE)
    endif()
endfunction()

# The target cresset_<name>. `entry` is the file with cresset_backend_entry, one of the sources that follow.
function(cresset_add_backend name entry)
    if(name IN_LIST CRESSET_STATIC_BACKENDS)
        add_library(cresset_${name} OBJECT ${ARGN})
        set(included ${ARGN})
        list(FILTER included INCLUDE REGEX "\\.(def|inc)$")
        set_source_files_properties(${included} PROPERTIES HEADER_FILE_ONLY TRUE)
        set_source_files_properties(${entry} PROPERTIES
            COMPILE_DEFINITIONS "cresset_backend_entry=cresset_backend_entry_${name};CR_BACKEND_EXPORT=")
        target_sources(cresset PRIVATE $<TARGET_OBJECTS:cresset_${name}>)
        return()
    endif()
    add_library(cresset_${name} MODULE ${ARGN})
    set_target_properties(cresset_${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CRESSET_BACKEND_DIR} DEFINE_SYMBOL "")
    install(TARGETS cresset_${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/cresset)
endfunction()

# Objects that were compiled apart (for an instruction set, say).
function(cresset_backend_objects name)
    foreach(target IN LISTS ARGN)
        if(name IN_LIST CRESSET_STATIC_BACKENDS)
            target_sources(cresset PRIVATE $<TARGET_OBJECTS:${target}>)
        else()
            target_sources(cresset_${name} PRIVATE $<TARGET_OBJECTS:${target}>)
        endif()
    endforeach()
endfunction()

# Libraries, as files or names: they are linked to whatever holds the backend, and add nothing to how it is compiled.
function(cresset_backend_libraries name)
    if(name IN_LIST CRESSET_STATIC_BACKENDS)
        target_link_libraries(cresset PRIVATE ${ARGN})
        set_property(GLOBAL APPEND PROPERTY CRESSET_BACKEND_LIBRARIES ${ARGN})
    else()
        target_link_libraries(cresset_${name} PRIVATE ${ARGN})
    endif()
endfunction()

# For what keeps threads of its own until the process ends: the code they run must not be unloaded.
function(cresset_backend_stays_loaded name)
    if(name IN_LIST CRESSET_STATIC_BACKENDS)
        target_link_options(cresset PRIVATE LINKER:-z,nodelete)
    else()
        target_link_options(cresset_${name} PRIVATE LINKER:-z,nodelete)
    endif()
endfunction()

# At the end: every name has become a backend, and the library's table lists them in that order.
function(cresset_link_static_backends)
    set(rows "")
    foreach(name IN LISTS CRESSET_STATIC_BACKENDS)
        if(NOT TARGET cresset_${name})
            message(FATAL_ERROR "CRESSET_STATIC_BACKENDS: there is no backend \"${name}\" to link in. It may be cpu, onednn, "
                "vulkan or opencl, each where its libraries are installed (see above)")
        endif()
        string(APPEND rows "BACKEND(${name}) ")
    endforeach()
    if(rows)
        set_source_files_properties(${PROJECT_SOURCE_DIR}/core/dispatch/static_backends.c TARGET_DIRECTORY cresset
            PROPERTIES COMPILE_DEFINITIONS "CR_STATIC_BACKENDS=${rows}")
    endif()
endfunction()
