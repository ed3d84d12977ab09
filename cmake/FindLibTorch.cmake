# Finds LibTorch in a PyPI wheel or an unpacked libtorch, and links the CPU libraries only: one binary then runs
# with and without a GPU (libtorch_cuda.so is loaded at run time when a CUDA device is asked for), and no CUDA
# toolkit is needed to build. find_package(Torch) cannot be used for this: against a CUDA wheel it insists on nvcc.
#
# Looked at, in this order: -DSCHEDBENCH_TORCH=DIR or the environment variable of that name (the folder that holds
# lib/ and include/), then the virtual environment .venv that scripts/setup.sh makes.
set(_torch_dir "${SCHEDBENCH_TORCH}")
if(NOT _torch_dir AND DEFINED ENV{SCHEDBENCH_TORCH})
  set(_torch_dir "$ENV{SCHEDBENCH_TORCH}")
endif()
if(NOT _torch_dir)
  file(GLOB _candidates "${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch")
  if(_candidates)
    list(GET _candidates 0 _torch_dir)
  endif()
endif()
find_library(LIBTORCH_CPU torch_cpu PATHS "${_torch_dir}/lib" NO_DEFAULT_PATH)
find_library(LIBTORCH_C10 c10 PATHS "${_torch_dir}/lib" NO_DEFAULT_PATH)
find_path(LIBTORCH_INCLUDE ATen/core/Tensor.h PATHS "${_torch_dir}/include" NO_DEFAULT_PATH)
if(EXISTS "${_torch_dir}/version.py")
  file(STRINGS "${_torch_dir}/version.py" _version_line REGEX "^__version__")
  string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" LibTorch_VERSION "${_version_line}")
elseif(EXISTS "${_torch_dir}/build-version")
  file(STRINGS "${_torch_dir}/build-version" _version_line LIMIT_COUNT 1)
  string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" LibTorch_VERSION "${_version_line}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LIBTORCH_CPU LIBTORCH_C10 LIBTORCH_INCLUDE VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "run scripts/setup.sh, or set SCHEDBENCH_TORCH to a folder with LibTorch's lib/ and include/")
if(LibTorch_VERSION AND LibTorch_VERSION VERSION_LESS 2.7)
  message(FATAL_ERROR "LibTorch ${LibTorch_VERSION} in ${_torch_dir} is too old: 2.7 or later is needed "
                      "(earlier wheels use another C++ ABI)")
endif()

if(LibTorch_FOUND AND NOT TARGET LibTorch::torch_cpu)
  # Without -fopenmp at::parallel_for compiles to a loop on one thread. The wheel brings the same runtime (libgomp), so
  # the flag is given and not the imported target, whose path to the compiler's copy would stand against the wheel's.
  find_package(OpenMP REQUIRED COMPONENTS CXX)
  add_library(LibTorch::c10 SHARED IMPORTED)
  set_target_properties(LibTorch::c10 PROPERTIES IMPORTED_LOCATION "${LIBTORCH_C10}")
  add_library(LibTorch::torch_cpu SHARED IMPORTED)
  # The wheel's libraries find each other and the CUDA runtime through their own RPATH, so they stay where pip put
  # them, and the linker need not resolve what they need in turn.
  set_target_properties(LibTorch::torch_cpu PROPERTIES
    IMPORTED_LOCATION "${LIBTORCH_CPU}"
    INTERFACE_INCLUDE_DIRECTORIES "${LIBTORCH_INCLUDE};${LIBTORCH_INCLUDE}/torch/csrc/api/include"
    INTERFACE_LINK_LIBRARIES "LibTorch::c10"
    INTERFACE_COMPILE_OPTIONS "$<$<COMPILE_LANGUAGE:CXX>:${OpenMP_CXX_FLAGS}>"
    INTERFACE_LINK_OPTIONS "-Wl,--allow-shlib-undefined;${OpenMP_CXX_FLAGS}")
endif()
