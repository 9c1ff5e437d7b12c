#!/bin/sh
# `make run`: a demonstration console, in the foreground until ^C.
#
#   demo.sh BIN PORT [SERVER]
#
# BIN is the directory of the Python and of the server to use. The console shows a real
# iocsh when the package epicscorelibs is there, else /bin/sh. Its log, and the file that
# says which port was opened, are put into ./demo.
set -eu

bin=$1 port=$2 server=${3:-$1/consoled-procserv}
here=$(cd "$(dirname "$0")" && pwd)

mkdir -p demo
info=demo/info.$$
if "$bin/python" -c 'import epicscorelibs.ioc' 2>/dev/null; then
    what='a real EPICS shell (iocsh); try: dbl, dbgf demo:counter, help'
    set -- -n demo-ioc -i '^D^C' "$port" "$bin/python" "$here/softioc_sh.py" "$here/st.cmd"
else
    what='/bin/sh, because the package epicscorelibs is not installed (to try again: make clean run)'
    set -- -n demo-shell "$port" /bin/sh -i
fi

# The server ignores ^C in the foreground, as procServ does, so this script, which is what
# the terminal's ^C reaches, turns it into an orderly stop.
"$server" --foreground -L demo/console.log -I "$info" "$@" </dev/null &
pid=$!
trap 'kill -TERM $pid 2>/dev/null || :' INT TERM HUP

until [ -s "$info" ]; do
    if ! kill -0 $pid 2>/dev/null; then
        echo 'Not started. For another port: make run PORT=2001' >&2
        exit 1
    fi
    sleep 0.1
done
port=$(sed -n 's/^tcp:127\.0\.0\.1://p' "$info")

cat <<END

Console: $what
Attach:  telnet localhost $port        (in another terminal, as often as you like)
Leave:   ^] and then quit              (^ is the Ctrl key; the console goes on)
Restart: ^X kills what runs there, and it comes back by itself (^X again: at once)
Toggle:  ^T switches the automatic restart off and on
Log:     demo/console.log
Stop:    ^C here, or ^X and then ^Q in the console

END

status=0
while kill -0 $pid 2>/dev/null; do
    status=0
    wait $pid || status=$?
done
echo 'The console has ended.'
# A stop by ^C is no failure, whatever became of the child.
[ $status -le 128 ] || status=0
exit $status
