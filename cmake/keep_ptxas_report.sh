#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs a compiler; what it says goes to OBJECT.ptxas, and to the terminal only if it fails.
# usage: keep_ptxas_report.sh NVCC ... -o OBJECT ...     (CMake calls it for every .cu file)
object=
previous=
for argument; do
  if [ "$previous" = -o ]; then object=$argument; fi
  previous=$argument
done
[ -n "$object" ] || exec "$@"
if "$@" > "$object.ptxas" 2>&1; then exit 0; fi
status=$?
cat "$object.ptxas" >&2
rm -f "$object.ptxas"
exit "$status"
