#!/bin/sh
# Reports, waits for a line, writes 64 KiB, reports again: talker.sh NAME FIFO
stty raw -echo
echo "ready $1 $$" >"$2"
read -r _
head -c 65536 /dev/zero | tr '\0' x
echo "done $1 65536" >"$2"
while read -r _; do :; done
