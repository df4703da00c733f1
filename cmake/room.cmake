# dnnc_room(NAME SOURCES... [LIBS libs...]): a room is one static library whose
# include root is the repository, so every include names its room.
function(dnnc_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;LIBS" ${ARGN})
  add_library(dnnc_${name} STATIC ${ROOM_SOURCES})
  target_include_directories(dnnc_${name} PUBLIC ${CMAKE_SOURCE_DIR}
                             PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
  target_compile_options(dnnc_${name} PRIVATE ${DNNC_WARNINGS})
  target_compile_definitions(dnnc_${name} PUBLIC _GNU_SOURCE)
  target_link_libraries(dnnc_${name} PUBLIC ${ROOM_LIBS})
endfunction()

# dnnc_test(NAME SOURCE [SLOW] LIBS...): one cmocka program, one ctest, labelled
# `quick` unless SLOW.
function(dnnc_test name source)
  cmake_parse_arguments(TEST "SLOW" "" "" ${ARGN})
  add_executable(${name} ${source})
  target_compile_options(${name} PRIVATE ${DNNC_WARNINGS})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${TEST_UNPARSED_ARGUMENTS} cmocka m)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 1200)
  if(NOT TEST_SLOW)
    set_tests_properties(${name} PROPERTIES LABELS quick)
  endif()
endfunction()

# dnnc_fuzz(NAME SOURCE [ROUNDS N] LIBS...): a libFuzzer program with
# -DDNNC_FUZZ=ON.  In every other build tests/fuzz/replay.c feeds it the folder
# of seeds of the same name and N damaged copies of each, as a quick test.
function(dnnc_fuzz name source)
  cmake_parse_arguments(FUZZ "" "ROUNDS" "" ${ARGN})
  add_executable(fuzz_${name} ${source} ${CMAKE_SOURCE_DIR}/tests/fuzz/input.c)
  target_compile_options(fuzz_${name} PRIVATE ${DNNC_WARNINGS})
  target_include_directories(fuzz_${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(fuzz_${name} PRIVATE ${FUZZ_UNPARSED_ARGUMENTS}
                                             dnnc_support m)
  if(DNNC_FUZZ)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(fuzz_${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
    add_test(NAME fuzz_${name}
             COMMAND fuzz_${name} ${CMAKE_CURRENT_SOURCE_DIR}/${name}
                     ${FUZZ_ROUNDS})
    set_tests_properties(fuzz_${name} PROPERTIES LABELS quick TIMEOUT 300)
  endif()
endfunction()

# dnnc_tests_may_leak([TEST...]): these tests, or all of this folder so far, run
# jobs under MPI, which opens plugins, keeps their memory and closes them:
# nothing is left to name in tests/leaks.supp.
function(dnnc_tests_may_leak)
  set(tests ${ARGN})
  if(NOT tests)
    get_property(tests DIRECTORY PROPERTY TESTS)
  endif()
  if(DNNC_SANITIZE)
    set_property(TEST ${tests} APPEND PROPERTY
                 ENVIRONMENT "ASAN_OPTIONS=detect_leaks=0")
  endif()
endfunction()
