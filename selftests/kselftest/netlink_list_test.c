// SPDX-License-Identifier: GPL-2.0
/*
 * Listings over generic netlink: figures of earlier calls, and only objects that the caller may
 * see.
 */
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <linux/mqbus_netlink.h>

#include "container.h"
#include "queue.h"
#include "stream.h"

#define MAX_REPLIES	1200
#define MAX_ATTRS	(MQBUS_A_TOPIC_MAX + 1)

/* The attributes of a message */
struct reply {
	__u64 number[MAX_ATTRS];
	bool has[MAX_ATTRS];
	unsigned int count[MAX_ATTRS];
	char text[MAX_ATTRS][MQBUS_NAME_SIZE];
};

struct asker {
	struct nl_sock *sock;
	int family;
	int n;
	struct reply replies[MAX_REPLIES];
};

FIXTURE(netlink) {
	int ctl;
	char topic[MQBUS_NAME_SIZE];
	struct asker *asker;
};

static int asker_open(struct asker *a)
{
	a->sock = nl_socket_alloc();
	if (!a->sock || genl_connect(a->sock))
		return -1;
	nl_socket_disable_seq_check(a->sock);
	nl_socket_set_buffer_size(a->sock, 1 << 20, 0);
	a->family = genl_ctrl_resolve(a->sock, MQBUS_FAMILY_NAME);
	return a->family < 0 ? -1 : 0;
}

FIXTURE_SETUP(netlink)
{
	mq_name(self->topic, "netlink");
	self->ctl = mq_open(0);
	ASSERT_LE(0, self->ctl);
	self->asker = calloc(1, sizeof(*self->asker));
	ASSERT_EQ(0, asker_open(self->asker));
}

FIXTURE_TEARDOWN(netlink)
{
	mq_delete(self->ctl, self->topic);
	nl_socket_free(self->asker->sock);
	free(self->asker);
	close(self->ctl);
}

static int on_reply(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *h = nlmsg_hdr(msg);
	struct asker *a = arg;
	struct reply *r;
	struct nlattr *attr;
	int left;

	if (a->n == MAX_REPLIES)
		return NL_STOP;
	r = &a->replies[a->n++];
	memset(r, 0, sizeof(*r));
	nla_for_each_attr(attr, genlmsg_attrdata(nlmsg_data(h), 0),
			  genlmsg_attrlen(nlmsg_data(h), 0), left) {
		int type = nla_type(attr), len = nla_len(attr);

		if (type >= MAX_ATTRS)
			continue;
		r->has[type] = true;
		r->count[type]++;
		snprintf(r->text[type], MQBUS_NAME_SIZE, "%.*s", len, (char *)nla_data(attr));
		if (len == 4)
			r->number[type] = nla_get_u32(attr);
		else if (len == 8)
			r->number[type] = nla_get_u64(attr);
	}
	return NL_OK;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	*(int *)arg = e->error;
	return NL_STOP;
}

static int on_end(struct nl_msg *msg, void *arg)
{
	*(int *)arg = 1;
	return NL_STOP;
}

/*
 * Send a request with up to two strings as attributes 1 and 2 (or raw bytes as attribute
 * @raw_type). Return: the number of replies or a negative errno.
 */
static int ask_raw(struct asker *a, int cmd, int flags, const char *first, const char *second,
		   int raw_type, const void *raw, int raw_len)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	struct nl_msg *msg = nlmsg_alloc();
	int done = 0, err = 0;

	genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, a->family, 0, flags, cmd,
		    MQBUS_FAMILY_VERSION);
	if (first)
		nla_put_string(msg, 1, first);
	if (second)
		nla_put_string(msg, 2, second);
	if (raw_type)
		nla_put(msg, raw_type, raw_len, raw);
	a->n = 0;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_reply, a);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_end, &done);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_end, &done);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, &err);
	if (nl_send_auto(a->sock, msg) < 0)
		err = -EIO;
	while (!done && !err)
		if (nl_recvmsgs(a->sock, cb) < 0 && !err)
			err = -EIO;
	nlmsg_free(msg);
	nl_cb_put(cb);
	return err ?: a->n;
}

static int dump(struct asker *a, int cmd, const char *first, const char *second)
{
	return ask_raw(a, cmd, NLM_F_DUMP, first, second, 0, NULL, 0);
}

static int get(struct asker *a, const char *topic)
{
	return ask_raw(a, MQBUS_CMD_TOPIC_GET, NLM_F_ACK, topic, NULL, 0, NULL, 0);
}

