# SPDX-License-Identifier: Apache-2.0
AGW_SRC += agw/srtp/init.c agw/srtp/policy.c agw/srtp/sess.c agw/srtp/err.c
AGW_SRC += agw/srtp/primitives.c agw/srtp/primitives_aes_icm.c
AGW_SRC += agw/srtp/primitives_aes_gcm.c agw/srtp/primitives_hmac_sha1.c
