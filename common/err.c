/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of errors and translation of errno. See err.h.
 */
#include "common/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const names[GW_ERR_COUNT] = {
#define X(name, word) [GW_##name] = word,
    GW_ERR_LIST(X)
#undef X
};

const char *gw_err_name(enum gw_err err)
{
	if ((unsigned)err >= GW_ERR_COUNT)
		return "unknown";
	return names[err];
}

enum gw_err gw_err_from_errno(int errnum)
{
	switch (errnum) {
	case 0:
		return GW_OK;
	case ENOMEM:
	case ENOBUFS:
		return GW_ERR_NOMEM;
	case EMFILE:
	case ENFILE:
	case ENOSPC:
		return GW_ERR_LIMIT;
	case EAGAIN:
		return GW_ERR_AGAIN;
	case EADDRINUSE:
	case EEXIST:
		return GW_ERR_EXISTS;
	case ENOENT:
		return GW_ERR_NOT_FOUND;
	case EACCES:
	case EPERM:
		return GW_ERR_DENIED;
	case EINVAL:
		return GW_ERR_INVAL;
	case ETIMEDOUT:
		return GW_ERR_TIMEOUT;
	case ECONNRESET:
	case EPIPE:
	case ECONNREFUSED:
		return GW_ERR_GONE;
	default:
		return GW_ERR_IO;
	}
}

_Noreturn void gw_assert_failed(const char *cond, const char *file, int line)
{
	(void)fprintf(stderr, "level=error event=assert.failed cond=\"%s\" at=%s:%d\n", cond, file,
		      line);
	abort();
}
