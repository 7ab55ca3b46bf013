// SPDX-License-Identifier: GPL-2.0
/*
 * Tracepoints of topics.
 */
#include "log/topic.h"

#define CREATE_TRACE_POINTS
#include "log/trace.h"
