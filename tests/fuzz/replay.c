/*
 * Gives a fuzz target every file of the folders named, as libFuzzer would, without
 * libFuzzer. A target that breaks a promise ends the program by a signal, behind
 * the name of the file. A folder without a file is a failure: nothing was tried.
 */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static void replay_file(const char *path) {
	FILE *file = fopen(path, "re");
	uint8_t *data = NULL;
	size_t n;
	long end;

	must(file != NULL);
	must(fseek(file, 0, SEEK_END) == 0);
	end = ftell(file);
	must(end >= 0);
	rewind(file);
	n = (size_t)end;
	data = malloc(n > 0 ? n : 1); /* exactly so long: what reads further is seen */
	must(data != NULL);
	must(fread(data, 1, n, file) == n);
	fclose(file);
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, n);
	free(data);
}

static int is_file(const struct dirent *entry) {
	return entry->d_name[0] != '.';
}

static int replay_folder(const char *folder) {
	struct dirent **entries;
	int n = scandir(folder, &entries, is_file, alphasort);

	for (int i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		replay_file(path);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	if (n > 0)
		return n;
	fprintf(stderr, "replay: no file in %s\n", folder);
	return -1;
}

int main(int argc, char **argv) {
	int n = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: replay FOLDER...\n");
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		int here = replay_folder(argv[i]);

		if (here < 0)
			return 1;
		n += here;
	}
	printf("%d files replayed\n", n);
	return 0;
}
