/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See ctl_client.h.
 */
#include "common/ctl_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX (64U * 1024U * 1024U)

static enum gw_err open_socket(const char *path, int *out)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(un.sun_path))
		return GW_ERR_INVAL;
	memcpy(un.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return gw_err_from_errno(errno);
	if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) != 0) {
		enum gw_err err = gw_err_from_errno(errno);

		(void)close(fd);
		return err;
	}
	*out = fd;
	return GW_OK;
}

static enum gw_err send_all(int fd, const char *text, size_t n)
{
	while (n > 0) {
		ssize_t w = send(fd, text, n, MSG_NOSIGNAL);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return gw_err_from_errno(errno);
		text += w;
		n -= (size_t)w;
	}
	return GW_OK;
}

/* Read one line of any reasonable length; *out is the caller's to free. */
static enum gw_err read_line(int fd, int timeout_ms, char **out)
{
	size_t cap = 0;
	size_t n = 0;
	char *buf = NULL;

	for (;;) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		ssize_t r;

		if (n + 1 >= cap) {
			char *bigger = cap < ANSWER_MAX ? realloc(buf, cap * 2 + 4096) : NULL;

			if (bigger == NULL)
				break;
			buf = bigger;
			cap = cap * 2 + 4096;
		}
		if (poll(&pfd, 1, timeout_ms) <= 0) {
			free(buf);
			return GW_ERR_TIMEOUT;
		}
		r = read(fd, buf + n, cap - n - 1);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		n += (size_t)r;
		if (buf[n - 1] == '\n') {
			buf[n] = '\0';
			*out = buf;
			return GW_OK;
		}
	}
	free(buf);
	return GW_ERR_IO;
}

enum gw_err gw_ctl_ask(const char *path, const char *cmd, json_t *args, int timeout_ms,
		       json_t **answer)
{
	json_t *empty = args == NULL ? json_array() : json_incref(args);
	json_t *req = json_pack("{s:s, s:o}", "cmd", cmd, "args", empty);
	char *text = req != NULL ? json_dumps(req, JSON_COMPACT) : NULL;
	char *line = NULL;
	int fd = -1;
	enum gw_err err = GW_ERR_NOMEM;

	json_decref(req);
	if (text == NULL)
		return err;
	err = open_socket(path, &fd);
	if (err == GW_OK)
		err = send_all(fd, text, strlen(text));
	if (err == GW_OK)
		err = send_all(fd, "\n", 1);
	if (err == GW_OK)
		err = read_line(fd, timeout_ms, &line);
	if (err == GW_OK) {
		*answer = json_loads(line, 0, NULL);
		if (*answer == NULL)
			err = GW_ERR_PARSE;
	}
	free(line);
	free(text);
	if (fd >= 0)
		(void)close(fd);
	return err;
}
