// SPDX-License-Identifier: GPL-2.0
/*
 * Programs: mutated, written as text, and read.
 */
#include "fuzz.h"

void rng_seed(struct rng *rng, __u64 seed)
{
	rng->state = (seed + 1) * 0x9e3779b97f4a7c15ULL ?: 1;
	rng_next(rng);
	rng_next(rng);
}

__u64 rng_next(struct rng *rng)
{
	__u64 x = rng->state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	rng->state = x;
	return x * 0x2545f4914f6cdd1dULL;
}

__u32 rng_below(struct rng *rng, __u32 n)
{
	return (__u32)(rng_next(rng) >> 32) % n;
}

bool rng_once(struct rng *rng, __u32 n)
{
	return !rng_below(rng, n);
}

static void op_tweak(struct op *op, struct rng *rng)
{
	const struct call *c = &calls[op->call];
	unsigned int n = call_args(c), i;

	switch (rng_below(rng, 8)) {
	case 0:
		op->mem = rng_below(rng, MEM_KINDS);
		break;
	case 1:
		op->fail = rng_below(rng, 60);
		break;
	case 2:
		op->thread = rng_below(rng, THREADS);
		break;
	default:
		if (!n)
			break;
		i = rng_below(rng, n);
		op->arg[i] = value_pick(call_kind(c, i), rng, rng_once(rng, 4));
		break;
	}
}

static void op_insert(struct program *p, unsigned int at, const struct op *op)
{
	if (p->nr == OPS_MAX)
		p->nr--;
	if (at > p->nr)
		at = p->nr;
	memmove(&p->op[at + 1], &p->op[at], (p->nr - at) * sizeof(*op));
	p->op[at] = *op;
	p->nr++;
}

void program_mutate(struct program *p, const struct program *other, struct rng *rng)
{
	unsigned int times = 1 + rng_below(rng, 6), at, n;
	struct program more;
	struct op op;

	while (times--) {
		at = p->nr ? rng_below(rng, p->nr) : 0;
		switch (rng_below(rng, 10)) {
		case 0:		/* remove one */
			if (p->nr < 2)
				break;
			memmove(&p->op[at], &p->op[at + 1], (p->nr - at - 1) * sizeof(op));
			p->nr--;
			break;
		case 1:		/* repeat one */
			if (!p->nr)
				break;
			op = p->op[at];
			op_insert(p, at + rng_below(rng, 4), &op);
			break;
		case 2:		/* append the end of another program */
			if (!other->nr)
				break;
			n = rng_below(rng, other->nr);
			for (; at < OPS_MAX && n < other->nr; at++, n++)
				p->op[at] = other->op[n];
			p->nr = at;
			break;
		case 3:		/* insert one of another program */
			if (other->nr)
				op_insert(p, at, &other->op[rng_below(rng, other->nr)]);
			break;
		case 4:		/* insert a new one */
			program_random(&more, rng);
			if (more.nr)
				op_insert(p, at, &more.op[rng_below(rng, more.nr)]);
			break;
		case 5:
			p->threads = 1 + rng_below(rng, THREADS);
			break;
		default:
			if (p->nr)
				op_tweak(&p->op[at], rng);
			break;
		}
	}
}

void program_print(const struct program *p, FILE *to)
{
	unsigned int i, k, n;

	if (!p->threads) {
		fprintf(to, "flow %llu\nend\n", p->seed);
		return;
	}
	fprintf(to, "program %u\n", p->threads);
	for (i = 0; i < p->nr && i < OPS_MAX; i++) {
		const struct op *op = &p->op[i];

		if (op->call >= calls_nr)
			continue;
		fprintf(to, "%u %s", op->thread, calls[op->call].name);
		for (n = call_args(&calls[op->call]); n && !op->arg[n - 1]; n--)
			;
		for (k = 0; k < n; k++)
			fprintf(to, " %s%u", op->arg[k] & BAD ? "!" : "", op->arg[k] & ~BAD);
		if (op->mem)
			fprintf(to, " mem=%u", op->mem);
		if (op->fail)
			fprintf(to, " fail=%u", op->fail);
		fputc('\n', to);
	}
	fprintf(to, "end\n");
}

static void op_parse(struct op *op, char *rest)
{
	static const char between[] = { ' ', '\n', 0 };
	unsigned int k = 0, n;
	char *word, *save;

	for (word = strtok_r(rest, between, &save); word; word = strtok_r(NULL, between, &save)) {
		if (sscanf(word, "mem=%u", &n) == 1)
			op->mem = n % MEM_KINDS;
		else if (sscanf(word, "fail=%u", &n) == 1)
			op->fail = n;
		else if (k < ARGS_MAX)
			op->arg[k++] = word[0] == '!' ? BAD | atoi(word + 1) : atoi(word);
	}
}

bool program_read(struct program *p, FILE *from)
{
	char line[512], name[32];
	unsigned int thread;
	bool inside = false;
	int call, at;

	memset(p, 0, sizeof(*p));
	while (fgets(line, sizeof(line), from)) {
		if (sscanf(line, "program %u", &p->threads) == 1) {
			inside = true;
			p->nr = 0;
		} else if (sscanf(line, "flow %llu", &p->seed) == 1) {
			p->threads = 0;
			return true;
		} else if (inside && !strncmp(line, "end", 3)) {
			p->threads = p->threads < 1 || p->threads > THREADS ? 1 : p->threads;
			return true;
		} else if (inside && sscanf(line, "%u %31s%n", &thread, name, &at) == 2) {
			call = call_find(name);
			/* a call that no longer exists is left out */
			if (call < 0 || p->nr == OPS_MAX)
				continue;
			memset(&p->op[p->nr], 0, sizeof(p->op[0]));
			p->op[p->nr].call = call;
			p->op[p->nr].thread = thread % THREADS;
			op_parse(&p->op[p->nr++], line + at);
		}
	}
	return false;
}
