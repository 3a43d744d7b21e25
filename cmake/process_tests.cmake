# Lint as tests, and one ctest entry for each test_*.py of test/process and test/security (label "process"),
# run with the Python clients that ./dev setup tests installs.
foreach(check layers house promises)
  add_test(NAME lint_${check} COMMAND python3 ${CMAKE_SOURCE_DIR}/tools/lint/${check}.py)
  set_tests_properties(lint_${check} PROPERTIES LABELS lint)
endforeach()

if(TARGET kinglet-rbacgen)
  add_test(NAME rbac_is_generated COMMAND kinglet-rbacgen --check ${CMAKE_SOURCE_DIR}/config/rbac)
endif()

if(DEFINED ENV{XDG_CACHE_HOME})
  set(kinglet_cache $ENV{XDG_CACHE_HOME}/kinglet)
else()
  set(kinglet_cache $ENV{HOME}/.cache/kinglet)
endif()
foreach(suite process security)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/test/${suite}/test_*.py)
  foreach(file ${files})
    get_filename_component(name ${file} NAME_WE)
    string(REGEX REPLACE "^test_" "${suite}_" name ${name})
    add_test(NAME ${name}
      COMMAND ${kinglet_cache}/venv/bin/python -m pytest -q -p no:cacheprovider ${file}
      WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/test/${suite})
    # Tests of storage mostly wait for stores that fail or are slow: they share the machine.
    set(serial TRUE)
    if(name MATCHES storage)
      set(serial FALSE)
    endif()
    set_tests_properties(${name} PROPERTIES LABELS process TIMEOUT 900 RUN_SERIAL ${serial}
      ENVIRONMENT "KINGLET_BIN_DIR=${CMAKE_RUNTIME_OUTPUT_DIRECTORY};KINGLET_CACHE=${kinglet_cache}")
  endforeach()
endforeach()
set_tests_properties(process_storage_faults PROPERTIES COST 100)  # the longest first

# Our images on a real node, in namespaces of its own; status 77: the machine does not allow one, and says why.
add_test(NAME e2e
  COMMAND ${CMAKE_SOURCE_DIR}/tools/kube/isolated.sh
    ${kinglet_cache}/venv/bin/python -m pytest -q -p no:cacheprovider .
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/test/e2e)
set_tests_properties(e2e PROPERTIES LABELS process TIMEOUT 900 RUN_SERIAL TRUE SKIP_RETURN_CODE 77
  ENVIRONMENT "KINGLET_BIN_DIR=${CMAKE_RUNTIME_OUTPUT_DIRECTORY};KINGLET_CACHE=${kinglet_cache}")

# The controllers and webhooks on a real kube-apiserver: one entry, because the API server is started
# once for all of them.
add_test(NAME apiserver
  COMMAND ${kinglet_cache}/venv/bin/python -m pytest -q -p no:cacheprovider .
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/test/apiserver)
set_tests_properties(apiserver PROPERTIES LABELS process TIMEOUT 1500 RUN_SERIAL TRUE
  ENVIRONMENT "KINGLET_BIN_DIR=${CMAKE_RUNTIME_OUTPUT_DIRECTORY};KINGLET_CACHE=${kinglet_cache}")
