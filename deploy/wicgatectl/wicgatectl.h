/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wicgatectl: the operator's command for both processes. Shared by its files only.
 * Single-threaded, blocking.
 */
#ifndef WICGATECTL_H
#define WICGATECTL_H

#include "common/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define CSCF_SOCKET "/run/wicgate/cscf.sock"
#define AGW_SOCKET  "/run/wicgate/agw.sock"

/* Exit codes; scripts rely on them. */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1, /* the other side said no; its reason is printed */
	EXIT_USAGE = 2,
	EXIT_NO_PEER = 3,  /* cannot connect, or it does not answer */
	EXIT_PROTOCOL = 4, /* it answered something we do not understand */
};

/** Ask a daemon on its socket and print the answer. socket NULL: the one that exists. */
int ctl_ask_main(const char *socket, bool json, int argc, char **argv);

/** `wicgatectl iq …`. argv[0] is "iq". */
int ctl_iq_main(int argc, char **argv);

/** Print an answer for people: tables for lists of objects, "name value" lines for objects. */
void ctl_show(const json_t *j, FILE *to);

/** "wicgatectl: …" on stderr. */
void ctl_complain(const char *fmt, ...) GW_PRINTF(1, 2);

#endif
