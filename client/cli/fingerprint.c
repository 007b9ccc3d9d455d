/* SPDX-License-Identifier: MIT */
/* What --key-from appends to a key, and `berth template key` prints. */
#include "client/cli/fingerprint.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/complain.h"

enum { READ_BYTES = 65536 };

/* `path` from the root on, without "//", "." and ".."; owned by the caller. Links are not followed.
 */
static char *
absolute(const char *path)
{
	char *here = *path == '/' ? NULL : need(getcwd(NULL, 0));
	char *given = NULL, *out, *word, *rest;
	size_t len = 0;

	need(asprintf(&given, "%s/%s", here ? here : "", path) < 0 ? NULL : given);
	free(here);
	out = need(malloc(strlen(given) + 2));
	*out = '\0';
	for (word = strtok_r(given, "/", &rest); word; word = strtok_r(NULL, "/", &rest)) {
		if (strcmp(word, ".") == 0)
			continue;
		if (strcmp(word, "..") == 0)
			len = strrchr(out, '/') ? (size_t)(strrchr(out, '/') - out) : 0;
		else
			len += (size_t)sprintf(out + len, "/%s", word);
		out[len] = '\0';
	}
	free(given);
	return *out ? out : strcpy(out, "/");
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The length of the directory that holds all of them, its "/" included. They are sorted. */
static size_t
common(char **paths, size_t count)
{
	const char *first = paths[0], *last = paths[count - 1];
	size_t same = 0, len = 0;

	while (first[same] && first[same] == last[same])
		if (first[same++] == '/')
			len = same;
	return len;
}

static void
hex(const unsigned char *digest, unsigned len, char ret[FINGERPRINT_TEXT])
{
	for (unsigned i = 0; i < len; i++)
		sprintf(ret + 2 * i, "%02x", digest[i]);
}

static void
finish(EVP_MD_CTX *ctx, char ret[FINGERPRINT_TEXT])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	EVP_DigestFinal_ex(ctx, digest, &len);
	hex(digest, len, ret);
}

static EVP_MD_CTX *
begin(void)
{
	EVP_MD_CTX *ctx = need(EVP_MD_CTX_new());

	need(EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) ? ctx : NULL);
	return ctx;
}

static int
digest_file(const char *what, const char *path, char ret[FINGERPRINT_TEXT], struct berth_error *e)
{
	FILE *file = fopen(path, "re");
	char *buf;
	EVP_MD_CTX *ctx;
	size_t n;
	int bad;

	if (!file)
		return berth_error_set(e, BERTH_ERR, "%s%s: %s", what, path, strerror(errno));
	ctx = begin();
	buf = need(malloc(READ_BYTES));
	errno = 0;
	while ((n = fread(buf, 1, READ_BYTES, file)) > 0)
		EVP_DigestUpdate(ctx, buf, n);
	bad = ferror(file) ? errno : 0;
	fclose(file);
	free(buf);
	finish(ctx, ret);
	EVP_MD_CTX_free(ctx);
	if (bad == EISDIR)
		return berth_error_set(e, BERTH_USAGE, "%s%s is a directory; name the files in it",
		                       what, path);
	return bad ? berth_error_set(e, BERTH_ERR, "%s%s: %s", what, path, strerror(bad)) : 0;
}

static int
digest_all(const char *what, char **paths, size_t count, char ret[FINGERPRINT_TEXT],
           struct berth_error *e)
{
	size_t prefix = common(paths, count);
	EVP_MD_CTX *ctx = begin();
	int status = 0;

	for (size_t i = 0; i < count && status == 0; i++) {
		char one[FINGERPRINT_TEXT];

		if (i > 0 && strcmp(paths[i], paths[i - 1]) == 0)
			continue;
		status = digest_file(what, paths[i], one, e);
		EVP_DigestUpdate(ctx, one, FINGERPRINT_TEXT - 1);
		EVP_DigestUpdate(ctx, "  ", 2);
		EVP_DigestUpdate(ctx, paths[i] + prefix, strlen(paths[i] + prefix));
		EVP_DigestUpdate(ctx, "\n", 1);
		if (status == 0 && strpbrk(paths[i], "\n\\"))
			status = berth_error_set(e, BERTH_USAGE,
			                         "%s%s: no backslash or newline in a name", what,
			                         paths[i]);
	}
	finish(ctx, ret);
	EVP_MD_CTX_free(ctx);
	return status;
}

int
fingerprint(const char *what, const struct texts *files, char ret[FINGERPRINT_TEXT],
            struct berth_error *e)
{
	char **paths = need(calloc(files->count, sizeof *paths));
	int status;

	for (size_t i = 0; i < files->count; i++)
		paths[i] = absolute(files->items[i]);
	qsort(paths, files->count, sizeof *paths, by_name);
	status = digest_all(what, paths, files->count, ret, e);
	for (size_t i = 0; i < files->count; i++)
		free(paths[i]);
	free(paths);
	return status;
}
