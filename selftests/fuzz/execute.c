// SPDX-License-Identifier: GPL-2.0
/*
 * Run a program on its threads, and check that each call ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "fuzz.h"

/* A slow call gets a signal; one that takes as long again is a fault */
#define NUDGE_MS	10
#define HANG_MS		60000

struct worker workers[THREADS];
struct world world;
struct shared *shared;

static __thread struct worker *self;
static sem_t begin[THREADS];
static sem_t ended;

/* The first program of this process */
static __u64 trail_first;
static bool trail_any;

void trail_add(const struct program *p)
{
	static const char magic[] = "nrcvt.gv{{.usbjm";
	__u64 number = atomic_fetch_add(&shared->programs, 1);
	struct trail *t = &shared->trail[number % TRAIL];
	unsigned int i;

	/* A string of the binary does not look like such a page: its magic is put together here */
	for (i = 0; i < sizeof(t->magic); i++)
		t->magic[i] = magic[i] - 1;
	t->run = shared->run;
	t->program = *p;
	t->number = number;
	if (!trail_any)
		trail_first = number;
	trail_any = true;
}

/* Programs of this process, the last one at the end */
static void trail_print(FILE *to)
{
	__u64 end = atomic_load(&shared->programs), n = trail_first;

	if (end > n + TRAIL)
		n = end - TRAIL;
	for (; trail_any && n < end; n++)
		program_print(&shared->trail[n % TRAIL].program, to);
}

void fault(const char *format, ...)
{
	static char text[1 << 16];
	va_list args;
	FILE *f;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	f = fdopen(1, "w") ?: stdout;
	fprintf(f, "\nFAULT: %s\n", text);
	trail_print(f);
	fflush(f);
	_exit(EXIT_FAULT);
}

static void on_signal(int sig)
{
}

/*
 * A copy that fails on purpose may be that of a signal's frame. If the kernel cannot write it,
 * the signal is lost and the thread goes on. If it cannot read it back, the thread returns from
 * its call of rt_sigreturn into the next function, so it calls again there.
 */
static void frame_again(ucontext_t *at)
{
	/* mov $15, %rax; syscall */
	static const __u8 restorer[] = { 0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05 };
	greg_t *rip = &at->uc_mcontext.gregs[REG_RIP];

	if (!memcmp((void *)(*rip - sizeof(restorer)), restorer, sizeof(restorer)))
		*rip -= sizeof(restorer);
}

/* In a mapping that a program has changed: such faults are expected */
static void on_segv(int sig, siginfo_t *info, void *context)
{
	ucontext_t *at = context;
	char text[128];
	int n;

	/* The kernel raised it itself */
	if (info->si_code == SI_KERNEL && !info->si_addr && self && self->failing) {
		frame_again(at);
		return;
	}
	if (self && self->jump)
		siglongjmp(*self->jump, 1);
	signal(sig, SIG_DFL);
	n = snprintf(text, sizeof(text), "\nfuzz: instruction %#llx, execute_init is at %p\n",
		     at->uc_mcontext.gregs[REG_RIP], (void *)execute_init);
	if (write(1, text, n) != n)
		_exit(2);
	fault("the fuzzer itself: signal %d at %p", sig, info->si_addr);
}

static void show_stack(pid_t tid, char *text, size_t size)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stack", tid);
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = 0;
}

/* Signals for slow calls, like those of an impatient user */
static void *watch_thread(void *arg)
{
	unsigned int seen[THREADS] = { 0 }, ticks[THREADS] = { 0 }, i;
	const struct timespec tick = { .tv_nsec = NUDGE_MS * 1000000 };
	char stack[2048];

	for (;;) {
		nanosleep(&tick, NULL);
		for (i = 0; i < THREADS; i++) {
			unsigned int seq = atomic_load(&workers[i].seq);

			if (!(seq & 1) || seq != seen[i]) {
				seen[i] = seq;
				ticks[i] = 0;
				continue;
			}
			if (++ticks[i] > 1 && !workers[i].steady)
				syscall(SYS_tgkill, getpid(), workers[i].tid, SIGUSR1);
			if (ticks[i] < HANG_MS / NUDGE_MS)
				continue;
			show_stack(workers[i].tid, stack, sizeof(stack));
			fault("a call does not return, whatever signals come:\n%s", stack);
		}
	}
	return NULL;
}

void fail_arm(struct worker *w, unsigned int nth)
{
	char text[16];
	int n;

	if (!nth || w->fail_fd < 0)
		return;
	w->failing = true;
	n = snprintf(text, sizeof(text), "%u", nth);
	while (pwrite(w->fail_fd, text, n, 0) < 0 && errno == EFAULT)
		;
}

void fail_disarm(struct worker *w)
{
	int err = errno;

	if (!w->failing)
		return;
	while (pwrite(w->fail_fd, "0", 1, 0) < 0 && errno == EFAULT)
		;
	w->failing = false;
	errno = err;
}

static __u64 nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

