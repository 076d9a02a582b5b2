# SPDX-License-Identifier: Apache-2.0
# Only where GStreamer's headers are (group test): nobody needs it to build the product.
ifneq ($(call pkg,--modversion,gstreamer-1.0),)
PROGRAMS += wicgate-webrtcbin
wicgate-webrtcbin_SRC := tests/interop/webrtcbin.c
$(B)/obj/tests/interop/webrtcbin.o: CFLAGS += $(call isystem,gstreamer-1.0) -Wno-missing-prototypes
$(B)/bin/wicgate-webrtcbin: LIBS += $(call pkg,--libs,gstreamer-1.0) -l:libgstwebrtc-1.0.so.0 -l:libgstsdp-1.0.so.0
endif
