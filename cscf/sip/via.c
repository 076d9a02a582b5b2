/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Via: reading it, and marking where a request really came from (RFC 3261 s18.2.1, RFC 3581).
 */
#include "common/fmt.h"
#include "cscf/sip/msg_int.h"

#include <stdio.h>
#include <stdlib.h>

/* "SIP / 2.0 / WSS" up to the blank before sent-by. Returns the length used, 0 = malformed. */
static size_t parse_protocol(struct gw_slice v, struct gw_slice *transport, bool *other_version)
{
	struct gw_slice part[3] = {0};
	size_t i = 0;

	for (int k = 0; k < 3; k++) {
		size_t start;

		while (i < v.n && (v.p[i] == ' ' || v.p[i] == '\t'))
			i++;
		start = i;
		while (i < v.n && v.p[i] != '/' && v.p[i] != ' ' && v.p[i] != '\t')
			i++;
		part[k] = (struct gw_slice){v.p + start, i - start};
		if (k == 2)
			break;
		while (i < v.n && (v.p[i] == ' ' || v.p[i] == '\t'))
			i++;
		if (i == v.n || v.p[i] != '/')
			return 0;
		i++;
	}
	if (!gw_slice_ieq_str(part[0], "SIP") || !cscf_sip_is_token(part[1]) ||
	    !cscf_sip_is_token(part[2]) || i == v.n || v.p[i] == '/')
		return 0;
	*other_version = !gw_slice_eq_str(part[1], "2.0");
	*transport = part[2];
	return i;
}

static bool is_host_char(char c, bool v6)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return true;
	return v6 ? c == ':' || c == '.' : c == '-' || c == '.' || c == '_';
}

static bool parse_sent_by(struct gw_slice s, struct cscf_sip_via *out)
{
	bool v6 = s.n > 0 && s.p[0] == '[';
	size_t i = v6 ? 1 : 0;
	size_t start = i;
	struct gw_slice rest;
	uint32_t port;

	while (i < s.n && is_host_char(s.p[i], v6))
		i++;
	out->host = (struct gw_slice){s.p + start, i - start};
	if (out->host.n == 0 || out->host.n > 255)
		return false;
	if (v6) {
		if (i == s.n || s.p[i] != ']')
			return false;
		i++;
	}
	rest = cscf_sip_trim((struct gw_slice){s.p + i, s.n - i});
	if (rest.n == 0)
		return true;
	if (rest.p[0] != ':' ||
	    !cscf_sip_uint(cscf_sip_trim((struct gw_slice){rest.p + 1, rest.n - 1}), 65535, &port))
		return false;
	out->port = (uint16_t)port;
	return port != 0;
}

enum gw_err cscf_sip_via_parse(struct cscf_sip_via *out, struct gw_slice value)
{
	struct gw_slice rest;
	size_t used, semi;

	value = cscf_sip_trim(value);
	*out = (struct cscf_sip_via){.text = value};
	used = parse_protocol(value, &out->transport, &out->other_version);
	if (used == 0)
		return GW_ERR_PARSE;
	rest = cscf_sip_trim((struct gw_slice){value.p + used, value.n - used});
	for (semi = 0; semi < rest.n && rest.p[semi] != ';'; semi++)
		;
	if (!parse_sent_by(cscf_sip_trim((struct gw_slice){rest.p, semi}), out))
		return GW_ERR_PARSE;
	if (semi < rest.n)
		out->params = (struct gw_slice){rest.p + semi + 1, rest.n - semi - 1};
	cscf_sip_param_get(out->params, "branch", &out->branch);
	return GW_OK;
}

bool cscf_sip_msg_top_via(const struct cscf_sip_msg *msg, struct cscf_sip_via *out)
{
	size_t i = cscf_sip_hdr_find(msg, GW_SLICE_LIT("Via"), 0);
	struct gw_slice value;

	if (i != CSCF_SIP_NO_HDR && msg->memo->via_of == msg->hdr[i].value) {
		*out = msg->memo->via;
		return true;
	}
	if (!cscf_sip_msg_value_top(msg, "Via", &value) || cscf_sip_via_parse(out, value) != GW_OK)
		return false;
	if (value.p >= msg->hdr[i].value && value.p < msg->hdr[i].value + msg->hdr[i].value_n) {
		msg->memo->via_of = msg->hdr[i].value; /* else that field is empty */
		msg->memo->via = *out;
	}
	return true;
}

/* The value with our received and rport in the place of the sender's. */
static char *with_source(const struct cscf_sip_via *via, const char *ip, uint16_t port,
			 int64_t keep_s)
{
	size_t head = via->params.n > 0 ? (size_t)(via->params.p - via->text.p) - 1 : via->text.n;
	char *out = malloc(via->text.n + strlen(ip) + 80);
	struct gw_slice name, value;
	bool rport = false, keep = false;
	size_t cursor = 0, n = head;

	if (out == NULL)
		return NULL;
	memcpy(out, via->text.p, head);
	while (cscf_sip_param_next(via->params, &cursor, &name, &value)) {
		if (gw_slice_ieq_str(name, "received"))
			continue;
		if (gw_slice_ieq_str(name, "rport")) {
			if (!rport)
				n += (size_t)sprintf(out + n, ";rport=%u", port);
			rport = true;
			continue;
		}
		if (keep_s >= 0 && value.n == 0 && gw_slice_ieq_str(name, "keep") && !keep) {
			n += (size_t)sprintf(out + n, ";keep=%lld", (long long)keep_s);
			keep = true;
			continue;
		}
		out[n++] = ';';
		memcpy(out + n, name.p, name.n);
		n += name.n;
		if (value.n > 0) {
			out[n++] = '=';
			memcpy(out + n, value.p, value.n);
			n += value.n;
		}
	}
	sprintf(out + n, ";received=%s", ip);
	return out;
}

enum gw_err cscf_sip_via_set_source(struct cscf_sip_msg *msg, const char *ip, uint16_t port,
				    int64_t keep_s)
{
	size_t i = cscf_sip_hdr_find(msg, GW_SLICE_LIT("Via"), 0);
	struct gw_slice field, rest;
	struct cscf_sip_via via;
	size_t pos = 0;
	char *value, *all;
	enum gw_err err;

	for (; i != CSCF_SIP_NO_HDR; i = cscf_sip_hdr_find(msg, GW_SLICE_LIT("Via"), i + 1)) {
		field = (struct gw_slice){msg->hdr[i].value, msg->hdr[i].value_n};
		pos = 0;
		if (cscf_sip_list_next(field, &pos, &rest))
			break; /* an empty field in front has no say, as in cscf_sip_msg_top_via */
	}
	if (i == CSCF_SIP_NO_HDR)
		return GW_ERR_NOT_FOUND;
	if (cscf_sip_via_parse(&via, rest) != GW_OK)
		return GW_ERR_PARSE;
	value = with_source(&via, ip, port, keep_s);
	if (value == NULL)
		return GW_ERR_NOMEM;
	rest = cscf_sip_trim((struct gw_slice){field.p + pos, field.n - pos});
	if (rest.n == 0) {
		err = cscf_sip_msg_hdr_set_at(msg, i, value);
	} else if (gw_asfmt(&all, "%s, %.*s", value, GW_SLICE_FMT(rest)) < 0) {
		err = GW_ERR_NOMEM;
	} else {
		err = cscf_sip_msg_hdr_set_at(msg, i, all);
		free(all);
	}
	free(value);
	return err;
}