void execute_op(struct worker *w, const struct op *op)
{
	__u64 *count = shared->count[op->call % ARRAY_SIZE(shared->count)];
	__u64 begun = nanoseconds();
	long ret;

	errno = 0;
	w->mem = op->mem;
	atomic_fetch_add(&w->seq, 1);
	ret = call_run(w, op);
	atomic_fetch_add(&w->seq, 1);
	w->calls++;
	w->refused += ret < 0;
	count[0]++;
	count[1] += ret >= 0;
	if (ret < 0 && errno < ERRNOS)
		shared->error[op->call % ARRAY_SIZE(shared->error)][errno]++;
	count[2] += nanoseconds() - begun;
	memory_done(w);
}

/* The first thread alone runs what comes before the first operation of another one */
static unsigned int program_prologue(const struct program *p)
{
	unsigned int i;

	for (i = 0; i < p->nr && !(p->op[i].thread % p->threads); i++)
		;
	return i;
}

static void run_ops(struct worker *w, unsigned int i, unsigned int end)
{
	const struct program *p = w->program;

	for (; i < end; i++)
		if (p->op[i].thread % p->threads == (unsigned int)w->index)
			execute_op(w, &p->op[i]);
}

static void worker_begin(struct worker *w)
{
	self = w;
	w->tid = syscall(SYS_gettid);
	w->fail_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	cover_worker(w);
}

static void *worker_thread(void *arg)
{
	struct worker *w = arg;

	worker_begin(w);
	sem_post(&ended);
	for (;;) {
		while (sem_wait(&begin[w->index]))
			;
		run_ops(w, 0, w->program->nr);
		sem_post(&ended);
	}
	return NULL;
}

static void sem_take(sem_t *sem)
{
	while (sem_wait(sem))
		;
}

static bool file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

static void enter_namespace(int flags, int fd)
{
	int netns = unshare(CLONE_NEWNET | flags) ? -1 : open("/proc/self/ns/net", O_RDONLY);

	if (netns < 0 || dup3(netns, fd, O_CLOEXEC) < 0) {
		perror("unshare");
		exit(2);
	}
	close(netns);
}

static void execute_namespace(bool user)
{
	enter_namespace(user ? CLONE_NEWUSER : 0, NETNS_AWAY);
	if (user) {
		file_write("/proc/self/setgroups", "deny");
		file_write("/proc/self/uid_map", "0 0 1");
		file_write("/proc/self/gid_map", "0 0 1");
	}
	/* What programs leave there would meet later ones */
	sysctl_write("max_bytes", 1);
	enter_namespace(0, NETNS_OWN);
}

/* Before the first epoch: an early signal ends none of them */
void execute_signals(void)
{
	struct sigaction nudge = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &nudge, NULL);
	sigaction(SIGPIPE, &nudge, NULL);
	sigaction(SIGIO, &nudge, NULL);
}

void execute_init(bool user)
{
	struct sigaction segv = { .sa_sigaction = on_segv, .sa_flags = SA_NODEFER | SA_SIGINFO };
	struct rlimit files = { 8192, 8192 };
	pthread_t thread;
	unsigned int i;

	setrlimit(RLIMIT_NOFILE, &files);
	execute_namespace(user);
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &segv, NULL);
	for (i = 0; i < SLOTS; i++)
		world.fd[i] = -1;
	world.epoll = -1;
	world.netlink = -1;
	world.pair[0] = -1;
	world.pair[1] = -1;
	netlink_init();
	clean_init();
	sem_init(&ended, 0, 0);
	for (i = 0; i < THREADS; i++) {
		workers[i].index = i;
		workers[i].uffd = -1;
		if (!memory_worker(&workers[i]))
			workers[i].uffd = -1;
		sem_init(&begin[i], 0, 0);
		if (i)
			pthread_create(&thread, NULL, worker_thread, &workers[i]);
		else
			worker_begin(&workers[0]);
		if (i)
			sem_take(&ended);
	}
	memory_init();
	pthread_create(&thread, NULL, watch_thread, NULL);
	world.user = user;
}

void steady_begin(void)
{
	workers[0].steady = true;
	atomic_fetch_add(&workers[0].seq, 1);
}

void steady_go_on(void)
{
	atomic_fetch_add(&workers[0].seq, 2);
}

void steady_end(void)
{
	atomic_fetch_add(&workers[0].seq, 1);
	workers[0].steady = false;
}

static void execute_flow(const struct program *p)
{
	steady_begin();
	oracle(p->seed);
	steady_end();
	atomic_fetch_add(&shared->oracles, 1);
}

void execute(const struct program *p)
{
	unsigned int common, i;

	trail_add(p);
	if (!p->threads) {
		execute_flow(p);
		return;
	}
	common = program_prologue(p);
	for (i = 0; i < THREADS; i++) {
		workers[i].program = p;
		workers[i].calls = 0;
		workers[i].refused = 0;
	}
	run_ops(&workers[0], 0, common);
	for (i = 1; i < p->threads; i++)
		sem_post(&begin[i]);
	run_ops(&workers[0], common, p->nr);
	for (i = 1; i < p->threads; i++)
		sem_take(&ended);
	for (i = 0; i < THREADS; i++) {
		atomic_fetch_add(&shared->calls, workers[i].calls);
		atomic_fetch_add(&shared->succeeded, workers[i].calls - workers[i].refused);
	}
	steady_begin();
	clean_up();
	clean_check();
	steady_end();
}
