/* SPDX-License-Identifier: GPL-2.0 */
/*
 * User memory that never arrives.
 */
#ifndef _MQBUS_TEST_FAULT_H
#define _MQBUS_TEST_FAULT_H

#include <linux/userfaultfd.h>

#include "mqbus_test.h"

/*
 * Pages that are never filled: an access waits for a handler that does not read. An access by
 * the kernel too, for which the handler must be privileged.
 */
static char *missing_pages(size_t pages, int *uffd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *p = mmap(NULL, pages * MQ_PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	/* poll() of a userfaultfd that may block reports an error at once */
	*uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	reg.range.start = (uintptr_t)p;
	reg.range.len = pages * MQ_PAGE;
	if (p == MAP_FAILED || *uffd < 0 || ioctl(*uffd, UFFDIO_API, &api) ||
	    ioctl(*uffd, UFFDIO_REGISTER, &reg))
		return NULL;
	return p;
}

/* Wait until a task is stuck in such a page. */
static bool is_stuck(int uffd)
{
	struct pollfd p = { .fd = uffd, .events = POLLIN };

	return poll(&p, 1, 10000) == 1 && p.revents == POLLIN;
}

#endif /* _MQBUS_TEST_FAULT_H */
