/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUERY_MAX (3 * S3_UPLOAD_ID_MAX + 64)
#define LEFTOVERS_MAX 100 /* of one key; a server that never runs out of them is broken */

struct transfer {
	struct s3 *s3;
	uv_timer_t timer; /* reports what fails at the beginning */
	struct s3_call *call;
	const struct upload *file;
	int fd;
	uint64_t size, part_bytes;
	unsigned int n_parts, part, leftovers;
	char *buffer;		   /* the part or the document being sent */
	char id[S3_UPLOAD_ID_MAX]; /* of the multipart transfer; "" for none */
	char (*etags)[HTTP_ETAG_MAX];
	enum transfer_end end;
	char text[S3_TEXT_MAX];
	transfer_done *done;
	void *context;
};

static void look_for_leftovers(struct transfer *transfer);
static void send_part(struct transfer *transfer);

/* --- the end ------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
	struct transfer *transfer = handle->data;

	if (transfer->fd >= 0)
		close(transfer->fd);
	free(transfer->buffer);
	free(transfer->etags);
	free(transfer);
}

static void close_transfer(struct transfer *transfer)
{
	uv_close((uv_handle_t *)&transfer->timer, on_closed);
}

static void finish(struct transfer *transfer)
{
	transfer->done(transfer->context, transfer->end, transfer->text);
	close_transfer(transfer);
}

static void finish_soon(uv_timer_t *timer)
{
	finish(timer->data);
}

static void fail(struct transfer *transfer, enum transfer_end end, const char *text)
{
	transfer->end = end;
	snprintf(transfer->text, sizeof(transfer->text), "%s", text);
	uv_timer_start(&transfer->timer, finish_soon, 0, 0);
}

static void fail_memory(struct transfer *transfer)
{
	fail(transfer, TRANSFER_UNREADABLE, "out of memory");
}

/* --- calls ----------------------------------------------------------------------- */

/* "name=value" of the upload's id behind what is in the query already. */
static bool add_id(const struct transfer *transfer, char query[QUERY_MAX])
{
	size_t len = strlen(query);

	snprintf(query + len, QUERY_MAX - len, "uploadId=");
	return s3_encode(query, QUERY_MAX, transfer->id, "");
}

/* Send the upload's buffer, or nothing. Fails the upload itself. */
static void call(struct transfer *transfer, const char *method, const char *query, const void *body,
		 size_t len, s3_done *done)
{
	const struct s3_request request = {
		.method = method,
		.bucket = transfer->file->bucket,
		.key = transfer->file->key,
		.query = query,
		.body = body,
		.body_len = len,
		/* an upload in parts gets them when it is created */
		.makes_object =
			transfer->n_parts == 1 || (query != NULL && strcmp(query, "uploads=") == 0),
	};

	if (s3_send(transfer->s3, &request, done, transfer, &transfer->call) < 0)
		fail_memory(transfer);
}

static enum transfer_end end_of(const struct s3_result *result)
{
	if (result->error == 0)
		return TRANSFER_DONE;
	return result->error == -EPROTO || result->error == -EOPNOTSUPP ? TRANSFER_REFUSED
									: TRANSFER_FAILED;
}

static void aborted(void *context, const struct s3_result *result)
{
	struct transfer *transfer = context;

	(void)result; /* the next try looks for it again */
	transfer->call = NULL;
	finish(transfer);
}

static void ignore(void *context, const struct s3_result *result)
{
	(void)context;
	(void)result;
}

/* End with an error, behind the abort of what was begun. */
static void give_up(struct transfer *transfer, enum transfer_end end, const char *text)
{
	char query[QUERY_MAX] = "";

	transfer->call = NULL;
	if (transfer->id[0] == '\0' || !add_id(transfer, query)) {
		fail(transfer, end, text);
		return;
	}
	transfer->end = end;
	snprintf(transfer->text, sizeof(transfer->text), "%s", text);
	call(transfer, "DELETE", query, NULL, 0, aborted);
}

/* --- reading ----------------------------------------------------------------------- */

/* Read a part into the buffer. Returns its length; 0: the upload was failed. A part is small
 * enough, and mostly in the page cache, to be read in the loop's thread. */
