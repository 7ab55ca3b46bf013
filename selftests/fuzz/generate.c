// SPDX-License-Identifier: GPL-2.0
/*
 * Random programs: mostly calls that find something to do, as far as the outcome of the calls
 * before is known.
 */
#include "fuzz.h"

/* Objects that exist, as far as the generator knows */
struct belief {
	struct rng *rng;
	struct program *p;
	int role[SLOTS];
	unsigned int topic_of[SLOTS];
	unsigned int group_of[SLOTS];
	bool named[SLOTS];
	bool topic[TOPICS];
	bool evicts[TOPICS];
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

/* Random options: mostly the first of their kind, so that calls succeed */
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

/* Set one argument, whose place the generator knows */
static void op_set(struct op *op, unsigned int arg, __u16 value)
{
	if (op)
		op->arg[arg] = value;
}

/* Places of arguments that the generator sets, as in the tables of ioctl.c */
enum {
	TOPIC_SIZE = 3, TOPIC_MAX_RECORD = 5, TOPIC_FULL = 6, TOPIC_NAME = 11, TOPIC_RATE = 13,
	TOPIC_SHARE = 18, TOPIC_END = 20,
	GROUP_TYPE = 2, GROUP_WHENCE = 3, GROUP_VALUE = 5, GROUP_TOPIC = 6, GROUP_NAME = 7,
	GROUP_QUEUE = 8, GROUP_RETRY = 17, GROUP_DLQ = 19, GROUP_STREAM = 20, GROUP_END = 23,
	BIND_TOPIC = 2, BIND_NAME = 3,
	PUBLISH_SEQ = 8, COMMIT_FLAGS = 1, COMMIT_COUNT = 2, LEASE_SETTLES = 2,
	LEASE_COUNT = 7, WAIT_COUNT = 2, WAIT_PLACES = 3, WAIT_SIZE = 4, WAIT_TOPIC = 6,
	WAIT_GROUP = 7, GEOMETRY_PARTITION = 2,
};

/* The bad number 0, for kinds in which it is the first bad one */
#define NONE	(BAD | 0)

/* Mostly names of existing objects */
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
	unsigned int i;

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
	/* small rings, whose records fit as dead letters, too */
	if (!rng_once(b->rng, 4)) {
		op_set(op, TOPIC_SIZE, 0);
		if (op->arg[TOPIC_MAX_RECORD] > 4)
			op_set(op, TOPIC_MAX_RECORD, 0);
	}
	/* 900: with the headers of a dead letter just half of the smallest ring */
	if (!rng_once(b->rng, 6))
		op_set(op, TOPIC_MAX_RECORD, 7);
	/* rates, many of which are used up at once, and shares */
	if (!rng_once(b->rng, 6))
		for (i = TOPIC_RATE; i < TOPIC_END; i++)
			op_set(op, i, 0);
	if (op->arg[TOPIC_FULL] == 2 && !rng_once(b->rng, 8))
		op_set(op, TOPIC_SHARE, 0);
	b->topic[topic] = true;
	b->evicts[topic] = op->arg[TOPIC_FULL] == 2;
}