TEST_F(netlink, topic)
{
	struct reply *r = self->asker->replies;
	int fd, fd2, i;

	ASSERT_EQ(0, dump(self->asker, MQBUS_CMD_TOPIC_GET, NULL, NULL));
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 3, .size = 8192, .mode = 0640,
			       .uid = 61001, .gid = 61002, .retention = 3600 * MQ_SEC,
			       .max_record = 777, .full = MQBUS_FULL_REJECT));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "a"));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "b"));
	fd = mq_producer(self->topic, 0);
	fd2 = mq_producer(self->topic, 0);
	for (i = 0; i < 10; i++)
		ASSERT_EQ(1, mq_put_in(fd, i % 2, "12345678", 8));

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(1, i ? get(self->asker, self->topic) :
			     dump(self->asker, MQBUS_CMD_TOPIC_GET, NULL, NULL));
		EXPECT_STREQ(self->topic, r->text[MQBUS_A_TOPIC_NAME]);
		EXPECT_EQ(61001, r->number[MQBUS_A_TOPIC_UID]);
		EXPECT_EQ(61002, r->number[MQBUS_A_TOPIC_GID]);
		EXPECT_EQ(0640, r->number[MQBUS_A_TOPIC_MODE]);
		EXPECT_EQ(MQBUS_FULL_REJECT, r->number[MQBUS_A_TOPIC_FULL]);
		EXPECT_FALSE(r->has[MQBUS_A_TOPIC_PER_CPU]);
		EXPECT_EQ(3, r->number[MQBUS_A_TOPIC_PARTITIONS]);
		EXPECT_EQ(8192, r->number[MQBUS_A_TOPIC_RING_SIZE]);
		EXPECT_EQ(777, r->number[MQBUS_A_TOPIC_MAX_RECORD]);
		EXPECT_EQ(3600 * MQ_SEC, r->number[MQBUS_A_TOPIC_RETENTION]);
		EXPECT_LE(3 * (8192 + MQ_PAGE), r->number[MQBUS_A_TOPIC_CHARGED]);
		EXPECT_GT(mq_used(self->ctl), r->number[MQBUS_A_TOPIC_CHARGED]);
		EXPECT_EQ(2, r->number[MQBUS_A_TOPIC_PRODUCERS]);
		EXPECT_EQ(2, r->number[MQBUS_A_TOPIC_GROUPS]);
		EXPECT_EQ(10, r->number[MQBUS_A_TOPIC_RECORDS]);
		EXPECT_EQ(10, r->number[MQBUS_A_TOPIC_PUBLISHED]);
		EXPECT_EQ(720, r->number[MQBUS_A_TOPIC_USED]);
	}
	close(fd2);
	ASSERT_EQ(1, get(self->asker, self->topic));
	EXPECT_EQ(1, r->number[MQBUS_A_TOPIC_PRODUCERS]);
	close(fd);
	EXPECT_EQ(0, mq_delete(self->ctl, self->topic));
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 0, .size = 4096));
	ASSERT_EQ(1, get(self->asker, self->topic));
	EXPECT_TRUE(r->has[MQBUS_A_TOPIC_PER_CPU]);
	EXPECT_EQ(0, r->number[MQBUS_A_TOPIC_PRODUCERS]);
	EXPECT_EQ(0, r->number[MQBUS_A_TOPIC_PUBLISHED]);
}

TEST_F(netlink, partitions)
{
	struct reply *r = self->asker->replies;
	int fd, i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 3, .size = 4096,
			       .full = MQBUS_FULL_EVICT));
	ASSERT_EQ(0, mq_create(self->ctl, "another", .partitions = 2, .size = 4096));
	fd = mq_producer(self->topic, 0);
	for (i = 0; i < 100; i++)
		ASSERT_EQ(1, mq_put_in(fd, 1, "12345678", 8));
	ASSERT_EQ(1, mq_put_in(fd, 2, "1", 1));
	ASSERT_EQ(5, dump(self->asker, MQBUS_CMD_PARTITION_GET, NULL, NULL));
	ASSERT_EQ(3, dump(self->asker, MQBUS_CMD_PARTITION_GET, self->topic, NULL));
	for (i = 0; i < 3; i++) {
		static const unsigned int head[] = { 0, 44, 0 }, next[] = { 0, 100, 1 };

		EXPECT_STREQ(self->topic, r[i].text[MQBUS_A_PARTITION_TOPIC]);
		EXPECT_EQ(i, r[i].number[MQBUS_A_PARTITION_INDEX]);
		EXPECT_EQ(head[i], r[i].number[MQBUS_A_PARTITION_HEAD_OFFSET]);
		EXPECT_EQ(next[i], r[i].number[MQBUS_A_PARTITION_NEXT_OFFSET]);
		EXPECT_EQ((next[i] - head[i]) * 72, r[i].number[MQBUS_A_PARTITION_USED]);
	}
	EXPECT_EQ(0, dump(self->asker, MQBUS_CMD_PARTITION_GET, "nosuch", NULL));
	EXPECT_EQ(0, mq_delete(self->ctl, "another"));
	close(fd);
}

