# Runs a server for as long as its parent holds the other end of stdin.
#
# $1       the server's private directory: made here, so that it cannot outlive a parent that is
#          killed before this runs, and removed at the end
# $2 ...   the server's command line; a binary that lost its mode is run from a copy
# stdin    the leash: its end stops the server
# stdout   the lock of a persistent directory; the server keeps it, as fd 3
# stderr   the server's log
#
# Must lead a session of its own: the last line ends the whole group, and with it whatever a
# wrapper around the server may have left running.

PATH=$PATH:/usr/bin:/bin
private=$1
shift
mkdir -m 700 -- "$private" || exit
if ! [ -x "$1" ]; then
    cp -- "$1" "$private/server" && chmod 700 "$private/server"
    shift
    set -- "$private/server" "$@"
fi
exec 4<&0 5>&2 2>/dev/null
"$@" </dev/null 3>&1 >&5 2>&5 4<&- 5>&- &
server=$!
{
    read -r _
    trap 'kill -s KILL "$!"; wait; exit' TERM
    # More than once: a server that is just starting forgets the signal.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        kill "$server" || exit
        sleep 1 &
        wait "$!"
    done
    kill -s KILL "$server"
} <&4 >/dev/null &
leash=$!
# After the forks: a child is deaf to a trapped signal until it has dropped the trap.
trap 'kill "$server"' TERM INT HUP
# A trapped signal interrupts wait, so ask whether the server is really gone.
while kill -0 "$server"; do wait "$server"; done
kill "$leash"
wait "$leash"
rm -rf -- "$private"
kill -s KILL -- "-$$"
