# Tests are not optimised: they are compiled more often than they are run.
function(kinglet_unoptimised target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O0> $<$<CONFIG:Release>:-U_FORTIFY_SOURCE>)
endfunction()

# What nearly every source includes, compiled once: for our own sources and, with GoogleTest, for tests.
function(kinglet_precompile target)
  file(WRITE ${CMAKE_BINARY_DIR}/generated/${target}.cc "")
  add_library(${target} OBJECT ${CMAKE_BINARY_DIR}/generated/${target}.cc)
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(${target} PRIVATE fmt::fmt simdjson::simdjson yaml-cpp OpenSSL::Crypto
    Threads::Threads)
  target_precompile_headers(${target} PRIVATE <algorithm> <functional> <map> <memory> <optional>
    <string> <string_view> <vector> <base/json.h> <base/clock.h> <base/log.h> ${ARGN})
endfunction()
kinglet_precompile(kinglet_pch)
if(KINGLET_TESTS)
  kinglet_precompile(kinglet_test_pch <gmock/gmock.h> <gtest/gtest.h>)
  target_link_libraries(kinglet_test_pch PRIVATE GTest::gtest GTest::gmock)
  kinglet_unoptimised(kinglet_test_pch)
endif()

# Modules on the way of a prediction or of a reconciliation; the others are compiled with -O1, which
# takes half the time.
set(KINGLET_HOT_MODULES base net inference server runtimes local/gateway kube api control admission)

# kinglet_module(path DEPS other modules LINK third-party PLUGINS folder TEST_PATHS)
#
# Makes the static library kinglet_<path with _> from src/<path>/**/*.cc, a test program
# <name>_test from the *_test.cc beside them, and one fuzz program for each *_fuzz.cc.
# A module that lies inside another's folder (local/kubelet) is a module of its own.
#
# PLUGINS names a folder below the module whose .cc files are plug-ins: each file NAME.cc must
# define the function Plugin_NAME declared in <module>/plugin.h. The table of them is generated
# from the file names, so that adding a plug-in is adding a file, and a missing symbol is a link
# error. (Self-registration inside a static library silently registers nothing.)
#
# TEST_PATHS: tests get KINGLET_SOURCE_DIR and KINGLET_BIN_DIR, fuzz programs the former. What others
# compile to names no checkout.
function(kinglet_target_name path out)
  string(REPLACE "/" "_" name ${path})
  set(${out} kinglet_${name} PARENT_SCOPE)
endfunction()

