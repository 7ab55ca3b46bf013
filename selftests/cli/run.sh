#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mqbus run: a command for each record, and what its end does to the record.
. "$(dirname "$0")/ktap.bash"

# Where the commands leave traces; they run in here
cd "$tmp" || exit 1

# queue TOPIC [OPTION]...: a topic with a queue group "w" that retries at once
queue() {
	mqbus topic create -q "$1" &&
		mqbus group create "$1" w -t queue --backoff 1ms:1ms "${@:2}"
}

# figures TOPIC NAME...: of its group
figures() {
	mqbus group show "$1" w -j | awk -F '[":, ]+' -v names="${*:2}" '
		{ value[$2] = $3 }
		END {
			n = split(names, name, " ")
			for (i = 1; i <= n; i++)
				printf "%s%s", value[name[i]], i < n ? " " : "\n"
		}'
}
figure_is() { [ "$(figures "$1" "$2")" = "$3" ]; }

# dead TOPIC: the dead letters that are there: VALUE ATTEMPTS REASON
dead() {
	mqbus sub "$1" -g look -e -f '%s,%h,\n' 2>/dev/null |
		sed 's/^\([^,]*\),.*,mqbus.attempts=\([0-9]*\),mqbus.reason=\([a-z]*\),.*/\1 \2 \3/'
}

# Without the process that ends what is left when the run is killed
workers_of() { pgrep -P "$1" -x mqbus; }
begun() { [ -e log ] && [ "$(wc -l <log)" -ge "$1" ]; }
gone() { ! kill -0 "$1" 2>/dev/null; }
# start ARGUMENT...: mqbus run in the background: $pid
start() {
	mqbus run "$@" >run.out 2>run.err &
	pid=$!
}
# ended NAME STATUS: it ends so
ended() {
	wait "$pid"
	same "$1" "$2" "$?"
}
# A command that tells that it has begun, and ends when it may
cat >wait-for-go <<'END'
#!/bin/sh
echo $$ >>log
while [ ! -e go ]; do sleep 0.02; done
END
# One whose work is done by a process of its own
cat >with-child <<'END'
#!/bin/sh
sleep 1000 &
echo $! >>log
wait
END
chmod +x wait-for-go with-child

# ---- what the command gets ----

queue t
seq 5 | mqbus pub -q t
prints "each value is a stdin" "1 2 3 4 5" eval 'mqbus run -t t -g w -c 5 -- awk 1 | xargs'
same "and is acked" "5 5 0 0 0" "$(figures t acked delivered inflight leased redelivered)"

echo v | mqbus pub -q t -k 'k e=y' -r orders.new -H trace-id.x=17 -H trace_id_x=18 -H plain=
MQBUS_HEADER_stale=1 MQBUS_KEY=stale mqbus run -t t -g w -c 1 -- env >env
same "the environment" "MQBUS_ATTEMPT=1
MQBUS_GROUP=w
MQBUS_HEADER_plain=
MQBUS_HEADER_trace_id_x=18
MQBUS_KEY=k e=y
MQBUS_OFFSET=5
MQBUS_PARTITION=0
MQBUS_ROUTING_KEY=orders.new
MQBUS_TOPIC=t" "$(grep ^MQBUS env | grep -v -e _TIME -e _TEST -e _OUT | sort)"
grep -qE '^MQBUS_TIME=1[0-9]{9}\.[0-9]{9}$' env && grep -q ^PATH= env
result "the time, and what was there before" $?
printf v | mqbus pub -q t
MQBUS_HEADER_stale=1 MQBUS_KEY=stale mqbus run -t t -g w -c 1 -- env >env
same "what the record lacks is not set" "" "$(grep -e ^MQBUS_KEY -e ^MQBUS_ROUT -e ^MQBUS_H env)"
echo v | mqbus pub -q t
prints "options behind the command are its own" "-j -c v" \
	mqbus run -t t -g w -c 1 sh -c 'echo "$0" "$@" $(cat)' -j -c