static void add_group(struct belief *b, unsigned int topic, unsigned int group, int type)
{
	struct op *op = op_add(b, "group_create");
	unsigned int i;

	/* topics that evict have no queues */
	if (b->evicts[topic] && !rng_once(b->rng, 8))
		type = MQBUS_GROUP_STREAM;

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
	if (b->group[topic][group] < 0)
		b->group[topic][group] = type;
	/* the first two take no value */
	if (op->arg[GROUP_WHENCE] < 2)
		op_set(op, GROUP_VALUE, 0);
	if (rng_once(b->rng, 20))
		return;
	/* options of the other type are refused */
	for (i = type ? GROUP_STREAM : GROUP_QUEUE; i < (type ? GROUP_END : GROUP_STREAM); i++)
		op_set(op, i, 0);
	if (!type)
		return;
	/* retry rings that the largest record fits into */
	if (op->arg[GROUP_RETRY] < 2 && !rng_once(b->rng, 8))
		op_set(op, GROUP_RETRY, 0);
	op_set(op, GROUP_RETRY + 1, 0);
	/* mostly the next topic, if it exists */
	op_set(op, GROUP_DLQ, 0);
	if (topic + 1 < TOPICS && b->topic[topic + 1] && rng_once(b->rng, 2))
		op_set(op, GROUP_DLQ, topic + 1);
	if (rng_once(b->rng, 16))
		op_set(op, GROUP_DLQ, rng_below(b->rng, 5));
	/* without a DLQ there is no limit */
	if (!op->arg[GROUP_DLQ] && op->arg[GROUP_QUEUE + 3] != 3)
		op_set(op, GROUP_QUEUE + 3, 0);
	/* the longest wait is not below the shortest; without a wait there is none */
	if (op->arg[GROUP_QUEUE + 5] == 5)
		for (i = 6; i < 9; i++)
			op_set(op, GROUP_QUEUE + i, 0);
	else if (op->arg[GROUP_QUEUE + 5] > op->arg[GROUP_QUEUE + 6])
		op_set(op, GROUP_QUEUE + 6, op->arg[GROUP_QUEUE + 5]);
}

/* An endpoint of one of two roles, or any if there is none */
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

/* There is a topic or group to bind to */
static void add_missing(struct belief *b, bool member)
{
	unsigned int topic, group, last = TOPICS;
	bool any = false;

	for (topic = 0; topic < TOPICS; topic++) {
		for (group = 0; b->topic[topic] && group < GROUPS; group++)
			any |= b->group[topic][group] >= 0;
		if (b->topic[topic])
			last = topic;
	}
	if (last == TOPICS) {
		last = rng_below(b->rng, TOPICS);
		add_topic(b, last);
	}
	if (member && !any)
		add_group(b, last, rng_below(b->rng, GROUPS), rng_below(b->rng, 2));
}

/* Bind an endpoint to @topic, or to any if that is negative */
static void add_bind(struct belief *b, bool member, unsigned int topic)
{
	unsigned int slot = slot_pick(b, CLOSED, CLOSED);
	struct op *op;

	if (!rng_once(b->rng, 16))
		add_missing(b, member);
	add_open(b, slot);
	op = op_add(b, member ? "join" : "produce");
	if (!op)
		return;
	op_vary(op, b->rng, 2);
	op_set(op, 0, slot);
	op_set(op, BIND_TOPIC, 0);
	op_names(b, op);
	if (topic < TOPICS && !member)
		op_set(op, BIND_TOPIC, topic);
	if (!member)
		op_set(op, BIND_NAME, rng_once(b->rng, 3) ? 1 + rng_below(b->rng, 2) : 0);
	/* Ids are for streams */
	if (member && !rng_once(b->rng, 3))
		op_set(op, BIND_NAME + 1, 0);
	b->role[slot] = PRODUCER;
	b->named[slot] = op->arg[BIND_NAME];
	b->topic_of[slot] = op->arg[BIND_TOPIC] % TOPICS;
	b->group_of[slot] = op->arg[BIND_NAME] % GROUPS;
	if (member)
		b->role[slot] = b->group[b->topic_of[slot]][b->group_of[slot]] == 1 ?
				QUEUE_MEMBER : STREAM_MEMBER;
}

/* Objects to begin with: topics, mostly with a DLQ each */
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
	for (i = rng_below(b->rng, 2) + topics; i--;) {
		add_bind(b, false, i % topics);
		add_bind(b, true, TOPICS);
	}
}

static bool slot_has(const struct belief *b, unsigned int slot, int role)
{
	return b->role[slot] == role;
}

