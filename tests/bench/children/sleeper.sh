# Report the start, then sleep until killed. Arguments: NAME FIFO
echo "ready $1 $$" > "$2"
exec sleep 1000000
