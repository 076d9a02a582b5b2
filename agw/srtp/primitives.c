/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts OpenSSL's AES and HMAC-SHA1 in place of libsrtp2's, once at start. Debian's libsrtp2 has
 * its own from NSS, whose cost per packet grows with the number of sessions in the process.
 * A type that libsrtp2 refuses costs speed, not calls: its own serves on, an error is logged and
 * agw_srtp_primitive_refused_total counts.
 */
#include "agw/srtp/primitives_int.h"
#include "common/log.h"
#include "common/metric.h"

#include <stdio.h>
#include <string.h>

_Thread_local struct agw_srtp_cipher_at *agw_srtp_note_cipher;

#define GW_LOG_MOD "srtp"

/* id, word */
#define PRIMITIVES(X)                                                                              \
	X(AES_ICM_128, "aes-icm-128")                                                              \
	X(AES_ICM_192, "aes-icm-192")                                                              \
	X(AES_ICM_256, "aes-icm-256")                                                              \
	X(AES_GCM_128, "aes-gcm-128")                                                              \
	X(AES_GCM_256, "aes-gcm-256")                                                              \
	X(HMAC_SHA1, "hmac-sha1")

const struct agw_srtp_primitive agw_srtp_openssl[AGW_SRTP_P_COUNT] = {
    [AGW_SRTP_P_AES_ICM_128] = {"aes-icm-128", &agw_srtp_aes_icm_128, NULL},
    [AGW_SRTP_P_AES_ICM_192] = {"aes-icm-192", &agw_srtp_aes_icm_192, NULL},
    [AGW_SRTP_P_AES_ICM_256] = {"aes-icm-256", &agw_srtp_aes_icm_256, NULL},
    [AGW_SRTP_P_AES_GCM_128] = {"aes-gcm-128", &agw_srtp_aes_gcm_128, NULL},
    [AGW_SRTP_P_AES_GCM_256] = {"aes-gcm-256", &agw_srtp_aes_gcm_256, NULL},
    [AGW_SRTP_P_HMAC_SHA1] = {"hmac-sha1", NULL, &agw_srtp_hmac_sha1},
};

static struct gw_metric refused[AGW_SRTP_P_COUNT] = {
#define X(id, word)                                                                                \
	[AGW_SRTP_P_##id] = {.name = "agw_srtp_primitive_refused_total",                           \
			     .labels = "primitive=\"" word "\"",                                   \
			     .type = GW_METRIC_COUNTER,                                            \
			     .help = "OpenSSL primitives that failed libsrtp2's self-test"},
    PRIMITIVES(X)
#undef X
};

static struct gw_metric replaced[AGW_SRTP_P_COUNT] = {
#define X(id, word)                                                                                \
	[AGW_SRTP_P_##id] = {.name = "agw_srtp_primitive_openssl",                                 \
			     .labels = "primitive=\"" word "\"",                                   \
			     .type = GW_METRIC_GAUGE,                                              \
			     .help = "1: by OpenSSL; 0: libsrtp2's own"},
    PRIMITIVES(X)
#undef X
};

static srtp_err_status_t put_in_place(const struct agw_srtp_primitive *p)
{
	return p->cipher != NULL ? srtp_replace_cipher_type(p->cipher, p->cipher->id)
				 : srtp_replace_auth_type(p->auth, p->auth->id);
}

static void log_in_use(void)
{
	char line[AGW_SRTP_P_COUNT * 32];
	size_t n = 0;

	line[0] = '\0';
	for (int i = 0; i < AGW_SRTP_P_COUNT; i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s=%s", i == 0 ? "" : " ",
				      agw_srtp_openssl[i].name,
				      agw_srtp_primitive_replaced((enum agw_srtp_primitive_id)i)
					  ? "openssl"
					  : "stock");
	GW_LOG(GW_LOG_INFO, "srtp.primitives", "%s libsrtp=\"%s\"", line,
	       srtp_get_version_string());
}

void agw_srtp_primitives_start(const struct agw_srtp_primitive *list)
{
	agw_srtp_aes_icm_fetch();
	agw_srtp_aes_gcm_fetch();
	gw_metric_register(refused, AGW_SRTP_P_COUNT);
	gw_metric_register(replaced, AGW_SRTP_P_COUNT);
	for (int i = 0; i < AGW_SRTP_P_COUNT; i++) {
		srtp_err_status_t st;

		gw_metric_set(&replaced[i], 0);
		if (list == NULL)
			continue;
		st = put_in_place(&list[i]);
		if (st == srtp_err_status_ok) {
			gw_metric_set(&replaced[i], 1);
			continue;
		}
		gw_metric_inc(&refused[i]);
		GW_LOG(GW_LOG_ERROR, "srtp.primitive-refused",
		       "primitive=%s srtp_status=%d hint=\"libsrtp2's own serves on, slower\"",
		       list[i].name, (int)st);
	}
	log_in_use();
}

void agw_srtp_primitives_stop(void)
{
	gw_metric_unregister(refused);
	gw_metric_unregister(replaced);
	agw_srtp_aes_icm_drop();
	agw_srtp_aes_gcm_drop();
}

bool agw_srtp_primitive_replaced(enum agw_srtp_primitive_id id)
{
	return gw_metric_get(&replaced[id]) == 1;
}

uint64_t agw_srtp_primitive_refusals(enum agw_srtp_primitive_id id)
{
	return (uint64_t)gw_metric_get(&refused[id]);
}
