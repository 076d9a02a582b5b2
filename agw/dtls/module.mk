# SPDX-License-Identifier: Apache-2.0
AGW_SRC += agw/dtls/bio.c agw/dtls/cert.c agw/dtls/ctx.c agw/dtls/heap.c agw/dtls/keys.c agw/dtls/sess.c
