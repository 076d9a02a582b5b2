/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiling the operator's lists, with every mistake named by its key: a list that means less
 * than it says would only be noticed when somebody needs it. See plan.h.
 * Spec: EMG-03, EMG-18.
 */
#include "cscf/emergency/plan_int.h"

#include "cscf/sip/uri.h"
#include "cscf/xml/ims3gpp.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TEST       "urn:service:test." /* RFC 6881: calls that alarm nobody */
#define REASON_MAX 1024                /* octets of emergency.reason_text */

static const char *const class_names[CSCF_EMERGENCY_CLASS_COUNT] = {
    [CSCF_EMERGENCY_NONE] = "none",
    [CSCF_EMERGENCY_URN] = "urn",
    [CSCF_EMERGENCY_TEL] = "tel",
    [CSCF_EMERGENCY_SIP] = "sip",
    [CSCF_EMERGENCY_DIALSTRING] = "dialstring",
};

static const char *const decision_names[CSCF_EMERGENCY_DECISION_COUNT] = {
    [CSCF_EMERGENCY_REJECT_OWN] = "reject-own-country",
    [CSCF_EMERGENCY_REJECT_OTHER] = "reject-other-country",
    [CSCF_EMERGENCY_REJECT_UNKNOWN] = "reject-unknown-country",
    [CSCF_EMERGENCY_PROCEED] = "proceed",
    [CSCF_EMERGENCY_UNREGISTERED_380] = "unregistered-380",
    [CSCF_EMERGENCY_UNREGISTERED_403] = "unregistered-403",
    [CSCF_EMERGENCY_NOT_REACHED] = "not-reached",
};

const char *cscf_emergency_class_name(enum cscf_emergency_class how)
{
	return how < CSCF_EMERGENCY_CLASS_COUNT ? class_names[how] : "?";
}

const char *cscf_emergency_decision_name(enum cscf_emergency_decision decision)
{
	return decision < CSCF_EMERGENCY_DECISION_COUNT ? decision_names[decision] : "?";
}

struct compiler {
	struct cscf_emergency_plan *plan;
	const struct cscf_emergency_config *cfg;
	char *why;
	size_t n;
};

static enum gw_err wrong(struct compiler *c, const char *fmt, ...) GW_PRINTF(2, 3);

static enum gw_err wrong(struct compiler *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(c->why, c->n, fmt, ap);
	va_end(ap);
	return GW_ERR_INVAL;
}

static bool is_country(struct gw_slice s)
{
	return s.n == 2 && isalpha((unsigned char)s.p[0]) && isalpha((unsigned char)s.p[1]);
}

/* A new country, or the own one, which is there from the beginning. */
static void put_country(struct cscf_emergency_plan *plan, struct gw_slice code)
{
	char *to = plan->countries[plan->n_countries++];

	to[0] = (char)toupper((unsigned char)code.p[0]);
	to[1] = (char)toupper((unsigned char)code.p[1]);
}

/* "112", "110/sos.police", "urn:service:sos.fire" into key and service. */
static bool parse_entry(struct gw_slice word, struct entry *e)
{
	const char *slash = memchr(word.p, '/', word.n);
	struct gw_slice number = word;
	char text[KEY_MAX];

	if (word.n > 4 && strncasecmp(word.p, "urn:", 4) == 0) {
		if (!emergency_service_urn(word, e->key))
			return false;
		snprintf(e->urn, sizeof(e->urn), "%s", e->key);
		return strncmp(e->key, TEST, sizeof(TEST) - 1) != 0;
	}
	if (slash != NULL)
		number.n = (size_t)(slash - word.p);
	if (!emergency_number(number, e->key) || strlen(e->key) < 2)
		return false;
	if (slash == NULL) {
		snprintf(e->urn, sizeof(e->urn), "%s", SOS);
		return true;
	}
	snprintf(text, sizeof(text), "urn:service:%.*s", (int)(word.n - number.n - 1), slash + 1);
	return emergency_service_urn(gw_slice_str(text), e->urn) && emergency_is_sos(e->urn);
}

static enum gw_err add_entry(struct compiler *c, struct gw_slice word, unsigned country)
{
	struct entry *e = calloc(1, sizeof(*e)), *head = NULL;

