// SPDX-License-Identifier: GPL-2.0
/*
 * Truncated and random netlink requests: refused, or answered.
 */
#include "queue.h"

/* Attributes with a wrong length are refused, wherever they are cut. */
TEST_F(queue, cut_off)
{
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	char reply[8192];
	struct request r;
	unsigned int cut, pad = -(strlen(self->topic) + 1) % NLA_ALIGNTO;
	int family, n;

	begin(self);
	family = family_id(sock);
	ASSERT_LT(0, family);
	for (cut = 1; cut <= 12; cut++) {
		request_begin(&r, family, MQBUS_CMD_TOPIC_GET, MQBUS_FAMILY_VERSION);
		request_add(&r, MQBUS_A_TOPIC_NAME, self->topic, strlen(self->topic) + 1);
		r.head.nlmsg_len -= cut;
		n = request_send(sock, &r, reply, sizeof(reply));
		EXPECT_EQ(cut > pad, n == -EINVAL);
	}
	close(sock);
}

/* Read the answer to one request. Return: its error; @said: it contains more. */
static int answer(int sock, bool *said)
{
	char piece[32768] __attribute__((aligned(8)));
	struct nlmsghdr *h;
	ssize_t left;

	for (;;) {
		left = recv(sock, piece, sizeof(piece), 0);
		if (left < 0)
			return -errno;
		for (h = (void *)piece; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type != NLMSG_ERROR && h->nlmsg_type != NLMSG_DONE)
				continue;
			*said = h->nlmsg_flags & NLM_F_ACK_TLVS;
			return h->nlmsg_len < NLMSG_LENGTH(sizeof(int)) ? 0 :
			       *(const int *)NLMSG_DATA(h);
		}
	}
}

/* The answer to any request is an object, or an error that names the fault. */
TEST_F_TIMEOUT(queue, fuzzed, 600)
{
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC), on = 1, err;
	unsigned int seed = 3, i, j, n, told = 0, fine = 0;
	struct timeval patience = { .tv_sec = 10 * mq_slow() };
	int family = family_id(sock);
	struct request r;
	char bytes[64];
	bool said;

	begin_dlq(self, .max_inflight = 8);
	ASSERT_EQ(0, setsockopt(sock, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)));
	ASSERT_EQ(0, setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)));
	for (i = 0; i < 4000 / mq_slow(); i++) {
		request_begin(&r, family, rand_r(&seed) % 8, rand_r(&seed) % 3);
		r.head.nlmsg_flags |= rand_r(&seed) % 2 ? NLM_F_DUMP | NLM_F_ACK : NLM_F_ACK;
		for (j = rand_r(&seed) % 4; j; j--) {
			for (n = 0; n < sizeof(bytes); n++)
				bytes[n] = rand_r(&seed);
			/* Sometimes a valid part, so that it gets further */
			if (rand_r(&seed) % 2)
				request_add(&r, 1 + rand_r(&seed) % 3, self->topic,
					    strlen(self->topic) + 1);
			else
				request_add(&r, rand_r(&seed) % 48, bytes,
					    rand_r(&seed) % sizeof(bytes));
		}
		/* And sometimes cut, or too long */
		if (rand_r(&seed) % 8 == 0)
			r.head.nlmsg_len -= rand_r(&seed) % 8;
		else if (rand_r(&seed) % 8 == 0)
			*(__u16 *)r.attrs = rand_r(&seed);
		if (r.head.nlmsg_len < offsetof(struct request, attrs))
			r.head.nlmsg_len = offsetof(struct request, attrs);
		ASSERT_EQ(r.head.nlmsg_len, send(sock, &r, r.head.nlmsg_len, 0));
		said = false;
		err = answer(sock, &said);
		ASSERT_NE(-EAGAIN, err);
		EXPECT_TRUE(!err || err == -EINVAL || err == -ENOENT || err == -ECHRNG ||
			    err == -ERANGE || err == -EOPNOTSUPP)
			TH_LOG("error %d", err);
		if (err == -ENOENT || err == -ECHRNG || err == -ERANGE)
			EXPECT_TRUE(said);
		told += said;
		fine += !err;
	}
	EXPECT_LT(0, fine);
	EXPECT_LT(100 / mq_slow(), told);
	close(sock);
	ASSERT_EQ(0, FIGURE(self, ACKED));
}

TEST_HARNESS_MAIN
