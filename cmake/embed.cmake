# SPDX-License-Identifier: Apache-2.0
# embed_files(<target> <symbol> FILES a b ...)
#
# A static library with the files' bytes: `const struct embedded <symbol>[]`, ended by a row whose name
# is NULL (schemas/embedded.h). What the program needs at run time travels inside it.
function(embed_files target symbol)
  cmake_parse_arguments(E "" "" "FILES" ${ARGN})
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.c)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DSYMBOL=${symbol} "-DFILES=${E_FILES}" -P
            ${CMAKE_SOURCE_DIR}/cmake/embed_script.cmake
    DEPENDS ${E_FILES} ${CMAKE_SOURCE_DIR}/cmake/embed_script.cmake
    VERBATIM)
  add_library(${target} STATIC ${out})
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR}/schemas)
endfunction()
