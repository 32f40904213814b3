#!/bin/sh
# The walk of tests/unit/visit*.c, which the suites of guests send through odd hosts, calls every public function.
failed=0
for name in $(grep '^tleg_' lib/symbols.txt); do
    grep -q "$name(" tests/unit/visit*.c || {
        echo "tests/unit/visit*.c does not call $name"
        failed=1
    }
done
exit $failed