/* An endpoint for a call; if there is none, one is bound. Return: whether there is one. */
static bool slot_for(struct belief *b, const struct call *c, unsigned int *slot)
{
	static const struct {
		const char *names;
		int role, other;
	} uses[] = {
		{ " publish write ", PRODUCER, PRODUCER },
		{ " fetch commit ", STREAM_MEMBER, STREAM_MEMBER },
		{ " lease ", QUEUE_MEMBER, QUEUE_MEMBER },
		{ " read mmap geometry ", STREAM_MEMBER, QUEUE_MEMBER },
		{ " poll epoll_ctl pass ", STREAM_MEMBER, PRODUCER },
	};
	char word[32];
	unsigned int i;

	*slot = c->cmd ? 0 : rng_below(b->rng, SLOTS);
	snprintf(word, sizeof(word), " %s ", c->name);
	for (i = 0; i < ARRAY_SIZE(uses); i++) {
		if (!strstr(uses[i].names, word))
			continue;
		*slot = slot_pick(b, uses[i].role, uses[i].other);
		if (slot_has(b, *slot, uses[i].role) || slot_has(b, *slot, uses[i].other) ||
		    rng_once(b->rng, 8))
			return true;
		add_bind(b, uses[i].role != PRODUCER, TOPICS);
		return false;
	}
	return true;
}

static struct op *add_call(struct belief *b, const char *name, unsigned int slot)
{
	struct op *op = op_add(b, name);

	if (!op)
		return NULL;
	op_vary(op, b->rng, 1);
	op_names(b, op);
	op_set(op, 0, slot);
	return op;
}

/* Publish records for the reader of a slot */
static void add_records(struct belief *b, unsigned int slot)
{
	unsigned int at = rng_below(b->rng, SLOTS), i, from;

	for (i = 0; i < SLOTS; i++) {
		from = (at + i) % SLOTS;
		if (!slot_has(b, from, PRODUCER) || b->topic_of[from] != b->topic_of[slot])
			continue;
		op_set(add_call(b, "publish", from), PUBLISH_SEQ, 0);
		return;
	}
	add_bind(b, false, b->topic_of[slot]);
}

/* Settle a member's records */
static void add_done(struct belief *b, unsigned int slot)
{
	struct op *op;

	if (slot_has(b, slot, STREAM_MEMBER)) {
		op = add_call(b, "commit", slot);
		op_set(op, COMMIT_FLAGS, 2);
		op_set(op, COMMIT_COUNT, NONE);
	} else if (slot_has(b, slot, QUEUE_MEMBER)) {
		op = add_call(b, "lease", slot);
		op_set(op, 1, 1);
		op_set(op, LEASE_SETTLES, NONE);
		op_set(op, LEASE_COUNT, NONE);
	}
}

/* Operations that mostly come before a call, so that it finds something to do */
static void add_before(struct belief *b, const struct call *c, unsigned int slot)
{
	static const char readers[] = " fetch read lease commit transact ";
	char word[32];

	snprintf(word, sizeof(word), " %s ", c->name);
	if (!strstr(readers, word) || rng_once(b->rng, 3))
		return;
	if (!strcmp(c->name, "transact"))
		slot = slot_pick(b, STREAM_MEMBER, QUEUE_MEMBER);
	add_records(b, slot);
	if (!strcmp(c->name, "commit") || !strcmp(c->name, "transact"))
		add_call(b, slot_has(b, slot, QUEUE_MEMBER) ? "lease" : "fetch", slot);
}

/* Arguments that depend on each other */
static void op_agree(struct belief *b, struct op *op, const struct call *c)
{
	unsigned int slot = op->arg[0] % SLOTS;

	if (rng_once(b->rng, 12))
		return;
	if (!strcmp(c->name, "publish") && !b->named[slot])
		op_set(op, PUBLISH_SEQ, 0);
	if (!strcmp(c->name, "commit") && op->arg[COMMIT_FLAGS] >= 2)
		op_set(op, COMMIT_COUNT, NONE);
	if (!strcmp(c->name, "geometry"))
		op_set(op, GEOMETRY_PARTITION, 1);
	if (!strcmp(c->name, "transact"))
		op_set(op, 2, rng_once(b->rng, 2) ? 0 : rng_below(b->rng, 3));
	if (!strcmp(c->name, "read") && op->arg[1] < 4)
		op_set(op, 1, 4 + rng_below(b->rng, 2));
	if (!strcmp(c->name, "wait") && rng_once(b->rng, 2)) {
		op_set(op, WAIT_COUNT, NONE);
		op_set(op, WAIT_PLACES, NONE);
		op_set(op, WAIT_SIZE, NONE);
	}
}

