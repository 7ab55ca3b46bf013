// SPDX-License-Identifier: GPL-2.0
/*
 * Programs: made at random, changed, written as text and read.
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

/* What the generator believes there is */
struct belief {
	struct rng *rng;
	struct program *p;
	int role[SLOTS];
	bool topic[TOPICS];
	int group[TOPICS][GROUPS];	/* an enum mqbus_group_type; -1: none */
};

enum { CLOSED, UNBOUND, PRODUCER, STREAM_MEMBER, QUEUE_MEMBER };

static struct op *op_add(struct belief *b, const char *name)
{
	struct op *op;

	if (b->p->nr == OPS_MAX)
		return NULL;
	op = &b->p->op[b->p->nr++];
	memset(op, 0, sizeof(*op));
	op->call = call_find(name);
	return op;
}

/* Options at random: mostly the first of their kind, so that calls succeed */
static void op_vary(struct op *op, struct rng *rng, unsigned int from)
{
	const struct call *c = &calls[op->call];
	unsigned int n = call_args(c), i;
	bool bad = rng_once(rng, 8);

	for (i = from; i < n; i++) {
		enum kind of = call_kind(c, i);

		if (of >= K_MSGS && of <= K_RESULTS)
			op->arg[i] = value_pick(of, rng, bad && rng_once(rng, 10));
		else if (bad && rng_once(rng, n))
			op->arg[i] = value_pick(of, rng, true);
		else if (rng_once(rng, n > 10 ? 8 : 3))
			op->arg[i] = value_pick(of, rng, false);
	}
	if (rng_once(rng, 12))
		op->mem = rng_below(rng, MEM_KINDS);
	if (rng_once(rng, 8))
		op->fail = 1 + rng_below(rng, 30);
}

/* Set one argument, which the generator knows by its place */
static void op_set(struct op *op, unsigned int arg, __u16 value)
{
	if (op)
		op->arg[arg] = value;
}

/* Places of arguments that the generator sets, as in the tables of ioctl.c */
enum {
	TOPIC_SIZE = 3, TOPIC_MAX_RECORD = 5, TOPIC_NAME = 11,
	GROUP_TYPE = 2, GROUP_WHENCE = 3, GROUP_VALUE = 5, GROUP_TOPIC = 6, GROUP_NAME = 7,
	GROUP_QUEUE = 8, GROUP_RETRY = 17, GROUP_DLQ = 19, GROUP_STREAM = 20, GROUP_END = 23,
	BIND_TOPIC = 2, BIND_NAME = 3,
};

/* Names of what there is, mostly */
static void op_names(struct belief *b, struct op *op)
{
	const struct call *c = &calls[op->call];
	unsigned int n = call_args(c), topic, group, i, tries;
	int topic_at = -1, group_at = -1;

	if (rng_once(b->rng, 16))
		return;
	for (i = 0; i < n; i++) {
		if (call_kind(c, i) == K_TOPIC)
			topic_at = i;
		if (call_kind(c, i) == K_GROUP)
			group_at = i;
	}
	if (topic_at < 0 || op->arg[topic_at] & BAD)
		return;
	for (tries = 0; tries < 16; tries++) {
		topic = rng_below(b->rng, TOPICS);
		group = rng_below(b->rng, GROUPS);
		if (!b->topic[topic] || (group_at >= 0 && b->group[topic][group] < 0))
			continue;
		op->arg[topic_at] = topic;
		if (group_at >= 0 && !(op->arg[group_at] & BAD))
			op->arg[group_at] = group;
		return;
	}
}

static void add_topic(struct belief *b, unsigned int topic)
{
	struct op *op = op_add(b, "topic_create");

	if (!op)
		return;
	op_vary(op, b->rng, 1);
	op_set(op, 1, 0);
	op_set(op, TOPIC_NAME, topic);
	if (!rng_once(b->rng, 30))
		op_set(op, 10, 0);	/* fields */
	if (!rng_once(b->rng, 8))
		op_set(op, 9, 0);	/* owners */
	if (!rng_once(b->rng, 8))
		op_set(op, 8, 0);
	/* rings that are full after a few records */
	if (!rng_once(b->rng, 4)) {
		op_set(op, TOPIC_SIZE, 0);
		if (op->arg[TOPIC_MAX_RECORD] > 4)
			op_set(op, TOPIC_MAX_RECORD, 0);
	}
	b->topic[topic] = true;
}