function(kinglet_module path)
  cmake_parse_arguments(ARG "TEST_PATHS" "PLUGINS" "DEPS;LINK" ${ARGN})
  kinglet_target_name(${path} target)
  set(dir ${CMAKE_SOURCE_DIR}/src/${path})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${dir}/*.cc)
  set(tests ${sources})
  set(fuzzers ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz)\\.cc$")

  if(ARG_PLUGINS)
    file(GLOB plugins CONFIGURE_DEPENDS ${dir}/${ARG_PLUGINS}/*.cc)
    list(FILTER plugins EXCLUDE REGEX "_(test|fuzz)\\.cc$")
    set(declarations "")
    set(entries "")
    foreach(plugin ${plugins})
      get_filename_component(name ${plugin} NAME_WE)
      if(name STREQUAL "plugin")
        continue()
      endif()
      string(APPEND declarations "Plugin Plugin_${name}();\n")
      string(APPEND entries "      {\"${name}\", &Plugin_${name}},\n")
    endforeach()
    set(KINGLET_PLUGIN_MODULE ${path})
    set(KINGLET_PLUGIN_DECLARATIONS "${declarations}")
    set(KINGLET_PLUGIN_ENTRIES "${entries}")
    set(generated ${CMAKE_BINARY_DIR}/generated/${path}/plugins.cc)
    configure_file(${CMAKE_SOURCE_DIR}/cmake/plugins.cc.in ${generated} @ONLY)
    list(APPEND sources ${generated})
  endif()

  set(dep_targets "")
  foreach(dep ${ARG_DEPS})
    kinglet_target_name(${dep} dep_target)
    list(APPEND dep_targets ${dep_target})
  endforeach()

  if(NOT sources)
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(${target} INTERFACE ${dep_targets} ${ARG_LINK} Threads::Threads)
  else()
    add_library(${target} STATIC ${sources})
    target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(${target} PUBLIC ${dep_targets} ${ARG_LINK} Threads::Threads)
    target_precompile_headers(${target} REUSE_FROM kinglet_pch)
    if(NOT path IN_LIST KINGLET_HOT_MODULES)
      target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
    endif()
  endif()

  string(REPLACE "/" "_" short ${path})
  if(KINGLET_TESTS AND tests)
    add_executable(${short}_test ${tests})
    target_link_libraries(${short}_test PRIVATE ${target} GTest::gtest GTest::gmock GTest::gtest_main)
    if(ARG_TEST_PATHS)
      target_compile_definitions(${short}_test PRIVATE
        KINGLET_SOURCE_DIR="${CMAKE_SOURCE_DIR}" KINGLET_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
    endif()
    target_precompile_headers(${short}_test REUSE_FROM kinglet_test_pch)
    kinglet_unoptimised(${short}_test)
    set_target_properties(${short}_test PROPERTIES
      RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
    add_test(NAME ${short} COMMAND ${short}_test)
    set_tests_properties(${short} PROPERTIES TIMEOUT 300)
  endif()
  if(KINGLET_FUZZ)
    foreach(fuzzer ${fuzzers})
      get_filename_component(name ${fuzzer} NAME_WE)
      add_executable(${name} ${fuzzer})
      target_link_libraries(${name} PRIVATE ${target})
      target_link_options(${name} PRIVATE -fsanitize=fuzzer)
      if(ARG_TEST_PATHS)
        target_compile_definitions(${name} PRIVATE KINGLET_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
      endif()
      set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
    endforeach()
  endif()
endfunction()

# kinglet_binary(name DEPS modules SHARES sources): build/<preset>/bin/<name> from src/cmd/<name>/*.cc and
# sources of other binaries' folders (below src/cmd).
function(kinglet_binary name)
  cmake_parse_arguments(ARG "" "" "DEPS;SHARES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/cmd/${name}/*.cc)
  if(NOT sources)
    return()
  endif()
  list(TRANSFORM ARG_SHARES PREPEND ${CMAKE_SOURCE_DIR}/src/cmd/)
  add_executable(${name} ${sources} ${ARG_SHARES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src)
  target_precompile_headers(${name} REUSE_FROM kinglet_pch)
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  foreach(dep ${ARG_DEPS})
    kinglet_target_name(${dep} dep_target)
    target_link_libraries(${name} PRIVATE ${dep_target})
  endforeach()
endfunction()

# kinglet_suite(name DEPS modules): a test program of its own from test/<name>/*.cc, for what a module's
# unit tests are not the place for.
function(kinglet_suite name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/test/${name}/*.cc)
  add_executable(${name}_suite ${sources})
  target_include_directories(${name}_suite PRIVATE ${CMAKE_SOURCE_DIR})
  foreach(dep ${ARG_DEPS})
    kinglet_target_name(${dep} dep_target)
    target_link_libraries(${name}_suite PRIVATE ${dep_target})
  endforeach()
  target_link_libraries(${name}_suite PRIVATE GTest::gtest GTest::gmock GTest::gtest_main)
  target_precompile_headers(${name}_suite REUSE_FROM kinglet_test_pch)
  kinglet_unoptimised(${name}_suite)
  set_target_properties(${name}_suite PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
  add_test(NAME ${name} COMMAND ${name}_suite)
  set_tests_properties(${name} PROPERTIES TIMEOUT 600)
endfunction()
