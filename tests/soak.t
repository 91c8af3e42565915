#!/bin/sh
# A minute of tests/soak.sh, which is for hours.  The sanitizers keep what was freed.
case $B in
*asan*) SOAKMEM=500000 ;;
esac
export SOAKMEM
SOAKTIME=60 exec tests/soak.sh
