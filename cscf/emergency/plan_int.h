/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the pure part share: the compiled plan. Thread: any. */
#ifndef CSCF_EMERGENCY_PLAN_INT_H
#define CSCF_EMERGENCY_PLAN_INT_H

#include "cscf/emergency/plan.h"

#include <uthash.h>

#define SOS            "urn:service:sos"
#define KEY_MAX        CSCF_EMERGENCY_URN_MAX /* canonical number or URN */
#define NUMBER_MAX     32U                    /* digits; ITU numbers have 15 */
#define MAX_COUNTRIES  256U
#define MAX_OF_COUNTRY 256U  /* entries of one country */
#define MAX_RANGES     1024U /* as many as a list of the configuration holds */

/* One number or URN of one country; countries that share it are chained. */
struct entry {
	UT_hash_handle hh;  /* in plan->entries, by key; the first of a chain only */
	struct entry *next; /* of the same key */
	struct entry *more; /* all entries, for the end */
	char key[KEY_MAX];
	char urn[CSCF_EMERGENCY_URN_MAX];
	unsigned country; /* index into plan->countries */
};

struct range {
	char *cidr; /* owned: what gw_addr_in_range takes */
	unsigned bits;
	unsigned country;
};

struct cscf_emergency_plan {
	char countries[MAX_COUNTRIES][3];
	unsigned n_countries; /* [0] is our own */
	size_t n_entries;
	struct entry *entries; /* by key; an index into all */
	struct entry *all;     /* owned */
	struct range *ranges;  /* owned; the longest prefix first */
	size_t n_ranges;
	struct gw_conf_list domains; /* owned copies */
	struct gw_conf_list ecscf;
	char *body; /* owned: of the 380 */
	size_t body_n;
	bool assume_own, proceed, contact, forbid_unregistered;
};

/** Canonical number: '+' first perhaps, then digits, '*', '#'; visual separators left out.
 * @return false when the text is no number or does not fit */
bool emergency_number(struct gw_slice text, char key[KEY_MAX]);
/** Canonical service URN, lower case. @return false when it is none */
bool emergency_service_urn(struct gw_slice text, char key[KEY_MAX]);
/** urn:service:sos or one of its sub-services, in canonical form. */
bool emergency_is_sos(const char *urn);

/** country.c: compile one "10.0.0.0/8=DE". @return false: why is filled */
bool emergency_range_add(struct cscf_emergency_plan *plan, const char *text, char *why, size_t n);
void emergency_ranges_sort(struct cscf_emergency_plan *plan);

/** Index of a country; -1 when it has no list. code: two letters, any case. */
int emergency_country_find(const struct cscf_emergency_plan *plan, struct gw_slice code);

#endif
