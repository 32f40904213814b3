#!/bin/sh
# The walk of tests/contract/every_call*.c, which the suites of guests send through odd hosts, calls every public function.
failed=0
for name in $(grep '^tleg_' lib/symbols.txt); do
    grep -q "$name(" tests/contract/every_call*.c || {
        echo "tests/contract/every_call*.c does not call $name"
        failed=1
    }
done
exit $failed