mqbus topic create -q large -s 2M --max-record 256K
mqbus group create large w -t queue
head -c 262144 /dev/urandom >value
mqbus pub -q large --raw value value value
mqbus run -t large -g w -c 1 -- cat >got
cmp value got
result "a large value" $?
succeeds "that the command does not read" mqbus run -t large -g w -c 1 -- true
succeeds "nor wants" mqbus run -t large -g w -c 1 -- sh -c 'exec <&-; sleep 0.1'
same "is acked all the same" 3 "$(figures large acked)"

# ---- what its end does ----

mqbus topic create -q dead
queue ends --dlq dead --limit 3
seq 0 6 | mqbus pub -q ends
cat >ends <<'END'
echo "$MQBUS_OFFSET $MQBUS_ATTEMPT" >>log
case $MQBUS_OFFSET in
0) exit 0 ;;
1) exit 1 ;;
2) exit 65 ;;
3) [ -e again ] || { touch again; exit 75; } ;;
4) kill -9 $$ ;;
5) [ "$MQBUS_ATTEMPT" = 2 ] || exit 255 ;;
6) [ "$MQBUS_ATTEMPT" = 3 ] || kill -SEGV $$ ;;
esac
END
succeeds "a run with failures is none" mqbus run -t ends -g w -v --again 0 --idle-exit 1 -- sh ends
same "statuses: attempts" "0 1, 1 1, 1 2, 1 3, 2 1, 3 1, 3 1, 4 1, 4 2, 4 3, 5 1, 5 2, 6 1, 6 2, 6 3, " \
	"$(sort log | tr '\n' ',' | sed 's/,/, /g')"
same "acked, nacked, released, rejected, died, deaths, dead" "4 4 1 1 5 5 3" \
	"$(figures ends acked nacked released rejected died deaths dead_lettered)"
same "dead letters" "1 3 nack
2 1 rejected
4 3 died" "$(dead dead | sort)"
same "the last line sums up" "mqbus: topic 'ends' group 'w': 4 acked, 4 nacked, 1 released, 1 rejected, 5 died" \
	"$(tail -1 <<<"$err")"
same "and there is one for each" 15 "$(grep -c attempt <<<"$err")"
[[ $err == *"0/1 attempt 3: nacked (status 1, "* && $err == *"0/4 attempt 2: died (signal 9, "* ]]
result "which tells how it ended" $?
rm -f log

queue once --at-most-once
seq 2 | mqbus pub -q once
succeeds "at most once" mqbus run -t once -g w --idle-exit 0 -- sh -c '[ $MQBUS_OFFSET = 0 ]'
same "a failure is the end" "2 0 0" "$(figures once delivered redelivered inflight)"

# ---- timeout ----

queue slow --dlq dead --limit 1
echo x | mqbus pub -q slow
succeeds "over the timeout" mqbus run -t slow -g w -c 1 -v --timeout 3 -- \
	sh -c 'sleep 1000 & echo $! >child; wait'
[[ $err == *"nacked (signal 15, over --timeout, "* ]]
result "is told" $?
within 60 gone "$(<child)"
result "what the command started goes too" $?
same "it is nacked" "1 0 0" "$(figures slow nacked died released)"
same "and at the limit a dead letter" "x 1 nack" "$(dead dead)"
echo x | mqbus pub -q slow
# The command is born with what is ignored here
succeeds "one that ignores SIGTERM" env --ignore-signal=TERM \
	mqbus run -t slow -g w -c 1 -v --timeout 0.1 --kill-after 0.1 -- sleep 1000
[[ $err == *"nacked (signal 9, over --timeout, "* ]]
result "is killed" $?
echo x | mqbus pub -q slow
succeeds "one that ends with 0 then" mqbus run -t slow -g w -c 1 --timeout 2 -- \
	sh -c 'trap "exit 0" TERM; while :; do sleep 0.02; done'
same "is nacked too" "3 0" "$(figures slow nacked acked)"

# ---- stop ----

queue stop
seq 10 | mqbus pub -q stop
start -t stop -g w -j 2 -- ./wait-for-go
within 60 begun 2
kill "$pid"
within 60 figure_is stop leased 2
touch go
ended "SIGTERM" 0
same "what ran is settled, the rest is not touched" "2 0 2 0" \
	"$(figures stop acked released delivered leased)"
