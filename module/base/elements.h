/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_ELEMENTS_H
#define _MQBUS_ELEMENTS_H

#include <linux/mm.h>
#include <linux/uaccess.h>

/*
 * User arrays whose elements may grow as structures do: a tail that this
 * kernel does not know must be zero on input, and is zeroed on output.
 */

/*
 * Check the user's element size against that of the first version.
 * Return: 0, -EINVAL (shorter), -E2BIG (longer than any version will be).
 */
static inline int mqbus_elements_check(u32 size, size_t first)
{
	if (size < first)
		return -EINVAL;
	return size > PAGE_SIZE ? -E2BIG : 0;
}

/**
 * mqbus_elements_read() - copy in
 * @to: @n elements as this kernel knows them
 * @known: bytes of one
 * @from: address of the user's array
 * @size: bytes of one element there
 * @n: number of elements; set to the number read
 *
 * Return: 0, or why no more were read: -EFAULT, -E2BIG.
 */
static inline int mqbus_elements_read(void *to, size_t known, u64 from, u32 size, u32 *n)
{
	u32 all = *n;

	if (size == known) {
		*n -= DIV_ROUND_UP(copy_from_user(to, u64_to_user_ptr(from), all * known), known);
		return *n == all ? 0 : -EFAULT;
	}
	for (*n = 0; *n < all; ++*n) {
		int err = copy_struct_from_user(to + *n * known, known,
						u64_to_user_ptr(from) + (u64)*n * size, size);

		if (err)
			return err;
	}
	return 0;
}

/**
 * mqbus_elements_write() - copy out
 * @to: address of the user's array
 * @size: bytes of one element there; an older program's elements are truncated
 * @from: @n elements as this kernel knows them
 * @known: bytes of one
 * @n: number of elements
 *
 * Return: 0 or -EFAULT.
 */
static inline int mqbus_elements_write(u64 to, u32 size, const void *from, size_t known,
				       u32 n)
{
	void __user *user = u64_to_user_ptr(to);
	size_t told = min_t(size_t, size, known);
	u32 i;

	if (size == known)
		return copy_to_user(user, from, n * known) ? -EFAULT : 0;
	for (i = 0; i < n; i++, user += size, from += known)
		if (copy_to_user(user, from, told) || clear_user(user + told, size - told))
			return -EFAULT;
	return 0;
}

#endif /* _MQBUS_ELEMENTS_H */
