#!/bin/sh
# `make run`: a demonstration server with three consoles, in the foreground until ^C.
#
#   demo.sh BIN PORT
#
# BIN is the directory of the Python and of the server to use. The consoles are reached on PORT
# and the two ports after it. The first shows a real iocsh where the package epicscorelibs is
# there, else another shell. All files are put into ./demo: the configuration, sockets, logs.
set -eu

# A path within a TOML text.
quoted() { printf '%s' "$1" | sed 's/[\\"]/\\&/g'; }

bin=$1 port=$2
ioc=$(cd "$(dirname "$0")" && pwd)
here=$(quoted "$(pwd)")

if "$bin/python" -c 'import epicscorelibs.ioc' 2>/dev/null; then
    what='a real EPICS shell (iocsh); try: dbl, dbgf demo:counter, help'
    ioc=$(quoted "$ioc")
    command="[\"$(quoted "$bin")/python\", \"$ioc/softioc_sh.py\", \"$ioc/st.cmd\"]"
else
    what='only /bin/sh, for want of the package epicscorelibs (to try again: make clean run)'
    command='"/bin/sh -i"'
fi

busy='
import socket, sys
for port in map(int, sys.argv[1:]):
    with socket.socket() as one:
        if one.connect_ex(("127.0.0.1", port)) == 0:
            sys.exit(f"Port {port} is in use. For three others: make run PORT=2010")
'
"$bin/python" -c "$busy" "$port" $((port + 1)) $((port + 2))

mkdir -p demo/log
cat > demo/consoled.toml <<END
# Written by \`make run\`, each time anew. After a change: kill -HUP \$(cat demo/run/keeper.lock)

[server]
run_dir = "$here/demo/run"
state_dir = "$here/demo/state"
log_dir = "$here/demo/log"
group = $(id -g)

[defaults]
chdir = "$here"
holdoff = "5s"
stop_timeout = "2s"

[console.ioc]
description = "an IOC with a handful of records"
command = $command
ignore = "^C^D"
stop_keys = "exit\n"
listen = "$port"

[console.shell]
description = "a shell"
command = "/bin/sh -i"
environment = { PS1 = "demo-shell > " }
stop_signal = "HUP"
listen = "$((port + 1))"

[console.clock]
description = "tells the time"
command = ["/bin/sh", "-c", "while :; do date; sleep 1; done"]
listen = "$((port + 2))"
log = { timestamp = true }
END

"$bin/consoled" --foreground --config demo/consoled.toml </dev/null &
pid=$!
# The terminal's ^C reaches the server, too, and a second signal would make it hurry.
trap : INT
trap 'kill -TERM $pid 2>/dev/null || :' TERM HUP

asked='
import socket, sys
with socket.socket(socket.AF_UNIX) as one:
    one.connect(sys.argv[1])
    one.sendall(b"{\"verb\": \"version\"}\n")
    one.recv(1)
'
until "$bin/python" -c "$asked" demo/run/control.sock 2>/dev/null; do
    if ! kill -0 $pid 2>/dev/null; then
        echo 'Not started, see above.' >&2
        exit 1
    fi
    sleep 0.1
done

cat <<END

Three consoles. In another terminal, as often as you like:

  telnet localhost $port        ioc:   $what
  telnet localhost $((port + 1))        shell: /bin/sh
  telnet localhost $((port + 2))        clock: tells the time

Leave:   ^] and then quit           (^ is the Ctrl key; the console goes on)
Socket:  socat -,raw,echo=0,escape=0x1d unix-connect:demo/run/shell.sock     (leave with ^])
Restart: ^X kills what runs there, and it comes back by itself (^X again: at once)
Toggle:  ^T switches the automatic restart off and on
Logs:    demo/log/ioc.log, shell.log, clock.log
Change:  edit demo/consoled.toml, then: kill -HUP $pid
Stop:    ^C here

END

status=0
while kill -0 $pid 2>/dev/null; do
    status=0
    wait $pid || status=$?
done
echo 'The consoles have ended.'
# A stop by ^C is no failure.
[ $status -le 128 ] || status=0
exit $status
