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
status=0
"$@" > "$object.ptxas" 2>&1 || status=$?
[ "$status" -ne 0 ] || exit 0
cat "$object.ptxas" >&2
rm -f "$object.ptxas"
exit "$status"
