/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking a daemon: which socket, which of its commands the words mean (its own `help` says what
 * it knows, so new commands need no change here), and what the answer was.
 */
#include "common/ctl_client.h"
#include "deploy/wicgatectl/wicgatectl.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_MS 5000

static const char *choose_socket(void)
{
	const char *env = getenv("WICGATE_OPS_CTL_SOCKET"); /* NOLINT(concurrency-mt-unsafe) */
	bool cscf = access(CSCF_SOCKET, F_OK) == 0;
	bool agw = access(AGW_SOCKET, F_OK) == 0;

	if (env != NULL && env[0] != '\0')
		return env;
	if (cscf && agw) {
		ctl_complain("both daemons are here: say --cscf or --agw");
		return NULL;
	}
	if (!cscf && !agw) {
		ctl_complain("no daemon's socket at " CSCF_SOCKET " or " AGW_SOCKET
			     "; say --socket PATH");
		return NULL;
	}
	return cscf ? CSCF_SOCKET : AGW_SOCKET;
}

static int explain(const char *path, enum gw_err err)
{
	if (err == GW_ERR_TIMEOUT)
		ctl_complain("%s: no answer within %d s", path, TIMEOUT_MS / 1000);
	else if (err == GW_ERR_PARSE)
		ctl_complain("%s: answer is not JSON", path);
	else
		ctl_complain(
		    "%s: cannot ask (%s); is the daemon running, and may you open its socket?",
		    path, gw_err_name(err));
	return err == GW_ERR_PARSE ? EXIT_PROTOCOL : EXIT_NO_PEER;
}

/* How many of the words does this command's name take? 0 = another command. */
static int words_taken(const char *name, int argc, char **argv)
{
	int n = 0;

	while (*name != '\0') {
		size_t len = strcspn(name, " ");

		if (n >= argc || strlen(argv[n]) != len || strncmp(argv[n], name, len) != 0)
			return 0;
		n++;
		name += len;
		name += *name == ' ' ? 1 : 0;
	}
	return n;
}

/* The longest command the words begin with; NULL when none does. */
static const char *match(const json_t *help, int argc, char **argv, int *taken)
{
	const json_t *list = json_object_get(help, "result");
	const char *best = NULL;

	*taken = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name =
		    json_string_value(json_object_get(json_array_get(list, i), "name"));
		int n = name != NULL ? words_taken(name, argc, argv) : 0;

		if (n > *taken) {
			*taken = n;
			best = name;
		}
	}
	return best;
}

static int print(const json_t *answer, bool json)
{
	json_t *result = json_object_get(answer, "result");

	if (!json_is_true(json_object_get(answer, "ok"))) {
		const char *why = json_string_value(json_object_get(answer, "error"));

		ctl_complain("%s", why != NULL ? why : "refused, no reason given");
		return why != NULL ? EXIT_REFUSED : EXIT_PROTOCOL;
	}
	/* an answer that brings its own text for people has it as "text" */
	if (!json && json_is_string(json_object_get(result, "text"))) {
		ctl_show(json_object_get(result, "text"), stdout);
		return EXIT_DONE;
	}
	if (!json) {
		ctl_show(result, stdout);
		return EXIT_DONE;
	}
	(void)json_object_del(result, "text");
	json_dumpf(result, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	putchar('\n');
	return EXIT_DONE;
}

static int ask(const char *path, bool json, const char *cmd, int argc, char **argv)
{
	json_t *args = json_array();
	json_t *answer = NULL;
	enum gw_err err;
	int status;

	for (int i = 0; i < argc; i++)
		if (json_array_append_new(args, json_string(argv[i])) != 0) {
			ctl_complain("argument %d is not UTF-8", i + 1);
			json_decref(args);
			return EXIT_USAGE;
		}
	err = gw_ctl_ask(path, cmd, args, TIMEOUT_MS, &answer);
	status = err == GW_OK ? print(answer, json) : explain(path, err);
	json_decref(answer);
	json_decref(args);
	return status;
}

int ctl_ask_main(const char *socket, bool json, int argc, char **argv)
{
	const char *path = socket != NULL ? socket : choose_socket();
	json_t *help = NULL;
	const char *cmd;
	enum gw_err err;
	int taken = 0;
	int status;

	if (path == NULL)
		return EXIT_USAGE;
	if (strcmp(argv[0], "help") == 0)
		return ask(path, json, "help", 0, NULL);
	err = gw_ctl_ask(path, "help", NULL, TIMEOUT_MS, &help);
	if (err != GW_OK)
		return explain(path, err);
	cmd = match(help, argc, argv, &taken);
	if (cmd == NULL) {
		ctl_complain("\"%s\" is not a command of this daemon; it knows:", argv[0]);
		ctl_show(json_object_get(help, "result"), stderr);
		status = EXIT_USAGE;
	} else {
		status = ask(path, json, cmd, argc - taken, argv + taken);
	}
	json_decref(help);
	return status;
}
