/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SHIM_LINUX_MINMAX_H
#define SHIM_LINUX_MINMAX_H

/* As strict as the kernel's: comparing different types does not compile */
#define shim_cmp(x, op, y) ({				\
	__typeof__(x) shim_x = (x);			\
	__typeof__(y) shim_y = (y);			\
	(void)(&shim_x == &shim_y);			\
	shim_x op shim_y ? shim_x : shim_y;		\
})

#define min(x, y)		shim_cmp(x, <, y)
#define max(x, y)		shim_cmp(x, >, y)
#define min_t(type, x, y)	min((type)(x), (type)(y))
#define max_t(type, x, y)	max((type)(x), (type)(y))

#endif
