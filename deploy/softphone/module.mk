# SPDX-License-Identifier: Apache-2.0
# The softphone's bundle in build/softphone, made again when a source of it changed.

SOFTPHONE := deploy/softphone

.PHONY: softphone
softphone: build/softphone/app.js
build/softphone/app.js: $(wildcard $(SOFTPHONE)/src/* $(SOFTPHONE)/*.mjs $(SOFTPHONE)/*.html \
		$(SOFTPHONE)/*.svg) $(SOFTPHONE)/node_modules/.package-lock.json
	@node $(SOFTPHONE)/build.mjs $(@D)
	@touch $@
$(SOFTPHONE)/node_modules/.package-lock.json: $(SOFTPHONE)/package-lock.json
	@echo "  NPM   $(SOFTPHONE)"
	@cd $(SOFTPHONE) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@
