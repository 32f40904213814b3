#!/bin/sh
# The ONNX files of `tleg export`, computed by another program: export.py, with NumPy, and with ONNX Runtime where that is installed.
# usage: export.sh TLEG
tleg=$1
[ -x "$tleg" ] || { echo "usage: export.sh TLEG" >&2; exit 2; }
for python in "${PYTHON:-/usr/bin/python3}" python3; do
    command -v "$python" >/dev/null || continue
    "$python" -c 'import numpy' 2>/dev/null || continue
    "$python" "$(dirname "$0")/export.py" "$tleg"
    exit
done
echo "SKIP export: no Python with NumPy"
exit 77
