/* SPDX-License-Identifier: Apache-2.0 */
/* wicgatectl: which of the two uses, and the options before the command. */
#include "common/options.h"
#include "deploy/wicgatectl/wicgatectl.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void usage(FILE *to)
{
	fputs(
	    "Usage: wicgatectl [--socket PATH | --cscf | --agw] [--json] COMMAND [ARG…]\n"
	    "       wicgatectl iq --connect HOST:PORT [OPTION…] VERB [JSON]\n"
	    "\n"
	    "The first form asks a running daemon: status, reg list, call list, call show ID,\n"
	    "agw list, context list, context show ID, controller list, drain, metrics, …\n"
	    "  call explain ID|CALL-ID|IMPU|--last|--failed [--full] [--identities]\n"
	    "                 the story of one call, live or ended: both sides' SIP, the AGW, "
	    "ICE,\n"
	    "                 DTLS, first packets, figures, why it ended (--full: whole messages,\n"
	    "                 secrets removed; --identities: users instead of pseudonyms)\n"
	    "  call list --ended [N]      the last N that ended or were refused, with cause\n"
	    "  wicgatectl --cscf help     lists what the eP-CSCF knows\n"
	    "  wicgatectl --agw help      lists what the eIMS-AGW knows\n"
	    "  --socket PATH  the daemon's socket (default " CSCF_SOCKET "\n"
	    "                 or " AGW_SOCKET ", whichever exists)\n"
	    "  --json         the answer as JSON instead of tables\n"
	    "\n"
	    "The second form speaks the control protocol to an eIMS-AGW: wicgatectl iq --help.\n"
	    "\n"
	    "Exit: 0 done, 1 refused, 2 wrong usage, 3 no connection or no answer,\n"
	    "      4 answer not understood.\n",
	    to);
}

void ctl_complain(const char *fmt, ...)
{
	va_list ap;

	fputs("wicgatectl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int main(int argc, char **argv)
{
	const char *socket = NULL;
	bool json = false;
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			json = true;
		} else if (strcmp(argv[i], "--cscf") == 0) {
			socket = CSCF_SOCKET;
		} else if (strcmp(argv[i], "--agw") == 0) {
			socket = AGW_SOCKET;
		} else if (strcmp(argv[i], "--socket") == 0 && i + 1 < argc) {
			socket = argv[++i];
		} else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			usage(stdout);
			return EXIT_DONE;
		} else if (strcmp(argv[i], "--version") == 0) {
			puts("wicgatectl " GW_VERSION);
			return EXIT_DONE;
		} else {
			ctl_complain("option \"%s\" is not known; try --help", argv[i]);
			return EXIT_USAGE;
		}
	}
	if (i >= argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[i], "iq") == 0)
		return ctl_iq_main(argc - i, argv + i);
	/* --json may also stand at the end, where one types it second */
	if (strcmp(argv[argc - 1], "--json") == 0 && argc - 1 > i) {
		json = true;
		argc--;
	}
	return ctl_ask_main(socket, json, argc - i, argv + i);
}
