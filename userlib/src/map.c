// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <sys/mman.h>

#include "device.h"
#include "map.h"

int mqbus_map_open(struct mqbus_map *map, int fd, uint32_t partition)
{
	struct mqbus_geometry geometry = { .partition = partition };
	void *page;
	int ret;

	ret = mqbus_device_call(fd, MQBUS_IOC_GEOMETRY, &geometry);
	if (ret)
		return ret;
	page = mmap(NULL, geometry.map_len, PROT_READ, MAP_SHARED, fd, geometry.map_offset);
	if (page == MAP_FAILED)
		return -errno;
	map->page = page;
	map->len = geometry.map_len;
	map->data = (const char *)page + geometry.data_offset;
	map->mask = geometry.size - 1;
	return 0;
}

void mqbus_map_close(struct mqbus_map *map)
{
	if (map->page)
		munmap((void *)map->page, map->len);
}