	if (e == NULL)
		return GW_ERR_NOMEM;
	if (!parse_entry(word, e)) {
		free(e);
		return wrong(c,
			     "emergency.lists: %s: \"%.*s\" is neither NUMBER, NUMBER/sos.SERVICE "
			     "nor urn:service:…",
			     c->plan->countries[country], (int)(word.n > 60 ? 60 : word.n), word.p);
	}
	e->country = country;
	e->more = c->plan->all;
	c->plan->all = e;
	HASH_FIND_STR(c->plan->entries, e->key, head);
	if (head != NULL) {
		e->next = head->next;
		head->next = e;
	} else {
		HASH_ADD_STR(c->plan->entries, key, e);
	}
	c->plan->n_entries++;
	return GW_OK;
}

/* "DE=112 110/sos.police": blanks between the entries. */
static enum gw_err add_list(struct compiler *c, const char *text, bool *seen)
{
	const char *eq = strchr(text, '='), *p;
	struct gw_slice code = {text, eq != NULL ? (size_t)(eq - text) : 0};
	unsigned count = 0, country;
	int known;

	if (!is_country(code))
		return wrong(c, "emergency.lists: \"%.60s\" is not COUNTRY=NUMBER NUMBER …", text);
	known = emergency_country_find(c->plan, code);
	if (known >= 0 && seen[known])
		return wrong(c, "emergency.lists: %s is given twice", c->plan->countries[known]);
	if (known < 0 && c->plan->n_countries >= MAX_COUNTRIES)
		return wrong(c, "emergency.lists: more than %u countries", MAX_COUNTRIES);
	country = known >= 0 ? (unsigned)known : c->plan->n_countries;
	if (known < 0)
		put_country(c->plan, code);
	seen[country] = true;
	for (p = eq + 1; *p != '\0';) {
		size_t blanks = strspn(p, " \t");
		struct gw_slice word = {p + blanks, strcspn(p + blanks, " \t")};
		enum gw_err err;

		p += blanks + word.n;
		if (word.n == 0)
			continue;
		if (++count > MAX_OF_COUNTRY)
			return wrong(c, "emergency.lists: %s: more than %u entries",
				     c->plan->countries[country], MAX_OF_COUNTRY);
		err = add_entry(c, word, country);
		if (err != GW_OK)
			return err;
	}
	if (count == 0)
		return wrong(c, "emergency.lists: the list of %s is empty",
			     c->plan->countries[country]);
	return GW_OK;
}

static enum gw_err compile_lists(struct compiler *c)
{
	bool seen[MAX_COUNTRIES] = {false};
	enum gw_err err = GW_OK;

	if (!is_country(gw_slice_str(c->cfg->country)))
		return wrong(c, "emergency.country: two letters are needed, such as DE");
	put_country(c->plan, gw_slice_str(c->cfg->country));
	for (size_t i = 0; i < c->cfg->lists->n && err == GW_OK; i++)
		err = add_list(c, c->cfg->lists->item[i], seen);
	if (err == GW_OK && !seen[0])
		err = wrong(c, "emergency.lists: no list of our own country %s",
			    c->plan->countries[0]);
	return err;
}

static enum gw_err compile_map(struct compiler *c)
{
	const struct gw_conf_list *map = c->cfg->country_map;

	c->why[0] = '\0';
	if (map == NULL || map->n == 0)
		return GW_OK;
	c->plan->ranges = calloc(map->n, sizeof(*c->plan->ranges));
	if (c->plan->ranges == NULL)
		return GW_ERR_NOMEM;
	for (size_t i = 0; i < map->n; i++)
		if (!emergency_range_add(c->plan, map->item[i], c->why, c->n))
			return c->why[0] != '\0' ? GW_ERR_INVAL : GW_ERR_NOMEM;
	emergency_ranges_sort(c->plan);
	return GW_OK;
}

static enum gw_err copy_list(struct gw_conf_list *to, const struct gw_conf_list *from)
{
	if (from == NULL || from->n == 0)
		return GW_OK;
	to->item = calloc(from->n, sizeof(*to->item));
	if (to->item == NULL)
		return GW_ERR_NOMEM;
	for (; to->n < from->n; to->n++) {
		to->item[to->n] = strdup(from->item[to->n]);
		if (to->item[to->n] == NULL)
			return GW_ERR_NOMEM;
	}
	return GW_OK;
}

/* Route values from SIP URIs, loose routing said. */
static enum gw_err compile_ecscf(struct compiler *c)
{
	const struct gw_conf_list *list = c->cfg->ecscf;
	struct gw_conf_list *to = &c->plan->ecscf;

