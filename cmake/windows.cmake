# Programs for Windows, which Wine runs: built where Debian's mingw-w64 (posix variant) is, and left
# out where it is not. Then callouts cannot be hosted by Wine, and nothing else changes.
#
# Sets HOOKLINE_WINDOWS_DIR, where hookline-host.exe and the DLLs for the tests come to be; empty
# without the compiler.
function(hookline_windows)
  set(HOOKLINE_WINDOWS_DIR "" PARENT_SCOPE)
  if(HOOKLINE_SANITIZE) # such a helper does not become Wine's
    return()
  endif()
  find_program(MINGW x86_64-w64-mingw32-g++-posix)
  find_path(FMT_FOLDER fmt/core.h)
  find_path(TL_FOLDER tl/expected.hpp)
  if(NOT MINGW OR NOT FMT_FOLDER OR NOT TL_FOLDER)
    message(STATUS "no x86_64-w64-mingw32-g++-posix: hookline-host.exe is not built")
    return()
  endif()
  set(dir ${PROJECT_BINARY_DIR}/windows)
  set(HOOKLINE_WINDOWS_DIR ${dir} PARENT_SCOPE)
  # Its own build knows what has changed; finding that out takes it some tenths of a second.
  add_custom_target(hookline-windows ALL
    COMMAND ${CMAKE_COMMAND} -S ${PROJECT_SOURCE_DIR}/cmake/windows -B ${dir} -G Ninja
            --log-level=WARNING -DCMAKE_BUILD_TYPE=Release -DHOOKLINE=${PROJECT_SOURCE_DIR}
            -DFMT=${FMT_FOLDER} -DTL=${TL_FOLDER}
            -DCMAKE_TOOLCHAIN_FILE=${PROJECT_SOURCE_DIR}/cmake/windows/toolchain.cmake
    COMMAND ${CMAKE_COMMAND} --build ${dir}
    COMMAND ${CMAKE_COMMAND} -E copy_if_different ${dir}/hookline-host.exe
            ${PROJECT_BINARY_DIR}/hookline-host.exe
    BYPRODUCTS ${PROJECT_BINARY_DIR}/hookline-host.exe
    COMMENT "Building what runs under Wine" VERBATIM USES_TERMINAL)
  install(PROGRAMS ${PROJECT_BINARY_DIR}/hookline-host.exe DESTINATION libexec/hookline
          COMPONENT wine OPTIONAL)
endfunction()