/* Endpoints of a deleted object count as closed */
static void forget(struct belief *b, unsigned int topic, unsigned int group)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		if (b->topic_of[i] == topic && b->role[i] > UNBOUND &&
		    (group == GROUPS || (b->role[i] != PRODUCER && b->group_of[i] == group)))
			b->role[i] = CLOSED;
	for (i = 0; i < GROUPS; i++)
		if (group == GROUPS || group == i)
			b->group[topic][i] = -1;
	if (group == GROUPS)
		b->topic[topic] = false;
}

/* After a wait: a settlement that may end it */
static void add_wait(struct belief *b)
{
	unsigned int slot = slot_pick(b, STREAM_MEMBER, QUEUE_MEMBER);
	struct op *op;

	add_done(b, slot);
	op = add_call(b, "wait", 0);
	if (!op)
		return;
	op_set(op, WAIT_TOPIC, b->topic_of[slot]);
	op_set(op, WAIT_GROUP, b->group_of[slot]);
	op_agree(b, op, &calls[op->call]);
}

/* Creation and deletion, whose outcome is known. Return: whether the call is one of these. */
static bool add_made(struct belief *b, const char *name)
{
	unsigned int topic = rng_below(b->rng, TOPICS), group = rng_below(b->rng, GROUPS), i;
	struct op *op;

	if (!strcmp(name, "topic_create") && !rng_once(b->rng, 4)) {
		for (i = 0; i < TOPICS && b->topic[topic]; i++)
			topic = (topic + 1) % TOPICS;
		add_topic(b, topic);
	} else if (!strcmp(name, "group_create") && !rng_once(b->rng, 4)) {
		for (i = 0; i < TOPICS && !b->topic[topic]; i++)
			topic = (topic + 1) % TOPICS;
		for (i = 0; i < GROUPS && b->group[topic][group] >= 0; i++)
			group = (group + 1) % GROUPS;
		add_group(b, topic, group, rng_below(b->rng, 2));
	} else if (!strcmp(name, "topic_delete")) {
		op = add_call(b, name, 0);
		if (op && !(op->arg[3] & BAD))
			forget(b, op->arg[3] % TOPICS, GROUPS);
	} else if (!strcmp(name, "group_delete")) {
		op = add_call(b, name, 0);
		if (op && !(op->arg[3] & BAD) && !(op->arg[4] & BAD))
			forget(b, op->arg[3] % TOPICS, op->arg[4] % GROUPS);
	} else if (!strcmp(name, "produce") || !strcmp(name, "join")) {
		add_bind(b, name[0] == 'j', TOPICS);
	} else if (!strcmp(name, "wait") && !rng_once(b->rng, 4)) {
		add_wait(b);
	} else {
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
	at = rng_below(b->rng, sum);
	for (call = 0; at >= calls[call].weight; call++)
		at -= calls[call].weight;
	if (!rng_once(b->rng, 16) && add_made(b, calls[call].name))
		return;
	if (call_kind(&calls[call], 0) == K_SLOT && !slot_for(b, &calls[call], &slot))
		return;
	add_before(b, &calls[call], slot);
	op = op_add(b, calls[call].name);
	if (!op)
		return;
	op_vary(op, b->rng, 0);
	op_names(b, op);
	if (call_kind(&calls[call], 0) == K_SLOT)
		op_set(op, 0, slot);
	op_agree(b, op, &calls[call]);
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
	/* Long calls */
	if (rng_once(rng, 20))
		op_vary(op_add(&b, "fork"), rng, 0);
	if (rng_once(rng, 50))
		op_vary(op_add(&b, "crowd"), rng, 0);
	for (i = 10 + rng_below(rng, OPS_MAX - 10); i && p->nr < OPS_MAX; i--)
		add_step(&b);
	/* The first objects are for all threads; after that mostly one thread uses an endpoint */
	for (i = n; i < p->nr; i++)
		p->op[i].thread = rng_once(rng, 4) ? rng_below(rng, p->threads) :
						     p->op[i].arg[0] % p->threads;
}
