/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text of a peer before it reaches a terminal: no octet of it may drive one. One filter for all who
 * show such text. Not for the log, which escapes (log.h). Thread: any.
 */
#ifndef COMMON_PLAIN_H
#define COMMON_PLAIN_H

#include <stdbool.h>

/**
 * In place, '?' for each: control characters (C0, DEL, C1 as U+0080..U+009F), marks that turn the
 * direction of writing (U+061C, U+200E, U+200F, U+202A..U+202E, U+2066..U+2069), line and paragraph
 * separators, and what is no UTF-8. What is left is UTF-8.
 * @param lines  '\n' and '\t' stay
 */
void gw_plain_text(char *s, bool lines);

#endif
