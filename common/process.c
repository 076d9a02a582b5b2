/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See process.h.
 */
#include "common/process.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

int64_t gw_process_open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int64_t n = 0;

	if (d == NULL)
		return -1;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): this stream is ours alone */
	for (const struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.' ? 1 : 0;
	(void)closedir(d);
	return n - 1; /* less the one of opendir */
}

int64_t gw_process_rss_octets(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long long pages = 0;

	if (f == NULL)
		return -1;
	if (fscanf(f, "%*s %lld", &pages) != 1) /* NOLINT(cert-err34-c): the kernel's own text */
		pages = -1;
	(void)fclose(f);
	return pages < 0 ? -1 : pages * sysconf(_SC_PAGESIZE);
}

/* core(5), "Controlling which mappings are written": bit 4 is the first page of ELF mappings. */
#define DUMP_NO_MEMORY "0x10"
#define DUMP_USUAL     "0x33"

enum gw_err gw_process_guard_memory(bool dump_memory, bool lock)
{
	FILE *f = fopen("/proc/self/coredump_filter", "we");
	bool taken = f != NULL && fputs(dump_memory ? DUMP_USUAL : DUMP_NO_MEMORY, f) >= 0;

	if (f != NULL && fclose(f) != 0)
		taken = false;
	if (lock && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
		return GW_ERR_LIMIT;
	return taken ? GW_OK : GW_ERR_IO;
}

int64_t gw_process_fd_limit(void)
{
	struct rlimit rl;

	return getrlimit(RLIMIT_NOFILE, &rl) == 0 ? (int64_t)rl.rlim_cur : -1;
}

int64_t gw_process_raise_fd_limit(int64_t want)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0)
		return -1;
	rl.rlim_cur = want > 0 && (rlim_t)want < rl.rlim_max ? (rlim_t)want : rl.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &rl);
	return gw_process_fd_limit();
}
