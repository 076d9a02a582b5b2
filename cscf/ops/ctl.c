/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands of the operator's socket, as a table. Each answers from what the parts tell; only
 * drain, undrain, overload and the log level change anything.
 */
#include "cscf/ops/ops_int.h"

#include "common/log.h"
#include "common/metric.h"
#include "cscf/sip/mask.h"

#include <stdlib.h>
#include <string.h>

#define GW_LOG_MOD "ops"

static const char *arg_at(const json_t *args, size_t i)
{
	return json_string_value(json_array_get(args, i));
}

static json_t *done(void)
{
	return json_pack("{s:s}", "done", "ok");
}

static json_t *cmd_status(void *arg, const json_t *args, const char **error)
{
	(void)args;
	(void)error;
	return ops_status(arg);
}

static json_t *texts(char *const *list, size_t n)
{
	json_t *out = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(out, json_string(list[i]));
	return out;
}

/* Our own reg-event subscription for this user: its state in a list, all of it when shown. */
static void add_subscription(const struct cscf_ops *o, const char *impi, bool whole, json_t *row)
{
	struct cscf_regevent_row s = cscf_regevent_show(o->p.regevent, impi);

	(void)json_object_set_new(row, "subscription", json_string(s.state));
	if (!whole)
		return;
	(void)json_object_set_new(row, "subscription_expires_in_s", json_integer(s.expires_in_s));
	(void)json_object_set_new(row, "subscription_version", json_integer(s.version));
	(void)json_object_set_new(row, "subscription_failures", json_integer(s.failures));
}

static json_t *row_json(const struct cscf_ops *ops, const struct cscf_registrar_row *r, bool whole)
{
	json_t *impus = json_array();
	json_t *o;

	for (size_t i = 0; i < r->n_impus; i++)
		(void)json_array_append_new(impus, json_string(r->impus[i].uri));
	o = json_pack(
	    "{s:s, s:s, s:s, s:s, s:I, s:b, s:I, s:s, s:s, s:I, s:o, s:o, s:s, s:s, s:s, s:I}",
	    "impu", r->to, "impi", r->impi, "contact", r->contact, "instance",
	    r->instance != NULL ? r->instance : "", "reg_id", (json_int_t)r->reg_id, "outbound",
	    (int)r->outbound, "conn", (json_int_t)r->conn, "peer", r->peer, "state", r->state,
	    "expires_in_s", (json_int_t)r->expires_in_s, "impus", impus, "service_route",
	    texts(r->service_route, r->n_service_route), "scenario", r->scenario, "issuer",
	    r->issuer, "wwsf", r->wwsf, "token_expires_in_s", (json_int_t)r->token_expires_in);
	if (o != NULL)
		add_subscription(ops, r->impi, whole, o);
	return o;
}

static bool row_matches(const struct cscf_registrar_row *r, const char *what)
{
	if (what == NULL || strcmp(r->to, what) == 0 || strcmp(r->impi, what) == 0)
		return true;
	for (size_t i = 0; i < r->n_impus; i++)
		if (strcmp(r->impus[i].uri, what) == 0)
			return true;
	return false;
}

static json_t *registrations(struct cscf_ops *o, const char *what, bool whole)
{
	struct cscf_registrar_row row;
	uint64_t cursor = 0;
	json_t *list = json_array();

	while (cscf_registrar_next(o->p.registrar, &cursor, &row))
		if (row_matches(&row, what))
			(void)json_array_append_new(list, row_json(o, &row, whole));
	return list;
}

static json_t *cmd_reg_list(void *arg, const json_t *args, const char **error)
{
	(void)error;
	return registrations(arg, arg_at(args, 0), false);
}

static json_t *cmd_reg_show(void *arg, const json_t *args, const char **error)
{
	json_t *list;

	if (arg_at(args, 0) == NULL) {
		*error = "reg show needs an IMPU or IMPI";
		return NULL;
	}
	list = registrations(arg, arg_at(args, 0), true);
	if (json_array_size(list) > 0)
		return list;
	json_decref(list);
	*error = "no such registration";
	return NULL;
}

static json_t *cmd_call_list(void *arg, const json_t *args, const char **error)
{
	struct cscf_ops *o = arg;

	if (json_array_size(args) > 0)
		return ops_call_ended(o, args, error);
	return cscf_session_list(o->p.session);
}

static json_t *cmd_call_show(void *arg, const json_t *args, const char **error)
{
	const struct cscf_ops *o = arg;
	const char *id = arg_at(args, 0);
	json_t *out;

	if (id == NULL) {
		*error = "call show needs an id or Call-ID";
		return NULL;
	}
	out = cscf_session_show(o->p.session, id);
	if (out == NULL)
		*error = "no such call";
	return out;
}

static json_t *cmd_agw_list(void *arg, const json_t *args, const char **error)
{
	const struct cscf_ops *o = arg;

	(void)args;
	(void)error;
	return cscf_iq_agw_list(o->p.iq);
}

static json_t *cmd_token_show(void *arg, const json_t *args, const char **error)
{
	const struct cscf_ops *o = arg;

	(void)args;
	(void)error;
	return cscf_authz_json(o->p.authz);
}