static void add_group(struct belief *b, unsigned int topic, unsigned int group, int type)
{
	struct op *op = op_add(b, "group_create");
	unsigned int i;

	if (!op)
		return;
	op_vary(op, b->rng, 1);
	op_set(op, 1, 0);
	op_set(op, GROUP_TYPE, type);
	op_set(op, GROUP_TOPIC, topic);
	op_set(op, GROUP_NAME, group);
	if (!rng_once(b->rng, 4)) {
		op_set(op, GROUP_WHENCE, 0);
		op_set(op, GROUP_VALUE, 0);
	}
	b->group[topic][group] = type;
	if (rng_once(b->rng, 20))
		return;
	/* options of the other type are refused */
	for (i = type ? GROUP_STREAM : GROUP_QUEUE; i < (type ? GROUP_END : GROUP_STREAM); i++)
		op_set(op, i, 0);
	if (!type)
		return;
	op_set(op, GROUP_RETRY + 1, 0);
	if (rng_once(b->rng, 2))
		op_set(op, GROUP_DLQ, rng_once(b->rng, 8) ? rng_below(b->rng, 5) : topic + 1);
	/* without dead letters there is no limit */
	if (!op->arg[GROUP_DLQ] && op->arg[GROUP_QUEUE + 3] != 3)
		op_set(op, GROUP_QUEUE + 3, 0);
	/* the longest wait is not less than the shortest */
	if (op->arg[GROUP_QUEUE + 5] > op->arg[GROUP_QUEUE + 6])
		op_set(op, GROUP_QUEUE + 6, op->arg[GROUP_QUEUE + 5]);
}

/* One of two roles, or any endpoint if there is none */
static unsigned int slot_pick(struct belief *b, int role, int other)
{
	unsigned int at = rng_below(b->rng, SLOTS), i;

	if (rng_once(b->rng, 40))
		return at;
	for (i = 0; i < SLOTS; i++) {
		int have = b->role[(at + i) % SLOTS];

		if (have == role || have == other)
			return (at + i) % SLOTS;
	}
	return at;
}

static void add_open(struct belief *b, unsigned int slot)
{
	struct op *op = op_add(b, "open");

	op_set(op, 0, slot);
	op_set(op, 1, rng_once(b->rng, 12) ? BAD | rng_below(b->rng, 3) : rng_below(b->rng, 3));
	op_set(op, 2, rng_once(b->rng, 16) ? 1 + rng_below(b->rng, 2) : 0);
	b->role[slot] = UNBOUND;
}

static void add_bind(struct belief *b, bool member)
{
	unsigned int slot = slot_pick(b, CLOSED, CLOSED);
	struct op *op;

	add_open(b, slot);
	op = op_add(b, member ? "join" : "produce");
	if (!op)
		return;
	op_vary(op, b->rng, 2);
	op_set(op, 0, slot);
	op_set(op, BIND_TOPIC, 0);
	op_names(b, op);
	if (!member)
		op_set(op, BIND_NAME, rng_once(b->rng, 3) ? 1 + rng_below(b->rng, 2) : 0);
	/* An id is for streams */
	if (member && !rng_once(b->rng, 3))
		op_set(op, BIND_NAME + 1, 0);
	b->role[slot] = PRODUCER;
	if (member)
		b->role[slot] = b->group[op->arg[BIND_TOPIC] % TOPICS]
					[op->arg[BIND_NAME] % GROUPS] == 1 ?
				QUEUE_MEMBER : STREAM_MEMBER;
}

/* Something to start with: topics, mostly with dead letters from one to the next */
static void add_prologue(struct belief *b)
{
	unsigned int topics = 1 + rng_below(b->rng, 3), i;

	add_open(b, 0);
	for (i = topics; i--;)
		add_topic(b, i);
	for (i = topics; i--;) {
		add_group(b, i, 0, !rng_once(b->rng, 3));
		if (rng_once(b->rng, 2))
			add_group(b, i, 1, rng_once(b->rng, 2));
	}
	for (i = rng_below(b->rng, 3) + topics; i--;) {
		add_bind(b, false);
		add_bind(b, true);
	}
}

