# SPDX-License-Identifier: MIT OR Apache-2.0

# Finds OpenVDB and what its headers and library need. It looks
#   1. in OPENVDB_ROOT (-D, else the environment variable). If that is set, it has to be right: the
#      system's OpenVDB is not taken instead;
#   2. with find_package(OpenVDB CONFIG), which vcpkg, conan and some distributions serve;
#   3. in the folders that CMake searches anyway (system, Homebrew, CMAKE_PREFIX_PATH).
# The FindOpenVDB.cmake module that OpenVDB installs is not used: it calls find_package(Boost
# REQUIRED COMPONENTS iostreams) and others like it, which end the run with a message about
# something that we do not need.
#
# Afterwards there is the target temporal_vdb::openvdb and, for the build script, the file
# discovery.txt in the build folder: lines `key=value` with the keys version, version_header,
# include, cxxflags, link_search and link_lib (in link order). Folders that the compiler searches by
# itself are left out: naming them again would change their order, and with -isystem /usr/include the
# standard headers no longer find each other. When something is missing, discovery-error.txt holds
# the text that the user should read.

set(temporal_vdb_min_openvdb 10)
set(temporal_vdb_max_openvdb 13)

file(REMOVE "${CMAKE_BINARY_DIR}/discovery.txt" "${CMAKE_BINARY_DIR}/discovery-error.txt")

# Ends the run: says what is wrong and what to do about it. As long as `suspect_root` holds,
# OPENVDB_ROOT may be wrong.
function(discovery_fail)
  string(CONCAT cause ${ARGV})
  string(CONCAT where
    "the folder that OpenVDB is installed in, the one that contains\n"
    "include/openvdb/version.h and lib/libopenvdb.so (versions ${temporal_vdb_min_openvdb} to "
    "${temporal_vdb_max_openvdb} will do)")
  string(CONCAT packages
    "  Debian, Ubuntu:  apt-get install libopenvdb-dev libtbb-dev libboost-dev\n"
    "  macOS:           brew install openvdb\n"
    "  conda:           conda install -c conda-forge openvdb, and OPENVDB_ROOT=\$CONDA_PREFIX\n"
    "  its source:      the feature bundled, see vendor/README.md\n")
  if(suspect_root)
    string(CONCAT advice "Set OPENVDB_ROOT to ${where},\n"
      "or unset it to use the system's OpenVDB, which comes with\n${packages}")
  else()
    string(CONCAT advice "Install what is missing:\n${packages}"
      "or set the environment variable OPENVDB_ROOT to ${where}.\n")
  endif()
  set(text "${cause}\n${advice}")
  file(WRITE "${CMAKE_BINARY_DIR}/discovery-error.txt" "${text}")
  string(REPLACE "\n" "\n  " text "  ${text}")  # CMake prints indented lines as they are
  message(FATAL_ERROR "${text}")
endfunction()

# ---- OPENVDB_ROOT

set(vdb_root "")
if(OPENVDB_ROOT)
  set(vdb_root "${OPENVDB_ROOT}")
elseif(DEFINED ENV{OPENVDB_ROOT})
  set(vdb_root "$ENV{OPENVDB_ROOT}")
endif()
set(suspect_root "${vdb_root}")
if(vdb_root)
  file(TO_CMAKE_PATH "${vdb_root}" vdb_root)
  if(NOT IS_ABSOLUTE "${vdb_root}")
    discovery_fail("OPENVDB_ROOT is \"${vdb_root}\", but must be an absolute path.")
  elseif(NOT IS_DIRECTORY "${vdb_root}")
    discovery_fail("OPENVDB_ROOT is ${vdb_root}, but there is no such folder.")
  endif()
endif()

# Nothing that is found is kept in CMake's cache (NO_CACHE): the build folder outlives a change of
# OPENVDB_ROOT.
set(in_root PATHS "${vdb_root}" NO_DEFAULT_PATH NO_CACHE)
set(lib_folders lib lib64 "lib/${CMAKE_CXX_LIBRARY_ARCHITECTURE}")

# What a package's config file says about a target, as hints for find_path and the library's path.
macro(describe_target target prefix)
  get_target_property(${prefix}_kind ${target} TYPE)
  if(NOT ${prefix}_kind STREQUAL "INTERFACE_LIBRARY")
    get_target_property(${prefix}_library ${target} LOCATION_RELEASE)
  endif()
  get_target_property(${prefix}_hints ${target} INTERFACE_INCLUDE_DIRECTORIES)
  get_target_property(${prefix}_definitions ${target} INTERFACE_COMPILE_DEFINITIONS)
endmacro()

# ---- OpenVDB

if(vdb_root)
  find_path(vdb_include openvdb/version.h ${in_root} PATH_SUFFIXES include)
  find_library(vdb_library openvdb ${in_root} PATH_SUFFIXES ${lib_folders})
  set(looked_in "in OPENVDB_ROOT, which is ${vdb_root}")
