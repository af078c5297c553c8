# Debian packages of a build, made by CPack; scripts/packages.sh is how to have them.
#
#   hookline       the server, its man page, unit, configuration and users   component server
#   hookline-sdk   what authors of callouts and drivers need                 component sdk
#   hookline-wine  hosts Windows DLLs; only where it was built               component wine
#
# What only a package installs, such as a file in /etc, is in the component debian_NAME beside it:
# `cmake --install` leaves that out.

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "the authors of Hookline <hookline@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # each package has its own
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_SOURCE hookline)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(packaging ${PROJECT_SOURCE_DIR}/packaging)
set(changelog ${PROJECT_BINARY_DIR}/changelog.gz)
add_custom_command(OUTPUT ${changelog} DEPENDS ${packaging}/debian/changelog VERBATIM
                   COMMAND sh -c "gzip -9n <'${packaging}/debian/changelog' >'${changelog}'")
# All that is installed; the tests are not.
add_custom_target(product ALL DEPENDS ${changelog})
add_dependencies(product hookline hookline-host)
if(TARGET man)
  add_dependencies(product man)
endif()

# hookline_package(COMPONENT NAME DESCRIPTION [KEY VALUE …]): CPACK_DEBIAN_PACKAGE_KEY is VALUE.
function(hookline_package component name description)
  string(TOUPPER ${name} upper)
  list(APPEND CPACK_COMPONENTS_ALL ${component} debian_${component})
  foreach(part ${component} debian_${component})
    string(TOUPPER ${part} part)
    set(CPACK_COMPONENT_${part}_GROUP ${name} PARENT_SCOPE)
  endforeach()
  set(CPACK_COMPONENTS_ALL ${CPACK_COMPONENTS_ALL} PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${name} PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_DESCRIPTION ${description} PARENT_SCOPE)
  while(ARGN)
    list(POP_FRONT ARGN key value)
    set(CPACK_DEBIAN_${upper}_PACKAGE_${key} ${value} PARENT_SCOPE)
  endwhile()
  install(FILES ${packaging}/debian/copyright ${changelog}
          DESTINATION share/doc/${name} COMPONENT debian_${component} EXCLUDE_FROM_ALL)
endfunction()

hookline_package(server hookline "DHCPv4 server that other people's code can hook into
Answers DHCP and BOOTP clients, directly and through relays. A lease is on the
disk before its client hears of it. Callouts that were written for the DHCP
server of Windows, and packet-callout drivers of its filtering platform, run on
the packet path; the former in a process of their own, where they cannot hurt
the server.
.
Nothing is served before /etc/hookline/hookline.toml says to whom, and the
operator starts the service."
  SHLIBDEPS ON
  DEPENDS adduser
  SUGGESTS "hookline-sdk, hookline-wine")
foreach(file conffiles postinst prerm postrm)
  list(APPEND CPACK_DEBIAN_HOOKLINE_PACKAGE_CONTROL_EXTRA ${packaging}/debian/${file})
endforeach()
install(FILES ${packaging}/hookline.toml DESTINATION /etc/hookline
        COMPONENT debian_server EXCLUDE_FROM_ALL)
install(FILES ${packaging}/hookline.service DESTINATION /lib/systemd/system
        COMPONENT debian_server EXCLUDE_FROM_ALL)

hookline_package(sdk hookline-sdk "compiler and headers for callouts of the Hookline DHCP server
Compiles DHCP callouts that were written for Windows (dhcpssdk.h), and
packet-callout drivers (fwpsk.h), from their unchanged source into libraries
for Hookline. With examples of both."
  ARCHITECTURE all
  SECTION devel
  DEPENDS "clang (>= 1:14), binutils, python3"
  SUGGESTS "hookline, g++-mingw-w64-x86-64-posix")

if(HOOKLINE_WINDOWS_DIR)
  add_dependencies(product hookline-windows)
  hookline_package(wine hookline-wine "Windows DLLs as callouts of the Hookline DHCP server
The helper that Wine runs to host a DHCP callout for Windows as it is: a 64-bit
DLL, in a process and a sandbox of its own."
    DEPENDS "hookline (= ${PROJECT_VERSION})"
    RECOMMENDS wine64)
endif()
include(CPack)
