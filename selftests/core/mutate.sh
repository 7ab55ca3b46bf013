#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Break a copy of the core in one place after the other: a test must notice.
#
#   [TESTS='ring_threads ...'] mutate.sh <build dir> [words of a mutation's name]
#   mutate.sh --check          only see that each edit still changes something
#
# What an edit does not concern is compiled once, so that a mutation costs a second or
# two and not ten.
set -euo pipefail

cd "$(dirname "$0")"
core=../../module/core
check=
if [ "${1:-}" = --check ]; then
	check=1
	build=
else
	build=${1:?build directory}/mutate
fi
only=${2:-}
# Tests that fail fast come first; TESTS= names others
ring_tests=${TESTS:-record_unit cursor_unit ring_unit record_fuzz ring_interleave ring_model ring_threads-tsan ring_threads}
inflight_tests=${TESTS:-entry_unit inflight_unit retry_unit forget_unit inflight_model}
assign_tests=${TESTS:-assign_unit assign_model}
survived=0

# name | file | sed script
mutations() {
	cat <<'EOF'
drop the floor check | ring.c | s/return ring->tail.pos + bytes <= floor + ring->size ? 0 : -ENOBUFS/return 0/
floor off by one record | ring.c | s/bytes <= floor + ring->size/bytes < floor + ring->size/
skip the index | ring.h | s/\*slot = pos;/;/
index the last of a granule | ring.h | s/if ((\*slot .*/if (1)/
publish before the copy | ring.c | /^bool mqbus_ring_reserve/,/^}/s/^\tif (mqbus_ring_fits(ring, bytes))/&\n\t\tsmp_store_release(\&ring->page->tail, ring->tail.pos + bytes);\n&/
seek_index stops a granule early | ring.c | s/granule <= last/granule < last/
seek_index believes stale slots | ring.c | s/if (pos >> ring->granule_shift != granule ||/if (/
seek_index looks below the head | ring.c | s/pos < ring->head.pos || pos >= seek->end.pos)/pos >= seek->end.pos)/
seek_index may begin behind equal times | ring.c | s/(seek->whence == MQBUS_WHENCE_TIME ||/((seek->whence == MQBUS_WHENCE_TIME \&\& rec->time > seek->value) ||/
seek takes later ones only | ring.c | s/rec->time >= seek->value/rec->time > seek->value/
seek does not begin again at the head | ring.c | s/!seek->from || seek->at.pos < ring->head.pos/!seek->from/
seek goes on behind its end | ring.c | s/seek->at.pos >= seek->end.pos ||/seek->at.pos >= ring->published ||/
seek walks to what is behind the end | ring.c | s/(seek->whence == MQBUS_WHENCE_OFFSET && seek->value >= seek->end.offset)/0/
seek moves its end | ring.c | s/^\t\tseek->begun = true;//
seek_index looks behind the end | ring.c | s/ || pos >= seek->end.pos)/ || pos >= ring->published)/;s/last = seek->end.pos >>/last = ring->published >>/
seek forgets to count | ring.c | s/seek->at.offset++;//
granules too small for the index | ring.c | s/ilog2(size \/ MQBUS_RING_INDEX)/ilog2(size \/ MQBUS_RING_INDEX) - 1/
tail without release | ring.c | s/smp_store_release(&ring->page->tail/WRITE_ONCE(ring->page->tail/
next offset without release | ring.c | s/smp_store_release(&ring->page->next_offset/WRITE_ONCE(ring->page->next_offset/
next offset before the tail | ring.c | s/smp_store_release(&ring->page->tail, .*/smp_store_release(\&ring->page->next_offset, ring->tail.offset);/;t;s/smp_store_release(&ring->page->next_offset, .*/smp_store_release(\&ring->page->tail, ring->tail.pos);/
next begun after the tail | ring.c | /WRITE_ONCE(ring->page->next_begun/d;s/smp_store_release(&ring->page->next_offset.*/WRITE_ONCE(ring->page->next_begun, ring->tail.offset); &/
head begun after the head | ring.c | /WRITE_ONCE(page->head_begun/d;s/smp_store_release(&page->head_offset.*/WRITE_ONCE(page->head_begun, ring->head.offset); &/
head without release | ring.c | s/smp_store_release(&page->head,/WRITE_ONCE(page->head,/
reserve hides the new head | ring.c | /^bool mqbus_ring_reserve/,/^}/s/ring_show_head(ring);/;/
head without its barrier | ring.c | s/^\tsmp_wmb();.*//
expire hides the new head | ring.c | /^bool mqbus_ring_expire/,/^}/s/ring_show_head(ring);/;/
passed without its barrier | ring.h | s/smp_rmb();.*//
passed too late | ring.h | s/head) > pos;/head) > pos + 64;/
passed too early | ring.h | s/head) > pos;/head) >= pos;/
head above the tail | ring.c | s/if (ring->head.pos == ring->published)/if (0)/
one byte too many in the ring | ring.h | s/head.pos <= ring->size/head.pos <= ring->size + 8/
expire without a floor | ring.c | /^bool mqbus_ring_expire/,/^}/s/min(floor, ring->published)/ring->published/
expire keeps one too many | ring.h | s/ring->tail.pos - ring->head.pos > keep/ring->tail.pos - ring->head.pos > keep + 64/
expire drops one too many | ring.h | s/ring->tail.pos - ring->head.pos > keep/ring->tail.pos - ring->head.pos >= keep/
what goes is not given back | ring.c | s/ring->used\[mqbus_ring_owner(rec)\] -= rec->size/(void)rec/
what comes is not counted | ring.h | s/ring->used\[mqbus_ring_owner(mqbus_ring_slot(ring))\] += bytes/(void)bytes/
the last owner is nobody | ring.h | s/rec->__owner < MQBUS_RING_OWNERS ?/rec->__owner < MQBUS_RING_OWNERS - 1 ?/
a share without a floor | ring.c | s/ring->head.pos < min(floor, ring->published) ?/ring->head.pos < ring->published ?/
a share that is never used up | ring.c | s/return used && /return 0 \&\& /
a share that is too small for one record | ring.c | s/return used && /return /
a share of one byte less | ring.c | s/return used && used + bytes > most/return used \&\& used + bytes >= most/
a share that the first of several passes over | ring.c | s/ring->used\[owner\] + before;/ring->used[owner];/
what never has room in a share waits | ring.c | s/if (before && before + bytes > most)/if (0)/
a share that drops without end | ring.c | /^int mqbus_ring_share/,/^}/s/ring->drops--;//
a share that does not show the head | ring.c | /^int mqbus_ring_share/,/^}/s/ring_show_head(ring);/;/
a share that gives up too early | ring.c | s/return ring->head.pos < min(floor, ring->published) ? -EAGAIN : -EXFULL/return -EXFULL/
what can never fit is tried | ring.h | s/return bytes - 1 < ring->most;/return true;/
nothing is a record | ring.h | s/return bytes - 1 < ring->most;/return bytes <= ring->most;/
one byte more than half of the ring | ring.h | s/bytes - 1 < ring->most/bytes - 1 <= ring->most/
room is made in vain | ring.c | /^bool mqbus_ring_reserve/,/^}/{s/if (mqbus_ring_ask(ring, bytes, floor))/if (!mqbus_ring_takes(ring, bytes))/;s/} while (ring->head.pos < head);/} while (ring->head.pos < head \&\& (ring->evict || ring->head.pos < floor));/}
settled records are not asked about | ring.c | s/if (ring->evict || mqbus_ring_fits(ring, bytes))/if (1)/
the end is shown before the tail | ring.c | /^void mqbus_ring_publish/,/^}/{s/mqbus_ring_show_tail(ring)/mqbus_ring_show_END(ring)/;s/mqbus_ring_show_end(ring)/mqbus_ring_show_tail(ring)/;s/END/end/}
a rate is rounded down | rate.c | s/rate_cost(rate, tokens, bucket->part)/div64_u64(bucket->part + tokens * NS_PER_SEC, rate->each)/
a bucket is rounded down | rate.c | s/rate_cost(rate, tokens, 0)/div64_u64(tokens * NS_PER_SEC, rate->each)/
parts of a nanosecond are forgotten | rate.c | s/&bucket->part);/\&(u64){ 0 });/
parts are not waited for | rate.c | s/bucket->full + !!bucket->part/bucket->full/
what is large has to wait for more than a bucket | rate.c | s/if (!mqbus_rate_holds(rate, tokens))/if (0)/
a bucket that overflows | rate.c | s/if (bucket->full < now)/if (0)/
a bucket that forgets | rate.c | s/if (bucket->full < now)/if (1)/
there is no burst | rate.c | s/return due > rate->burst ? due - rate->burst : 0/return due/
no rate is one | rate.c | s/if (!rate->each)/if (0)/
expire takes those of that time | ring.h | s/time < before/time <= before/
end without looking twice | ring.c | s/if (likely(READ_ONCE(page->next_begun) == end->offset))/if (1)/
end reads the tail first | ring.c | s/end->offset = smp_load_acquire(&page->next_offset);/end->pos = smp_load_acquire(\&page->tail);/;t;s/end->pos = smp_load_acquire(&page->tail);/end->offset = smp_load_acquire(\&page->next_offset);/
end never asks for the lock | ring.c | s/tries < 4/tries < 1/;/cpu_relax/{n;s/}/} return;/}
end without acquire | ring.c | s/smp_load_acquire(&page->tail)/READ_ONCE(page->tail)/
an observer is placed like others | cursor.c | /^void mqbus_cursor_place/,/^}/s/if (c->observes)/if (0)/
an observer holds what it has not committed | cursor.c | /^void mqbus_cursor_commit/,/^}/s/if (c->observes)/if (0)/
lost is not counted | cursor.c | s/c->lost += missed - again;//
lost is counted twice | cursor.c | s/c->lost += missed - again;/c->lost += missed;/
lost is settled by settling nothing | cursor.c | s/if (to->pos != c->done.pos)//
lost by a seek | cursor.c | s/^\tc->lost_given = 0;//
take does not catch up | cursor.c | s/^\t\tcursor_catch_up(c, ring);//
take keeps the end of before | cursor.c | /end\.\(pos\|offset\) = ring->/d
step does not catch up | cursor.c | s/^\tcursor_catch_up(c, ring);//
step forgets to count | cursor.c | s/c->given.offset++;//
place does not hold the floor | cursor.c | s/ring->floor = min(ring->floor, at->pos);//
place does not tell writers | cursor.c | s/WRITE_ONCE(c->floor, at->pos);//
commit without release | cursor.c | s/smp_store_release(&c->floor/WRITE_ONCE(c->floor/
commit settles what is given | cursor.c | s/smp_store_release(&c->floor, to->pos)/smp_store_release(\&c->floor, c->given.pos)/
rewind does nothing | cursor.c | s/c->given = c->done;//
a gap that was committed is told to nobody | cursor.c | s/c->untold = c->owed;/c->untold = 0;/
a gap is told to one who dies | cursor.c | s/c->untold = c->owed;/c->untold = c->given.offset != c->done.offset ? 0 : c->untold;/
a gap is told after its commit | cursor.c | s/^\t\tc->owed = c->untold;/\t\tc->owed += c->untold;/
a gap is told behind a seek | cursor.c | s/^\tc->owed = 0;//
129 headers | record.c | s/++n > MQ/++n > 1 + MQ/
127 headers | record.c | s/++n > MQ/++n >= MQ/
half a header | record.c | s/ || len - at < sizeof(h)//
a header without a name | record.c | s/!h.name_len || //
lengths that wrap | record.c | s/(u32)h.name_len + h.value_len > len/(u16)(h.name_len + h.value_len) > len/
a header one byte too long | record.c | s/h.value_len > len - at/h.value_len > len - at + 1/
records of odd sizes | record.h | s/parts, 8/parts, 4/
another seed | murmur.c | s/0x9747b28cU/0x9747b28dU/
the tail of a key backwards | murmur.c | s/p\[2\] << 16;/p[2] << 8;/
the sign bit | murmur.c | s/0x7fffffff/0xffffffff/
what was freed last is used first | entry.h | /^static inline void mqbus_table_put/,/^}/s/mqbus_list_add/mqbus_list_push/
an entry forgets how its lease ended | entry.h | s/^\te->failures = 0;/&\n\te->flags = 0;/
an entry keeps its failures | entry.h | s/^\te->failures = 0;//
an entry keeps when it was handed out | entry.h | s/^\te->first = 0;//
push forgets the last | entry.h | /^static inline void mqbus_list_push/,/^}/s/list->last = i;/;/
del forgets the last | entry.h | s/list->last = l->prev;/;/
the heap looks at one child | entry.c | s/heap_time(t, child + 1) < heap_time(t, child)/0/
the heap's last one only sinks | entry.c | s/if (slot && heap_time.*/if (0)/
the heap's last one leaves twice | entry.c | s/^\tif (last == i)/\tif (0)/
keys of different lengths are one | keys.c | s/a->key_len == b->key_len && //
keys of one length are one | keys.c | s/ && !memcmp(.*/;/
only the first of a bucket is found | keys.c | s/^\t\ti = k->heads\[i\].chain;/\t\ti = MQBUS_NONE;/
a bucket loses what is behind a head | keys.c | s/\*at = k->heads\[i\].chain;/*at = MQBUS_NONE;/
the next head loses those behind it | keys.c | s/k->heads\[next\] = k->heads\[i\];/k->heads[next].chain = k->heads[i].chain; mqbus_list_init(\&k->heads[next].held);/
backoff: one step too many | backoff.c | s/for (i = 1; b/for (i = 0; b/
backoff: above the most | backoff.c | s/wait = min(mul_u64_u32_div(wait, b->factor, 100), b->max);/wait = mul_u64_u32_div(wait, b->factor, 100);/
backoff: the least above the most | backoff.c | s/u64 wait = min(b->min, b->max);/u64 wait = b->min;/
backoff: jitter makes it longer | backoff.c | s/return wait - div/return wait + div/
backoff: no jitter | backoff.c | s/ \* b->jitter, 100)/ * 0, 100)/
backoff: 64 bits are not enough | backoff.c | s/mul_u64_u32_div(wait, b->factor, 100)/wait * 1000 * b->factor \/ 100000/
the floor is what was taken | source.c | s/if (!mqbus_list_empty(&source->order)) {/if (0) {/
the floor stays | source.c | s/^\tif (!first || f->moved == source/\tif (1 || f->moved == source/
nobody hears of a floor | source.c | s/^\tf->freed = true;//
a lease is not counted in the retry ring | state.h | /mqbus_entry_unlease/,/^}/s/f->nr--;/;/
a lease counts on | state.h | /mqbus_entry_unlease/,/^}/s/f->leased--;//
what was held back counts on | state.h | /mqbus_entry_lease/,/^}/s/f->held--;//
what was held back is not in flight | state.h | /mqbus_entry_lease/,/^}/s/f->nr++;//
what was held back keeps its place | state.h | /mqbus_entry_lease/,/^}/s/e->place = MQBUS_PLACE_RING;/;/
lease number 0 | inflight.c | s/if (!++e->lease)/++e->lease; if (0)/
the same lease number again | inflight.c | s/if (!++e->lease)/if (!e->lease)/
a lease does not end | inflight.c | /^static void lease_begin/,/^}/s/^\tif (end)$/\tif (0)/
attempts count from 0 | inflight.c | s/.attempt = e->failures + 1/.attempt = e->failures/
a redelivery is the first | inflight.c | s/e->flags = e->first ? MQBUS_ENTRY_AGAIN : 0;/e->flags = 0;/
keys are not looked at | inflight.c | s/head = keyed ? mqbus_keys_find(f->keys, rec) : MQBUS_NONE;/head = MQBUS_NONE;/
one more is held back | inflight.c | s/if (head != MQBUS_NONE \&\& f->held == f->max_held) {/if (head != MQBUS_NONE \&\& f->held == f->max_held + 1) {/
nobody knows that a partition is stuck | inflight.c | s/source->stuck = f->unheld;//
a partition stays stuck | settle.c | s/^\t\tf->unheld++;.*//
a partition stays stuck where it was put | inflight.c | s/source->stuck = 0;//
what is stuck is counted with 32 bits | inflight.h | s/^\tu64 unheld;/\tu32 unheld;/;s/^\tu64 stuck;/\tu32 stuck;/
what is held back is no step | inflight.c | s/for (; \*steps; --\*steps) {/for (; *steps;) {/
what came back is never handed out | inflight.c | /^static noinline u32 inflight_retry/,/^}/s/if (i == MQBUS_NONE \&\& room)/if (0)/
what failed takes all turns | inflight.c | s/f->again = e->first;/f->again = false;/
what is fresh takes all turns | inflight.c | s/f->again = e->first;/f->again = true;/
a released record takes the turns of the retry ring | inflight.c | s/if (room \&\& f->stayed)/if (0)/
the retry ring takes all turns | inflight.c | s/if (room \&\& f->stayed)/if (room)/
what was taken back is not fresh | inflight.c | s/if (first != MQBUS_NONE \&\& !mqbus_inflight_entry(f, first)->first)/if (0)/
untake ends a turn | inflight.c | /^void mqbus_inflight_untake/,/^}/s/f->stayed = e->place == MQBUS_PLACE_RETRY;//
what dies once leaves its partition | settle.c | s/ \&\& (reason != MQBUS_REASON_DIED || e->failures > 1))/)/
what dies again stays in its partition | settle.c | s/(reason != MQBUS_REASON_DIED || e->failures > 1)/reason != MQBUS_REASON_DIED/
what fails at once stays in its partition | settle.c | s/^\t\tmqbus_retry_try(f, i);/\t\t;/
what fails at once overtakes what waits for room | retry.c | s/ \&\& mqbus_list_empty(&f->stay))$/)/
what leaves its partition at once is not counted | state.h | s/aside += !mqbus_entry_aside(e);/aside += 0;/
one more in flight | inflight.c | /^static enum search inflight_fresh/,/^}/s/if (f->nr >= f->conf/if (f->nr > f->conf/
one more than the credit | inflight.c | s/n < max && holder->nr < f->conf.credit/n < max \&\& holder->nr <= f->conf.credit/
always the same partition first | inflight.c | s/if (fresh && ++f->next/if (0 \&\& ++f->next/
what came back ends a turn | inflight.c | s/if (fresh && ++f->next/if (n \&\& ++f->next/
ready does not look at what is in flight | inflight.c | /^bool mqbus_inflight_ready/,/^}/s/if (f->nr >= f->conf.max_inflight)/if (0)/
ready does not look at what was held back | inflight.c | /^bool mqbus_inflight_ready/,/^}/s/!mqbus_list_empty(&f->ready\[MQBUS_PLACE_HELD\]))/0)/
ready in vain | inflight.c | s/source->stuck != f->unheld;/1;/
untake of another's lease | inflight.c | s/ || e->seat != holder->seat ||/ ||/
untake of an old lease | inflight.c | s/^\t    e->lease != lease >> 32)/\t    0)/
untake puts it last | inflight.c | /^void mqbus_inflight_untake/,/^}/s/mqbus_list_push/mqbus_list_add/
untake remembers | inflight.c | /^void mqbus_inflight_untake/,/^}/s/^\t\te->first = 0;/\t\t;/
untake counts as delivered | inflight.c | s/f->stats.delivered--;//
a settled record keeps its bytes | settle.c | s/f->retry_live -= mqbus_inflight_record(f, i)->size;//
a settled record is pending | state.h | s/source->pending--;//
a settled record is in flight | state.h | /mqbus_entry_settle/,/^}/s/f->nr--;/;/
a settled record is held back | state.h | /mqbus_entry_settle/,/^}/s/f->held--;/;/
a settled record is in the retry ring | state.h | /mqbus_entry_settle/,/^}/s/f->retrying--;/;/
the next of a key is forgotten | settle.c | s/if (next != MQBUS_NONE)/if (0)/
a wait begins at 0 | settle.c | s/mqbus_heap_add(&f->table, i, now->mono + wait);/mqbus_heap_add(\&f->table, i, wait);/
what waits stays where it is | settle.c | s/^\tmqbus_list_add(&f->table, &f->stay, MQBUS_LIST, i);/\treturn;/
once is twice | settle.c | s/^\tif (f->once) {/\tif (0) {/
once released is twice | settle.c | s/^\t\tif (f->once)$/\t\tif (0)/
a failure too many | settle.c | s/e->failures >= f->conf.max_attempts/e->failures > f->conf.max_attempts/
a death waits | settle.c | s/if (reason == MQBUS_REASON_DIED)/if (0)/
all wait alike | settle.c | s/now->chance = now->chance \*.*//
nobody had it last | settle.c | s/e->pid = holder->pid;//
the wrong reason | settle.c | s/^\te->reason = reason;//
any entry has leases | settle.c | s/if (\*i >= f->table.nr)/if (0)/
a lease that was never given is old | settle.c | s/if (ago < 0 ||/if (/
an old lease is this one | settle.c | s/if (ago || e->flags & MQBUS_ENTRY_FORGOTTEN)/if (e->flags \& MQBUS_ENTRY_FORGOTTEN)/
a lease that ran out was settled | settle.c | s/e->flags |= MQBUS_ENTRY_EXPIRED;//
another's lease is settled | settle.c | s/return e->seat == holder->seat ? 0 : -EPERM;/return 0;/
any delay | settle.c | s/s->delay > MQBUS_DELAY_MAX ? -ERANGE : 0/0/
an ack with a delay | settle.c | s/(s->delay && (s->what == MQBUS_ACK ||/(s->delay \&\& (/
extend adds up | settle.c | /^static int lease_extend/,/^}/s/mqbus_heap_del(&f->table, i);//
extend to the group's time | settle.c | s/u64 time = delay ?: f->conf.lease/u64 time = f->conf.lease/
extend without end | settle.c | s/if (.time \&\& mqbus_inflight_entry(f, i)->heap != MQBUS_NONE)/if (0)/
extend needs a time | settle.c | s/if (.time \&\& mqbus_inflight_entry(f, i)->heap != MQBUS_NONE)/if (0 == time)/
leave at once | settle.c | s/while (max-- && holder->nr) {/while (holder->nr) {/
a tick too late | settle.c | s/while (mqbus_inflight_due(f) <= now->mono)/while (mqbus_inflight_due(f) < now->mono)/
a tick without a bound | settle.c | s/if (!max-- || .*/if (0)/
a tick copies what it likes | settle.c | s/!max-- || mqbus_inflight_over(f))/!max--)/
forget leaves the retry ring | forget.c | s/^\tf->walk = mqbus_inflight_retry(f)->order.first;//
forget empties the retry ring | forget.c | s/if (e->partition >= first && e->partition <= last)/if (1)/
forget leaves what was ready | forget.c | s/mqbus_list_del(&f->table, &f->ready\[e->place\], MQBUS_LIST, i);/;/
what is leased is moved | retry.c | s/if (e->state == MQBUS_ENTRY_LEASED || !hole) {/if (!hole) {/
a moved record keeps its place in the order | retry.c | /^static void retry_turn/,/^}/s/mqbus_list_add/mqbus_list_push/
nothing is moved | retry.c | s/while (retry_hole(f, source) < bytes) {/if (retry_hole(f, source) < bytes)\n\t\treturn FULL;\n\twhile (0) {/
one move only | retry.c | s/if (source->end >= f->retry_lap) {/if (f->copied \&\& source->end >= f->retry_lap - 2 * source->ring->size) {/
no margin in the retry ring | retry.c | s/f->retry_live + bytes + f->margin > source/f->retry_live + bytes > source/
the margin is not counted | retry.c | s/f->retry_live + bytes + f->margin > source->ring->size)/0)/
one more in the retry ring | retry.c | s/f->retrying >= f->max_retry || //
in flight in the retry ring | state.h | /mqbus_entry_move/,/^}/s/f->nr--;//
the old place is not given back | retry.c | s/^\tmqbus_source_del(f, mqbus_inflight_source(f, e), i);/\tmqbus_list_del(\&f->table, \&mqbus_inflight_source(f, e)->order, MQBUS_ORDER, i);/
untake below what was committed | cursor.c | s/if (to.offset < c->done.offset)/if (0)/
untake loses what is before others | cursor.c | s/if (to.offset < c->given.offset)/if (c->given.pos == range->end)/
untake counts what comes again as new | cursor.c | s/^\t\tc->behind_end = apart.*/\t\t;/
untake counts what did not come as told | cursor.c | s/^\t\tc->behind = end;/\t\t;/
untake counts twice what did not come | cursor.c | s/^\tc->delivered -= end - begin;/\t;/
lost behind others is not told | cursor.c | s/^\tc->untold += n;//
lost is handed out again | cursor.c | /^void mqbus_cursor_lose/,/^}/s/if (c->given.pos == range->end)/if (1)/
untake tells nothing of what was lost | cursor.c | s/c->untold += range->lost;//
untake below a commit owes nothing | cursor.c | s/^\t\tc->owed += range->lost;/\t\t;/
untake at a commit owes nothing | cursor.c | s/^\t\tc->owed = max(.*/\t\t;/
untake at a commit owes it twice | cursor.c | s/^\t\tc->owed = max(.*/\t\tc->owed += range->lost;/
lost behind others below a commit is not owed | cursor.c | s/^\t\tc->owed += n;/\t\t;/
assign: who is away has no share | assign.c | s/return seat->state == MQBUS_SEAT_ACTIVE || seat->state == MQBUS_SEAT_AWAY;/return seat->state == MQBUS_SEAT_ACTIVE;/
assign: who is fenced has a share | assign.c | s/seat->state == MQBUS_SEAT_ACTIVE || seat->state == MQBUS_SEAT_AWAY;/seat->state != MQBUS_SEAT_GONE;/
assign: who is away owns | assign.c | s/ || slot->target->state != MQBUS_SEAT_ACTIVE)/)/
assign: two owners | assign.c | s/if (slot->owner || !slot->target ||/if (!slot->target ||/
assign: generation 0 | assign.c | s/if (!++a->generation)/++a->generation; if (0)/
assign: a grant is not counted | assign.c | s/if (!++a->generation)/if (!a->generation)/
assign: all grants of a turn are one | assign.c | s/^\tslot->generation = a->generation;/\tslot->generation = a->generation \& ~1;/
assign: taken away without a rewind | assign.c | /^static void slot_take_away/,/^}/s/mqbus_cursor_rewind(&slot->cursor);//
assign: what was told stays told | assign.c | /^static void slot_take_away/,/^}/s/slot->told = false;//
assign: moves though it is worked on | assign.c | s/if (mqbus_slot_revoked(slot) && slot_drained(slot))/if (mqbus_slot_revoked(slot))/
assign: does not move though nobody works on it | assign.c | s/if (mqbus_slot_revoked(slot) && slot_drained(slot))/if (0)/
assign: a dead owner keeps it | assign.c | s/slot->owner->state != MQBUS_SEAT_ACTIVE)/slot->owner->state == MQBUS_SEAT_GONE)/
assign: meant for the dead | assign.c | s/if (slot->target && !seat_shares(slot->target))/if (0)/
assign: not sticky | assign.c | s/if (slot->target && !seat_shares(slot->target))/if (slot->target)/
assign: one more for nobody | assign.c | s/more = a->nr_slots % nr;/more = 0;/
assign: one more to the first, not to who has it | assign.c | s/if (seat->nr > each && more) {/if (0) {/
assign: one more twice | assign.c | s/ && seat->quota == each)/)/
assign: too many stay | assign.c | s/seat->nr <= seat->quota ||/seat->nr <= seat->quota + 1 ||/
assign: what is worked on is given up | assign.c | s/(class == DRAINED && !slot_drained(slot))/0/
assign: what one has is given up | assign.c | s/(class == NOT_YET_OWNED && slot->owner == seat) ||//
assign: the owner is no better than others | assign.c | s/slot->target = slot->owner;/slot->target = NULL;/
assign: no time to let go | assign.c | s/U64_MAX : now + a->timeout;/U64_MAX : now;/
assign: for ever comes round | assign.c | s/a->timeout > U64_MAX - now ? U64_MAX : now/now/
assign: more time each time | assign.c | s/^\t\tif (!slot->deadline) {/\t\t{/
assign: a deadline stays | assign.c | /^static void assign_settle/,/^}/s/^\t\t\tslot->deadline = 0;//
assign: told before | assign.c | /^static void assign_settle/,/^}/s/slot->told = false;//
assign: a deadline is never due | assign.c | s/a->due = min(a->due, slot->deadline);//
assign: grace is never due | assign.c | s/a->due = min(a->due, seat->until);/;/
assign: one member too many | assign.c | s/min_t(u32, a->room, MQBUS_MEMBERS_MAX)/a->room/
assign: seats are not counted | assign.c | /^static void assign_remove/,/^}/s/a->nr_seats--;//
assign: the place of who went stays taken | assign.c | s/a->seats\[seat->index\] = NULL;//
assign: an old member is not fenced | assign.c | /^void mqbus_assign_take_over/,/^}/s/seat->state = MQBUS_SEAT_AWAY;//
assign: grace for who has nothing | assign.c | s/bool keep = until && seat->nr;/bool keep = until;/
assign: no grace | assign.c | s/bool keep = until && seat->nr;/bool keep = false;/
assign: let in again before those who wait | assign.c | s/list_move_tail(&seat->node, &a->order);//
assign: nobody knows when it was fenced | assign.c | s/seat->fenced = a->generation;//
assign: fencing leaves one | assign.c | /^void mqbus_assign_fence_all/,/^}/s/if (seat->state == MQBUS_SEAT_ACTIVE)/if (seat->state == MQBUS_SEAT_ACTIVE \&\& seat->index)/
assign: fenced too late | assign.c | s/slot->deadline <= now)/slot->deadline < now)/
assign: fenced too early | assign.c | s/if (now < a->due)/if (0)/;s/slot->deadline <= now)/slot->deadline <= now + 1)/
assign: grace too long | assign.c | s/seat->until <= now)/seat->until < now)/
assign: those that are away are fenced | assign.c | s/seat->state = MQBUS_SEAT_GONE;$/seat->state = MQBUS_SEAT_FENCED;/
assign: ready to be told twice | assign.c | s/^\t\treturn !slot->told;/\t\treturn true;/
assign: ready when paused | assign.c | s/return !paused && READ_ONCE/return READ_ONCE/
assign: handed out when paused | assign.c | s/return !paused && mqbus_cursor_take/return mqbus_cursor_take/
assign: handed out when wanted back | assign.c | s/^\tif (!mqbus_slot_revoked(slot))$/\tif (1)/
assign: told twice | assign.c | s/^\tslot->told = true;//
assign: untake of another's | assign.c | s/if (slot->owner != seat || slot->generation != range->generation)/if (slot->generation != range->generation)/
assign: untake of an old range | assign.c | s/ || slot->generation != range->generation)/)/
assign: told, but it was not | assign.c | /^void mqbus_slot_untake/,/^}/s/slot->told = false;//
assign: untake does not move | assign.c | /^void mqbus_slot_untake/,/^}/s/slot_move(a, slot);//
assign: any generation | assign.c | s/(!generation || generation == slot->generation))/1)/
assign: commits below what is done | assign.c | s/offset < c->done.offset || //
assign: commits above what was given | assign.c | s/ || offset > c->given.offset ?/ ?/
assign: nobody knows what was taken by force | assign.c | s/(!generation && slot->robbed == seat)/0/
assign: what came back is taken by force | assign.c | s/^\t\tslot->robbed = NULL;//
assign: whoever sits there was robbed | assign.c | /^void mqbus_assign_take_over/,/^}/s/assign_pardon(a, seat);//
assign: who went was robbed | assign.c | /^bool mqbus_assign_stand/,/^}/s/assign_pardon(a, NULL);//
assign: who was away was robbed | assign.c | /^void mqbus_assign_tick/,/^}/s/assign_pardon(a, NULL);//
assign: a hash is enough | assign.c | s/seat->hash == hash \&\& !strcmp(seat->id, id)/seat->hash == hash/
assign: fenced is stale | assign.c | s/seat->state == MQBUS_SEAT_FENCED ||//
assign: fenced for ever | assign.c | s/(s32)(generation - seat->fenced) <= 0/1/
assign: generations do not come round | assign.c | s/(s32)(generation - seat->fenced) <= 0/generation <= seat->fenced/
assign: a floor goes back | assign.c | s/min(max(at.pos, c->done.pos), c->given.pos)/min(at.pos, c->given.pos)/
assign: a floor goes too far | assign.c | s/min(max(at.pos, c->done.pos), c->given.pos)/max(at.pos, c->done.pos)/
assign: a commit does not move | assign.c | /^void mqbus_slot_commit/,/^}/s/slot_move(a, slot);//
assign: publishers wake who had it | assign.c | /^static void slot_take_away/,/^}/s/slot_show(a, slot);//
assign: publishers wake nobody | assign.c | /^static void slot_grant/,/^}/s/slot_show(a, slot);//
assign: publishers wake for what is wanted back | assign.c | s/slot->owner && !mqbus_slot_revoked(slot);/slot->owner;/
assign: who gets a partition sleeps on | assign.c | /^static void slot_grant/,/^}/s/mqbus_seat_wake(a, slot->owner);//
assign: who keeps it after all sleeps on | assign.c | s/^\t\t\t\tmqbus_seat_wake(a, slot->owner);//
assign: who keeps it after all is not woken by publishers | assign.c | s/^\t\t\t\tslot_show(a, slot);//
assign: wanted back, and nobody told | assign.c | s/^\t\t\tmqbus_seat_wake(a, slot->owner);//
assign: wanted back, and still woken by publishers | assign.c | s/^\t\t\tslot_show(a, slot);//
assign: fenced, and nobody told | assign.c | s/mqbus_seat_wake(a, seat);//
assign: woken again and again | assign.c | s/seat->wake = false;//
assign: all are woken | assign.c | s/if (!seat || !seat->wake)/if (!seat)/
assign: one of many is not woken | assign.c | s/seat->wake = false;/&\n\t\tif (n == 2)\n\t\t\tcontinue;/
assign: lets go of what is not wanted back | assign.c | /^void mqbus_slot_release/,/^}/s/if (!mqbus_slot_revoked(slot))/if (0)/
assign: lets go to nobody | assign.c | /^void mqbus_slot_release/,/^}/s/slot_grant(a, slot);//
forget leaves leases | forget.c | s/mqbus_inflight_unlease(f, i, f->seats\[e->seat\]);//
forget settles leases | forget.c | s/e->flags |= MQBUS_ENTRY_FORGOTTEN;//
forgotten for ever | settle.c | s/if (ago || e->flags & MQBUS_ENTRY_FORGOTTEN)/if (ago || e->flags \& 6)/
paused hands out | inflight.c | s/for (n = 0; !f->conf.paused \&\& n/for (n = 0; n/
paused is ready | inflight.c | s/if (f->conf.paused || /if (/
forget leaves what stays | forget.c | /case MQBUS_ENTRY_WAITING:/,/break;/s/mqbus_list_del(&f->table, &f->stay, MQBUS_LIST, i);/;/
forget does not count | forget.c | s/f->stats.discarded++;/;/
forget counts what nobody had | forget.c | s/if (mqbus_inflight_entry(f, i)->first)/if (1)/
forget without a bound | forget.c | /^bool mqbus_inflight_forget(/,/^}/s/if (mqbus_inflight_over(f))/if (0)/
forget looks at all of the retry ring | forget.c | /^bool mqbus_inflight_forget_retry/,/^}/s/if (mqbus_inflight_over(f))/if (0)/
forget counts only what it forgets | forget.c | /^bool mqbus_inflight_forget_retry/,/^}/s/^\t\tf->steps--;/\t\tf->steps -= e->partition >= first \&\& e->partition <= last;/
the walk stays on what went | source.c | s/if (f->walk == i)/if (0)/
what is leased stops the others | retry.c | s/^\t\tretry_turn(f, source);/\t\tif (mqbus_inflight_entry(f, source->order.first)->state == MQBUS_ENTRY_LEASED)\n\t\t\treturn FULL;\n&/
the search ends after a lap | retry.c | s/f->retry_lap = source->end + 2 \* source->ring->size;/f->retry_lap = source->end + source->ring->size \/ 2;/
a search in vain is never begun again | retry.c | /^void mqbus_retry_changed/,/^}/s/f->retry_vain = U32_MAX;/f->retry_vain = f->retry_vain ?: U32_MAX;/
a search in vain is begun again and again | retry.c | s/^\t\t\tf->retry_vain = bytes;//
a search copies what it likes | retry.c | /^static enum retry_room retry_search/,/^}/{s/^\t\tif (mqbus_inflight_over(f))/\t\tif (0)/}
what is moved is not copied | retry.c | s/memmove(to, to + hole, bytes);//
what comes is copied though enough was | retry.c | s/return mqbus_inflight_over(f) ? LATER : ROOM;/return ROOM;/
the next record comes over the last one | retry.c | s/^\tretry->end += rec->size;//
what found no room never goes | retry.c | s/while (!mqbus_list_empty(&f->stay)) {/while (0) {/
what went stays in the list | retry.c | /^bool mqbus_inflight_stow/,/^}/s/mqbus_list_del(&f->table, &f->stay, MQBUS_LIST, i);/break;/
only the first dead letter is postponed | retry.c | s/^\t\troom = retry_add(f, f->stow);/&\n\t\tf->stow = MQBUS_NONE;\n\t\treturn false;/
dead letters take the room of what waits | retry.c | /^bool mqbus_inflight_postpone/,/^}/s/if (!mqbus_list_empty(&f->stay))/if (0)/
something comes to the retry ring while it is walked | retry.c | s/if (f->walk != MQBUS_NONE)/if (0)/
what waited and is due stays in its list | settle.c | /^bool mqbus_inflight_tick/,/^}/s/if (e->place != MQBUS_PLACE_RETRY)/if (0)/
who failed is not counted | state.h | s/f->sources\[e->partition\].aside++;/;/
who is due is counted | state.h | s/f->sources\[e->partition\].aside -= .*/;/
a dead letter is not counted | state.h | s/f->nr_dead++;/;/
a dead letter counts on | state.h | s/f->nr_dead--;/;/
a settled record is aside | state.h | s/source->aside -= mqbus_entry_aside(e);//
the next letter is one that went | settle.c | /^void mqbus_inflight_undead/,/^}/s/f->letter = next;/;/
postponing goes on from one that went | settle.c | /^void mqbus_inflight_undead/,/^}/s/f->stow = next;/;/
a letter is tried again at once | settle.c | s/f->letter = mqbus_inflight_entry(f, i)->list.next;/;/
letters are never tried again | settle.c | s/f->letter = f->dead.first;/;/
a seat is given twice | inflight.c | s/f->sitting\[word\] |= 1ULL << seat % 64;//
a seat is not given back | inflight.c | s/f->sitting\[holder->seat \/ 64\] &= .*//
what is looked at later is taken for nothing | inflight.c | s/if (found != FOUND_LATER)/if (1)/
an empty partition is no step | inflight.c | /^static enum search sources_next/,/^}/s/^\t\t--\*steps;//
a partition is left out | inflight.c | /^static enum search sources_next/,/^}/s/while (\*left) {/while (*left > 1) {/
ready looks at all partitions | inflight.c | s/for (; sources && steps; steps--)/for (; sources; steps--)/
ready looks at some partitions | inflight.c | s/^\t\*left = sources;/\t*left = 0;/
EOF
}

tests_of() { # FILE
	case $1 in
	assign.*) echo "$assign_tests" ;;
	entry.* | state.* | keys.* | backoff.* | source.* | inflight.* | settle.* | retry.* | forget.*)
		echo "$inflight_tests" ;;
	rate.*) echo "${TESTS:-rate_unit}" ;;
	ring.* | record.* | murmur.* | cursor.*) echo "$ring_tests" ;;
	esac
}

