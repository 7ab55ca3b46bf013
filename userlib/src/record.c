// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>

#include "mqbus.h"

int mqbus_record_header(const struct mqbus_record *r, uint32_t *iter,
			struct mqbus_header_view *view)
{
	const char *block = (const char *)(r + 1) + r->value_len + r->key_len +
			    r->routing_key_len;
	uint32_t left = r->headers_len - *iter;
	struct mqbus_header h;

	if (left < sizeof(h))
		return 0;
	memcpy(&h, block + *iter, sizeof(h));
	left -= sizeof(h);
	if ((uint32_t)h.name_len + h.value_len > left)
		return 0;
	view->name = block + *iter + sizeof(h);
	view->name_len = h.name_len;
	view->value = view->name + h.name_len;
	view->value_len = h.value_len;
	*iter += sizeof(h) + h.name_len + h.value_len;
	return 1;
}

int mqbus_header_add(void *block, size_t size, uint32_t *used,
		     const char *name, size_t name_len,
		     const void *value, size_t value_len)
{
	struct mqbus_header h;
	char *at = (char *)block + *used;

	if (!name_len)
		return -EINVAL;
	if (name_len > UINT16_MAX || value_len > UINT16_MAX ||
	    *used > size || sizeof(h) + name_len + value_len > size - *used)
		return -EMSGSIZE;
	h.name_len = name_len;
	h.value_len = value_len;
	memcpy(at, &h, sizeof(h));
	memcpy(at + sizeof(h), name, name_len);
	if (value_len)
		memcpy(at + sizeof(h) + name_len, value, value_len);
	*used += sizeof(h) + name_len + value_len;
	return 0;
}