else()
  find_package(OpenVDB CONFIG QUIET)
  if(TARGET OpenVDB::openvdb)
    describe_target(OpenVDB::openvdb vdb)
  endif()
  find_path(vdb_include openvdb/version.h HINTS ${vdb_hints} NO_CACHE)
  find_library(vdb_library openvdb NO_CACHE)
  set(looked_in "in the system's folders")
endif()
if(NOT vdb_include)
  discovery_fail("OpenVDB's headers were not found: "
    "there is no include/openvdb/version.h ${looked_in}.")
elseif(NOT vdb_library)
  discovery_fail("OpenVDB's library was not found: "
    "there is no lib/libopenvdb.so ${looked_in}. Its headers are there.")
endif()
string(REGEX REPLACE "/$" "" vdb_include "${vdb_include}")  # find_path leaves one

# The header is generated from a template, so its layout and comments vary: only the three macros
# are relied on.
set(version_header "${vdb_include}/openvdb/version.h")
set(vdb_version "")
foreach(part MAJOR MINOR PATCH)
  file(STRINGS "${version_header}" line LIMIT_COUNT 1
    REGEX "^[ \t]*#[ \t]*define[ \t]+OPENVDB_LIBRARY_${part}_VERSION_NUMBER[ \t]+[0-9]+")
  if(NOT line MATCHES "NUMBER[ \t]+([0-9]+)")
    discovery_fail("The version of OpenVDB cannot be read from ${version_header}: it does not "
      "define OPENVDB_LIBRARY_${part}_VERSION_NUMBER.")
  endif()
  list(APPEND vdb_version "${CMAKE_MATCH_1}")
endforeach()
list(GET vdb_version 0 vdb_major)
string(REPLACE ";" "." vdb_version "${vdb_version}")
if(vdb_major LESS temporal_vdb_min_openvdb)
  set(verdict "too old")
elseif(vdb_major GREATER temporal_vdb_max_openvdb)
  set(verdict "newer than this release of temporal-vdb knows")
endif()
if(verdict)
  discovery_fail("OpenVDB ${vdb_version} in ${vdb_include} is ${verdict}.")
endif()

set(suspect_root "")

# ---- TBB: what stands beside OpenVDB in OPENVDB_ROOT was built with it, so that goes first.

if(vdb_root)
  find_path(tbb_include tbb/blocked_range.h ${in_root} PATH_SUFFIXES include)
  find_library(tbb_library tbb ${in_root} PATH_SUFFIXES ${lib_folders})
endif()
if(NOT tbb_include OR NOT tbb_library)
  unset(tbb_include)
  unset(tbb_library)
  find_package(TBB CONFIG QUIET)
  if(TARGET TBB::tbb)
    describe_target(TBB::tbb tbb)
  endif()
  find_path(tbb_include tbb/blocked_range.h HINTS ${tbb_hints} NO_CACHE)
  find_library(tbb_library tbb NO_CACHE)
endif()
if(NOT tbb_include OR NOT tbb_library)
  discovery_fail("TBB was not found, which OpenVDB ${vdb_version} (${vdb_include}) needs: "
    "there is no tbb/blocked_range.h or no libtbb.so.")
endif()

# ---- Other headers. Which of Boost's OpenVDB includes, if any, depends on its version, and whether
# it includes Imath's `half` on how it was built. So its own headers are asked.

# Looks for `header` beside OpenVDB, then in the system, and adds its folder to vdb_includes.
macro(need_header header package)
  unset(found)
  if(vdb_root)
    find_path(found "${header}" ${in_root} PATH_SUFFIXES include)
  endif()
  find_path(found "${header}" NO_CACHE)
  if(NOT found)
    discovery_fail("${package} was not found: "
      "OpenVDB ${vdb_version} (${vdb_include}) includes <${header}>.")
  endif()
  list(APPEND vdb_includes "${found}")
endmacro()

set(vdb_includes "${vdb_include}" "${tbb_include}")
set(vdb_libraries "${vdb_library}" "${tbb_library}")

foreach(header Types.h math/Math.h math/FiniteDifference.h io/io.h io/Archive.h)
  if(EXISTS "${vdb_include}/openvdb/${header}")
    file(STRINGS "${vdb_include}/openvdb/${header}" lines REGEX "^#[ \t]*include[ \t]*<boost/")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE ".*<(.*)>.*" "\\1" needed "${line}")
      need_header("${needed}" "Boost")
    endforeach()
  endif()
endforeach()

file(STRINGS "${version_header}" half
  REGEX "^[ \t]*#[ \t]*define[ \t]+OPENVDB_(USE_IMATH_HALF|IMATH_VERSION)")