rm -f go log
start -t stop -g w -j 2 -v -- ./wait-for-go
within 60 begun 2
kill -INT "$pid"
sleep 0.5
kill -0 "$pid"
result "SIGINT lets it run on" $?
# Again and again, for two that come in a row count as one
within 60 eval 'kill -INT "$pid" 2>/dev/null; sleep 0.5; gone "$pid"'
ended "a second SIGINT" 0
same "releases what ran" "2 2 0 0" "$(figures stop acked released leased died)"
[[ $(<run.err) == *"released (signal 15, stopped, "* ]]
result "and ends it" $?
same "none is left" "" "$(for p in $(<log); do gone "$p" || echo "$p"; done)"
rm -f log
start -t stop -g w -j 2 --grace 0.1 -- ./wait-for-go
within 60 begun 2
kill "$pid"
ended "--grace" 0
same "releases too" "4 0" "$(figures stop released leased)"
rm -f log
# As a service manager that tells every process of a service to end
start -t stop -g w -v -- sh -c 'echo $$ >>log; exec sleep 1000'
within 60 begun 1
kill "$pid"
kill "$(<log)"
ended "commands that are told to end with it" 0
same "did not fail" "5 0 0" "$(figures stop released died nacked)"
rm -f log
start -t none-yet -g w -- true
ended "no topic" 1
queue idle
start -t idle -g w -j 3 -- true
within 60 eval '[ "$(workers_of $pid | wc -l)" = 3 ]'
kill "$pid"
ended "SIGTERM while there is nothing to do" 0

# ---- death of the workers ----

queue killed
seq 3 | mqbus pub -q killed
start -t killed -g w -c 3 -v -- ./wait-for-go
within 60 begun 1
victim=$(workers_of "$pid")
kill -9 "$victim"
within 60 begun 2
result "another worker takes the place of one that was killed" $?
within 60 gone "$(head -1 log)"
result "whose command goes with it" $?
touch go
ended "the run goes on" 0
same "with the same record" "3 1 1 1" "$(figures killed acked died deaths redelivered)"
same "the last line tells only what happened" "mqbus: topic 'killed' group 'w': 3 acked" \
	"$(tail -1 run.err)"
[[ $(<run.err) == *"worker $victim was killed by signal 9"* ]]
result "and says so" $?
rm -f go log
seq 2 | mqbus pub -q killed
start -t killed -g w -j 2 -- ./wait-for-go
within 60 begun 2
kill -9 "$pid"
wait "$pid" 2>/dev/null
within 60 figure_is killed leased 0
result "killed itself, it takes all with it" $?
same "as deaths" "3 3" "$(figures killed died deaths)"
touch go
succeeds "the next one gets the records" mqbus run -t killed -g w -c 2 -- ./wait-for-go
same "all is settled" "5 0" "$(figures killed acked inflight)"
succeeds "one that had nothing to do" mqbus run -t killed -g w -v --idle-exit 0 -- true
same "says so" "mqbus: topic 'killed' group 'w': no records" "$err"
rm -f go log

# What the commands have started goes with them
queue children
echo x | mqbus pub -q children
start -t children -g w -- ./with-child
within 60 begun 1
kill -9 "$(workers_of "$pid")"
within 60 gone "$(head -1 log)"
result "a worker that is killed takes what its command started with it" $?
within 60 begun 2
kill -9 "$(pgrep -P "$(workers_of "$pid")")"
within 60 gone "$(sed -n 2p log)"
result "so does a command that is killed" $?
within 60 begun 3
kill -9 "$pid"
within 60 gone "$(sed -n 3p log)"
result "and the run" $?
wait "$pid" 2>/dev/null
within 60 figure_is children leased 0
start -t children -g w -j 2 -- ./with-child
within 60 begun 4
kill "$pid"
sleep 0.5
kill "$pid"
ended "and one that is stopped at once" 0
gone "$(sed -n 4p log)"
result "ends them, too" $?
within 60 eval '[ -z "$(pgrep mqbus-run-guard)" ]'
result "nothing stays behind" $?
rm -f log

