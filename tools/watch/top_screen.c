// SPDX-License-Identifier: GPL-2.0
#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <string.h>
#include <time.h>

#include "common/escape.h"
#include "top.h"

/* Lines that are not rows: two above the heading, it, and one below */
#define LINES_OTHER 4
#define LEVELS 8

static bool utf8;

void top_screen_begin(void)
{
	setlocale(LC_CTYPE, "");
	utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	initscr();
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	set_escdelay(50);
	/* The wait for keys is elsewhere */
	timeout(0);
}

void top_screen_end(void)
{
	endwin();
}

size_t top_screen_rows(void)
{
	int rows = getmaxy(stdscr) - LINES_OTHER;

	return rows > 0 ? rows : 0;
}

static void draw_title(const struct top *t)
{
	const struct sample *s = &t->sample, *old = &t->old;
	time_t now = s->wall / 1000000000;
	double in = 0, out = 0;
	char clock[16];
	struct tm tm;
	size_t i;

	for (i = 0; i < s->nr_topics; i++) {
		const struct mqbus_admin_topic *b = sample_topic(old, s->topics[i].name);

		if (b)
			in += sample_rate(old, s, b->published, s->topics[i].published);
	}
	for (i = 0; i < s->nr_groups; i++) {
		const struct sample_group *g = &s->groups[i];
		const struct sample_group *b = sample_group(old, g->topic, g->name);

		if (b)
			out += sample_rate(old, s, b->delivered, g->delivered);
	}
	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &tm));
	mvprintw(0, 0, "mqbus top  %s  %zu topics  %zu groups  in %.0f/s  out %.0f/s", clock,
		 s->nr_topics, s->nr_groups, in, out);
}

static void draw_state(const struct top *t)
{
	int columns;
	const struct top_column *column = top_view_columns(t->view, &columns);

	mvprintw(1, 0, "%s  %zu rows  by %s%s", top_view_names[t->view], t->rows.n,
		 column[t->sort[t->view]].heading, t->down[t->view] ? ", largest first" : "");
	if (t->typing || *t->filter)
		printw("  filter: %s%s", t->filter, t->typing ? "_" : "");
}

/* The last values, relative to the largest of them. */
static void draw_spark(const struct history *h, int x, int y, int width)
{
	static const char * const blocks[LEVELS] = { "\u2581", "\u2582", "\u2583", "\u2584",
						     "\u2585", "\u2586", "\u2587", "\u2588" };
	static const char * const ascii[LEVELS] = { "_", ".", ",", ":", "-", "=", "*", "#" };
	double largest = 0;
	size_t i, first;
	int level;

	if (!h || width <= 0)
		return;
	first = h->n > (size_t)width ? h->n - width : 0;
	for (i = first; i < h->n; i++) {
		if (largest < h->value[i])
			largest = h->value[i];
	}
	move(y, x + width - (int)(h->n - first));
	for (i = first; i < h->n; i++) {
		level = largest > 0 ? h->value[i] / largest * (LEVELS - 1) + 0.5 : 0;
		addstr(utf8 ? blocks[level] : ascii[level]);
	}
}

/* The widths of the columns on this screen, and the rest for the sparkline. */
static int layout(const struct top *t, int width[TOP_COLUMNS])
{
	int columns, i, used = 0, wide = 0, more;
	const struct top_column *column = top_view_columns(t->view, &columns);
	int spark = top_view_spark(t->view) ? 12 : 0;

	for (i = 0; i < columns; i++) {
		width[i] = column[i].width;
		used += width[i] + 1;
		wide += column[i].wide;
	}
	more = COLS - used - spark > 0 ? COLS - used - spark : 0;
	/* Half of it for the sparkline, but no more than it has values */
	if (spark) {
		spark += more / 2 < HISTORY_POINTS - spark ? more / 2 : HISTORY_POINTS - spark;
		more = COLS - used - spark > 0 ? COLS - used - spark : 0;
	}
	for (i = 0; i < columns; i++) {
		if (column[i].wide)
			width[i] += more / wide;
	}
	return spark;
}

static void draw_cell(const struct top_column *column, int y, int *x, int width, const char *s)
{
	struct text text = { 0 };

	if (*x >= COLS)
		return;
	escape_column(&text, s, strlen(s), width, column->right, true);
	mvaddnstr(y, *x, text.data, text.len);
	text_free(&text);
	*x += width + 1;
}

static void draw_rows(const struct top *t)
{
	int columns, i, x, y;
	const struct top_column *column = top_view_columns(t->view, &columns);
	int width[TOP_COLUMNS];
	int spark = layout(t, width);
	size_t n = top_screen_rows(), row;

	attron(A_REVERSE);
	mvhline(2, 0, ' ', COLS);
	for (i = 0, x = 0; i < columns; i++)
		draw_cell(&column[i], 2, &x, width[i], column[i].heading);
	if (spark)
		mvprintw(2, x, "%*.*s", spark, spark, top_view_spark(t->view));
	attroff(A_REVERSE);
	for (row = t->scroll, y = 3; row < t->rows.n && n; row++, y++, n--) {
		for (i = 0, x = 0; i < columns; i++)
			draw_cell(&column[i], y, &x, width[i], t->rows.list[row].cell[i]);
		draw_spark(t->rows.list[row].history, x, y, spark);
	}
}

void top_screen_draw(const struct top *t)
{
	erase();
	draw_title(t);
	draw_state(t);
	draw_rows(t);
	mvaddnstr(LINES - 1, 0, t->typing ? "type a filter; Enter keeps it, Esc drops it" :
		  "t topics  g groups  m members  < > sort by  r reverse  / filter  q quit",
		  COLS - 1);
	refresh();
}
