# SPDX-License-Identifier: Apache-2.0
# make deb: wicgate-cscf, wicgate-agw and wicgatectl as Debian packages in build/deb.

.PHONY: deb
deb:
	@deploy/setup/install.sh build deb
	@$(MAKE) --no-print-directory release
	@deploy/deb/build.sh build/release/bin build/deb
