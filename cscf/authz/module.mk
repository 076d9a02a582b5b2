# SPDX-License-Identifier: Apache-2.0
CSCF_SRC += cscf/authz/alg.c cscf/authz/authz.c cscf/authz/cache.c cscf/authz/claims.c \
	cscf/authz/config.c cscf/authz/credentials.c cscf/authz/grant.c cscf/authz/introspect.c \
	cscf/authz/jwe.c cscf/authz/jwks.c cscf/authz/eddsa.c cscf/authz/jwt.c cscf/authz/metrics.c \
	cscf/authz/policy.c cscf/authz/revoke.c cscf/authz/setup.c
