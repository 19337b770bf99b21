# SPDX-License-Identifier: Apache-2.0
# Warnings and hardening, the same for every target. NDEBUG is never defined: asserts stay on.
add_compile_options(-Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes
                    -Wmissing-prototypes -Wformat=2 -Wvla -fno-strict-aliasing)
if(POSTRIDER_WERROR)
  add_compile_options(-Werror)
endif()

# What a release adds, so that a memory error ends the process instead of serving an attacker.
# Position independence is CMake's own property, set in the preset.
if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  include(CheckPIESupported)
  check_pie_supported(LANGUAGES C)
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong
                      -fstack-clash-protection)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    add_compile_options(-fcf-protection)
  endif()
  add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_C_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()
