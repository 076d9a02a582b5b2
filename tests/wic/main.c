/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/wic/options.h"
#include "tests/wic/self_test.h"

int main(int argc, char **argv)
{
	struct wic_options o;
	int status = wic_options_parse(&o, argc, argv);

	if (status >= 0)
		return status;
	return wic_self_test(&o);
}