TEST_F(netlink, groups)
{
	struct reply *r = self->asker->replies;
	struct mqbus_range range;
	int fd, member, other, i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 2, .size = 4096,
			       .full = MQBUS_FULL_EVICT));
	ASSERT_EQ(0, mq_group_create(self->ctl, self->topic, "a", 0, 0, 0640));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "b"));
	fd = mq_producer(self->topic, 0);
	member = mq_member(self->topic, "a", 0);
	other = mq_member(self->topic, "a", 0);
	for (i = 0; i < 10; i++)
		ASSERT_EQ(1, mq_put_in(fd, 0, "12345678", 8));
	ASSERT_EQ(1, mq_fetch(member, &range, 1, 0, 0));
	ASSERT_EQ(0, mq_commit(member, 0, 4));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(1, mq_put_in(fd, 0, "12345678", 8));

	ASSERT_EQ(6, dump(self->asker, MQBUS_CMD_GROUP_GET, NULL, NULL));
	ASSERT_EQ(6, dump(self->asker, MQBUS_CMD_GROUP_GET, self->topic, NULL));
	ASSERT_EQ(0, dump(self->asker, MQBUS_CMD_GROUP_GET, "nosuch", "a"));
	ASSERT_EQ(3, dump(self->asker, MQBUS_CMD_GROUP_GET, self->topic, "a"));
	for (i = 0; i < 3; i++) {
		EXPECT_STREQ(self->topic, r[i].text[MQBUS_A_GROUP_TOPIC]);
		EXPECT_STREQ("a", r[i].text[MQBUS_A_GROUP_NAME]);
	}
	/* First the group, then the figures of each partition */
	EXPECT_EQ(0, r->number[MQBUS_A_GROUP_UID]);
	EXPECT_EQ(0640, r->number[MQBUS_A_GROUP_MODE]);
	EXPECT_EQ(MQBUS_GROUP_STREAM, r->number[MQBUS_A_GROUP_TYPE]);
	EXPECT_EQ(2, r->number[MQBUS_A_GROUP_MEMBERS]);
	for (i = MQBUS_A_GROUP_UID; i <= MQBUS_A_GROUP_MAX; i++)
		if (i != MQBUS_A_GROUP_PAD)
			EXPECT_FALSE(r[0].has[i] && r[1].has[i])
				TH_LOG("attribute %d is told again", i);
	for (r++, i = 0; i < 2; i++) {
		EXPECT_EQ(i, r[i].number[MQBUS_A_GROUP_PARTITION]);
		EXPECT_EQ(i ? 0 : 4, r[i].number[MQBUS_A_GROUP_COMMITTED]);
		EXPECT_EQ(i ? 0 : 10, r[i].number[MQBUS_A_GROUP_FETCHED]);
		EXPECT_EQ(i ? 0 : 12, r[i].number[MQBUS_A_GROUP_NEXT_OFFSET]);
		EXPECT_EQ(i ? 0 : 8, r[i].number[MQBUS_A_GROUP_LAG]);
		EXPECT_EQ(0, r[i].number[MQBUS_A_GROUP_LOST]);
		EXPECT_EQ(getpid(), r[i].number[MQBUS_A_GROUP_OWNER_PID]);
		EXPECT_STREQ(mq_comm(), r[i].text[MQBUS_A_GROUP_OWNER_COMM]);
	}
	/* Without members a partition has no owner */
	ASSERT_EQ(3, dump(self->asker, MQBUS_CMD_GROUP_GET, self->topic, "b"));
	EXPECT_EQ(0, r[-1].number[MQBUS_A_GROUP_MEMBERS]);
	EXPECT_FALSE(r->has[MQBUS_A_GROUP_OWNER_PID]);
	EXPECT_EQ(12, r->number[MQBUS_A_GROUP_LAG]);

	/* 56 fit: offsets 56 to 111 are kept, lost records are no lag */
	for (i = 0; i < 100; i++)
		ASSERT_EQ(1, mq_put_in(fd, 0, "12345678", 8));
	ASSERT_EQ(1, mq_fetch(member, &range, 1, 0, 0));
	ASSERT_EQ(3, dump(self->asker, MQBUS_CMD_GROUP_GET, self->topic, "a"));
	EXPECT_EQ(46, r->number[MQBUS_A_GROUP_LOST]);
	EXPECT_EQ(56, r->number[MQBUS_A_GROUP_LAG]);
	EXPECT_EQ(112, r->number[MQBUS_A_GROUP_FETCHED]);
	ASSERT_EQ(0, mq_commit_fetched(member));
	ASSERT_EQ(3, dump(self->asker, MQBUS_CMD_GROUP_GET, self->topic, "a"));
	EXPECT_EQ(0, r->number[MQBUS_A_GROUP_LAG]);
	close(other);
	close(member);
	close(fd);
}

TEST_F(netlink, hidden_from_others)
{
	char open[MQBUS_NAME_SIZE];
	pid_t pid;

	mq_name(open, "open");
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .mode = 0622));
	ASSERT_EQ(0, mq_create(self->ctl, open, .size = 4096, .mode = 0604));
	ASSERT_EQ(0, mq_group_create(self->ctl, self->topic, "g", 0, 0, 0666));
	ASSERT_EQ(0, mq_group_create(self->ctl, open, "secret", 0, 0, 0622));
	ASSERT_EQ(0, mq_group_create(self->ctl, open, "seen", 0, 0, 0604));
	EXPECT_EQ(2, dump(self->asker, MQBUS_CMD_TOPIC_GET, NULL, NULL));
	EXPECT_EQ(6, dump(self->asker, MQBUS_CMD_GROUP_GET, NULL, NULL));
	mq_fork(pid) {
		struct asker *a = calloc(1, sizeof(*a));

		if (mq_become(61003, 61003) || asker_open(a))
			_exit(1);
		if (dump(a, MQBUS_CMD_TOPIC_GET, NULL, NULL) != 1 ||
		    strcmp(a->replies->text[MQBUS_A_GROUP_TOPIC], open))
			_exit(2);
		if (get(a, self->topic) != -ENOENT || get(a, open) != 1)
			_exit(3);
		if (dump(a, MQBUS_CMD_PARTITION_GET, NULL, NULL) != 1 ||
		    dump(a, MQBUS_CMD_PARTITION_GET, self->topic, NULL) != 0)
			_exit(4);
		if (dump(a, MQBUS_CMD_GROUP_GET, NULL, NULL) != 2 ||
		    strcmp(a->replies->text[MQBUS_A_GROUP_NAME], "seen"))
			_exit(5);
		if (dump(a, MQBUS_CMD_GROUP_GET, open, "secret") != 0)
			_exit(6);
		/* As with a file: a socket that is passed on keeps its opener's rights */
		if (dump(self->asker, MQBUS_CMD_TOPIC_GET, NULL, NULL) != 2)
			_exit(7);
	}
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_EQ(0, mq_delete(self->ctl, open));
}

