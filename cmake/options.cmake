# Compiler flags shared by every target.
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
  message(FATAL_ERROR
    "Kinglet is built with clang 19 or newer (found ${CMAKE_CXX_COMPILER_ID} "
    "${CMAKE_CXX_COMPILER_VERSION}). Run ./dev setup, then use a preset: cmake --preset release")
endif()

option(KINGLET_TESTS "Build unit tests" ON)
option(KINGLET_FUZZ "Build fuzz targets (needs -fsanitize=fuzzer)" OFF)
set(KINGLET_SANITIZE "" CACHE STRING "Sanitizers: address,undefined or thread")

find_program(KINGLET_CCACHE ccache)
if(KINGLET_CCACHE)
  # Precompiled headers are cached too when their times do not count.
  set(CMAKE_C_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros ${KINGLET_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_C_COMPILER_LAUNCHER})
endif()

add_compile_options(-Wall -Wextra -Wno-missing-field-initializers -fno-omit-frame-pointer
  "SHELL:-Xclang -fno-pch-timestamp"
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
# x86-64-v3 is the floor; wider instructions are chosen at run time, never at build time.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_compile_options(-march=x86-64-v3)
endif()
add_link_options(-fuse-ld=mold)

# Hardening: what a memory error can be turned into is limited in every program that we ship, and
# test/security/test_programs.py reads the programs for it. Programs are position independent; they are linked from
# static libraries of ours, so they need no search path for shared ones.
set(CMAKE_SKIP_RPATH ON)
add_compile_options(-fPIE -fstack-protector-strong -fstack-clash-protection)
add_compile_definitions(_GLIBCXX_ASSERTIONS)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_compile_options(-fcf-protection=full)
endif()
if(NOT KINGLET_SANITIZE)
  # The C library's checks need an optimising build, and know nothing of what the sanitizers check. Tests, which are
  # not optimised, take the definition back (kinglet_unoptimised).
  add_compile_options($<$<CONFIG:Release>:-D_FORTIFY_SOURCE=3>)
endif()
add_link_options(-pie LINKER:-z,relro,-z,now,-z,noexecstack,-z,separate-code)

if(KINGLET_SANITIZE)
  add_compile_options(-fsanitize=${KINGLET_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${KINGLET_SANITIZE})
endif()