static json_t *cmd_token_revoke(void *arg, const json_t *args, const char **error)
{
	const struct cscf_ops *o = arg;
	const char *id = arg_at(args, 0);
	enum gw_err err = id != NULL ? cscf_authz_revoke(o->p.authz, id) : GW_ERR_INVAL;

	if (err == GW_OK)
		return done();
	*error = err == GW_ERR_INVAL ? "token revoke needs a jti or the token's SHA-256 in hex"
				     : gw_err_name(err);
	return NULL;
}

static json_t *set_drain(struct cscf_ops *o, bool on, const char **error)
{
	if (o->cbs.drain(o->arg, on))
		return done();
	*error = "the process is ending";
	return NULL;
}

static json_t *cmd_drain(void *arg, const json_t *args, const char **error)
{
	(void)args;
	return set_drain(arg, true, error);
}

static json_t *cmd_undrain(void *arg, const json_t *args, const char **error)
{
	(void)args;
	return set_drain(arg, false, error);
}

static json_t *cmd_log_level(void *arg, const json_t *args, const char **error)
{
	const char *word = arg_at(args, 0);
	enum gw_log_level level;

	(void)arg;
	if (word == NULL || !gw_log_level_parse(word, &level)) {
		*error = "log level needs one of error, warn, info, debug, trace";
		return NULL;
	}
	gw_log_set_level(level);
	GW_LOG(GW_LOG_INFO, "ops.log_level", "level_now=%s", word);
	return done();
}

/* The load that decides what is shed, told by the operator: for a planned lull, or to see it. */
static json_t *cmd_overload(void *arg, const json_t *args, const char **error)
{
	const struct cscf_ops *o = arg;
	const char *word = arg_at(args, 0);
	char *end = NULL;
	long percent;

	if (word == NULL) {
		*error = "overload needs a load in percent, or auto";
		return NULL;
	}
	percent = strtol(word, &end, 10);
	if (strcmp(word, "auto") == 0)
		percent = -1;
	else if (end == word || *end != '\0' || percent < 0 || percent > 100) {
		*error = "overload needs a load of 0 to 100, or auto";
		return NULL;
	}
	cscf_sip_stack_overload_force(o->p.stack, (int)percent);
	GW_LOG(GW_LOG_INFO, "ops.overload", "load=%s", word);
	return done();
}

static json_t *cmd_emergency(void *arg, const json_t *args, const char **error)
{
	const char *uri = arg_at(args, 0), *ip = arg_at(args, 1), *country;
	const struct cscf_ops *o = arg;
	struct cscf_emergency_preview p;
	struct gw_addr source;
	bool is;

	if (uri == NULL || (ip != NULL && gw_addr_parse_ip(&source, ip, 0) != GW_OK)) {
		*error = "emergency needs a Request-URI, and perhaps the address of a browser";
		return NULL;
	}
	p = cscf_emergency_preview(o->p.emergency, gw_slice_str(uri), ip != NULL ? &source : NULL);
	is = p.match.how != CSCF_EMERGENCY_NONE;
	country = p.country[0] != '\0' ? p.country : "unknown";
	return json_pack("{s:b, s:s, s:s, s:s, s:s}", "emergency", (int)is, "class",
			 cscf_emergency_class_name(p.match.how), "urn", p.match.urn, "country",
			 country, "decision",
			 is ? cscf_emergency_decision_name(p.decision) : "pass");
}

static json_t *cmd_mask(void *arg, const json_t *args, const char **error)
{
	const char *identity = arg_at(args, 0);

	(void)arg;
	if (identity == NULL) {
		*error = "mask needs an IMPU or IMPI";
		return NULL;
	}
	return json_pack("{s:s, s:b}", "logged_as", cscf_sip_mask_always(gw_slice_str(identity)),
			 "masking", (int)cscf_sip_mask_is_on());
}

const struct gw_ctl_command ops_commands[] = {
    {"status", "status: how the process is and what it holds", cmd_status},
    {"reg list", "reg list [IMPU|IMPI]: registrations", cmd_reg_list},
    {"reg show", "reg show IMPU|IMPI: one user's registrations", cmd_reg_show},
    {"call list", "call list [--ended [N]]: calls; --ended: the last N that ended, with cause",
     cmd_call_list},
    {"call show", "call show ID|CALL-ID: one call", cmd_call_show},
    {"call explain",
     "call explain ID|CALL-ID|IMPU|--last|--failed [--full] [--identities]: the story of one call",
     ops_call_explain},
    {"agw list", "agw list: links to the eIMS-AGWs", cmd_agw_list},
    {"token show", "token show: issuers of web tokens, their keys, what waits", cmd_token_show},
    {"token revoke", "token revoke JTI|SHA256: refuse that token for a day", cmd_token_revoke},
    {"drain", "drain: take no new work", cmd_drain},
    {"undrain", "undrain: take new work again", cmd_undrain},
    {"log level", "log level LEVEL: error, warn, info, debug or trace", cmd_log_level},
    {"emergency", "emergency URI [ADDRESS]: what a browser there would be told", cmd_emergency},
    {"mask", "mask IMPU|IMPI: the pseudonym of a user in the log", cmd_mask},
    {"overload", "overload PERCENT|auto: shed work as at that load; auto measures", cmd_overload},
    {"metrics", "metrics: the exposition as text", gw_ctl_metrics},
};
const size_t ops_n_commands = sizeof(ops_commands) / sizeof(ops_commands[0]);
