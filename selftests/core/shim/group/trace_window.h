/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SHIM_TRACE_WINDOW_H
#define SHIM_TRACE_WINDOW_H

#define mqbus_window_trace_settle(w, i, what)	((void)0)
#define mqbus_window_trace_retry(w, i, wait)	((void)(wait))

#endif
