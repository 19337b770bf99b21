# SPDX-License-Identifier: Apache-2.0
# add_daemon(<name> SOURCES a.c b.c LIBS x y)
#
# <name>_core holds every module of one daemon: what its tests link, and what the postrider program
# links to run it. A daemon sees its own folder, providers/ and common/, never a sibling: the
# pipeline's stages meet only through Kafka, PostgreSQL and schemas/.
function(add_daemon name)
  cmake_parse_arguments(D "" "" "SOURCES;LIBS" ${ARGN})
  add_library(${name}_core STATIC ${D_SOURCES})
  target_include_directories(${name}_core PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}
                             PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/include) # <name>_main.h, for the cli
  target_link_libraries(${name}_core PUBLIC common providers ${D_LIBS})
endfunction()
