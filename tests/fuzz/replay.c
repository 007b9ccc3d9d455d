/* SPDX-License-Identifier: MIT */
/* Runs a fuzz entry point over the files of a directory, as a test that needs no libFuzzer. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static int
fail(const char *what, const char *name)
{
	fprintf(stderr, "cannot %s %s\n", what, name);
	exit(1);
}

static void
replay(const char *dir, const char *name)
{
	static uint8_t data[1 << 20];
	char path[4096];
	FILE *file;
	uint8_t *exact;
	size_t size;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	file = fopen(path, "rb");
	if (!file)
		fail("open", path);
	size = fread(data, 1, sizeof data, file);
	if (size == sizeof data || ferror(file))
		fail("read (it may have less than a mebibyte)", path);
	fclose(file);
	exact = malloc(size ? size : 1);
	if (!exact)
		fail("allocate for", path);
	memcpy(exact, data, size);
	printf("# %s\n", name); /* the last one is the one that failed */
	fflush(stdout);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

int
main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *entry;
	int files = 0;

	if (!dir)
		fail("read the directory", argc == 2 ? argv[1] : "(usage: replay DIRECTORY)");
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.') {
			replay(argv[1], entry->d_name);
			files++;
		}
	closedir(dir);
	if (files == 0)
		fail("find a file in", argv[1]);
	printf("%d inputs passed\n", files);
	return 0;
}
