/* SPDX-License-Identifier: GPL-2.0 */
#define ____cacheline_aligned_in_smp	__attribute__((__aligned__(64)))
