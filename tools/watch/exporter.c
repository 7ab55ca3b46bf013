// SPDX-License-Identifier: GPL-2.0
/*
 * mqbus exporter, a separate program: see program.c.
 */
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cmd.h"
#include "common/option.h"
#include "stat.h"
#include "wait.h"

#define LISTEN_DEFAULT "127.0.0.1:9787"
#define CONNECTIONS_MAX 32
#define IDLE_SECONDS 15

static const char index_page[] =
	"<html><head><title>mqbus</title></head>\n"
	"<body><a href=\"/metrics\">metrics</a></body></html>\n";

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned int status,
			       const char *type, const void *data, size_t len)
{
	struct MHD_Response *response;
	enum MHD_Result ret;

	response = MHD_create_response_from_buffer(len, (void *)data, MHD_RESPMEM_MUST_COPY);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	ret = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return ret;
}

static enum MHD_Result respond_text(struct MHD_Connection *connection, unsigned int status,
				    const char *text)
{
	return respond(connection, status, "text/plain; charset=utf-8", text, strlen(text));
}

static enum MHD_Result respond_metrics(struct MHD_Connection *connection)
{
	struct text text = { 0 };
	struct sample s = { 0 };
	bool up = !sample_take(&s, NULL);
	enum MHD_Result ret;

	text_printf(&text, "# HELP mqbus_up 1 if the module is loaded and answers.\n"
		    "# TYPE mqbus_up gauge\nmqbus_up %d\n", up);
	if (up)
		stat_prometheus(&s, &text);
	sample_free(&s);
	ret = respond(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
		      text.data, text.len);
	text_free(&text);
	return ret;
}

/* Called for the head of a request, for pieces of its body, and when all is there. */
static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *body,
			      size_t *body_size, void **state)
{
	(void)version;
	(void)body;
	if (!*state) {
		*state = arg;
		return MHD_YES;
	}
	if (*body_size) {
		*body_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return respond_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
	if (!strcmp(url, "/metrics"))
		return respond_metrics(connection);
	if (!strcmp(url, "/"))
		return respond(connection, MHD_HTTP_OK, "text/html; charset=utf-8", index_page,
			       sizeof(index_page) - 1);
	return respond_text(connection, MHD_HTTP_NOT_FOUND, "there is only /metrics\n");
}

/* ADDR:PORT or [ADDR]:PORT; NULL if it is neither. */
static struct addrinfo *parse_listen(const char *s)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM,
	};
	const char *colon = strrchr(s, ':');
	struct addrinfo *found = NULL;
	char host[128];
	size_t len;

	if (!colon || colon == s || !colon[1])
		return NULL;
	len = colon - s;
	if (*s == '[' && colon[-1] == ']') {
		s++;
		len -= 2;
	} else if (memchr(s, ':', len)) {
		return NULL;
	}
	if (!len || len >= sizeof(host))
		return NULL;
	memcpy(host, s, len);
	host[len] = '\0';
	return getaddrinfo(host, colon + 1, &hints, &found) ? NULL : found;
}

static int serve(const char *listen, const struct addrinfo *address)
{
	unsigned int flags = MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD;
	const union MHD_DaemonInfo *info;
	/* Anything but NULL: a request whose head was seen */
	static char seen;
	struct MHD_Daemon *daemon;

	if (address->ai_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	/* Before the thread starts, which must not get them */
	wait_catch_signals();
	daemon = MHD_start_daemon(flags, 0, NULL, NULL, answer, &seen,
				  MHD_OPTION_SOCK_ADDR, address->ai_addr,
				  MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
				  MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_END);
	if (!daemon)
		return cmd_failed("cannot listen at %s: %s", listen, strerror(errno));
	info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
	printf("listening at %.*s:%u\n", (int)(strrchr(listen, ':') - listen), listen,
	       info ? info->port : 0);
	fflush(stdout);
	while (!cmd_signal())
		wait_until(-1, WAIT_FOREVER);
	MHD_stop_daemon(daemon);
	return STATUS_SIGNAL + cmd_signal();
}

static const struct option_row option_rows[] = {
	{ "listen", 'l', "ADDR:PORT",
	  "a number as 127.0.0.1 or [::1], and a port or 0 for any\n"
	  "(default " LISTEN_DEFAULT ")", .set = OPTION_SET_STRING },
	{ 0 }
};

static const struct option_table options = {
	.usage = "Usage: mqbus exporter [--listen ADDR:PORT]\n\n"
		 "Serve the figures of topics and groups at /metrics for Prometheus, as printed by\n"
		 "'mqbus stat --prometheus'. Each request gets the current figures of the\n"
		 "topics that this user may read. mqbus_up is 0 while the module is not loaded.\n\n",
	.rows = option_rows,
	.column = 26,
};

int main(int argc, char **argv)
{
	const char *listen = LISTEN_DEFAULT;
	struct addrinfo *address;
	int ret;

	cmd_begin();
	ret = option_parse(&options, argc, argv, &listen);
	if (ret >= 0)
		return ret;
	if (argc != optind)
		return cmd_usage_error("exporter takes no other arguments");
	address = parse_listen(listen);
	if (!address)
		return cmd_bad_value("--listen", listen, "ADDR:PORT such as 127.0.0.1:9787");
	ret = serve(listen, address);
	freeaddrinfo(address);
	return ret;
}
