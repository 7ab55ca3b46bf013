/* SPDX-License-Identifier: GPL-2.0 */
/* The answers that Kafka's own tests demand of its partitioner; the kselftests ask them, too */
#ifndef _MQBUS_MURMUR_KNOWN_H
#define _MQBUS_MURMUR_KNOWN_H

static const struct {
	const char *key;
	int hash;
} murmur_known[] = {
	{ "21", -973932308 },
	{ "foobar", -790332482 },
	{ "a-little-bit-long-string", -985981536 },
	{ "a-little-bit-longer-string", -1486304829 },
	{ "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971 },
	{ "abc", 479470107 },
};

#endif /* _MQBUS_MURMUR_KNOWN_H */
