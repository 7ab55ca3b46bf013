// SPDX-License-Identifier: GPL-2.0
#include <curses.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/option.h"
#include "common/parse.h"
#include "top.h"
#include "wait.h"

#define KEY_ESCAPE 27
#define KEY_REDRAW ('L' & 0x1f)

/* A key while the filter is typed. */
static void key_filter(struct top *t, int key)
{
	size_t len = strlen(t->filter);

	if (key == '\n' || key == KEY_ENTER || key == KEY_ESCAPE) {
		t->typing = false;
		if (key == KEY_ESCAPE)
			*t->filter = '\0';
	} else if (key == KEY_BACKSPACE || key == 127 || key == '\b') {
		if (len)
			t->filter[len - 1] = '\0';
	} else if (key >= ' ' && key <= '~' && len < sizeof(t->filter) - 1) {
		t->filter[len] = key;
		t->filter[len + 1] = '\0';
	}
	t->scroll = 0;
}

static void choose_view(struct top *t, int view)
{
	t->view = view % TOP_VIEWS;
	t->scroll = 0;
}

static void choose_column(struct top *t, int step)
{
	int columns;

	top_view_columns(t->view, &columns);
	t->sort[t->view] = (t->sort[t->view] + columns + step) % columns;
}

/* Not beyond the last screen. */
static void scroll_by(struct top *t, long by)
{
	long last = (long)t->rows.n - (long)top_screen_rows();
	long to = (long)t->scroll + by;

	if (to > last)
		to = last;
	t->scroll = to > 0 ? to : 0;
}

/* Returns whether to go on. */
static bool key_pressed(struct top *t, int key)
{
	switch (key) {
	case 'q':
		return false;
	case 't':
		choose_view(t, TOP_TOPICS);
		break;
	case 'g':
		choose_view(t, TOP_GROUPS);
		break;
	case 'm':
		choose_view(t, TOP_MEMBERS);
		break;
	case '\t':
		choose_view(t, t->view + 1);
		break;
	case '<':
		choose_column(t, -1);
		break;
	case '>':
		choose_column(t, 1);
		break;
	case 'r':
		t->down[t->view] = !t->down[t->view];
		break;
	case '/':
		t->typing = true;
		*t->filter = '\0';
		break;
	case KEY_UP:
		scroll_by(t, -1);
		break;
	case KEY_DOWN:
		scroll_by(t, 1);
		break;
	case KEY_PPAGE:
		scroll_by(t, -(long)top_screen_rows());
		break;
	case KEY_NPAGE:
		scroll_by(t, top_screen_rows());
		break;
	}
	return true;
}

static int look(struct top *t)
{
	struct sample s;
	int ret = sample_take(&s, t->topic);

	if (ret)
		return ret;
	sample_free(&t->old);
	t->old = t->sample;
	t->sample = s;
	history_add(&t->histories, t->old.time ? &t->old : NULL, &t->sample);
	return 0;
}

/* Whether the terminal is gone: it is readable, and empty. */
static bool hung_up(void)
{
	struct pollfd pfd = { .fd = STDIN_FILENO };

	return poll(&pfd, 1, 0) > 0 && pfd.revents & POLLHUP;
}

/* Until q, a signal or a failure; 0 or a negative errno. */
static int loop(struct top *t)
{
	bool readable;
	__u64 next = 0;
	int key, ret;

	while (!cmd_signal()) {
		if (cmd_now() >= next) {
			ret = look(t);
			if (ret)
				return ret;
			next = cmd_now() + t->interval;
		}
		ret = top_view_update(t);
		if (ret)
			return ret;
		scroll_by(t, 0);
		top_screen_draw(t);
		/* A change of the screen's size comes as a signal, then as a key */
		readable = wait_until(STDIN_FILENO, next);
		for (key = getch(); key != ERR; key = getch()) {
			readable = false;
			if (key == KEY_REDRAW)
				clearok(curscr, TRUE);
			else if (t->typing)
				key_filter(t, key);
			else if (!key_pressed(t, key))
				return 0;
		}
		/* Readable without a key is the end of the terminal */
		if (readable && hung_up())
			return 0;
	}
	return 0;
}

static int take_option(void *into, int key)
{
	struct top *t = into;

	(void)key;
	if (parse_interval(optarg, &t->interval))
		return cmd_bad_value("--interval", optarg, INTERVAL_EXPECTED);
	return STATUS_OK;
}

static const struct option_row option_rows[] = {
	{ "interval", 'i', "TIME", "time between two samples (default 1s)" },
	{ 0 }
};

static const struct option_table options = {
	.usage = "Usage: mqbus top [TOPIC] [-i INTERVAL]\n\n"
		 "Watch topics, groups and members on a terminal.\n\n",
	.rows = option_rows,
	.more = "\n"
		"Keys: t, g, m or Tab choose the view, < and > the column to sort by, r reverses the\n"
		"order, / filters by name, arrows and Page Up and Down scroll, Ctrl-L redraws,\n"
		"q quits.\n\n"
		"The state of a group is that over the last 10 samples:\n"
		WINDOW_HELP,
	.column = 23, .take = take_option,
};

int main(int argc, char **argv)
{
	struct top t = {
		.interval = 1000000000,
		.sort = { 3, 3, 0 },
		.down = { true, true, false },
	};
	struct error_subject subject = { .action = DO_LIST };
	int ret;

	cmd_begin();
	ret = option_parse(&options, argc, argv, &t);
	if (ret >= 0)
		return ret;
	if (argc - optind > 1)
		return cmd_usage_error("top takes one TOPIC at most");
	t.topic = argv[optind];
	subject.topic = t.topic;
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return cmd_failed("top needs a terminal; stat and monitor do not");
	/* Before the screen is taken over, so that messages can be read */
	ret = look(&t);
	if (ret)
		return error_report(&subject, ret);
	wait_catch_signals();
	top_screen_begin();
	ret = loop(&t);
	top_screen_end();
	history_free(&t.histories);
	sample_free(&t.sample);
	sample_free(&t.old);
	free(t.rows.list);
	if (ret)
		return error_report(&subject, ret);
	return cmd_signal() ? STATUS_SIGNAL + cmd_signal() : STATUS_OK;
}
