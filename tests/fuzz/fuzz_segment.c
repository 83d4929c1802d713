/* SPDX-License-Identifier: BSD-3-Clause */
/* A log file in the spool as a crash may have left it. */
#define _GNU_SOURCE /* memfd_create() */
#include "control/logs/segment.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void repair(int fd, bool whole, struct segment_content *ret_content)
{
	struct stat stat;

	if (segment_repair(fd, whole, 0x1122334455667788, ret_content) != 0 ||
	    fstat(fd, &stat) != 0 || (uint64_t)stat.st_size != ret_content->bytes)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct segment_content first, again;
	int fd = memfd_create("segment", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	repair(fd, true, &first);
	repair(fd, true, &again); /* what was repaired is whole */
	if (first.bytes + first.cut_bytes != size || again.cut_bytes != 0 ||
	    again.records != first.records)
		abort();
	repair(fd, false, &again);
	if (again.cut_bytes != 0)
		abort();
	close(fd);
	return 0;
}
