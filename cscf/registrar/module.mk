# SPDX-License-Identifier: Apache-2.0
CSCF_SRC += cscf/registrar/answer.c cscf/registrar/assoc.c cscf/registrar/assoc_fsm.c \
	cscf/registrar/binding.c cscf/registrar/cap.c cscf/registrar/check.c \
	cscf/registrar/conn.c cscf/registrar/contact.c cscf/registrar/grant.c cscf/registrar/impu.c cscf/registrar/integrity.c cscf/registrar/lookup.c \
	cscf/registrar/lost_dereg.c cscf/registrar/moved.c cscf/registrar/metrics.c cscf/registrar/mw.c \
	cscf/registrar/network.c cscf/registrar/pool.c cscf/registrar/reg_fsm.c \
	cscf/registrar/registrar.c cscf/registrar/release.c cscf/registrar/scheme.c \
	cscf/registrar/tna.c cscf/registrar/token.c cscf/registrar/trust.c
# limits before the core is asked
CSCF_SRC += cscf/registrar/gate.c cscf/registrar/probe.c cscf/registrar/throttle.c