static size_t read_part(struct transfer *transfer)
{
	uint64_t at = transfer->part * transfer->part_bytes;
	size_t want = transfer->size - at < transfer->part_bytes ? (size_t)(transfer->size - at)
								 : (size_t)transfer->part_bytes;
	size_t len = 0;
	ssize_t n = 1;
	char text[S3_TEXT_MAX];

	while (len < want && n > 0) {
		n = pread(transfer->fd, transfer->buffer + len, want - len, (off_t)(at + len));
		if (n > 0)
			len += (size_t)n;
	}
	if (len == want)
		return len;
	snprintf(text, sizeof(text), "%s: %s", transfer->file->path,
		 n < 0 ? strerror(errno) : "became shorter while it was read");
	give_up(transfer, TRANSFER_UNREADABLE, text);
	return 0;
}

/* --- one PUT ------------------------------------------------------------------------- */

static void put_whole(void *context, const struct s3_result *result)
{
	struct transfer *transfer = context;

	transfer->call = NULL;
	transfer->end = end_of(result);
	snprintf(transfer->text, sizeof(transfer->text), "%s", result->text);
	finish(transfer);
}

static void send_whole(struct transfer *transfer)
{
	size_t len = read_part(transfer);

	if (len > 0)
		call(transfer, "PUT", NULL, transfer->buffer, len, put_whole);
}

/* --- in parts -------------------------------------------------------------------------- */

static void completed(void *context, const struct s3_result *result)
{
	struct transfer *transfer = context;
	char code[S3_CODE_MAX], message[S3_MESSAGE_MAX], text[S3_TEXT_MAX];

	transfer->call = NULL;
	if (result->error != 0) {
		give_up(transfer, end_of(result), result->text);
	} else if (s3_xml_completed(result->body, result->body_len) < 0) {
		s3_xml_error(result->body, result->body_len, code, message);
		snprintf(text, sizeof(text), "HTTP 200 with an error: %s: %s", code, message);
		give_up(transfer, TRANSFER_FAILED, text);
	} else {
		transfer->end = TRANSFER_DONE;
		finish(transfer);
	}
}

static void complete(struct transfer *transfer)
{
	const char **etags = calloc(transfer->n_parts, sizeof(*etags));
	char query[QUERY_MAX] = "";
	size_t len = 0;

	for (unsigned int i = 0; i < transfer->n_parts && etags != NULL; i++)
		etags[i] = transfer->etags[i];
	free(transfer->buffer);
	transfer->buffer = etags != NULL ? s3_xml_complete(etags, transfer->n_parts, &len) : NULL;
	free(etags);
	if (transfer->buffer == NULL || !add_id(transfer, query))
		fail_memory(transfer);
	else
		call(transfer, "POST", query, transfer->buffer, len, completed);
}

static void sent_part(void *context, const struct s3_result *result)
{
	struct transfer *transfer = context;

	transfer->call = NULL;
	if (result->error != 0) {
		give_up(transfer, end_of(result), result->text);
		return;
	}
	if (result->etag[0] == '\0') {
		give_up(transfer, TRANSFER_FAILED, "the server sent no ETag for a part");
		return;
	}
	snprintf(transfer->etags[transfer->part], HTTP_ETAG_MAX, "%s", result->etag);
	transfer->part++;
	if (transfer->part < transfer->n_parts)
		send_part(transfer);
	else
		complete(transfer);
}

static void send_part(struct transfer *transfer)
{
	size_t len = read_part(transfer);
	char query[QUERY_MAX];

	if (len == 0)
		return;
	snprintf(query, sizeof(query), "partNumber=%u&", transfer->part + 1);
	if (add_id(transfer, query))
		call(transfer, "PUT", query, transfer->buffer, len, sent_part);
	else
		fail_memory(transfer);
}

static void created(void *context, const struct s3_result *result)
{
	struct transfer *transfer = context;

	transfer->call = NULL;
	if (result->error != 0) {
		give_up(transfer, end_of(result), result->text);
		return;
	}
	if (s3_xml_upload_id(result->body, result->body_len, transfer->id) < 0) {
		transfer->id[0] = '\0';
		give_up(transfer, TRANSFER_FAILED, "the server sent no UploadId");
		return;
	}
	send_part(transfer);
}

static void removed_leftover(void *context, const struct s3_result *result)
{
	struct transfer *transfer = context;

	transfer->call = NULL;
	transfer->id[0] = '\0';
	if (result->error != 0 && result->error != -ENOENT)
		fail(transfer, TRANSFER_FAILED, result->text);
	else if (++transfer->leftovers == LEFTOVERS_MAX)
		fail(transfer, TRANSFER_FAILED, "the server keeps aborted uploads");
	else
		look_for_leftovers(transfer);
}