	if (c->cfg->proceed && (list == NULL || list->n == 0))
		return wrong(c, "emergency.ecscf: needed with same_country_policy proceed");
	if (list == NULL || list->n == 0)
		return GW_OK;
	to->item = calloc(list->n, sizeof(*to->item));
	if (to->item == NULL)
		return GW_ERR_NOMEM;
	for (size_t i = 0; i < list->n; i++) {
		struct cscf_sip_uri uri;
		bool lr;

		if (cscf_sip_uri_parse(&uri, gw_slice_str(list->item[i])) != GW_OK ||
		    uri.scheme != CSCF_SIP_SCHEME_SIP || uri.headers.n > 0)
			return wrong(c, "emergency.ecscf: \"%.100s\" is not a sip: URI",
				     list->item[i]);
		lr = cscf_sip_uri_param(&uri, "lr", NULL);
		if (asprintf(&to->item[to->n], "<%s%s>", list->item[i], lr ? "" : ";lr") < 0)
			return GW_ERR_NOMEM;
		to->n++;
	}
	return GW_OK;
}

/* Built once, so that a text which XML cannot carry is an error of the start, not of the call. */
static enum gw_err build_body(struct compiler *c)
{
	const char *reason = c->cfg->reason_text;
	enum gw_err err;

	if (reason == NULL || reason[0] == '\0' || strlen(reason) > REASON_MAX)
		return wrong(c, "emergency.reason_text: 1 to %d octets are needed", REASON_MAX);
	err = cscf_ims3gpp_build(&c->plan->body, &c->plan->body_n, CSCF_IMS3GPP_EMERGENCY, reason,
				 c->cfg->action_register ? CSCF_IMS3GPP_EMERGENCY_REG : NULL);
	if (err == GW_ERR_INVAL)
		return wrong(c, "emergency.reason_text: must be UTF-8 without control characters");
	return err;
}

enum gw_err cscf_emergency_plan_new(struct cscf_emergency_plan **out,
				    const struct cscf_emergency_config *cfg, char *why, size_t n)
{
	struct cscf_emergency_plan *plan = calloc(1, sizeof(*plan));
	struct compiler c = {.plan = plan, .cfg = cfg, .n = n};
	enum gw_err err = GW_ERR_NOMEM;

	if (plan == NULL)
		return err;
	c.why = why;
	plan->assume_own = cfg->assume_own_country;
	plan->proceed = cfg->proceed;
	plan->contact = cfg->send_contact_urn;
	plan->forbid_unregistered = cfg->unregistered_403;
	err = compile_lists(&c);
	if (err == GW_OK)
		err = compile_map(&c);
	if (err == GW_OK)
		err = compile_ecscf(&c);
	if (err == GW_OK)
		err = build_body(&c);
	if (err == GW_OK)
		err = copy_list(&plan->domains, cfg->home_domains);
	if (err != GW_OK) {
		cscf_emergency_plan_free(plan);
		return err;
	}
	*out = plan;
	return GW_OK;
}

static void list_free(struct gw_conf_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->item[i]);
	free(list->item);
}

void cscf_emergency_plan_free(struct cscf_emergency_plan *plan)
{
	if (plan == NULL)
		return;
	HASH_CLEAR(hh, plan->entries);
	while (plan->all != NULL) {
		struct entry *e = plan->all;

		plan->all = e->more;
		free(e);
	}
	for (size_t i = 0; i < plan->n_ranges; i++)
		free(plan->ranges[i].cidr);
	free(plan->ranges);
	list_free(&plan->domains);
	list_free(&plan->ecscf);
	free(plan->body);
	free(plan);
}

struct gw_slice cscf_emergency_plan_body(const struct cscf_emergency_plan *plan)
{
	return (struct gw_slice){plan->body, plan->body_n};
}

bool cscf_emergency_plan_contact(const struct cscf_emergency_plan *plan)
{
	return plan->contact;
}

char *const *cscf_emergency_plan_ecscf(const struct cscf_emergency_plan *plan, size_t *n)
{
	*n = plan->ecscf.n;
	return plan->ecscf.item;
}

void cscf_emergency_plan_counts(const struct cscf_emergency_plan *plan, size_t *countries,
				size_t *entries)
{
	*countries = plan->n_countries;
	*entries = plan->n_entries;
}
