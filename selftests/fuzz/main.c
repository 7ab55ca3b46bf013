// SPDX-License-Identifier: GPL-2.0
/*
 * The fuzzer: random programs for a given time. An epoch of some seconds is a process with a
 * namespace of its own; the next epoch keeps what was learned.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

static const char usage[] =
	"fuzz run [options]          make programs and run them\n"
	"fuzz replay [options] FILE  run the programs in a file\n"
	"fuzz oracle [options]       run the flow of one seed\n"
	"fuzz text FILE              show as text what a trail contains\n"
	"  -s SEED     of the random numbers\n"
	"  -t SECONDS  for how long\n"
	"  -e SECONDS  of an epoch\n"
	"  -c FILE     programs to begin with\n"
	"  -o DIR      where what is found goes\n"
	"  -k          without flows whose outcome is checked\n"
	"  -f          only these\n";

static struct {
	__u64 seed;
	unsigned int seconds;
	unsigned int epoch;
	const char *corpus;
	const char *out;
	bool no_flows;
	bool flows;
} opt = { .seed = 1, .seconds = 10, .epoch = 4 };

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void corpus_add(const struct program *p)
{
	if (shared->corpus_nr < CORPUS)
		shared->corpus[shared->corpus_nr++] = *p;
}

/* Flows are repeated, and not mixed with programs */
static void corpus_load(const char *path, bool flows)
{
	FILE *f = fopen(path, "r");
	struct program p;

	if (!f)
		return;
	while (program_read(&p, f))
		if (p.threads || flows)
			corpus_add(&p);
	fclose(f);
}

static void corpus_save(void)
{
	char path[256];
	unsigned int i;
	FILE *f;

	if (!opt.out)
		return;
	snprintf(path, sizeof(path), "%s/corpus.txt", opt.out);
	f = fopen(path, "w");
	for (i = 0; f && i < shared->corpus_nr; i++)
		program_print(&shared->corpus[i], f);
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "%s/pcs.txt", opt.out);
	cover_save(path);
}

/* An epoch. It tries kept programs first. */
static void epoch(__u64 seed, unsigned int *tried)
{
	double end = seconds() + opt.epoch;
	struct program p;
	struct rng rng;
	bool flows;

	rng_seed(&rng, seed);
	flows = opt.flows || (!opt.no_flows && rng_once(&rng, 4));
	execute_init(!opt.flows && rng_once(&rng, 4));
	while (seconds() < end) {
		if (flows) {
			p = (struct program){ .seed = rng_next(&rng) >> 16 };
			execute(&p);
			continue;
		}
		if (*tried < shared->corpus_nr && workers[0].cover) {
			p = shared->corpus[(*tried)++];
		} else if (shared->corpus_nr && !rng_once(&rng, 3)) {
			/* the latest programs are those that reached new places */
			p = shared->corpus[rng_below(&rng, shared->corpus_nr)];
			program_mutate(&p, &shared->corpus[rng_below(&rng, shared->corpus_nr)],
				       &rng);
		} else {
			program_random(&p, &rng);
		}
		cover_reset();
		execute(&p);
		if (cover_take() && *tried >= shared->corpus_nr) {
			corpus_add(&p);
			*tried = shared->corpus_nr;
		}
	}
	/* As if a user kills it in the middle */
	_exit(0);
}

static void progress(double begin)
{
	printf("# %4.0f s: %llu programs, %llu calls (%llu %% succeeded), %llu flows, ",
	       seconds() - begin, atomic_load(&shared->programs), atomic_load(&shared->calls),
	       atomic_load(&shared->succeeded) * 100 / (atomic_load(&shared->calls) ?: 1),
	       atomic_load(&shared->oracles));
	printf("%u places, %u in corpus\n", shared->pcs, shared->corpus_nr);
	fflush(stdout);
}