/* A program with more rights that is made to write to a foreign socket reveals no more */
TEST_F(netlink, opened_by_a_stranger)
{
	struct asker *a = calloc(1, sizeof(*a));

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .mode = 0600));
	ASSERT_EQ(0, mq_group_create(self->ctl, self->topic, "g", 0, 0, 0600));
	ASSERT_EQ(0, seteuid(61003));
	ASSERT_EQ(0, asker_open(a));
	ASSERT_EQ(0, seteuid(0));
	EXPECT_EQ(-ENOENT, get(a, self->topic));
	EXPECT_EQ(0, dump(a, MQBUS_CMD_TOPIC_GET, NULL, NULL));
	EXPECT_EQ(0, dump(a, MQBUS_CMD_GROUP_GET, NULL, NULL));
	EXPECT_EQ(1, get(self->asker, self->topic));
	nl_socket_free(a->sock);
	free(a);
}

TEST_F(netlink, other_namespaces)
{
	struct asker *a = calloc(1, sizeof(*a));

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096));
	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	ASSERT_EQ(0, asker_open(a));
	EXPECT_EQ(0, dump(a, MQBUS_CMD_TOPIC_GET, NULL, NULL));
	EXPECT_EQ(-ENOENT, get(a, self->topic));
	EXPECT_EQ(1, dump(self->asker, MQBUS_CMD_TOPIC_GET, NULL, NULL));
	nl_socket_free(a->sock);
	free(a);
}

/* A request that names a namespace is answered from there, with the rights of the asker there */
TEST_F(netlink, entered_namespace)
{
	static const struct {
		int cmd;
		int attr;
		int found;
	} lists[] = {
		{ MQBUS_CMD_TOPIC_GET, MQBUS_A_TOPIC_NETNS, 2 },
		{ MQBUS_CMD_PARTITION_GET, MQBUS_A_PARTITION_NETNS, 3 },
		{ MQBUS_CMD_GROUP_GET, MQBUS_A_GROUP_NETNS, 2 },
		{ MQBUS_CMD_MEMBER_GET, MQBUS_A_MEMBER_NETNS, 1 },
	};
	__u32 home = own_netns(), null = open("/dev/null", O_RDONLY), none = ~0U, part = 0;
	int member, i, status;
	pid_t pid;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 2, .size = 4096,
			       .mode = 0644));
	ASSERT_EQ(0, mq_create(self->ctl, "secret", .size = 4096, .mode = 0600));
	ASSERT_EQ(0, mq_group_make(self->ctl, "secret", "g", .mode = 0600));
	member = mq_member("secret", "g", 0);
	ASSERT_LE(0, member);
	mq_fork(pid) {
		struct asker *a = calloc(1, sizeof(*a));

		if (unshare(CLONE_NEWNET) || asker_open(a) || get(a, self->topic) != -ENOENT)
			_exit(1);
		for (i = 0; i < 4; i++) {
			int cmd = lists[i].cmd, attr = lists[i].attr;

			if (dump(a, cmd, NULL, NULL))
				_exit(10 + i);
			if (ask_raw(a, cmd, NLM_F_DUMP, NULL, NULL, attr, &home, 4) !=
			    lists[i].found)
				_exit(20 + i);
			if (ask_raw(a, cmd, NLM_F_DUMP, NULL, NULL, attr, &null, 4) != -EINVAL ||
			    ask_raw(a, cmd, NLM_F_DUMP, NULL, NULL, attr, &none, 4) != -EBADF)
				_exit(30 + i);
		}
		if (ask_raw(a, MQBUS_CMD_TOPIC_GET, NLM_F_ACK, self->topic, NULL,
			    MQBUS_A_TOPIC_NETNS, &home, 4) != 1 ||
		    ask_raw(a, MQBUS_CMD_TOPIC_GET, NLM_F_ACK, self->topic, NULL,
			    MQBUS_A_TOPIC_NETNS, &null, 4) != -EINVAL ||
		    ask_raw(a, MQBUS_CMD_TOPIC_GET, NLM_F_ACK, self->topic, NULL,
			    MQBUS_A_TOPIC_NETNS, &none, 4) != -EBADF)
			_exit(2);
		nl_socket_free(a->sock);
	}
	status = mq_wait(pid);
	EXPECT_EQ(0, status);
	/* Root of a container is one user among others there */
	mq_fork(pid) {
		struct asker *a = calloc(1, sizeof(*a));

		if (become_container(ALICE) || asker_open(a))
			_exit(1);
		if (ask_raw(a, MQBUS_CMD_TOPIC_GET, NLM_F_DUMP, NULL, NULL,
			    MQBUS_A_TOPIC_NETNS, &home, 4) != 1)
			_exit(2);
		if (ask_raw(a, MQBUS_CMD_TOPIC_GET, NLM_F_ACK, "secret", NULL,
			    MQBUS_A_TOPIC_NETNS, &home, 4) != -ENOENT)
			_exit(3);
		if (ask_raw(a, MQBUS_CMD_MEMBER_GET, NLM_F_DUMP, NULL, NULL,
			    MQBUS_A_MEMBER_NETNS, &home, 4))
			_exit(4);
		nl_socket_free(a->sock);
	}
	status = mq_wait(pid);
	EXPECT_EQ(0, status);
	EXPECT_EQ(2, ask_raw(self->asker, MQBUS_CMD_PARTITION_GET, NLM_F_DUMP, self->topic, NULL,
			     MQBUS_A_PARTITION_NETNS, &home, 4));
	/* A name that is not that of a number is refused as ever */
	EXPECT_EQ(-EINVAL, ask_raw(self->asker, MQBUS_CMD_PARTITION_GET, NLM_F_DUMP, NULL, NULL,
				   MQBUS_A_PARTITION_NETNS, &part, 2));
	close(member);
	mq_delete(self->ctl, "secret");
	close(home);
	close(null);
}

