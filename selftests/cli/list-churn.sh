#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Lists and figures are to be had while topics come and go all the time, and have what stays.
. "$(dirname "$0")/ktap.bash"

# topics.py N: that many that stay. topics.py NAME FILE: one after the other comes and goes,
# and FILE tells how many did
cat >"$tmp/topics.py" <<'E1'
import fcntl, os, struct, sys

fd = os.open("/dev/mqbus", os.O_RDWR)


def call(nr, *parts):
    b = bytearray(b"".join(parts))
    fcntl.ioctl(fd, 3 << 30 | len(b) << 16 | 0xE9 << 8 | nr, b)


def name(s):
    return s.encode().ljust(128, b"\0")


def create(s):
    call(1, struct.pack("<IIQQIIIIII", 0, 1, 4096, 0, 0, 0, 0o600, 2**32 - 1, 2**32 - 1, 0),
         name(s), bytes(56))


if len(sys.argv) == 2:
    for i in range(int(sys.argv[1])):
        create("stays-%04d" % i)
    sys.exit()
i = 0
while True:
    reply = "%s-%d" % (sys.argv[1], i)
    create(reply)
    call(2, struct.pack("<II", 0, 0), name(reply))
    i += 1
    if i % 100 == 1:
        with open(sys.argv[2], "w") as f:
            f.write("%d\n" % i)
E1

n=800
python3 -I -S "$tmp/topics.py" $n
all() { # what is on stdin has each that stays, and nothing twice
	python3 -I -S -c '
import json, sys
names = [t["name"] for t in json.load(sys.stdin)]
stay = sum(n.startswith("stays-") for n in names)
if stay != int(sys.argv[1]) or len(names) != len(set(names)):
	sys.exit("%d that stay, %d of %d twice" % (stay, len(names) - len(set(names)), len(names)))
' $n
}
mqbus topic list -j | all
result "$n topics are listed" $?

ip link set lo up
mqbus exporter --listen 127.0.0.1:0 >"$tmp/listen" 2>/dev/null &
exporter=$!
within 10 grep -q listening "$tmp/listen"
scrape() {
	python3 -I -c '
import sys, urllib.request
sys.stdout.buffer.write(urllib.request.urlopen("http://%s/metrics" % sys.argv[1], timeout=50).read())
' "$(sed 's/^listening at //' "$tmp/listen")"
}
figured() { # COMMAND...: prints a figure of each topic that stays
	"$@" >"$tmp/figures"
	[ "$(grep -c '^mqbus_topic_records{topic="stays-' "$tmp/figures")" = $n ]
}
# As many as there is always one of that runs while somebody lists
churn=()
for i in 1 2 3; do
	python3 -I -S "$tmp/topics.py" "reply-$i" "$tmp/gone$i" &
	churn+=($!)
done
within 10 test -s "$tmp/gone1" -a -s "$tmp/gone2" -a -s "$tmp/gone3"
result "topics come and go" $?
ok=0
for _ in 1 2 3; do mqbus topic list -j | all && ok=$((ok + 1)); done
same "a list has all that stay, each once" 3 $ok
ok=0
for _ in 1 2; do figured mqbus stat --prometheus && ok=$((ok + 1)); done
same "so have the figures" 2 $ok
ok=0
for _ in 1 2; do figured scrape && grep -q '^mqbus_up 1' "$tmp/figures" && ok=$((ok + 1)); done
same "and what the exporter answers" 2 $ok
kill "${churn[@]}" $exporter
wait "${churn[@]}" $exporter 2>/dev/null
note "$(cat "$tmp"/gone? | paste -sd+) topics came and went"
finish
