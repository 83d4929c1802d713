/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Client of sluiced's control socket: JSON-RPC 2.0, one message a line. Calls
 * wait for their reply. What comes from the socket is not trusted.
 */
#ifndef SLUICE_CTL_CLIENT_H
#define SLUICE_CTL_CLIENT_H

#include "control/ctl_error.h"

#include <jansson.h>
#include <stddef.h>

#define CTL_SOCKET_DEFAULT "/run/sluice/control.sock"
#define CTL_REQUEST_MAX (1024 * 1024)		  /* bytes that sluiced accepts */
#define CTL_REPLY_MAX ((size_t)256 * 1024 * 1024) /* bytes of a line at which we give up */
#define CTL_TIMEOUT_MS 60000			  /* without a byte of a reply that is due */

struct ctl_client;

/** Connect. Returns 0 (free with ctl_client_close()) or what ctl_fail() returned. */
int ctl_client_open(const char *path, struct ctl_client **ret_client, struct ctl_error *error);
void ctl_client_close(struct ctl_client *client); /* NULL is fine */

/**
 * Call a method and wait for its result; events that come meanwhile are kept.
 *
 * @params  an object; borrowed
 *
 * Returns 0 with a new reference, or what ctl_fail() returned.
 */
int ctl_client_call(struct ctl_client *client, const char *method, const json_t *params,
		    json_t **ret_result, struct ctl_error *error);

/**
 * Call a method again and again until all pages of a list are there.
 *
 * @params  an object; borrowed, its Marker is changed
 * @list    name of the list in the result
 *
 * Returns 0 with a new list, or what ctl_fail() returned.
 */
int ctl_client_list(struct ctl_client *client, const char *method, json_t *params, const char *list,
		    json_t **ret_list, struct ctl_error *error);

/**
 * Set the Marker of a call's parameters to the page behind @result.
 *
 * Returns 1, 0 when there is none, or what ctl_fail() returned: the page would be the same.
 */
int ctl_client_turn_page(const char *method, json_t *params, const json_t *result,
			 struct ctl_error *error);

/** Wait, without end, for the next event. Returns as ctl_client_call(). */
int ctl_client_event(struct ctl_client *client, json_t **ret_event, struct ctl_error *error);

/**
 * Understand a message of the server. Pure.
 *
 * Returns 1 with *ret_value a new reference to an event, 0 with the result that
 * belongs to request @id, or what ctl_fail() returned: an API error of @method,
 * or a message that makes no sense.
 */
int ctl_client_parse(const char *line, size_t len, json_int_t id, const char *method,
		     json_t **ret_value, struct ctl_error *error);

#endif
