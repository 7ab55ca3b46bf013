#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The real Prometheus scrapes mqbus exporter, and loads the rules of contrib/.
. "$(dirname "$0")/ktap.bash"
contrib=$(realpath "$(dirname "$0")/../../contrib/prometheus")

if [ "${MQ_SLOW:-1}" != 1 ]; then
	echo "1..0 # SKIP Prometheus takes minutes to start where all is slow"
	exit 4
fi
bin=$("$(dirname "$0")/../../scripts/prometheus.sh" --cached) || {
	echo "1..0 # SKIP prometheus is not in the cache (scripts/prometheus.sh)"
	exit 4
}
ip link set lo up
mqbus topic create -q orders -n 2
mqbus group create orders billing
seq 500 | mqbus pub orders -q -k k
mqbus sub orders -g billing -c 200 >/dev/null

mqbus exporter --listen 127.0.0.1:9787 >"$tmp/listen" &
exporter=$!
within 20 grep -q "^listening" "$tmp/listen"
result "the exporter listens" $?
cat >"$tmp/prometheus.yml" <<END
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [ "$contrib/mqbus.rules.yml" ]
scrape_configs:
  - job_name: mqbus
    static_configs: [ { targets: [ "127.0.0.1:9787" ] } ]
END
"$bin/prometheus" --config.file="$tmp/prometheus.yml" --storage.tsdb.path="$tmp/data" \
	--web.listen-address=127.0.0.1:9090 >"$tmp/log" 2>&1 &
prometheus=$!

cat >"$tmp/ask.py" <<'P'
import json, sys, urllib.parse, urllib.request
try:
    url = "http://127.0.0.1:9090/api/v1/" + sys.argv[1]
    if len(sys.argv) > 2:
        url += "?query=" + urllib.parse.quote(sys.argv[2])
    data = json.load(urllib.request.urlopen(url, timeout=20))["data"]
    if "groups" in data:
        rules = [r for g in data["groups"] for r in g["rules"]]
        print(len(rules) > 0 and all(r["health"] == "ok" for r in rules))
    else:
        print(" ".join(sorted(r["value"][1] for r in data["result"])))
except (OSError, KeyError, ValueError):
    pass
P
ask() { /usr/bin/python3 -I "$tmp/ask.py" "$@"; }
within 150 eval '[ "$(ask query up)" = 1 ]'
same "it scrapes the exporter" 1 "$(ask query up)"
same "records of a topic" 500 "$(ask query 'mqbus_topic_records{topic="orders"}')"
same "records ever published" 500 "$(ask query 'mqbus_topic_published_records_total{topic="orders"}')"
same "lag of a group" 300 "$(ask query 'sum(mqbus_group_lag_records{group="billing"})')"
within 60 eval '[ "$(ask rules)" = True ]'
same "all rules are loaded and evaluated" True "$(ask rules)"
kill $prometheus $exporter
wait
finish
