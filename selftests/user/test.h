/* SPDX-License-Identifier: GPL-2.0 */
/*
 * KTAP for the tests of the library and the command line that need no kernel.
 */
#ifndef SELFTESTS_USER_TEST_H
#define SELFTESTS_USER_TEST_H

#include <stdio.h>

static int test_count;
static int test_failures;

/* One line; @ok is whether it holds. */
#define TEST(ok, ...) do {						\
	int test_ok = !!(ok);						\
									\
	test_failures += !test_ok;					\
	printf("%sok %d - ", test_ok ? "" : "not ", ++test_count);	\
	printf(__VA_ARGS__);						\
	putchar('\n');							\
} while (0)

static inline void test_begin(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("TAP version 13");
}

/* Returns the exit status. */
static inline int test_end(void)
{
	printf("1..%d\n", test_count);
	return test_failures ? 1 : 0;
}

#endif /* SELFTESTS_USER_TEST_H */
