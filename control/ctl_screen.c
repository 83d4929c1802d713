/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl_screen.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* ECMA-48 and xterm: another page and back, cursor off and on, home, erase */
#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?25h\033[?1049l"
#define HOME "\033[H"
#define ERASE_LINE "\033[K"
#define ERASE_BELOW "\033[J"

struct ctl_screen {
	FILE *out;
	struct termios before;
	sigset_t signals_before;
	int signal_fd;
};

struct ctl_screen *ctl_screen_open(FILE *out)
{
	struct ctl_screen *screen;
	struct termios quiet;
	sigset_t signals;

	if (!isatty(STDIN_FILENO) || !isatty(fileno(out)))
		return NULL;
	screen = calloc(1, sizeof(*screen));
	if (screen == NULL)
		return NULL;
	screen->out = out;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	screen->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	if (screen->signal_fd < 0 || tcgetattr(STDIN_FILENO, &screen->before) < 0) {
		if (screen->signal_fd >= 0)
			close(screen->signal_fd);
		free(screen);
		return NULL;
	}
	sigprocmask(SIG_BLOCK, &signals, &screen->signals_before);
	quiet = screen->before;
	quiet.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
	fputs(ENTER, out);
	return screen;
}

void ctl_screen_close(struct ctl_screen *screen)
{
	if (screen == NULL)
		return;
	fputs(LEAVE, screen->out);
	fflush(screen->out);
	tcsetattr(STDIN_FILENO, TCSANOW, &screen->before);
	close(screen->signal_fd);
	/* a signal that was seen and brought us here must not end us after all */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigprocmask(SIG_SETMASK, &screen->signals_before, NULL);
	free(screen);
}

size_t ctl_screen_fit(const char *line, size_t columns)
{
	size_t len = 0;

	while (line[len] != '\0' && line[len] != '\n') {
		if (((unsigned char)line[len] & 0xc0) != 0x80 && columns-- == 0)
			break;
		len++;
	}
	return len;
}

void ctl_screen_show(struct ctl_screen *screen, const char *text)
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};
	unsigned int row;

	ioctl(fileno(screen->out), TIOCGWINSZ, &size);
	fputs(HOME, screen->out);
	for (row = 0; row < size.ws_row && *text != '\0'; row++) {
		fprintf(screen->out, "%s" ERASE_LINE "%.*s", row > 0 ? "\r\n" : "",
			(int)ctl_screen_fit(text, size.ws_col), text);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	fputs(ERASE_BELOW, screen->out);
	fflush(screen->out);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool ctl_screen_wait(struct ctl_screen *screen, int64_t time_ms)
{
	struct pollfd ready[2] = {{.fd = -1, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
	int64_t end_ms = now_ms() + time_ms;
	char key;

	if (screen != NULL) {
		ready[0].fd = STDIN_FILENO;
		ready[1].fd = screen->signal_fd;
	}
	for (; time_ms > 0; time_ms = end_ms - now_ms()) {
		if (poll(ready, 2, time_ms > INT_MAX ? INT_MAX : (int)time_ms) <= 0)
			continue;
		if (ready[1].revents != 0)
			return false;
		if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q')
			return false;
	}
	return true;
}