static bool slot_has(const struct belief *b, unsigned int slot, int role)
{
	return b->role[slot] == role;
}

/* An endpoint that a call is for; if there is none, one is made. Return: whether there is. */
static bool slot_for(struct belief *b, const struct call *c, unsigned int *slot)
{
	static const struct {
		const char *names;
		int role, other;
	} uses[] = {
		{ "publish write", PRODUCER, PRODUCER },
		{ "fetch commit", STREAM_MEMBER, STREAM_MEMBER },
		{ "lease", QUEUE_MEMBER, QUEUE_MEMBER },
		{ "read mmap", STREAM_MEMBER, QUEUE_MEMBER },
		{ "poll epoll_ctl pass geometry", STREAM_MEMBER, PRODUCER },
	};
	unsigned int i;

	*slot = c->cmd ? 0 : rng_below(b->rng, SLOTS);
	for (i = 0; i < ARRAY_SIZE(uses); i++) {
		if (!strstr(uses[i].names, c->name))
			continue;
		*slot = slot_pick(b, uses[i].role, uses[i].other);
		if (slot_has(b, *slot, uses[i].role) || slot_has(b, *slot, uses[i].other) ||
		    rng_once(b->rng, 8))
			return true;
		add_bind(b, uses[i].role != PRODUCER);
		return false;
	}
	return true;
}

static void add_step(struct belief *b)
{
	unsigned int sum = 0, slot = 0, at, call;
	struct op *op;

	for (call = 0; call < calls_nr; call++)
		sum += calls[call].weight;
	if (rng_once(b->rng, 12)) {
		add_bind(b, rng_once(b->rng, 2));
		return;
	}
	at = rng_below(b->rng, sum);
	for (call = 0; at >= calls[call].weight; call++)
		at -= calls[call].weight;
	if (call_kind(&calls[call], 0) == K_SLOT && !slot_for(b, &calls[call], &slot))
		return;
	op = op_add(b, calls[call].name);
	if (!op)
		return;
	op_vary(op, b->rng, 0);
	op_names(b, op);
	if (call_kind(&calls[call], 0) == K_SLOT)
		op_set(op, 0, slot);
	if (calls[call].run == do_close)
		b->role[op->arg[0] % SLOTS] = CLOSED;
}

void program_random(struct program *p, struct rng *rng)
{
	struct belief b = { .rng = rng, .p = p };
	unsigned int n, i;

	p->nr = 0;
	p->threads = rng_once(rng, 2) ? 1 : 2 + rng_below(rng, THREADS - 1);
	memset(b.group, -1, sizeof(b.group));
	if (!rng_once(rng, 10))
		add_prologue(&b);
	n = p->nr;
	/* These take long */
	if (rng_once(rng, 20))
		op_vary(op_add(&b, "fork"), rng, 0);
	if (rng_once(rng, 50))
		op_vary(op_add(&b, "crowd"), rng, 0);
	for (i = 10 + rng_below(rng, OPS_MAX - 10); i && p->nr < OPS_MAX; i--)
		add_step(&b);
	/* what is set up is there for all */
	for (i = n; i < p->nr; i++)
		p->op[i].thread = rng_below(rng, p->threads);
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
		case 0:		/* one less */
			if (p->nr < 2)
				break;
			memmove(&p->op[at], &p->op[at + 1], (p->nr - at - 1) * sizeof(op));
			p->nr--;
			break;
		case 1:		/* the same again */
			if (!p->nr)
				break;
			op = p->op[at];
			op_insert(p, at + rng_below(rng, 4), &op);
			break;
		case 2:		/* the end of another one */
			if (!other->nr)
				break;
			n = rng_below(rng, other->nr);
			for (; at < OPS_MAX && n < other->nr; at++, n++)
				p->op[at] = other->op[n];
			p->nr = at;
			break;
		case 3:		/* one of another one */
			if (other->nr)
				op_insert(p, at, &other->op[rng_below(rng, other->nr)]);
			break;
		case 4:		/* one that nobody had */
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
			/* a call that is no more leaves the rest as it was */
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
