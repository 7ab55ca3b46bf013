// SPDX-License-Identifier: GPL-2.0
/*
 * Places of the module that a program reached, if the kernel reports them (KCOV).
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kcov.h>

#include "fuzz.h"

/* Limit of places of one thread in one program; later ones are not seen */
#define WORDS	(64 * 1024)

/* Called by the thread itself */
bool cover_worker(struct worker *w)
{
	void *p;

	w->cover = NULL;
	w->cover_fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	if (w->cover_fd < 0)
		return false;
	p = MAP_FAILED;
	if (!ioctl(w->cover_fd, KCOV_INIT_TRACE, WORDS))
		p = mmap(NULL, WORDS * sizeof(*w->cover), PROT_READ | PROT_WRITE, MAP_SHARED,
			 w->cover_fd, 0);
	if (p == MAP_FAILED || ioctl(w->cover_fd, KCOV_ENABLE, KCOV_TRACE_PC)) {
		close(w->cover_fd);
		w->cover_fd = -1;
		return false;
	}
	w->cover = p;
	return true;
}

void cover_reset(void)
{
	unsigned int i;

	for (i = 0; i < THREADS; i++)
		if (workers[i].cover)
			__atomic_store_n(&workers[i].cover[0], 0, __ATOMIC_RELAXED);
}

static bool pc_add(__u64 pc)
{
	__u32 at = (__u32)(pc * 0x9e3779b97f4a7c15ULL >> 40) % COVER_PCS;

	while (shared->pc[at]) {
		if (shared->pc[at] == pc)
			return false;
		at = (at + 1) % COVER_PCS;
	}
	if (shared->pcs >= COVER_PCS / 2)
		return false;
	shared->pc[at] = pc;
	shared->pcs++;
	return true;
}

/* A step from one place to the next counts, too */
static bool edge_add(__u64 from, __u64 to)
{
	__u64 hash = (from >> 1 ^ to) * 0x9e3779b97f4a7c15ULL >> 40;
	__u8 *at = &shared->edge[hash % COVER_EDGES];

	if (*at)
		return false;
	*at = 1;
	return true;
}

unsigned int cover_take(void)
{
	unsigned int more = 0, i;
	__u64 n, k, last;

	for (i = 0; i < THREADS; i++) {
		struct worker *w = &workers[i];

		if (!w->cover)
			continue;
		n = __atomic_load_n(&w->cover[0], __ATOMIC_RELAXED);
		if (n > WORDS - 1)
			n = WORDS - 1;
		for (last = 0, k = 1; k <= n; k++) {
			/* The table of places is searched for new steps only */
			if (edge_add(last, w->cover[k])) {
				more++;
				pc_add(w->cover[k]);
			}
			last = w->cover[k];
		}
	}
	return more;
}

bool cover_save(const char *path)
{
	FILE *f = fopen(path, "w");
	unsigned int i;

	if (!f)
		return false;
	for (i = 0; i < COVER_PCS; i++)
		if (shared->pc[i])
			fprintf(f, "0x%llx\n", shared->pc[i]);
	return !fclose(f);
}
