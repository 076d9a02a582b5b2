# SPDX-License-Identifier: Apache-2.0
# Test tiers and checks; included by the Makefile.
