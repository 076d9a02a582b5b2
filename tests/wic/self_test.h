/* SPDX-License-Identifier: Apache-2.0 */
/* Media against itself, without signalling: two sessions, each DTLS-SRTP profile, both roles. */
#ifndef TESTS_WIC_SELF_TEST_H
#define TESTS_WIC_SELF_TEST_H

struct wic_options;

/** @return exit status */
int wic_self_test(const struct wic_options *o);

#endif
