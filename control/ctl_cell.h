/* SPDX-License-Identifier: BSD-3-Clause */
/* Cell: one value of a reply as text for a person. */
#ifndef SLUICE_CTL_CELL_H
#define SLUICE_CTL_CELL_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

/** Print text with control characters, which could drive a terminal, shown as '?'. */
void ctl_cell_print(FILE *out, const char *text);

/** Columns the text takes on a terminal: its characters, each taken for one column. */
size_t ctl_cell_width(const char *text);

/**
 * Print what a path finds in an object.
 *
 * "State.Code" descends; "Zones[].Name" goes through a list, results with
 * commas between; "|name" at the end shortens an ARN to the name in it. Prints
 * nothing where the path leads nowhere; an object or list at its end is compact
 * JSON.
 */
void ctl_cell_path(FILE *out, const json_t *object, const char *path);

/** "1.2k", "34M": at most 5 columns for what is below 10^21; NaN and below 0 count as 0. */
void ctl_cell_rate(double value, char text[16]);

/** "10.0.1.5:80" or "[fd77::1]:80" of an object with these members; NULL when out of memory. */
json_t *ctl_cell_endpoint(const json_t *object, const char *address_member,
			  const char *port_member);

/** The name in an ARN of a load balancer, listener or target group; else all of it. Malloc()ed. */
char *ctl_cell_arn_name(const char *arn);

#endif
