/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transfer: one try to make an object of a file. A file of at most part_bytes goes
 * in one PUT, a larger one in parts of that size, of which one at a time is in
 * memory. What an earlier try left of the same key on the server is taken away
 * before parts are sent, so nothing need be remembered over a restart.
 */
#ifndef SLUICE_TRANSFER_H
#define SLUICE_TRANSFER_H

#include "control/logs/s3.h"
#include "control/logs/uploader.h"

#define TRANSFER_PARTS_MAX 10000 /* S3's rule; a file that is larger gets larger parts */

struct transfer; /* on its way */

enum transfer_end {
	TRANSFER_DONE,
	TRANSFER_REFUSED,    /* the server did not take this object, and may take others */
	TRANSFER_FAILED,     /* nothing can be said of the object: credentials, bucket, server */
	TRANSFER_UNREADABLE, /* the file is at fault */
};

/** Called once, unless cancelled; never from within transfer_begin(). @text says what went wrong;
 *  valid during the call. */
typedef void transfer_done(void *context, enum transfer_end end, const char *text);

/** Begin; @file is borrowed until the end. Returns 0 or -ENOMEM. */
int transfer_begin(uv_loop_t *loop, struct s3 *s3, const struct upload *file, size_t part_bytes,
		   transfer_done *done, void *context, struct transfer **ret_transfer);
/** Give up; parts on the server are abandoned there too. To be called before s3_close(); NULL
 *  is fine. */
void transfer_cancel(struct transfer *transfer);

#endif
