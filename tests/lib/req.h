/* SPDX-License-Identifier: Apache-2.0 */
/*
 * REQ("WS-05", "REG-07"): names the requirements of tests/REQUIREMENTS.md that a unit test
 * proves. It does nothing at run time; `make trace` reads it from the source.
 */
#ifndef TESTS_LIB_REQ_H
#define TESTS_LIB_REQ_H

#define REQ(...) ((void)sizeof((const char *const[]){__VA_ARGS__}))

#endif
