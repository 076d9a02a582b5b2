# SPDX-License-Identifier: Apache-2.0
AGW_SRC += agw/srtp/init.c agw/srtp/policy.c agw/srtp/sess.c agw/srtp/err.c
