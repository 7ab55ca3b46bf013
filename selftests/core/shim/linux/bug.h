/* SPDX-License-Identifier: GPL-2.0 */
/* Core asks for this header but needs nothing of it in userspace. */
