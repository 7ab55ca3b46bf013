// SPDX-License-Identifier: GPL-2.0
/*
 * What programs cannot reach: the double mapping as the kernel sees it, the
 * arithmetic of charges at its ends, names and deadlines. A module of its own,
 * with copies of what it tests, so that it loads beside mqbus.
 */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/module.h>

#include "../../module/core/cursor.c"
#include "../../module/core/record.c"
#include "../../module/core/ring.c"
#include "../../module/base/account.c"
#include "../../module/base/memory.c"
#include "../../module/base/caller.c"
#include "../../module/base/sleep.h"

static void memory_is_mapped_twice(struct kunit *test)
{
	struct mqbus_memory mem = {};
	u64 size = 64 * 1024, i;
	u8 *data;

	KUNIT_ASSERT_EQ(test, 0, mqbus_memory_alloc(&mem, size, NUMA_NO_NODE));
	data = mem.data;
	for (i = 0; i < 2 * size; i += 512)
		KUNIT_ASSERT_EQ(test, 0, data[i]);
	for (i = 0; i < size; i += 512)
		data[i] = i / 512;
	for (i = 0; i < size; i += 512)
		KUNIT_ASSERT_EQ(test, (u8)(i / 512), data[size + i]);
	data[2 * size - 1] = 77;
	KUNIT_EXPECT_EQ(test, 77, data[size - 1]);

	KUNIT_EXPECT_PTR_EQ(test, virt_to_page(mem.page), mqbus_memory_page(&mem, 0));
	for (i = 1; i <= size >> PAGE_SHIFT; i++) {
		struct page *page = mqbus_memory_page(&mem, i);

		KUNIT_ASSERT_NOT_NULL(test, page);
		KUNIT_ASSERT_PTR_EQ(test, page,
				    mqbus_memory_page(&mem, i + (size >> PAGE_SHIFT)));
	}
	KUNIT_EXPECT_NULL(test, mqbus_memory_page(&mem, 1 + 2 * (size >> PAGE_SHIFT)));
	KUNIT_EXPECT_NULL(test, mqbus_memory_page(&mem, ULONG_MAX));
	mqbus_memory_free(&mem);
	/* Again, as after an allocation that failed */
	mqbus_memory_free(&mem);
}

static bool append(struct mqbus_ring *ring, u32 len, u8 fill, u64 floor)
{
	u32 bytes = mqbus_record_bytes(len);
	bool ok;

	spin_lock(&ring->lock);
	mqbus_ring_begin(ring);
	ok = mqbus_ring_reserve(ring, bytes, floor);
	if (ok) {
		struct mqbus_record *rec = mqbus_ring_slot(ring);

		*rec = (struct mqbus_record) {
			.size = bytes,
			.value_len = len,
			.offset = ring->tail.offset,
		};
		memset(rec + 1, fill, len);
		mqbus_ring_stage(ring, bytes);
		mqbus_ring_publish(ring);
	}
	spin_unlock(&ring->lock);
	return ok;
}

/* Records stay whole where they cross the end of the ring, in kernel memory */
static void ring_wraps(struct kunit *test)
{
	struct mqbus_memory mem = {};
	struct mqbus_ring ring;
	struct mqbus_cursor cursor;
	struct mqbus_range range;
	u32 i;

	KUNIT_ASSERT_EQ(test, 0, mqbus_memory_alloc(&mem, 4096, NUMA_NO_NODE));
	mqbus_ring_init(&ring, mem.page, mem.data, 4096, 0, false);
	mqbus_cursor_init(&cursor);
	for (i = 0; i < 1000; i++) {
		u32 len = i * 37 % 1500;
		const struct mqbus_record *rec;

		KUNIT_ASSERT_TRUE(test, append(&ring, len, i, mqbus_cursor_floor(&cursor)));
		KUNIT_ASSERT_TRUE(test, mqbus_cursor_take(&cursor, &ring, &range));
		rec = mqbus_ring_record(&ring, range.begin);
		KUNIT_ASSERT_EQ(test, (u64)i, rec->offset);
		KUNIT_ASSERT_EQ(test, len, rec->value_len);
		KUNIT_ASSERT_NULL(test, memchr_inv(rec + 1, (u8)i, len));
		mqbus_cursor_commit(&cursor, &cursor.given);
	}
	while (append(&ring, 100, 1, mqbus_cursor_floor(&cursor)))
		;
	KUNIT_EXPECT_LE(test, ring.tail.pos - cursor.done.pos, (u64)4096);
	KUNIT_EXPECT_LE(test, ring.head.pos, cursor.done.pos);
	mqbus_memory_free(&mem);
}

static int charge(struct mqbus_charge *charge, struct mqbus_ns *ns, u64 bytes)
{
	return charge_user(charge, ns, user_get(&init_user_ns, KUIDT_INIT(12345)), bytes, NULL);
}

/* As one with CAP_SYS_RESOURCE, and undone */
static int charge_raised(struct mqbus_ns *ns, const struct mqbus_charge *as, u64 bytes)
{
	struct mqbus_charge done = { .ns = ns, .user = as->user, .bytes = bytes };
	int err;

	spin_lock(&account_lock);
	err = charge_try(ns, as->user, bytes, true);
	as->user->refs += !err;
	spin_unlock(&account_lock);
	if (!err)
		mqbus_uncharge(&done);
	return err;
}