if(half MATCHES "OPENVDB_USE_IMATH_HALF")
  if(half MATCHES "OPENVDB_IMATH_VERSION")
    need_header("Imath/half.h" "Imath (package libimath-dev)")
  else()
    need_header("OpenEXR/half.h" "OpenEXR's half type (package libopenexr-dev)")
  endif()
  set(half_names Imath Imath-3_1 Imath-3_2 Half)
  if(vdb_root)
    find_library(half_library NAMES ${half_names} ${in_root} PATH_SUFFIXES ${lib_folders})
  endif()
  find_library(half_library NAMES ${half_names} NO_CACHE)
  if(NOT half_library)
    discovery_fail("The library of Imath (package libimath-dev) was not found, which "
      "OpenVDB ${vdb_version} (${vdb_include}) was built with.")
  endif()
  list(APPEND vdb_libraries "${half_library}")
endif()

# A static libopenvdb.a does not bring along what it was built with.
if(vdb_library MATCHES "\\.a$")
  foreach(dependency blosc z boost_iostreams)
    unset(found)
    if(vdb_root)
      find_library(found ${dependency} ${in_root} PATH_SUFFIXES ${lib_folders})
    endif()
    find_library(found ${dependency} NO_CACHE)
    if(found)
      list(APPEND vdb_libraries "${found}")
    endif()
  endforeach()
endif()

# ---- Do headers and library belong together? The version is part of every symbol's name: linking
# one call tells. It is not done again for what it has passed.

find_package(Threads REQUIRED)
set(link_checked_now "${vdb_includes};${vdb_libraries};${vdb_version}")
if(NOT link_checked STREQUAL link_checked_now)
  file(WRITE "${CMAKE_BINARY_DIR}/link_check/main.cc" "
#include <openvdb/version.h>
namespace openvdb {
OPENVDB_USE_VERSION_NAMESPACE
namespace OPENVDB_VERSION_NAME { OPENVDB_API void initialize(); }
}
int main() { openvdb::initialize(); }
")
  try_compile(links "${CMAKE_BINARY_DIR}/link_check"
    SOURCES "${CMAKE_BINARY_DIR}/link_check/main.cc"
    CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${vdb_includes}"
    LINK_LIBRARIES ${vdb_libraries} Threads::Threads
    OUTPUT_VARIABLE log)
  if(NOT links)
    set(suspect_root "${vdb_root}")
    string(REGEX MATCH "[^\n]*(undefined|cannot find|error)[^\n]*" reason "${log}")
    discovery_fail("OpenVDB ${vdb_version} was found, but a program does not link with it: "
      "its headers and library may be of different versions.\n"
      "  headers: ${vdb_include}\n  library: ${vdb_library}\n  linker:  ${reason}")
  endif()
  set(link_checked "${link_checked_now}" CACHE INTERNAL "what the last link check was about")
endif()

# ---- The results

list(TRANSFORM vdb_includes REPLACE "/$" "")
list(REMOVE_DUPLICATES vdb_includes)
list(REMOVE_ITEM vdb_includes ${CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES})
if(NOT vdb_definitions)
  set(vdb_definitions "")
endif()

# Imported, so that CMake passes the folders with -isystem: warnings in them are not ours.
add_library(temporal_vdb::openvdb INTERFACE IMPORTED)
target_include_directories(temporal_vdb::openvdb INTERFACE ${vdb_includes})
target_compile_definitions(temporal_vdb::openvdb INTERFACE ${vdb_definitions})
target_link_libraries(temporal_vdb::openvdb INTERFACE ${vdb_libraries} Threads::Threads)

set(report "version=${vdb_version}\nversion_header=${version_header}\n")
foreach(folder IN LISTS vdb_includes)
  string(APPEND report "include=${folder}\n")
endforeach()
foreach(definition IN LISTS vdb_definitions)
  string(APPEND report "cxxflags=-D${definition}\n")
endforeach()
set(folders "")
foreach(library IN LISTS vdb_libraries)
  get_filename_component(folder "${library}" DIRECTORY)
  list(APPEND folders "${folder}")
endforeach()
list(REMOVE_DUPLICATES folders)
list(REMOVE_ITEM folders ${CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES})
foreach(folder IN LISTS folders)
  string(APPEND report "link_search=${folder}\n")
endforeach()
foreach(library IN LISTS vdb_libraries)
  get_filename_component(name "${library}" NAME)
  # libtbb.so.12.8 -> tbb
  string(REGEX REPLACE "^lib(.+)\\.(so[.0-9]*|a|dylib|tbd)$" "\\1" name "${name}")
  string(APPEND report "link_lib=${name}\n")
endforeach()
file(WRITE "${CMAKE_BINARY_DIR}/discovery.txt" "${report}")
message(STATUS "OpenVDB ${vdb_version}: ${vdb_library}")
