/* SPDX-License-Identifier: MIT */
/* An append-only file that is written anew when most of it is past. */
#include "daemon/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "daemon/base/log.h"

enum { FORMAT = 1, NUMBERS_AHEAD = 1024, PAST_MANY = 4096, FILE_MAX = 256 << 20, BOOT_ID = 40 };

struct record {
	char *line;     /* "*3 PUT key …" as in the file, wiped before it is freed */
	size_t len;
	UT_hash_handle hh;
	char key[];
};

/* ---- lines ---- */

static char *
format_line(int argc, const char *const argv[], size_t *ret_len)
{
	char *line;
	int len = redisFormatCommandArgv(&line, argc, (const char **)argv, NULL);

	if (len < 0)
		abort();
	*ret_len = (size_t)len;
	return line;
}

static void
wipe(char *line, size_t len)
{
	explicit_bzero(line, len);
	free(line);
}

/* Half a journal is worse than none: what it does not say would be dropped while it is held. */
static void
give_up(struct journal *journal, const char *why)
{
	log_error("journal.lost", LOG_T("path", journal->path), LOG_T("why", why),
	          LOG_T("then", "leases end if berthd does"));
	if (journal->fd >= 0)
		close(journal->fd);
	journal->fd = -1;
	if (unlink(journal->path) < 0 && errno != ENOENT && truncate(journal->path, 0) < 0)
		log_error("journal.stays", LOG_T("path", journal->path), LOG_T("why", strerror(errno)));
}

static void
append(struct journal *journal, const char *line, size_t len)
{
	ssize_t written;

	if (journal->fd < 0)
		return;
	do
		written = write(journal->fd, line, len);
	while (written < 0 && errno == EINTR);
	if (written != (ssize_t)len)
		give_up(journal, written < 0 ? strerror(errno) : "it was written in part");
	journal->written++;
}

static void
append_words(struct journal *journal, int argc, const char *const argv[])
{
	size_t len;
	char *line = format_line(argc, argv, &len);

	append(journal, line, len);
	wipe(line, len);
}

static void
append_number(struct journal *journal)
{
	char text[16];
	const char *const words[] = { "SERIAL", text };

	snprintf(text, sizeof text, "%u", journal->bound);
	append_words(journal, 2, words);
}

/* ---- records ---- */

static struct record *
find(struct journal *journal, const char *key)
{
	struct record *record;

	HASH_FIND_STR(journal->records, key, record);
	return record;
}

static void
forget(struct journal *journal, struct record *record)
{
	HASH_DELETE(hh, journal->records, record);
	journal->live--;
	wipe(record->line, record->len);
	free(record);
}

static void
forget_all(struct journal *journal)
{
	while (journal->records)
		forget(journal, journal->records);
}

/* Takes `line`. */
static void
remember(struct journal *journal, const char *key, char *line, size_t len)
{
	struct record *record = find(journal, key);

	if (record)
		forget(journal, record);
	record = malloc(sizeof *record + strlen(key) + 1);
	if (!record)
		abort();
	*record = (struct record){ .line = line, .len = len };
	strcpy(record->key, key);
	HASH_ADD_STR(journal->records, key, record);
	journal->live++;
}

/* ---- reading ---- */

static bool
read_boot(char boot[BOOT_ID])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, boot, BOOT_ID - 1);

	if (fd >= 0)
		close(fd);
	boot[got > 0 ? got : 0] = '\0';
	boot[strcspn(boot, "\n")] = '\0';
	return got > 0;
}

static void
copy_arg(const struct request_arg *arg, char *out, size_t size)
{
	snprintf(out, size, "%.*s", (int)arg->len, arg->ptr);
}

static bool
is_header(const struct request *request)
{
	char boot[BOOT_ID];
	int64_t format;

	return request->argc == 3 && request_arg_is(&request->argv[0], "BERTH") && read_boot(boot)
	       && request_arg_int(&request->argv[1], &format) && format == FORMAT
	       && request_arg_is(&request->argv[2], boot);
}

/* false: nothing that a berthd of this format writes. */
static bool
take_line(struct journal *journal, const struct request *request, const char *line, size_t len)
{
	const struct request_arg *verb = &request->argv[0];
	char key[320];
	int64_t number;

	if (request->argc < 2)
		return false;
	copy_arg(&request->argv[1], key, sizeof key);
	if (request_arg_is(verb, "PUT")) {
		char *copy = malloc(len);

		if (!copy)
			abort();
		remember(journal, key, memcpy(copy, line, len), len);
	} else if (request_arg_is(verb, "DROP")) {
		if (find(journal, key))
			forget(journal, find(journal, key));
	} else if (request_arg_is(verb, "RUNNER")) {
		snprintf(journal->runner, sizeof journal->runner, "%.15s", key);
	} else if (request_arg_is(verb, "SERIAL") && request_arg_int(&request->argv[1], &number)) {
		journal->serial = journal->bound = (unsigned)number;
	} else {
		return false;
	}
	return true;
}

