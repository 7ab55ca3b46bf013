#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mqbus exporter: what it answers.
. "$(dirname "$0")/ktap.bash"

ip link set lo up
mqbus topic create -q t
seq 7 | mqbus pub t -q
mqbus exporter --listen 127.0.0.1:0 >"$tmp/listen" &
pid=$!
within 10 grep -q "^listening at 127.0.0.1:[1-9]" "$tmp/listen"
result "it listens, at a port of its own" $?
port=$(sed 's/.*://' "$tmp/listen")

get() { # METHOD PATH: "STATUS TYPE", and the body in $tmp/body
	python3 -I -c '
import http.client, sys
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
c.request(sys.argv[2], sys.argv[3], body=b"x" * 100 if sys.argv[2] == "POST" else None)
r = c.getresponse()
open(sys.argv[4], "wb").write(r.read())
print(r.status, r.getheader("Content-Type"))' "$port" "$1" "$2" "$tmp/body"
}
same "/metrics" "200 text/plain; version=0.0.4; charset=utf-8" "$(get GET /metrics)"
same "the module is there" "mqbus_up 1" "$(grep '^mqbus_up' "$tmp/body")"
# Times that go on are not the same twice
same "the rest is what stat prints" "$(mqbus stat --prometheus | grep -v _seconds)" \
	"$(grep -v -e _seconds -e mqbus_up "$tmp/body")"
seq 3 | mqbus pub t -q
get GET /metrics >/dev/null
same "each request looks anew" 'mqbus_topic_records{topic="t"} 10' \
	"$(grep '^mqbus_topic_records{' "$tmp/body")"
if bin=$("$(dirname "$0")/../../scripts/prometheus.sh" --cached); then
	"$bin/promtool" check metrics <"$tmp/body" >"$tmp/lint" 2>&1
	result "promtool check metrics" $?
else
	result "promtool check metrics # SKIP it is not in the cache (scripts/prometheus.sh)" 0
fi
contrib=$(dirname "$0")/../../contrib
mqbus queue jobs >/dev/null
get GET /metrics >/dev/null
same "the rules and the dashboard ask for nothing else" "" "$(comm -23 \
	<(grep -oh 'mqbus_[a-z_]*' "$contrib/prometheus/mqbus.rules.yml" \
		"$contrib/grafana/mqbus.json" | sort -u) \
	<(sed -n 's/^\(mqbus_[a-z_]*\).*/\1/p' "$tmp/body" | sort -u) | xargs)"
same "HEAD" "200 text/plain; version=0.0.4; charset=utf-8" "$(get HEAD /metrics)"
same "elsewhere there is nothing" 404 "$(get GET /x | cut -d ' ' -f 1)"
same "nothing can be sent" 405 "$(get POST /metrics | cut -d ' ' -f 1)"
same "a page that points to them" 200 "$(get GET / | cut -d ' ' -f 1)"
fails "the port is taken" 1 "cannot listen" mqbus exporter --listen "127.0.0.1:$port"
kill $pid
wait $pid
same "a signal ends it" 143 $?
fails "no address" 2 "--listen '9787': expected" mqbus exporter --listen 9787
fails "a port that is none" 2 "expected ADDR:PORT" mqbus exporter --listen 127.0.0.1:x
finish
