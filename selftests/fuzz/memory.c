// SPDX-License-Identifier: GPL-2.0
/*
 * Bad memory for arguments: it ends too early, comes late, or changes while the kernel reads
 * it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include "fuzz.h"

#define PAGE	4096UL

static sem_t race_begun;
static atomic_uint race_rounds;

/* An inaccessible page follows: a call that fills too much hits it */
static void *map(size_t size)
{
	char *p = mmap(NULL, size + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p, size, PROT_READ | PROT_WRITE)) {
		perror("mmap");
		exit(2);
	}
	return p;
}

/* Fill in pages that a task waits for, after a while */
static void *late_thread(void *arg)
{
	struct worker *w = arg;
	struct uffd_msg msg;
	unsigned int n = 0;

	for (;;) {
		struct pollfd p = { .fd = w->uffd, .events = POLLIN };
		struct timespec wait = { .tv_nsec = 20000 * (++n % 8) };
		struct uffdio_copy copy = { .len = PAGE };

		if (poll(&p, 1, -1) != 1 || read(w->uffd, &msg, sizeof(msg)) != sizeof(msg) ||
		    msg.event != UFFD_EVENT_PAGEFAULT)
			continue;
		if (n % 4)
			nanosleep(&wait, NULL);
		copy.dst = msg.arg.pagefault.address & ~(PAGE - 1);
		copy.src = (uintptr_t)w->late_source + (copy.dst - (uintptr_t)w->late);
		ioctl(w->uffd, UFFDIO_COPY, &copy);
	}
	return NULL;
}

/* Change words of a running call's arguments, and change them back */
static void *race_thread(void *arg)
{
	static const __u32 words[] = { 0, 1, 7, 4096, 0x7fffffff, 0xffffffff, 0xffff8880 };
	struct rng rng;

	rng_seed(&rng, 1);
	for (;;) {
		bool any = false;
		unsigned int i;

		for (i = 0; i < THREADS; i++) {
			struct worker *w = &workers[i];
			volatile __u32 *at = (void *)atomic_load(&w->race_at);
			__u32 n = w->race_len / 4, was;

			if (!at || !n)
				continue;
			any = true;
			atomic_fetch_add(&race_rounds, 1);
			at += rng_below(&rng, n);
			was = *at;
			*at = rng_once(&rng, 2) ? words[rng_below(&rng, ARRAY_SIZE(words))] :
						  was ^ 1U << rng_below(&rng, 32);
			*at = was;
		}
		if (!any)
			sem_wait(&race_begun);
	}
	return NULL;
}

static bool late_init(struct worker *w)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	pthread_t thread;

	w->late_source = map(LATE_PAGES * PAGE);
	w->late = map(LATE_PAGES * PAGE);
	w->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	reg.range.start = (uintptr_t)w->late;
	reg.range.len = LATE_PAGES * PAGE;
	if (w->uffd < 0 || ioctl(w->uffd, UFFDIO_API, &api) ||
	    ioctl(w->uffd, UFFDIO_REGISTER, &reg))
		return false;
	return !pthread_create(&thread, NULL, late_thread, w);
}

void memory_init(void)
{
	pthread_t thread;

	sem_init(&race_begun, 0, 0);
	pthread_create(&thread, NULL, race_thread, NULL);
}

/* Return: whether all kinds are available; without userfaultfd no page is late */
bool memory_worker(struct worker *w)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	w->heap = map(HEAP_SIZE);
	w->edge = map(PAGE);
	w->race = map(4 * PAGE);
	w->read_only = map(PAGE);
	if (ftruncate(fd, PAGE))
		return false;
	mmap(w->read_only, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
	w->read_only_alias = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return late_init(w);
}

/* Whether elements at that address can be read after the call */
bool memory_is_plain(const struct worker *w, __u64 at)
{
	return w->mem == MEM_PLAIN && at - (uintptr_t)w->heap < HEAP_SIZE - 4096;
}

/* Start the other thread and wait until it is awake: else the call ends first */
static void race_go(struct worker *w, void *at)
{
	unsigned int rounds = atomic_load(&race_rounds), tries = 200;

	atomic_store(&w->race_at, (uintptr_t)at);
	sem_post(&race_begun);
	while (atomic_load(&race_rounds) == rounds && tries--)
		sched_yield();
}

static void *race_begin(struct worker *w, size_t size)
{
	w->race_len = size < 4 * PAGE ? size : 4 * PAGE;
	race_go(w, w->race);
	return w->race;
}

static void *late_begin(struct worker *w, const void *data, size_t size)
{
	if (w->uffd < 0 || size > LATE_PAGES * PAGE)
		return NULL;
	if (data)
		memcpy(w->late_source, data, size);
	madvise(w->late, LATE_PAGES * PAGE, MADV_DONTNEED);
	return w->late;
}

/* Room for elements, zeroed; the first room of a call may be of a bad kind */
void *memory_elements(struct worker *w, size_t size)
{
	void *p;

	size = (size + 15) & ~15UL;
	if (w->used + size > HEAP_SIZE)
		w->used = 0;
	p = w->heap + w->used;
	w->used += size;
	memset(p, 0, size);
	return p;
}

/* The address of a structure with this content */
void *memory_struct(struct worker *w, const void *data, size_t size)
{
	void *p = NULL;

	if (size > PAGE && w->mem < MEM_LATE)
		w->mem = MEM_PLAIN;
	switch (w->mem) {
	case MEM_EDGE:
		p = w->edge + PAGE - size;
		break;
	case MEM_TORN:
		p = w->edge + PAGE - size / 2;
		memcpy(p, data, size / 2);
		return p;
	case MEM_READ_ONLY:
		memcpy(w->read_only_alias, data, size);
		return w->read_only;
	case MEM_LATE:
		p = late_begin(w, data, size);
		if (p)
			return p;
		break;
	case MEM_RACE:
		memcpy(w->race, data, size);
		return race_begin(w, size);
	case MEM_RACE_ELEMENTS:
		/* the call's elements are built in place, so they change there */
		w->race_len = w->used;
		race_go(w, w->heap);
		break;
	default:
		break;
	}
	if (!p)
		p = memory_elements(w, size);
	memcpy(p, data, size);
	return p;
}

void *memory_payload(struct worker *w, size_t size)
{
	static char bytes[MQBUS_RECORD_MAX + PAGE];
	void *p = NULL;

	switch (w->mem) {
	case MEM_TORN_PAYLOAD:
	case MEM_TORN_ELEMENTS:
		p = w->edge + PAGE - (size < 2 * PAGE ? size / 2 : PAGE);
		break;
	case MEM_LATE_PAYLOAD:
	case MEM_LATE_ELEMENTS:
		p = late_begin(w, NULL, size);
		break;
	case MEM_RACE_PAYLOAD:
		p = race_begin(w, 4 * PAGE);
		break;
	case MEM_RING_PAYLOAD:
		p = map_at(atomic_load(&world.map[rng_below(&w->rng, MAPS)]));
		break;
	default:
		break;
	}
	/* keys are few */
	return p ?: bytes + (size < 8 ? size * 8 : 0);
}

/* End of the call */
void memory_done(struct worker *w)
{
	atomic_store(&w->race_at, 0);
	w->used = 0;
}
