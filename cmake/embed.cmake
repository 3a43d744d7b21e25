# Files of config/ that the binaries carry with them, as one generated source.
file(GLOB_RECURSE embedded CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/config
  ${CMAKE_SOURCE_DIR}/config/crd/*.yaml
  ${CMAKE_SOURCE_DIR}/config/runtimes/*.yaml
  ${CMAKE_SOURCE_DIR}/config/storagecontainers/*.yaml
  ${CMAKE_SOURCE_DIR}/config/configmap/*.yaml
  ${CMAKE_SOURCE_DIR}/config/standalone/*.yaml)
set(arrays "")
set(entries "")
set(index 0)
foreach(file ${embedded})
  get_filename_component(name ${file} NAME)
  if(name STREQUAL "kustomization.yaml")
    continue()
  endif()
  string(APPEND arrays
    "constexpr char kFile${index}[] = {\n#embed \"${CMAKE_SOURCE_DIR}/config/${file}\"\n};\n")
  string(APPEND entries
    "    {\"${file}\", std::string_view(kFile${index}, sizeof(kFile${index}))},\n")
  math(EXPR index "${index} + 1")
  list(APPEND depends ${CMAKE_SOURCE_DIR}/config/${file})
endforeach()
set(KINGLET_EMBEDDED_ARRAYS "${arrays}")
set(KINGLET_EMBEDDED_ENTRIES "${entries}")
configure_file(${CMAKE_SOURCE_DIR}/cmake/embed.cc.in ${CMAKE_BINARY_DIR}/generated/config/files.cc @ONLY)
set_source_files_properties(${CMAKE_BINARY_DIR}/generated/config/files.cc PROPERTIES
  OBJECT_DEPENDS "${depends}" COMPILE_OPTIONS "-Wno-c23-extensions")
add_library(kinglet_config STATIC ${CMAKE_BINARY_DIR}/generated/config/files.cc)
# A compiler cache does not know what #embed reads, and would bring back what the files were before.
set_target_properties(kinglet_config PROPERTIES CXX_COMPILER_LAUNCHER "")
target_include_directories(kinglet_config PUBLIC ${CMAKE_SOURCE_DIR}/src)