/* Who may write objects may not be allowed to list: then what is left is the bucket's owner's. */
static void listed(void *context, const struct s3_result *result)
{
	struct transfer *transfer = context;
	char query[QUERY_MAX] = "";

	transfer->call = NULL;
	if (result->error == 0 &&
	    s3_xml_find_upload(result->body, result->body_len, transfer->file->key, transfer->id) ==
		    0 &&
	    add_id(transfer, query)) {
		call(transfer, "DELETE", query, NULL, 0, removed_leftover);
		return;
	}
	transfer->id[0] = '\0';
	if (result->error == 0 || result->error == -EACCES || end_of(result) == TRANSFER_REFUSED)
		call(transfer, "POST", "uploads=", NULL, 0, created);
	else
		fail(transfer, end_of(result), result->text);
}

static void look_for_leftovers(struct transfer *transfer)
{
	char query[3 * S3_KEY_MAX + 32] = "prefix=";
	const struct s3_request request = {
		.method = "GET",
		.bucket = transfer->file->bucket,
		.query = query,
	};
	bool fits = s3_encode(query, sizeof(query), transfer->file->key, "") &&
		    strlen(query) + sizeof("&uploads=") <= sizeof(query);

	if (fits)
		memcpy(query + strlen(query), "&uploads=", sizeof("&uploads="));
	if (!fits || s3_send(transfer->s3, &request, listed, transfer, &transfer->call) < 0)
		fail_memory(transfer);
}

/* --- the beginning ----------------------------------------------------------------------- */

static void plan_parts(struct transfer *transfer, uint64_t size, size_t part_bytes)
{
	uint64_t least = (size + TRANSFER_PARTS_MAX - 1) / TRANSFER_PARTS_MAX;

	transfer->size = size;
	transfer->part_bytes = least > part_bytes ? least : part_bytes;
	transfer->n_parts =
		(unsigned int)((size + transfer->part_bytes - 1) / transfer->part_bytes);
}

static void begin(struct transfer *transfer, size_t part_bytes)
{
	char text[S3_TEXT_MAX];
	struct stat stat;

	transfer->fd = open(transfer->file->path, O_RDONLY | O_CLOEXEC);
	if (transfer->fd < 0 || fstat(transfer->fd, &stat) < 0) {
		snprintf(text, sizeof(text), "%s: %s", transfer->file->path, strerror(errno));
		fail(transfer, TRANSFER_UNREADABLE, text);
		return;
	}
	if (stat.st_size == 0) {
		snprintf(text, sizeof(text), "%s: is empty", transfer->file->path);
		fail(transfer, TRANSFER_UNREADABLE, text);
		return;
	}
	plan_parts(transfer, (uint64_t)stat.st_size, part_bytes);
	transfer->buffer = malloc(transfer->n_parts == 1 ? transfer->size : transfer->part_bytes);
	transfer->etags = calloc(transfer->n_parts, sizeof(*transfer->etags));
	if (transfer->buffer == NULL || transfer->etags == NULL)
		fail_memory(transfer);
	else if (transfer->n_parts == 1)
		send_whole(transfer);
	else
		look_for_leftovers(transfer);
}

int transfer_begin(uv_loop_t *loop, struct s3 *s3, const struct upload *file, size_t part_bytes,
		   transfer_done *done, void *context, struct transfer **ret_transfer)
{
	struct transfer *transfer = calloc(1, sizeof(*transfer));

	if (transfer == NULL)
		return -ENOMEM;
	*transfer = (struct transfer){
		.s3 = s3,
		.file = file,
		.fd = -1,
		.done = done,
		.context = context,
	};
	uv_timer_init(loop, &transfer->timer);
	transfer->timer.data = transfer;
	begin(transfer, part_bytes);
	*ret_transfer = transfer;
	return 0;
}

void transfer_cancel(struct transfer *transfer)
{
	char query[QUERY_MAX] = "";
	const struct s3_request request = {
		.method = "DELETE",
		.bucket = transfer != NULL ? transfer->file->bucket : NULL,
		.key = transfer != NULL ? transfer->file->key : NULL,
		.query = query,
	};
	struct s3_call *unused;

	if (transfer == NULL)
		return;
	s3_cancel(transfer->call);
	/* should it fail, the parts are the server's to expire: nobody comes for this key again */
	if (transfer->id[0] != '\0' && add_id(transfer, query))
		s3_send(transfer->s3, &request, ignore, NULL, &unused);
	close_transfer(transfer);
}
