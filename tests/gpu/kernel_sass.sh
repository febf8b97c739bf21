#!/bin/sh
# SPDX-License-Identifier: MIT
# Looks at the machine code of the kernels: no local memory, no atomics on floating-point numbers, and the wide loads
# and asynchronous copies that docs/kernels.md counts on. Skipped (77) where there is no cuobjdump.
# usage: kernel_sass.sh CUOBJDUMP OBJECTS ARCHITECTURE...     OBJECTS: folder of the .cu.o files; ARCHITECTURE: sm_90a
set -eu
cuobjdump=$1 objects=$2
shift 2
if [ ! -x "$cuobjdump" ] || [ $# -eq 0 ]; then
  echo "no cuobjdump or no architecture to look at here: the machine code is not looked at"
  exit 77
fi
code=$(mktemp)
trap 'rm -f "$code"' EXIT
for architecture; do
  for object in "$objects"/*.cu.o; do
    case $object in */library.cu.o) continue ;; esac   # CUB's and Thrust's own
    "$cuobjdump" -sass -arch "$architecture" "$object" >> "$code"
  done
done
awk '
  BEGIN {
    wanted["mlp_fit_kernel"] = wanted["mlp_score_kernel"] = "LDS.128 STS.128 FFMA"
    wanted["k_center_kernel"] = wanted["badge_kernel"] = "LDS.128 LDGSTS FFMA"
    wanted["ask_kernel"] = "DFMA"
    wanted["conv_rows_kernelINS_8Bfloat16"] = wanted["conv_weights_kernelINS_8Bfloat16"] = "LDGSTS LDSM HMMA"
  }
  /Function : / {
    kernel = $3
    ++kernels
    for (name in wanted) if (kernel ~ name "[EI]") { part[kernel] = name; seen[name] = 1 }
    next
  }
  {
    operation = ""
    for (i = 2; i <= NF && i <= 4 && operation == ""; ++i) if ($i ~ /^[A-Z][A-Z0-9]*(\.[A-Z0-9_]+)*;?$/) operation = $i
  }
  operation ~ /^(LDL|STL)/ { bad[kernel " uses local memory"] = 1 }
  operation ~ /^(ATOM|ATOMG|ATOMS|RED)\..*(F16|F32|F64)/ { bad[kernel " has atomics on floating-point numbers"] = 1 }
  kernel in part {
    n = split(wanted[part[kernel]], need, " ")
    for (k = 1; k <= n; ++k) if (index(operation "." , need[k] ".") == 1) has[kernel, need[k]] = 1
  }
  END {
    for (name in wanted) if (!(name in seen)) bad["no kernel is called " name] = 1
    for (kernel in part) {
      n = split(wanted[part[kernel]], need, " ")
      for (k = 1; k <= n; ++k) if (!((kernel, need[k]) in has)) bad[kernel " has no " need[k]] = 1
    }
    failures = 0
    for (text in bad) { print text; ++failures }
    print kernels " kernels looked at, " failures " findings"
    exit failures > 0 || kernels == 0
  }' "$code"
