# SPDX-License-Identifier: Apache-2.0
CSCF_SRC += cscf/session/session.c cscf/session/call.c cscf/session/call_fsm.c \
	cscf/session/dialog.c cscf/session/flow.c cscf/session/emergency_call.c cscf/session/token.c \
	cscf/session/xact.c cscf/session/client.c cscf/session/job.c \
	cscf/session/leg.c cscf/session/leg_w2.c cscf/session/leg_mw.c cscf/session/late.c cscf/session/route.c cscf/session/seal.c \
	cscf/session/media.c cscf/session/media_step.c cscf/session/media_fork.c \
	cscf/session/media_params.c cscf/session/media_rules.c cscf/session/media_result.c cscf/session/media_event.c cscf/session/media_same.c \
	cscf/session/local_answer.c \
	cscf/session/release.c cscf/session/restoration.c cscf/session/from_check.c cscf/session/in_dialog.c cscf/session/proxy.c \
	cscf/session/refuse.c cscf/session/session_timer.c cscf/session/record.c cscf/session/own.c cscf/session/own_answer.c \
	cscf/session/cseq.c cscf/session/rel100.c cscf/session/screen.c cscf/session/precondition.c cscf/session/session_json.c \
	cscf/session/story_feed.c cscf/session/repair.c cscf/session/repair_queue.c cscf/session/repair_twin.c cscf/session/picture.c