# ---- leases ----

queue lease --lease 8s
echo x | mqbus pub -q lease
cat >until-extended <<'END'
until mqbus group show lease w -j | grep -q '"extended": [1-9]'; do sleep 0.05; done
END
succeeds "a command that runs longer than the lease" mqbus run -t lease -g w -c 1 -- sh until-extended
same "keeps its record" "1 0 1" "$(figures lease acked expired delivered)"

queue lost
echo x | mqbus pub -q lost
start -t lost -g w -c 2 --lease 2 -v -- sh -c \
	'echo $$ >>log; [ $MQBUS_ATTEMPT -gt 1 ] || exec sleep 1000'
within 60 begun 1
victim=$(workers_of "$pid")
kill -STOP "$victim"
within 60 figure_is lost expired 1
result "a worker that does not get to it loses the lease" $?
kill -CONT "$victim"
ended "then it goes on" 0
within 60 gone "$(head -1 log)"
result "without the command" $?
grep -q "lost (signal 15, its lease expired, " run.err
result "and says so" $?
rm -f log

# ---- how many ----

queue many
seq 100 | mqbus pub -q many
mqbus run -t many -g w -j 16 -c 70 -- awk 1 >many.out
same "--count with many workers" "70 70" "$(wc -l <many.out) $(sort -u many.out | wc -l)"
mqbus run -t many -g w -j 16 --idle-exit 0.1 -- awk 1 >>many.out
same "--idle-exit: the rest, and each once" "$(seq 100 | xargs)" "$(sort -n many.out | xargs)"
same "by the kernel's books" "100 100 0" "$(figures many acked delivered inflight)"
succeeds "nothing to do" mqbus run -t many -g w -j 4 --idle-exit 0 -- false
succeeds "a count of none" mqbus run -t many -g w -c 0 -- false

# ---- refusals ----

seq 3 | mqbus pub -q many
fails "no such command" 127 "group 'w': no-such-command: cannot be executed: No such file or directory: the record is released" \
	mqbus run -t many -g w -- no-such-command
echo x >data
fails "no program" 126 "./data: cannot be executed: Permission denied" mqbus run -t many -g w -j 3 -- ./data
same "cost no attempt" "0 0 0" "$(figures many nacked died leased)"
prints "and no record" "1 2 3" eval 'mqbus run -t many -g w -c 3 -- awk 1 | sort | xargs'
mqbus group create many stream
fails "a stream group" 1 "topic 'many' group 'stream': is a stream group" mqbus run -t many -g stream -- true
fails "no such group" 1 "the topic has no such group" mqbus run -t many -g nope -- true
fails "no such topic" 1 "topic 'nope': there is no such topic" mqbus run -t nope -g w -j 4 -- true
fails "which topic" 2 "run: which topic? (-t TOPIC)" mqbus run -g w -- true
fails "which group" 2 "run: which group? (-g GROUP)" mqbus run -t t -- true
fails "which command" 2 "run: which command?" mqbus run -t t -g w
fails "no workers" 2 "--jobs '0': expected 1 to 1024" mqbus run -t t -g w -j 0 -- true
fails "a bad time" 2 "--timeout 'soon': expected a time" mqbus run -t t -g w --timeout soon -- true
fails "a lease of no time" 2 "--lease '0': expected a time such as 10s, up to 30d" \
	mqbus run -t t -g w --lease 0 -- true
fails "a bad count" 2 "--count '-1': expected a number" mqbus run -t t -g w -c -1 -- true
fails "unknown option" 2 "option '--no' is unknown" mqbus run -t t -g w --no -- true
start -t idle -g w -j 3 -- true
within 60 eval '[ "$(workers_of $pid | wc -l)" = 3 ]'
mqbus topic delete idle
ended "the topic is deleted meanwhile" 1
grep -q "topic 'idle' group 'w': was deleted" run.err
result "which is told" $?
finish