/* A list that nobody reads to its end lets go of its namespace */
TEST_F(netlink, entered_namespace_is_let_go)
{
	long long refs = mq_read_number(MQ_REFCNT);
	struct asker *a = self->asker;
	__u32 home = own_netns(), away;
	char name[MQBUS_NAME_SIZE];
	int fd, i, n;

	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	away = own_netns();
	fd = mq_open(0);
	/* More topics than a message has room for */
	for (i = 0; i < 200; i++) {
		mq_name(name, "many");
		ASSERT_EQ(0, mq_create(fd, name, .size = 4096));
	}
	close(fd);
	ASSERT_EQ(0, setns(home, CLONE_NEWNET));
	for (i = 0; i < 3; i++) {
		struct nl_msg *msg = nlmsg_alloc();

		genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, a->family, 0, NLM_F_DUMP,
			    MQBUS_CMD_TOPIC_GET, MQBUS_FAMILY_VERSION);
		nla_put_u32(msg, MQBUS_A_TOPIC_NETNS, away);
		n = nl_send_auto(a->sock, msg);
		nlmsg_free(msg);
		ASSERT_LT(0, n);
		nl_socket_free(a->sock);
		ASSERT_EQ(0, asker_open(a));
	}
	close(away);
	EXPECT_EQ(refs, wait_refs(refs));
	close(home);
}

/* One partition, by its number */
TEST_F(netlink, asked_for_by_number)
{
	struct asker *a = self->asker;
	struct reply *r = a->replies;
	__u32 number;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 3, .size = 4096));
	ASSERT_EQ(0, mq_create(self->ctl, "another", .partitions = 2, .size = 4096));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "a"));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "b"));
	for (number = 0; number < 3; number++) {
		EXPECT_EQ(1, ask_raw(a, MQBUS_CMD_PARTITION_GET, NLM_F_ACK, self->topic, NULL,
				     MQBUS_A_PARTITION_INDEX, &number, 4));
		EXPECT_EQ(number, r->number[MQBUS_A_PARTITION_INDEX]);
		EXPECT_EQ(1, ask_raw(a, MQBUS_CMD_PARTITION_GET, NLM_F_DUMP, self->topic, NULL,
				     MQBUS_A_PARTITION_INDEX, &number, 4));
		EXPECT_EQ(number == 2 ? 1 : 2,
			  ask_raw(a, MQBUS_CMD_PARTITION_GET, NLM_F_DUMP, NULL, NULL,
				  MQBUS_A_PARTITION_INDEX, &number, 4));
		EXPECT_EQ(1, ask_raw(a, MQBUS_CMD_GROUP_GET, NLM_F_ACK, self->topic, "b",
				     MQBUS_A_GROUP_PARTITION, &number, 4));
		EXPECT_STREQ("b", r->text[MQBUS_A_GROUP_NAME]);
		EXPECT_EQ(number, r->number[MQBUS_A_GROUP_PARTITION]);
		EXPECT_TRUE(r->has[MQBUS_A_GROUP_TYPE]);
		EXPECT_EQ(4, ask_raw(a, MQBUS_CMD_GROUP_GET, NLM_F_DUMP, self->topic, NULL,
				     MQBUS_A_GROUP_PARTITION, &number, 4));
		EXPECT_FALSE(r[2].has[MQBUS_A_GROUP_PARTITION]);
		EXPECT_EQ(number, r[3].number[MQBUS_A_GROUP_PARTITION]);
	}
	EXPECT_EQ(-ECHRNG, ask_raw(a, MQBUS_CMD_PARTITION_GET, NLM_F_ACK, self->topic, NULL,
				   MQBUS_A_PARTITION_INDEX, &number, 4));
	EXPECT_EQ(0, ask_raw(a, MQBUS_CMD_GROUP_GET, NLM_F_DUMP, self->topic, NULL,
			     MQBUS_A_GROUP_PARTITION, &number, 4));
	EXPECT_EQ(-ECHRNG, ask_raw(a, MQBUS_CMD_GROUP_GET, NLM_F_ACK, self->topic, "a",
				   MQBUS_A_GROUP_PARTITION, &number, 4));
	number = 0;
	EXPECT_EQ(-ENOENT, ask_raw(a, MQBUS_CMD_GROUP_GET, NLM_F_ACK, self->topic, "c",
				   MQBUS_A_GROUP_PARTITION, &number, 4));
	EXPECT_EQ(-ENOENT, ask_raw(a, MQBUS_CMD_PARTITION_GET, NLM_F_ACK, "nosuch", NULL,
				   MQBUS_A_PARTITION_INDEX, &number, 4));
	EXPECT_EQ(0, mq_delete(self->ctl, "another"));
}