compile() { # CORE-DIR SOURCE OBJECT
	gcc -O1 -g -std=gnu11 -w -Ishim -I"$1" -I../../uapi -I. -pthread -DSHIM_HOOK \
		-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
		-c -o "$3" "$2"
}

# Objects linked to a test besides its own
parts_of() { # TEST
	case $1 in inflight_* | retry_* | forget_* | entry_*) echo group test ;; *) echo test ;; esac
}

# Compile everything as it is, once.
base() {
	local f
	rm -rf "$build"
	mkdir -p "$build/base"
	for f in "$core"/*.c ./*.c; do
		compile "$core" "$f" "$build/base/$(basename "$f" .c).o" 2>/dev/null || true
	done
}

# Link a test with the core in $build/src of which $1 is edited. Return: 1 if it does not
# compile.
link_test() { # FILE TEST
	local file=$1 test=$2 obj=$build/obj f name objects=()
	rm -rf "$obj"
	mkdir -p "$obj"
	for f in "$core"/*.c; do
		name=$(basename "$f" .c)
		objects+=("$build/base/$name.o")
		[[ $file == "$name.c" || $file == *.h ]] || continue
		compile "$build/src" "$build/src/$name.c" "$obj/$name.o" || return 1
		objects[-1]=$obj/$name.o
	done
	# shellcheck disable=SC2046
	for name in $test $(parts_of "$test"); do
		objects+=("$build/base/$name.o")
		[[ $file == *.h ]] || continue
		compile "$build/src" "$name.c" "$obj/$name.o" || return 1
		objects[-1]=$obj/$name.o
	done
	mkdir -p "$build/core"
	gcc -pthread -fsanitize=address,undefined -o "$build/core/$test" "${objects[@]}"
}

build_test() { # FILE TEST
	case $2 in
	ring_threads*) make -s O="$build" CORE_DIR="$build/src" WARN='-std=gnu11 -w' "$build/core/$2" ;;
	*) link_test "$@" ;;
	esac
}

try() {
	local name=$1 file=$2 script=$3 t tests

	read -ra tests <<<"$(tests_of "$file")"
	if [ ${#tests[@]} = 0 ]; then
		echo "not ok - $name: no tests are known for $file"
		return 1
	fi
	if [ -n "$check" ]; then
		! sed "$script" "$core/$file" | cmp -s - "$core/$file" || {
			echo "not ok - $name: changes nothing in $file"
			return 1
		}
		return 0
	fi
	rm -rf "$build/src" "$build/core"
	mkdir -p "$build"
	cp -r "$core" "$build/src"
	sed -i "$script" "$build/src/$file"
	if cmp -s "$build/src/$file" "$core/$file"; then
		echo "not ok - $name: changes nothing in $file"
		return 1
	fi
	for t in "${tests[@]}"; do
		if ! build_test "$file" "$t"; then
			echo "not ok - $name: does not compile"
			return 1
		fi
		if ! timeout 60 "$build/core/$t" >"$build/log" 2>&1; then
			echo "ok - $name: $t: $(grep -m1 '^not ok\|WARNING\|ERROR\|rror:\|lock not held' \
				"$build/log" || echo 'no end')"
			return 0
		fi
	done
	echo "not ok - $name: no test noticed"
	return 1
}

[ -n "$check" ] || base
while IFS='|' read -r name file script; do
	# The script may contain bars: they belong to the last field
	name=${name% } file=${file# } file=${file% } script=${script# }
	[[ $name == *"$only"* ]] || continue
	try "$name" "$file" "$script" || survived=$((survived + 1))
done < <(mutations)
[ -n "$check" ] || rm -rf "$build"
if [ -n "$check" ]; then echo "# $survived do not apply"; else echo "# $survived not noticed"; fi
[ "$survived" -eq 0 ]
