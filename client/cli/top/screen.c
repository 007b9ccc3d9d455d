/* SPDX-License-Identifier: MIT */
/* Escape sequences, signals and keys. */
#include "client/cli/top/screen.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "client/cli/complain.h"
#include "client/cli/run/progress.h"

#define ENTER "\033[?1049h\033[?25l\033[?7l" /* the other screen, no cursor, no wrapping */
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

enum { ROWS = 24, COLUMNS = 80, MANY = 1 << 20 };

static struct termios before;
static volatile sig_atomic_t leaving, stopping;

static void
on_signal(int number)
{
	if (number == SIGTSTP)
		stopping = 1;
	else if (number != SIGWINCH) /* which only has to end the wait */
		leaving = 1;
}

static void
put(const char *text, size_t len)
{
	while (len > 0) {
		ssize_t wrote = write(STDOUT_FILENO, text, len);

		if (wrote < 0 && errno != EINTR)
			return;
		if (wrote > 0) {
			text += wrote;
			len -= (size_t)wrote;
		}
	}
}

static void
take(void)
{
	struct termios raw = before;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	put(ENTER, strlen(ENTER));
}

static void
give_back(void)
{
	put(LEAVE, strlen(LEAVE));
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

void
screen_open(struct screen *screen)
{
	const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH };
	struct sigaction action = { .sa_handler = on_signal };
	const char *term = getenv("TERM");

	setlocale(LC_CTYPE, "");
	*screen = (struct screen){ .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0 };
	screen->terminal = isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) && term && strcmp(term, "dumb") != 0
	                   && tcgetattr(STDIN_FILENO, &before) == 0;
	if (!screen->terminal)
		return;
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaction(signals[i], &action, NULL);
	take();
}

void
screen_close(struct screen *screen)
{
	if (screen->terminal)
		give_back();
}

void
screen_begin(struct screen *screen)
{
	struct winsize size = { .ws_row = 0 };

	if (screen->terminal)
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	screen->rows = size.ws_row ? size.ws_row : ROWS;
	screen->columns = size.ws_col ? size.ws_col : COLUMNS;
	screen->line = 0;
	screen->out = need(open_memstream(&screen->text, &screen->size));
	if (screen->terminal)
		fputs("\033[H", screen->out);
}

int
screen_left(const struct screen *screen)
{
	return screen->terminal ? screen->rows - screen->line : MANY;
}

/* So many bytes of it fit; bytes that begin no character of UTF-8 take no column. */
static int
fitting(const struct screen *screen, const char *text)
{
	int columns = 0, i = 0;

	for (; text[i]; i++) {
		if (screen->utf8 && (text[i] & 0xc0) == 0x80)
			continue;
		if (columns++ == screen->columns && screen->terminal)
			break;
	}
	return i;
}

void
screen_line(struct screen *screen, enum style style, const char *fmt, ...)
{
	static const char *const styles[] = { "", "\033[7m", "\033[2m", "\033[1;31m" };
	char text[4096];
	va_list ap;

	if (screen_left(screen) <= 0)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	if (screen->terminal)
		fprintf(screen->out, "%s%s%.*s\033[K\033[0m", screen->line ? "\r\n" : "", styles[style], fitting(screen, text), text);
	else
		fprintf(screen->out, "%s\n", text);
	screen->line++;
}

void
screen_end(struct screen *screen)
{
	if (screen->terminal)
		fputs("\033[J", screen->out);
	fclose(screen->out);
	put(screen->text, screen->size);
	free(screen->text);
	screen->text = NULL;
}

/* As a shell's job: the terminal is its own again until it goes on. */
static void
stop(void)
{
	stopping = 0;
	give_back();
	raise(SIGSTOP);
	take();
}

static bool
wants_to_leave(void)
{
	char keys[64];
	ssize_t got = read(STDIN_FILENO, keys, sizeof keys);

	return got == 0 || (got > 0 && memchr(keys, 'q', (size_t)got));
}

bool
screen_wait(struct screen *screen, int ms)
{
	struct pollfd keys = { .fd = STDIN_FILENO, .events = POLLIN };
	long long until = now_us() / 1000 + ms, left;
	int ready;

	while (!leaving && (left = until - now_us() / 1000) > 0) {
		ready = poll(&keys, 1, (int)left);
		if (stopping)
			stop();
		if (ready < 0)
			return !leaving; /* of another size now, or back again: draw */
		if (ready > 0 && wants_to_leave())
			return false;
	}
	return !leaving;
}

char *
screen_spark(const struct screen *screen, const long long *numbers, int count, int width, char buf[SCREEN_CELL_MAX])
{
	static const char *const blocks[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }, ascii[] = "_.-:=+*#";
	int from = count > width ? count - width : 0;
	long long most = 1;
	size_t len = 0;

	for (int i = from; i < count; i++)
		most = numbers[i] > most ? numbers[i] : most;
	buf[0] = '\0';
	for (int i = from; i < count && len + 4 < SCREEN_CELL_MAX; i++) {
		int height = (int)(numbers[i] * 7 / most);

		if (screen->utf8)
			len += (size_t)snprintf(buf + len, SCREEN_CELL_MAX - len, "%s", blocks[height]);
		else
			len += (size_t)snprintf(buf + len, SCREEN_CELL_MAX - len, "%c", ascii[height]);
	}
	return buf;
}