/* More than a message holds: each exactly once */
TEST_F(netlink, many_topics)
{
	static bool seen[500];
	char name[MQBUS_NAME_SIZE], *end;
	const char *got;
	unsigned int i, n;

	for (i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "many-%u", i);
		ASSERT_EQ(0, mq_create(self->ctl, name, .size = 4096, .partitions = 1 + i % 3));
	}
	ASSERT_EQ(500, dump(self->asker, MQBUS_CMD_TOPIC_GET, NULL, NULL));
	for (i = 0; i < 500; i++) {
		got = self->asker->replies[i].text[MQBUS_A_PARTITION_TOPIC];
		ASSERT_EQ(0, strncmp(got, "many-", 5));
		n = strtoul(got + 5, &end, 10);
		ASSERT_EQ(0, *end);
		ASSERT_GT(500, n);
		ASSERT_FALSE(seen[n]);
		seen[n] = true;
		EXPECT_EQ(1 + n % 3, self->asker->replies[i].number[MQBUS_A_TOPIC_PARTITIONS]);
	}
	EXPECT_EQ(167 + 2 * 167 + 3 * 166, dump(self->asker, MQBUS_CMD_PARTITION_GET, NULL, NULL));
	for (i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "many-%u", i);
		ASSERT_EQ(0, mq_delete(self->ctl, name));
	}
}

TEST_F(netlink, one_topic_with_many_parts)
{
	struct reply *r = self->asker->replies;
	struct mqbus_group_create queue = { .type = MQBUS_GROUP_QUEUE, .mode = 0600 };
	int i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .partitions = 1024));
	ASSERT_EQ(1024, dump(self->asker, MQBUS_CMD_PARTITION_GET, self->topic, NULL));
	for (i = 0; i < 1024; i++)
		ASSERT_EQ(i, r[i].number[MQBUS_A_PARTITION_INDEX]);
	for (i = 0; i < 5; i++) {
		mq_set_name(queue.topic, self->topic);
		mq_name(queue.group, "g");
		ASSERT_EQ(0, mq_ioctl(self->ctl, MQBUS_IOC_GROUP_CREATE, &queue));
	}
	ASSERT_EQ(1025, dump(self->asker, MQBUS_CMD_GROUP_GET, self->topic, queue.group));
	EXPECT_FALSE(r->has[MQBUS_A_GROUP_PARTITION]);
	/* A figure found by a walk of all is reported once */
	EXPECT_TRUE(r->has[MQBUS_A_GROUP_QUEUE]);
	for (r++, i = 0; i < 1024; i++) {
		ASSERT_TRUE(r[i].has[MQBUS_A_GROUP_PARTITION]);
		ASSERT_EQ(i, r[i].number[MQBUS_A_GROUP_PARTITION]);
		ASSERT_FALSE(r[i].has[MQBUS_A_GROUP_QUEUE]);
	}
}

/* A member is reported with all its partitions, even where others would fit behind it. */
TEST_F(netlink, member_with_many_parts)
{
	struct reply *r = self->asker->replies;
	int member[3], i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .partitions = 1024));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	member[0] = mq_member(self->topic, "g", 0);
	ASSERT_EQ(1, dump(self->asker, MQBUS_CMD_MEMBER_GET, self->topic, "g"));
	EXPECT_EQ(1024, r->number[MQBUS_A_MEMBER_PARTITIONS]);
	EXPECT_EQ(1024, r->count[MQBUS_A_MEMBER_ASSIGNED]);
	EXPECT_EQ(1023, r->number[MQBUS_A_MEMBER_ASSIGNED]);
	for (i = 1; i < 3; i++)
		member[i] = mq_member(self->topic, "g", 0);
	ASSERT_EQ(3, dump(self->asker, MQBUS_CMD_MEMBER_GET, self->topic, "g"));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(i ? 341 : 342, r[i].count[MQBUS_A_MEMBER_ASSIGNED]);
	for (i = 0; i < 3; i++)
		close(member[i]);
}

TEST_F(netlink, bad_requests)
{
	struct asker *a = self->asker;
	char longest[MQBUS_NAME_SIZE + 1] = {};
	__u32 number = 1;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096));
	memset(longest, 'x', MQBUS_NAME_SIZE);
	EXPECT_EQ(-EINVAL, ask_raw(a, MQBUS_CMD_TOPIC_GET, NLM_F_ACK, NULL, NULL, 0, NULL, 0));
	EXPECT_EQ(-ENOENT, get(a, "nosuch"));
	EXPECT_EQ(-ENOENT, get(a, ""));
	EXPECT_EQ(-EINVAL, get(a, longest));
	longest[MQBUS_NAME_SIZE - 1] = 0;
	EXPECT_EQ(-ENOENT, get(a, longest));
	/* Not terminated */
	EXPECT_EQ(-EINVAL, ask_raw(a, MQBUS_CMD_TOPIC_GET, NLM_F_ACK, NULL, NULL,
				   MQBUS_A_TOPIC_NAME, self->topic, 3));
	/* Attributes of answers, or unknown ones */
	EXPECT_EQ(-EINVAL, ask_raw(a, MQBUS_CMD_TOPIC_GET, NLM_F_ACK, self->topic, NULL,
				   MQBUS_A_TOPIC_UID, &number, 4));
	EXPECT_EQ(-EINVAL, ask_raw(a, MQBUS_CMD_TOPIC_GET, NLM_F_ACK, self->topic, NULL, 99,
				   &number, 4));
	EXPECT_EQ(-EINVAL, ask_raw(a, MQBUS_CMD_PARTITION_GET, NLM_F_DUMP, NULL, NULL,
				   MQBUS_A_PARTITION_HEAD_OFFSET, &number, 4));
	EXPECT_EQ(-EINVAL, ask_raw(a, MQBUS_CMD_PARTITION_GET, NLM_F_DUMP, NULL, NULL,
				   MQBUS_A_PARTITION_INDEX, "", 1));
	/* Unknown commands, or known ones in the wrong form */
	EXPECT_EQ(-EINVAL, ask_raw(a, MQBUS_CMD_GROUP_GET, NLM_F_ACK, NULL, NULL, 0, NULL, 0));
	EXPECT_EQ(-EINVAL, ask_raw(a, MQBUS_CMD_PARTITION_GET, NLM_F_ACK, self->topic, NULL, 0,
				   NULL, 0));
	EXPECT_EQ(-EOPNOTSUPP, ask_raw(a, MQBUS_CMD_EVENT, NLM_F_ACK, NULL, NULL, 0, NULL, 0));
	EXPECT_EQ(-EOPNOTSUPP, ask_raw(a, 99, NLM_F_ACK, NULL, NULL, 0, NULL, 0));
	EXPECT_EQ(1, get(a, self->topic));
}

