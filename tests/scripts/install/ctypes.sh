#!/bin/sh
# A foreign-function consumer, without any C compiler.   ctypes.sh SHARED-LIBRARY
for python in python3 /usr/bin/python3; do
    "$python" -c 'import ctypes' 2>/dev/null && exec "$python" -B tests/consumers/consumer.py "$1" tests/golden
done
echo "SKIP ctypes: no python3"
exit 77
