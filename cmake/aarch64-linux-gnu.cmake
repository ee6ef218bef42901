# Toolchain of tools/aarch64.sh: Debian's cross compiler, and qemu for what has to run while building.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