/* A topic's mode, as created and as changed */
TEST_F(netlink, topic_limits)
{
	struct reply *r = self->asker->replies;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .rate = 11, .rate_bytes = 22,
			       .user_rate = 33, .user_rate_bytes = 44, .burst = 5 * MQ_SEC,
			       .share = 66, .over = MQBUS_OVER_REJECT, .retention_size = 777));
	ASSERT_EQ(1, get(self->asker, self->topic));
	EXPECT_EQ(11, r->number[MQBUS_A_TOPIC_RATE]);
	EXPECT_EQ(22, r->number[MQBUS_A_TOPIC_RATE_BYTES]);
	EXPECT_EQ(33, r->number[MQBUS_A_TOPIC_USER_RATE]);
	EXPECT_EQ(44, r->number[MQBUS_A_TOPIC_USER_RATE_BYTES]);
	EXPECT_EQ(5 * MQ_SEC, r->number[MQBUS_A_TOPIC_BURST]);
	EXPECT_EQ(66, r->number[MQBUS_A_TOPIC_SHARE]);
	EXPECT_EQ(MQBUS_OVER_REJECT, r->number[MQBUS_A_TOPIC_OVER]);
	EXPECT_EQ(777, r->number[MQBUS_A_TOPIC_RETENTION_SIZE]);
	ASSERT_EQ(0, mq_topic_set(self->ctl, self->topic, MQBUS_TOPIC_SET_OVER |
				  MQBUS_TOPIC_SET_RATE, .over = MQBUS_OVER_BLOCK, .rate = 12));
	ASSERT_EQ(1, get(self->asker, self->topic));
	EXPECT_EQ(12, r->number[MQBUS_A_TOPIC_RATE]);
	EXPECT_EQ(MQBUS_OVER_BLOCK, r->number[MQBUS_A_TOPIC_OVER]);
	EXPECT_EQ(33, r->number[MQBUS_A_TOPIC_USER_RATE]);
}

/* The member with an id of a group, or NULL */
static const struct reply *member_get(FIXTURE_DATA(netlink) *self, const char *group,
				      const char *id)
{
	int i, n = dump(self->asker, MQBUS_CMD_MEMBER_GET, self->topic, group);

	for (i = 0; i < n; i++)
		if (!strcmp(self->asker->replies[i].text[MQBUS_A_MEMBER_ID], id))
			return &self->asker->replies[i];
	return NULL;
}

