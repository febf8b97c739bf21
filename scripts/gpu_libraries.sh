# SPDX-License-Identifier: MIT
# For gpu_check.sh and gpu_bench.sh to source: where the system has no cuDNN, that of Python's packages (PyTorch brings
# it along) is found: its libraries by LD_LIBRARY_PATH, its headers by CUDNN_PATH.
if ! ldconfig -p 2> /dev/null | grep -q 'libcudnn\.so\.'; then
  folders=$("${PYTHON:-python3}" -c 'import glob, sysconfig
for folder in glob.glob(sysconfig.get_paths()["purelib"] + "/nvidia/*/lib"): print(folder)' 2> /dev/null || true)
  for folder in $folders; do
    export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder
    if [ -f "${folder%/lib}/include/cudnn_graph.h" ]; then export CUDNN_PATH=${CUDNN_PATH:-${folder%/lib}}; fi
  done
fi