static void charges_have_limits(struct kunit *test)
{
	struct mqbus_ns *ns = kunit_kzalloc(test, sizeof(*ns), GFP_KERNEL);
	struct mqbus_charge a = {}, b = {}, none = {};

	KUNIT_ASSERT_NOT_NULL(test, ns);
	ns->max_bytes = 8 << 20;
	max_user_mbytes = 4;
	KUNIT_EXPECT_EQ(test, (u64)4 << 20, mqbus_user_limit());

	KUNIT_EXPECT_EQ(test, 0, charge(&a, ns, (4 << 20) - 1));
	KUNIT_EXPECT_EQ(test, -EDQUOT, charge(&none, ns, 2));
	KUNIT_EXPECT_EQ(test, -EDQUOT, mqbus_charge_with(&none, &a, 2));
	KUNIT_EXPECT_EQ(test, -EDQUOT, charge(&none, ns, (8 << 20) - (4 << 20)));
	KUNIT_EXPECT_EQ(test, -ENOSPC, charge_raised(ns, &a, U64_MAX));
	KUNIT_EXPECT_EQ(test, -ENOSPC, charge_raised(ns, &a, (4 << 20) + 2));
	KUNIT_EXPECT_EQ(test, 0, charge_raised(ns, &a, (4 << 20) + 1));
	KUNIT_EXPECT_EQ(test, 0, mqbus_charge_with(&b, &a, 1));
	KUNIT_EXPECT_EQ(test, (u64)4 << 20, ns->bytes);
	KUNIT_EXPECT_EQ(test, (u64)4 << 20, machine_bytes);

	/* The machine keeps a 16th for those above the limits */
	max_user_mbytes = 8;
	max_mbytes = 6;
	KUNIT_EXPECT_EQ(test, -ENOSPC, charge(&none, ns, (2 << 20) - (6 << 16) + 1));
	KUNIT_EXPECT_EQ(test, 0, charge(&none, ns, (2 << 20) - (6 << 16)));
	KUNIT_EXPECT_EQ(test, -ENOSPC, charge_raised(ns, &a, (6 << 16) + 1));
	KUNIT_EXPECT_EQ(test, 0, charge_raised(ns, &a, 6 << 16));
	mqbus_uncharge(&none);

	mqbus_uncharge(&none);
	mqbus_uncharge(&a);
	mqbus_uncharge(&a);
	mqbus_uncharge(&b);
	KUNIT_EXPECT_EQ(test, (u64)0, ns->bytes);
	KUNIT_EXPECT_EQ(test, (u64)0, machine_bytes);
	KUNIT_EXPECT_TRUE(test, hash_empty(users));
}

static void limits_follow_parameters(struct kunit *test)
{
	max_user_mbytes = 0;
	KUNIT_EXPECT_EQ(test, ((u64)totalram_pages() << PAGE_SHIFT) / 8, mqbus_user_limit());
	max_user_mbytes = ULONG_MAX;
	KUNIT_EXPECT_EQ(test, U64_MAX >> 20 << 20, mqbus_user_limit());
	max_mbytes = 0;
	KUNIT_EXPECT_EQ(test, ((u64)totalram_pages() << PAGE_SHIFT) / 2, mqbus_machine_limit());
	max_ns_mbytes = 0;
	KUNIT_EXPECT_EQ(test, ((u64)totalram_pages() << PAGE_SHIFT) / 4,
			mqbus_ns_default_limit());
}

static void names(struct kunit *test)
{
	static const struct {
		const char *name;
		int err;
	} table[] = {
		{ "a", 0 }, { "orders.v1:eu@x_y-z", 0 }, { "0", 0 }, { "_", 0 },
		{ "", -EINVAL }, { "-a", -EILSEQ }, { ".a", -EILSEQ }, { "a b", -EILSEQ },
		{ "a/b", -EILSEQ }, { "a\n", -EILSEQ }, { "\x7f", -EILSEQ }, { "\xc3\xa9", -EILSEQ },
	};
	char name[MQBUS_NAME_SIZE];
	int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		memset(name, 0, sizeof(name));
		strscpy(name, table[i].name, sizeof(name));
		KUNIT_EXPECT_EQ_MSG(test, table[i].err, mqbus_name_check(name), "%s", name);
	}
	memset(name, 'x', sizeof(name));
	KUNIT_EXPECT_EQ(test, -ENAMETOOLONG, mqbus_name_check(name));
	name[MQBUS_NAME_SIZE - 1] = 0;
	KUNIT_EXPECT_EQ(test, 0, mqbus_name_check(name));
	name[3] = 0;
	KUNIT_EXPECT_EQ(test, -EINVAL, mqbus_name_check(name));
}

static void deadlines(struct kunit *test)
{
	ktime_t now = ktime_get();

	KUNIT_EXPECT_EQ(test, (ktime_t)0, mqbus_deadline(0, false));
	KUNIT_EXPECT_EQ(test, (ktime_t)0, mqbus_deadline(MQBUS_WAIT_FOREVER, true));
	KUNIT_EXPECT_EQ(test, KTIME_MAX, mqbus_deadline(MQBUS_WAIT_FOREVER, false));
	KUNIT_EXPECT_EQ(test, KTIME_MAX, mqbus_deadline(KTIME_MAX, false));
	KUNIT_EXPECT_GE(test, mqbus_deadline(1, false), now);
	KUNIT_EXPECT_EQ(test, KTIME_MAX, mqbus_deadline(KTIME_MAX - 1, false));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(memory_is_mapped_twice),
	KUNIT_CASE(ring_wraps),
	KUNIT_CASE(charges_have_limits),
	KUNIT_CASE(limits_follow_parameters),
	KUNIT_CASE(names),
	KUNIT_CASE(deadlines),
	{}
};

static struct kunit_suite suite = {
	.name = "mqbus",
	.test_cases = cases,
};
kunit_test_suite(suite);

MODULE_DESCRIPTION("Tests of mqbus from inside the kernel");
MODULE_LICENSE("GPL");