/* The most frequent errors of a call */
static void summary_errors(const __u32 *error, char *text, size_t size)
{
	unsigned int most = ~0U, n = 0, i, shown;

	text[0] = 0;
	for (shown = 0; shown < 4; shown++) {
		unsigned int best = 0;

		for (i = 1; i < ERRNOS; i++)
			if (error[i] > error[best] && error[i] < most)
				best = i;
		if (!best || n >= size)
			return;
		most = error[best];
		n += snprintf(text + n, size - n, " %s %u", strerrorname_np(best), most);
	}
}

static void summary(void)
{
	char errors[256];
	unsigned int i;

	printf("# %llu topics had names that no program gives\n",
	       atomic_load(&shared->strangers));
	for (i = 0; i < calls_nr; i++) {
		if (!shared->count[i][0])
			continue;
		summary_errors(shared->error[i], errors, sizeof(errors));
		printf("# %-13s %8llu calls, %3llu %% succeeded, %6llu us each;%s\n",
		       calls[i].name, shared->count[i][0],
		       shared->count[i][1] * 100 / (shared->count[i][0] ?: 1),
		       shared->count[i][2] / 1000 / (shared->count[i][0] ?: 1), errors);
	}
}

/* Return: an epoch's result as an exit status */
static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 2;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	printf("\nFAULT: the fuzzer itself died of signal %d\n", WTERMSIG(status));
	return WTERMSIG(status) == SIGKILL ? EXIT_FAULT : 2;
}

static int run(void)
{
	double begin = seconds(), told = begin;
	unsigned int *tried = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	__u64 n = 0;
	int status = 0;

	while (!status && seconds() - begin < opt.seconds) {
		pid_t pid = fork();

		if (!pid)
			epoch(opt.seed * 1000003 + n, tried);
		n++;
		status = wait_for(pid);
		if (seconds() - told > 10) {
			told = seconds();
			progress(begin);
			corpus_save();
		}
	}
	progress(begin);
	summary();
	corpus_save();
	return status;
}

/* Run each program of the file again and again */
static int replay(const char *path, bool user)
{
	double end = seconds() + opt.seconds;
	double begin = seconds();
	pid_t pid = fork();
	unsigned int i;
	int status;

	if (pid) {
		status = wait_for(pid);
		progress(begin);
		summary();
		return status;
	}
	corpus_load(path, true);
	if (!shared->corpus_nr) {
		fprintf(stderr, "fuzz: there is no program in %s\n", path);
		exit(2);
	}
	execute_init(user);
	do {
		for (i = 0; i < shared->corpus_nr; i++)
			execute(&shared->corpus[i]);
	} while (seconds() < end);
	_exit(0);
}

static int flow(void)
{
	struct program p = { .seed = opt.seed };
	pid_t pid = fork();

	if (pid)
		return wait_for(pid);
	execute_init(false);
	execute(&p);
	_exit(0);
}

static int text(const char *path)
{
	FILE *f = fopen(path, "r");
	struct trail t;

	if (!f)
		return 2;
	while (fread(&t, sizeof(t), 1, f) == 1)
		program_print(&t.program, stdout);
	fclose(f);
	return 0;
}

static void shared_init(void)
{
	_Static_assert(sizeof(struct trail) == 4096, "a trail is a page");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int o;

	shared_init();
	execute_signals();
	while ((o = getopt(argc - 1, argv + 1, "s:t:e:c:o:r:kf")) != -1) {
		switch (o) {
		case 's':
			opt.seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			opt.seconds = atoi(optarg);
			break;
		case 'e':
			opt.epoch = atoi(optarg);
			break;
		case 'c':
			opt.corpus = optarg;
			break;
		case 'o':
			opt.out = optarg;
			break;
		case 'r':
			shared->run = strtoull(optarg, NULL, 0);
			break;
		case 'k':
			opt.no_flows = true;
			break;
		case 'f':
			opt.flows = true;
			break;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (opt.corpus)
		corpus_load(opt.corpus, false);
	if (!strcmp(what, "run"))
		return run();
	if (!strcmp(what, "oracle"))
		return flow();
	if (!strcmp(what, "replay") && argv[optind + 1])
		return replay(argv[optind + 1], false);
	if (!strcmp(what, "text") && argv[optind + 1])
		return text(argv[optind + 1]);
	fputs(usage, stderr);
	return 2;
}
