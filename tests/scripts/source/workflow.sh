#!/bin/sh
# The workflow runs every stage of tests/run.sh, and no other.
stages=$(sh tests/run.sh --list | sed 's/ .*//' | sort)
jobs=$(sed -n 's/^ *stage: \[\(.*\)\]$/\1/p' .github/workflows/ci.yml | tr -d ' ' | tr ',' '\n' | sort)
[ -n "$jobs" ] && [ "$stages" = "$jobs" ] || {
    echo "tests/run.sh has the stages" $stages
    echo ".github/workflows/ci.yml runs" $jobs
    exit 1
}
