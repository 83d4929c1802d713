/* SPDX-License-Identifier: BSD-3-Clause */
/* Screen: a terminal that shows one text after the other, and its keys. */
#ifndef SLUICE_CTL_SCREEN_H
#define SLUICE_CTL_SCREEN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct ctl_screen;

/**
 * Take the terminal over: another screen page, no echo. SIGINT, SIGTERM and
 * SIGHUP are kept back until ctl_screen_close(), so that it is always given back.
 *
 * Returns NULL when standard input or @out is no terminal, or on want of memory.
 */
struct ctl_screen *ctl_screen_open(FILE *out);

/** Give the terminal back as it was; NULL is fine. */
void ctl_screen_close(struct ctl_screen *screen);

/** Show a text, cut to what the terminal has room for. */
void ctl_screen_show(struct ctl_screen *screen, const char *text);

/** Wait; NULL is fine. Returns false when q was typed or a signal wants an end. */
bool ctl_screen_wait(struct ctl_screen *screen, int64_t time_ms);

/** Bytes of @line (up to its newline or end) that fit into @columns columns. */
size_t ctl_screen_fit(const char *line, size_t columns);

#endif