/* Members of a stream group in each state, with partitions to be released */
TEST_F(netlink, stream_members)
{
	struct mqbus_range range[2];
	const struct reply *r;
	int fd, i, revoking = 0, member[3];
	__u64 end;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .partitions = 2, .size = 4096));
	ASSERT_EQ(0, mq_stream(self->ctl, self->topic, "g", .rebalance_timeout = 2 * MQ_HOUR,
			       .grace = MQ_HOUR));
	ASSERT_EQ(0, mq_stream(self->ctl, self->topic, "f", .rebalance_timeout = MQ_MS));
	fd = mq_producer(self->topic, 0);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(1, mq_put_in(fd, i, "x", 1));
	member[0] = mq_member_as(self->topic, "g", "first", 0);
	ASSERT_EQ(2, mq_fetch(member[0], range, 2, 0, 0));
	member[1] = mq_member_as(self->topic, "g", "second", 0);
	member[2] = mq_member_as(self->topic, "g", "third", 0);

	r = member_get(self, "g", "first");
	ASSERT_NE(NULL, r);
	EXPECT_STREQ(self->topic, r->text[MQBUS_A_MEMBER_TOPIC]);
	EXPECT_STREQ("g", r->text[MQBUS_A_MEMBER_GROUP]);
	EXPECT_EQ(MQBUS_MEMBER_STATE_ACTIVE, r->number[MQBUS_A_MEMBER_STATE]);
	EXPECT_EQ(getpid(), r->number[MQBUS_A_MEMBER_PID]);
	EXPECT_STREQ(mq_comm(), r->text[MQBUS_A_MEMBER_COMM]);
	EXPECT_TRUE(r->has[MQBUS_A_MEMBER_UID]);
	EXPECT_EQ(0, r->number[MQBUS_A_MEMBER_UID]);
	EXPECT_EQ(2, r->number[MQBUS_A_MEMBER_PARTITIONS]);
	EXPECT_EQ(1, r->number[MQBUS_A_MEMBER_REVOKING]);
	r = member_get(self, "g", "third");
	ASSERT_NE(NULL, r);
	EXPECT_EQ(MQBUS_MEMBER_STATE_STANDBY, r->number[MQBUS_A_MEMBER_STATE]);

	ASSERT_EQ(0, mq_group_make(self->ctl, self->topic, "looks", .expire = MQ_HOUR,
				   .flags = MQBUS_GROUP_F_OBSERVER));
	ASSERT_EQ(3, dump(self->asker, MQBUS_CMD_GROUP_GET, self->topic, "looks"));
	r = self->asker->replies;
	EXPECT_EQ(0, r->number[MQBUS_A_GROUP_GID]);
	EXPECT_TRUE(r->has[MQBUS_A_GROUP_OBSERVER]);
	EXPECT_FALSE(r->has[MQBUS_A_GROUP_EPHEMERAL]);
	EXPECT_EQ(MQ_HOUR, r->number[MQBUS_A_GROUP_EXPIRE]);
	ASSERT_EQ(0, mq_group_delete(self->ctl, self->topic, "looks", 0));
	ASSERT_EQ(0, mq_group_make(self->ctl, self->topic, "looks",
				   .flags = MQBUS_GROUP_F_EPHEMERAL));
	ASSERT_EQ(3, dump(self->asker, MQBUS_CMD_GROUP_GET, self->topic, "looks"));
	r = self->asker->replies;
	EXPECT_TRUE(r->has[MQBUS_A_GROUP_EPHEMERAL]);
	EXPECT_FALSE(r->has[MQBUS_A_GROUP_EXPIRE]);

	ASSERT_EQ(0, mq_pause(self->ctl, self->topic, "g", 1));
	ASSERT_EQ(3, dump(self->asker, MQBUS_CMD_GROUP_GET, self->topic, "g"));
	r = self->asker->replies;
	EXPECT_EQ(2 * MQ_HOUR, r->number[MQBUS_A_GROUP_REBALANCE_TIMEOUT]);
	EXPECT_EQ(MQ_HOUR, r->number[MQBUS_A_GROUP_GRACE]);
	EXPECT_LT(0, r->number[MQBUS_A_GROUP_GENERATION]);
	EXPECT_TRUE(r->has[MQBUS_A_GROUP_PAUSED]);
	for (i = 1; i < 3; i++)
		revoking += r[i].has[MQBUS_A_GROUP_REVOKING];
	EXPECT_EQ(1, revoking);
	ASSERT_EQ(0, mq_pause(self->ctl, self->topic, "g", 0));
	ASSERT_EQ(3, dump(self->asker, MQBUS_CMD_GROUP_GET, self->topic, "g"));
	EXPECT_FALSE(r->has[MQBUS_A_GROUP_PAUSED]);

	/* A member that leaves is away, and its file closed */
	close(member[0]);
	r = member_get(self, "g", "first");
	ASSERT_NE(NULL, r);
	EXPECT_EQ(MQBUS_MEMBER_STATE_AWAY, r->number[MQBUS_A_MEMBER_STATE]);
	EXPECT_FALSE(r->has[MQBUS_A_MEMBER_PID]);
	close(member[1]);
	close(member[2]);

	/* A member that does not release in time */
	member[0] = mq_member_as(self->topic, "f", "slow", 0);
	ASSERT_EQ(2, mq_fetch(member[0], range, 2, 0, 0));
	member[1] = mq_member_as(self->topic, "f", "other", 0);
	end = mq_patience();
	do {
		mq_sleep(MQ_MS);
		r = member_get(self, "f", "slow");
		ASSERT_NE(NULL, r);
	} while (r->number[MQBUS_A_MEMBER_STATE] != MQBUS_MEMBER_STATE_FENCED &&
		 mq_clock(CLOCK_MONOTONIC) < end);
	EXPECT_EQ(MQBUS_MEMBER_STATE_FENCED, r->number[MQBUS_A_MEMBER_STATE]);
	close(member[0]);
	close(member[1]);
	close(fd);
}

TEST_F(netlink, queue_members)
{
	const struct reply *r = self->asker->replies;
	struct mqbus_leased leased[2];
	int fd, member;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096));
	ASSERT_EQ(0, mq_queue(self->ctl, self->topic, "q", NULL, .credit = 7));
	fd = mq_producer(self->topic, 0);
	put_numbers(fd, 0, 2);
	member = mq_member(self->topic, "q", 0);
	ASSERT_EQ(2, take(member, leased, 2, 0));
	ASSERT_EQ(1, dump(self->asker, MQBUS_CMD_MEMBER_GET, self->topic, "q"));
	EXPECT_EQ(MQBUS_MEMBER_STATE_ACTIVE, r->number[MQBUS_A_MEMBER_STATE]);
	EXPECT_EQ(2, r->number[MQBUS_A_MEMBER_LEASES]);
	EXPECT_EQ(7, r->number[MQBUS_A_MEMBER_CREDIT]);
	EXPECT_FALSE(r->has[MQBUS_A_MEMBER_ID]);
	EXPECT_FALSE(r->has[MQBUS_A_MEMBER_PARTITIONS]);
	close(member);
	close(fd);
}

TEST_HARNESS_MAIN
