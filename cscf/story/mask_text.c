/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kept line with its users as the pseudonyms of the log (cscf/sip/mask.h): every sip:, sips: and
 * tel: URI wherever it stands, display names before one, and what SDP says of persons.
 */
#include "cscf/story/story_int.h"

#include "cscf/sip/mask.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define URIS_MAX 16U /* masked in one line; what is behind them is not shown */

struct out {
	char *p;
	size_t room; /* the terminator not counted */
};

static void put(struct out *o, const char *text, size_t n)
{
	if (n > o->room)
		n = o->room;
	memcpy(o->p, text, n);
	o->p += n;
	o->room -= n;
}

/* A URI with a user in it starts here: its length up to where parameters begin; 0 = none does. */
static size_t uri_len(const char *line, const char *at)
{
	static const char *const schemes[] = {"sip:", "sips:", "tel:"};

	if (strchr("sStT", *at) == NULL)
		return 0;
	if (at > line && (isalnum((unsigned char)at[-1]) || at[-1] == '+' || at[-1] == '-'))
		return 0;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strncasecmp(at, schemes[i], strlen(schemes[i])) == 0)
			return strcspn(at, "<>\" ,\t\r\n");
	return 0;
}

/* user@host, or the number: parameters behind it stay. */
static size_t mask_uri(struct out *o, const char *at, size_t n)
{
	const char *user_end = memrchr(at, '@', n);
	size_t from = user_end != NULL ? (size_t)(user_end - at) : 0;
	size_t stop = from + strcspn(at + from, ";?<>\" ,\t\r\n");
	const char *masked;

	if (stop > n)
		stop = n;
	masked = cscf_sip_mask_always((struct gw_slice){at, stop});
	put(o, masked, strlen(masked));
	return stop;
}

/* Fields whose value starts with, or lists, name-addrs. */
static bool has_names(const char *line)
{
	static const char *const names[] = {
	    "From:", "To:", "Contact:",  "f:",           "t:",       "m:",     "P-",       "Refer",
	    "r:",    "b:",  "Diversion", "History-Info", "Reply-To", "Remote", "Call-Info"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncasecmp(line, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* The display name before a '<': goes. @return where the '<' is, or NULL
 * @param seen  how far it looked: up to there no word has a name either */
static const char *behind_name(const char *at, const char **seen)
{
	bool quoted = false;
	const char *p;

	for (p = at; *p != '\0'; p++) {
		if (*p == '\\' && quoted && p[1] != '\0')
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (*p == '<' && !quoted)
			return p;
		else if (!quoted && (*p == ',' || *p == ';' || *p == ':' || *p == '='))
			break;
	}
	*seen = p;
	return NULL;
}

static bool is_sdp_person(const char *line)
{
	return line[0] != '\0' && line[1] == '=' && strchr("ieups", line[0]) != NULL &&
	       strcmp(line + 2, "-") != 0;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): written through o */
void story_mask_line(const char *line, char *to, size_t n)
{
	struct out o = {to, n - 1};
	/* what stands in a body may look like a field and be none */
	bool names = has_names(line) && strchr(line, ':') != NULL;
	const char *at = line, *value, *seen = NULL;
	unsigned uris = 0;

	if (is_sdp_person(line)) {
		put(&o, line, 2);
		put(&o, "(masked)", 8);
		at = "";
	} else if (strncmp(line, "o=", 2) == 0 && strncmp(line, "o=- ", 4) != 0) {
		put(&o, "o=(masked)", 10);
		at = line + strcspn(line, " ");
	} else if (names) {
		size_t head = strcspn(line, ":") + 1;

		put(&o, line, head);
		at = line + head;
		at += strspn(at, " ");
		put(&o, " ", 1);
	}
	value = at;
	while (*at != '\0' && o.room > 0) {
		const char *open = names && *at != ' ' && (seen == NULL || at > seen) &&
					   (at == value || at[-1] == ' ' || at[-1] == ',')
				       ? behind_name(at, &seen)
				       : NULL;
		size_t uri;

		if (open != NULL)
			at = open;
		uri = uri_len(line, at);
		if (uri > 0 && uris++ == URIS_MAX) {
			put(&o, "...", 3);
			break;
		}
		if (uri > 0) {
			at += mask_uri(&o, at, uri);
			continue;
		}
		put(&o, at++, 1);
	}
	*o.p = '\0';
}
