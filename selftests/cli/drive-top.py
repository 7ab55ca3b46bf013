# SPDX-License-Identifier: GPL-2.0
"""drive-top.py STEP...: mqbus top on a terminal of 80 by 24. Each step is a key to press,
=TEXT to wait for, "storm" of changes of the size, "kill SIGNAL", "hang up", or "! COMMAND"
of the shell. Prints what went wrong, and how it ended."""
import fcntl, os, pty, select, signal, struct, subprocess, sys, termios, time


def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


pid, fd = pty.fork()
if not pid:
    resize(0, 24, 80)
    os.environ.update(TERM="xterm", LC_ALL="C")
    os.environ.pop("LINES", None)
    os.environ.pop("COLUMNS", None)
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
        os.close(fd)
        break
    elif step.startswith("kill "):
        os.kill(pid, int(step[5:]))
    elif step.startswith("! "):
        subprocess.run(step[2:], shell=True, stdout=sys.stderr)
    elif step.startswith("="):
        end = time.monotonic() + 20 * slow
        while step[1:] not in seen:
            # Only what changes is drawn, unless all is
            os.write(fd, b"\x0c")
            if time.monotonic() > end or not more(0.3):
                print(f"no {step[1:]!r} in {seen[-3000:]!r}")
                os.kill(pid, 9)
                break
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
        print("it does not end")
        os.kill(pid, 9)
        end += 1000
    time.sleep(0.05)
print("status", os.waitstatus_to_exitcode(status), "restored" if "\x1b[?1049l" in seen else "")
