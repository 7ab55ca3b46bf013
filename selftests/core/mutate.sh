#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Break a copy of the core in one place after the other: a test must notice.
# [TESTS='threads ...'] mutate.sh <build dir> [words of a mutation's name]
set -euo pipefail

cd "$(dirname "$0")"
build=${1:?build directory}/mutate
only=${2:-}
# Those that tell at once come first; TESTS= asks others
read -ra tests <<<"${TESTS:-unit fuzz interleave model threads-tsan threads}"
survived=0

# name | file | sed script
mutations() {
	cat <<'EOF'
drop the floor check | ring.c | s/if (ring->head.pos >= floor && !ring->evict)/if (0)/
floor off by one record | ring.c | s/head.pos >= floor && !/head.pos > floor \&\& !/
skip the index | ring.h | s/\*slot = pos;/;/
index the last of a granule | ring.h | s/if ((\*slot .*/if (1)/
publish before the copy | ring.c | /if (mqbus_ring_fits(ring, bytes))/{n;s/return true;/{ smp_store_release(\&ring->page->tail, ring->tail.pos + bytes); return true; }/}
seek_index stops a granule early | ring.c | s/granule <= last/granule < last/
seek_index believes stale slots | ring.c | s/if (pos >> ring->granule_shift != granule ||/if (/
seek_index looks below the head | ring.c | s/pos < ring->head.pos || pos >= ring->published)/pos >= ring->published)/
seek_index may begin behind equal times | ring.c | s/(seek->whence == MQBUS_WHENCE_TIME ||/((seek->whence == MQBUS_WHENCE_TIME \&\& rec->time > seek->value) ||/
seek takes later ones only | ring.c | s/rec->time >= seek->value/rec->time > seek->value/
seek does not begin again at the head | ring.c | s/!seek->from || seek->at.pos < ring->head.pos/!seek->from/
seek forgets to count | ring.c | s/seek->at.offset++;//
granules too small for the index | ring.c | s/ilog2(size \/ MQBUS_RING_INDEX)/ilog2(size \/ MQBUS_RING_INDEX) - 1/
tail without release | ring.c | s/smp_store_release(&page->tail/WRITE_ONCE(page->tail/
next offset without release | ring.c | s/smp_store_release(&page->next_offset/WRITE_ONCE(page->next_offset/
next offset before the tail | ring.c | s/smp_store_release(&page->tail, .*/smp_store_release(\&page->next_offset, ring->tail.offset);/;t;s/smp_store_release(&page->next_offset, .*/smp_store_release(\&page->tail, ring->tail.pos);/
next begun after the tail | ring.c | /WRITE_ONCE(page->next_begun/d;s/smp_store_release(&page->next_offset.*/WRITE_ONCE(page->next_begun, ring->tail.offset); &/
head begun after the head | ring.c | /WRITE_ONCE(page->head_begun/d;s/smp_store_release(&page->head_offset.*/WRITE_ONCE(page->head_begun, ring->head.offset); &/
head without release | ring.c | s/smp_store_release(&page->head,/WRITE_ONCE(page->head,/
reserve hides the new head | ring.c | s/^\tring_show_head(ring);//
reserve without its barrier | ring.c | s/^\tsmp_wmb();.*//
expire hides the new head | ring.c | s/^\t\tring_show_head(ring);//
expire without its barrier | ring.c | s/^\t\tsmp_wmb();.*//
passed without its barrier | ring.h | s/smp_rmb();.*//
passed too late | ring.h | s/head) > pos;/head) > pos + 64;/
passed too early | ring.h | s/head) > pos;/head) >= pos;/
head above the tail | ring.c | s/if (ring->head.pos == ring->published)/if (0)/
one byte too many in the ring | ring.h | s/head.pos <= ring->size/head.pos <= ring->size + 8/
expire without a floor | ring.c | s/min(floor, ring->published)/ring->published/
expire takes those of that time | ring.c | s/time < before/time <= before/
end without looking twice | ring.c | s/if (likely(READ_ONCE(page->next_begun) == end->offset))/if (1)/
end reads the tail first | ring.c | s/end->offset = smp_load_acquire(&page->next_offset);/end->pos = smp_load_acquire(\&page->tail);/;t;s/end->pos = smp_load_acquire(&page->tail);/end->offset = smp_load_acquire(\&page->next_offset);/
end never asks for the lock | ring.c | s/tries < 4/tries < 1/;/cpu_relax/{n;s/}/} return;/}
end without acquire | ring.c | s/smp_load_acquire(&page->tail)/READ_ONCE(page->tail)/
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
EOF
}

try() {
	local name=$1 file=$2 script=$3 t

	rm -rf "$build"
	mkdir -p "$build"
	cp -r ../../module/core "$build/src"
	sed -i "$script" "$build/src/$file"
	if cmp -s "$build/src/$file" "../../module/core/$file"; then
		echo "not ok - $name: changes nothing"
		return 1
	fi
	for t in "${tests[@]}"; do
		if ! make -s O="$build" CORE_DIR="$build/src" WARN='-std=gnu11 -w' \
		    "$build/core/$t"; then
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

while IFS='|' read -r name file script; do
	# The script may have bars of its own: they are left to the last field
	name=${name% } file=${file# } file=${file% } script=${script# }
	[[ $name == *"$only"* ]] || continue
	try "$name" "$file" "$script" || survived=$((survived + 1))
done < <(mutations)
rm -rf "$build"
echo "# $survived not noticed"
[ "$survived" -eq 0 ]
