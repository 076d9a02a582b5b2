# SPDX-License-Identifier: Apache-2.0
# The softphone's bundle in build/softphone, made again when a source of it changed.

SOFTPHONE := deploy/softphone

.PHONY: softphone
softphone: build/softphone/app.js
build/softphone/app.js: $(wildcard $(SOFTPHONE)/src/* $(SOFTPHONE)/*.mjs $(SOFTPHONE)/*.html \
		$(SOFTPHONE)/*.svg) $(SOFTPHONE)/package-lock.json
	@tests/lib/npm-install.sh $(SOFTPHONE)
	@node $(SOFTPHONE)/build.mjs $(@D)
	@touch $@
