/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mqbus top, a separate program (see program.c): top.c is its loop and keys,
 * top_view.c makes the rows of a view, top_screen.c draws them.
 */
#ifndef MQBUS_TOP_H
#define MQBUS_TOP_H

#include <stdbool.h>

#include "history.h"
#include "sample.h"

#define TOP_COLUMNS 8
#define TOP_CELL 128

enum { TOP_TOPICS, TOP_GROUPS, TOP_MEMBERS, TOP_VIEWS };

/**
 * struct top_column - of a view
 * @heading: its heading
 * @width: at the least
 * @right: aligned to the right: a number
 * @wide: takes the spare width of the screen
 */
struct top_column {
	const char *heading;
	int width;
	bool right;
	bool wide;
};

/**
 * struct top_row - a line of a view
 * @cell: as text
 * @key: as numbers, by which they are sorted; 0 for what is sorted as text
 * @history: for a sparkline, or NULL
 */
struct top_row {
	char cell[TOP_COLUMNS][TOP_CELL];
	double key[TOP_COLUMNS];
	const struct history *history;
};

/**
 * struct top_rows - all lines of a view
 * @list: the lines
 * @n: their number
 */
struct top_rows {
	struct top_row *list;
	size_t n;
};

/**
 * struct top - what is shown
 * @topic: the only one, or NULL
 * @interval: ns between samples
 * @view: TOP_TOPICS and so on
 * @sort: of each view, the column
 * @down: of each view, the largest first
 * @scroll: lines that are above the screen
 * @filter: only rows with this in a name
 * @typing: the filter is being typed
 * @sample: the last
 * @old: the one before
 * @histories: of all before
 * @rows: of the view, filtered and sorted
 */
struct top {
	const char *topic;
	__u64 interval;
	int view;
	int sort[TOP_VIEWS];
	bool down[TOP_VIEWS];
	size_t scroll;
	char filter[64];
	bool typing;
	struct sample sample;
	struct sample old;
	struct histories histories;
	struct top_rows rows;
};

/* The name of a view, its columns, and their number. */
extern const char * const top_view_names[TOP_VIEWS];
const struct top_column *top_view_columns(int view, int *n);
/* The values of the sparkline, or NULL. */
const char *top_view_spark(int view);
/* Make the rows from the last sample; 0 or a negative errno. */
int top_view_update(struct top *t);

void top_screen_begin(void);
void top_screen_end(void);
void top_screen_draw(const struct top *t);
/* Rows that the screen has room for. */
size_t top_screen_rows(void);

#endif /* MQBUS_TOP_H */