/* A last line that is not whole was never told to anybody. */
static bool
take_lines(struct journal *journal, const char *text, size_t len)
{
	struct request_parser parser = { 0 };
	struct request request;
	struct berth_error e;
	size_t at = 0, used;
	enum request_result result;
	bool header = true;

	while ((result = request_parse(&parser, text + at, len - at, &request, &used, &e)) == REQUEST_READY) {
		if (header ? !is_header(&request) : !take_line(journal, &request, text + at, used))
			return false;
		header = false;
		at += used;
	}
	return result == REQUEST_MORE;
}

static char *
read_file(const char *path, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	char *text = NULL;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && st.st_size < FILE_MAX
	    && (text = malloc((size_t)st.st_size + 1)) && read(fd, text, (size_t)st.st_size) == st.st_size) {
		*ret_len = (size_t)st.st_size;
	} else {
		free(text); /* a part of it would be half a journal */
		text = NULL;
	}
	close(fd);
	return text;
}

void
journal_open(struct journal *journal, const char *path)
{
	size_t len = 0;
	char *text;

	*journal = (struct journal){ .fd = -1 };
	snprintf(journal->path, sizeof journal->path, "%s", path);
	text = read_file(path, &len);
	if (text && !take_lines(journal, text, len)) {
		log_warn("journal.ignored", LOG_T("path", path), LOG_T("why", "it is of another boot or another berthd, or damaged"));
		forget_all(journal);
		journal->runner[0] = '\0';
	}
	if (text)
		wipe(text, len);
}

/* ---- writing ---- */

static void
write_all(struct journal *journal)
{
	char boot[BOOT_ID], format[8];
	const char *const header[] = { "BERTH", format, boot }, *const runner[] = { "RUNNER", journal->runner };
	struct record *record, *next;

	snprintf(format, sizeof format, "%d", FORMAT);
	read_boot(boot);
	append_words(journal, 3, header);
	append_words(journal, 2, runner);
	append_number(journal);
	HASH_ITER(hh, journal->records, record, next)
		append(journal, record->line, record->len);
	journal->written = 0;
}

/* Beside the old one, and then in its place: whenever we die, one of the two is there and whole. */
static void
write_anew(struct journal *journal)
{
	char beside[sizeof journal->path + 8];
	int before = journal->fd;

	snprintf(beside, sizeof beside, "%s.new", journal->path);
	unlink(beside);
	journal->fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (before >= 0)
		close(before);
	if (journal->fd >= 0)
		write_all(journal);
	else
		give_up(journal, strerror(errno));
	if (journal->fd >= 0 && rename(beside, journal->path) < 0)
		give_up(journal, strerror(errno));
	if (journal->fd < 0)
		unlink(beside);
}

void
journal_keep(struct journal *journal, const char *runner)
{
	if (strcmp(journal->runner, runner) != 0)
		forget_all(journal);
	snprintf(journal->runner, sizeof journal->runner, "%s", runner);
	write_anew(journal);
}

bool
journal_kept(const struct journal *journal)
{
	return journal->fd >= 0;
}

void
journal_close(struct journal *journal)
{
	if (journal->fd >= 0)
		close(journal->fd);
	journal->fd = -1;
	forget_all(journal);
}

void
journal_discard(struct journal *journal)
{
	journal_close(journal);
	if (*journal->path)
		unlink(journal->path);
}

static void
mind_past(struct journal *journal)
{
	if (journal->fd >= 0 && journal->written > PAST_MANY + 2 * journal->live)
		write_anew(journal);
}

void
journal_put(struct journal *journal, const char *key, int argc, const char *const argv[])
{
	const char *words[LIMIT_REQUEST_ARGS] = { "PUT", key };
	size_t len;
	char *line;

	if (journal->fd < 0)
		return;
	for (int i = 0; i < argc && i + 2 < LIMIT_REQUEST_ARGS; i++)
		words[i + 2] = argv[i];
	line = format_line(argc + 2, words, &len);
	append(journal, line, len);
	remember(journal, key, line, len);
	mind_past(journal);
}

void
journal_drop(struct journal *journal, const char *key)
{
	const char *const words[] = { "DROP", key };
	struct record *record = journal->fd >= 0 ? find(journal, key) : NULL;

	if (!record)
		return;
	append_words(journal, 2, words);
	forget(journal, record);
	mind_past(journal);
}

/* ---- asking ---- */

static void
tell(struct record *record, void (*each)(void *arg, const struct request *record), void *arg)
{
	struct request_parser parser = { 0 };
	struct request request;
	struct berth_error e;
	size_t used, len = record->len;
	char *line = malloc(len);

	if (!line)
		abort();
	memcpy(line, record->line, len); /* it may be dropped meanwhile */
	if (request_parse(&parser, line, len, &request, &used, &e) == REQUEST_READY) {
		memmove(request.argv, request.argv + 1, (size_t)--request.argc * sizeof *request.argv);
		each(arg, &request);
	}
	wipe(line, len);
}

void
journal_each(struct journal *journal, const char *prefix,
             void (*each)(void *arg, const struct request *record), void *arg)
{
	struct record *record, *next;

	HASH_ITER(hh, journal->records, record, next)
		if (strncmp(record->key, prefix, strlen(prefix)) == 0)
			tell(record, each, arg);
}

unsigned
journal_number(struct journal *journal)
{
	if (++journal->serial >= journal->bound) {
		journal->bound = journal->serial + NUMBERS_AHEAD;
		append_number(journal);
	}
	return journal->serial;
}
