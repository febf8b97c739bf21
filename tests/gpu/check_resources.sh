#!/bin/sh
# SPDX-License-Identifier: MIT
# kernel_resources finds what grew, and says nothing against architectures that are not on record.
# usage: check_resources.sh KERNEL_RESOURCES WORK_FOLDER
set -u
tool=$1 work=$2
rm -rf "$work"
mkdir -p "$work/reports"

# Writes the report of one kernel.
report() {  # architecture registers spilled-bytes
  cat > "$work/reports/sum.cu.o.ptxas" << END
ptxas info    : Compiling entry function '_Z10sum_kernelPf' for '$1'
ptxas info    : Function properties for _Z10sum_kernelPf
    $3 bytes stack frame, $3 bytes spill stores, $3 bytes spill loads
ptxas info    : Used $2 registers, used 1 barriers, 128 bytes smem
END
}
# Expects an exit code and a line.
expect() {  # exit-code text [version]
  said=$("$tool" "$work/reports" "$work/record.json" "${3:-13.0}")
  status=$?
  if [ "$status" -ne "$1" ] || ! printf '%s\n' "$said" | grep -qF "$2"; then
    echo "expected exit code $1 and '$2', but got $status and: $said"
    exit 1
  fi
}

report sm_90a 40 0
"$tool" "$work/reports" "$work/record.json" 13.0 --update || exit 1
expect 0 "1 kernels take what is on record"
report sm_90a 44 0
expect 0 "1 kernels take what is on record"
report sm_90a 45 0
expect 1 "sum.cu sum_kernel sm_90a: registers 45, on record 40"
expect 0 "1 kernels take what is on record" 13.1
report sm_90a 40 8
expect 1 "spill stores 8, on record 0"
expect 1 "spill stores 8, on record 0" 13.1
report sm_100 90 8
expect 77 "sm_100 is not on record"
sed -i 's/_Z10sum_kernelPf/_Z10new_kernelPf/' "$work/reports/sum.cu.o.ptxas"
sed -i 's/sm_100/sm_90a/' "$work/reports/sum.cu.o.ptxas"
expect 1 "sum.cu new_kernel sm_90a: not on record"
expect 1 "sum.cu sum_kernel sm_90a: on record, but no longer compiled"
