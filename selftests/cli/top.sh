#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mqbus top, on a terminal of 80 by 24.
. "$(dirname "$0")/ktap.bash"

mqbus topic create -q orders
mqbus topic create -q parcels
mqbus group create orders billing
seq 10 | mqbus pub orders -q
mqbus sub parcels -g shipping >/dev/null 2>&1 &
member=$!
within 10 has_member parcels shipping

# drive.py: each argument is a key to press, =TEXT to wait for, !TEXT that must not come
# with the next screen, or an action; prints what went wrong
cat >"$tmp/drive.py" <<'P'
import fcntl, os, pty, re, select, signal, struct, sys, termios, time
def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
pid, fd = pty.fork()
if not pid:
    resize(0, 24, 80)
    os.environ.update(TERM="xterm", LC_ALL="C")
    os.environ.pop("LINES", None); os.environ.pop("COLUMNS", None)
    os.execvp("mqbus", ["mqbus", "top", "-i", "200ms"])
seen = ""
def more(seconds):
    global seen
    if not select.select([fd], [], [], seconds)[0]:
        return True
    try:
        data = os.read(fd, 65536)
    except OSError:
        data = b""
    seen += data.decode(errors="replace")
    return bool(data)
slow = int(os.environ.get("MQ_SLOW", "1"))
for step in sys.argv[1:]:
    if step == "storm":
        for i in range(100):
            resize(fd, 1 + i % 30, 1 + i * 7 % 120)
            os.kill(pid, signal.SIGWINCH)
            more(0)
        resize(fd, 24, 80)
    elif step == "hang up":
        os.close(fd); break
    elif step.startswith("kill "):
        os.kill(pid, int(step[5:]))
    elif step.startswith("="):
        end = time.monotonic() + 20 * slow
        while step[1:] not in seen:
            # Only what changes is drawn, unless all is
            os.write(fd, b"\x0c")
            if time.monotonic() > end or not more(0.3):
                print(f"no {step[1:]!r} in {seen[-3000:]!r}"); os.kill(pid, 9); break
        seen = ""
    else:
        seen = ""
        os.write(fd, step.encode())
end = time.monotonic() + 20 * slow
while step != "hang up" and more(0.1) and time.monotonic() < end:
    pass
while True:
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        break
    if time.monotonic() > end:
        print("it does not end"); os.kill(pid, 9); end += 1000
    time.sleep(0.05)
print("status", os.waitstatus_to_exitcode(status), "restored" if "\x1b[?1049l" in seen else "")
P
drive() {
	python3 -I -S "$tmp/drive.py" "$@" | xargs
}
same "topics, then q: the terminal is as it was" "status 0 restored" \
	"$(drive "=TOPIC" "=parcels" q)"
same "groups with their states" "status 0 restored" "$(drive "=TOPIC" g "=STOPPED" q)"
same "members with their process" "status 0 restored" "$(drive "=TOPIC" m "=$member" q)"
same "a filter" "status 0 restored" "$(drive "=TOPIC" / parc "=1 rows" q "=parcq_" $'\n' "=0 rows" / $'\e' "=2 rows" q)"
same "sort and turn round" "status 0 restored" "$(drive "=TOPIC" '>' "=by BYTES/S" r "=by BYTES/S" '<' "=by IN/S" q)"
same "a storm of changes of the size" "status 0 restored" "$(drive "=TOPIC" storm g "=billing" q)"
same "SIGTERM leaves the terminal as it was" "status 143 restored" "$(drive "=TOPIC" "kill 15")"
drive "=TOPIC" "hang up" | grep -q "^status"
result "it ends with its terminal" $?
fails "not without a terminal" 1 "needs a terminal" mqbus top
kill $member
wait 2>/dev/null
finish
