# Warnings are errors on gcc and clang; DNNC_SANITIZE adds ASan and UBSan.
option(DNNC_SANITIZE "Build with AddressSanitizer and UBSan" OFF)
option(DNNC_FUZZ "Build the libFuzzer targets (clang only)" OFF)
option(DNNC_WERROR "Treat warnings as errors" ON)

set(DNNC_WARNINGS -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion
    -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wvla
    -Wundef -Wformat=2 -Wdouble-promotion -Wcast-qual -Wwrite-strings
    -Wpointer-arith -Wimplicit-fallthrough -fno-common)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  list(APPEND DNNC_WARNINGS -Wlogical-op -Wduplicated-cond -Wduplicated-branches)
else()
  list(APPEND DNNC_WARNINGS -Wmissing-variable-declarations -Wcomma
       -Wunreachable-code -Wassign-enum)
  # assert(!"why") is how a case that cannot be says so.
  list(APPEND DNNC_WARNINGS -Wno-string-conversion)
endif()
if(DNNC_WERROR)
  list(APPEND DNNC_WARNINGS -Werror)
endif()

if(DNNC_SANITIZE)
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # ASan's own temporaries live across setjmp; nobody reads them after it.
    list(APPEND DNNC_WARNINGS -Wno-clobbered)
  endif()
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
if(DNNC_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
# Assertions are our own bugs' net: they stay on in every build.
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO
       "${CMAKE_C_FLAGS_RELWITHDEBINFO}")
