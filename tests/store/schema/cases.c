/*
 * Every rule of docs/schema.md as a file in cases/. accepted-*.sql must load;
 * refused-*.sql must not, with the line and a part of the reason that its first
 * line names: "-- expect: LINE: REASON".
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

/* A folder that was lost in a move must not look like success. */
#define ACCEPTED_MIN 30
#define REFUSED_MIN 180

static int is_case(const struct dirent *entry) {
	size_t n = strlen(entry->d_name);

	return n > 4 && strcmp(entry->d_name + n - 4, ".sql") == 0;
}

/* NULL, or what differs from the expectation. Owned by the caller. */
static char *compare(const char *name, const char *text, int r, const char *found) {
	char where[256];
	char *expected, *reason, *difference = NULL;
	bool accepted = strncmp(name, "accepted-", 9) == 0;

	if (accepted && r != 0)
		return strdup(found);
	if (accepted)
		return NULL;
	if (strncmp(text, "-- expect: ", 11) != 0)
		return strdup("its first line is not '-- expect: LINE: REASON'");
	expected = strndup(text + 11, strcspn(text + 11, "\n"));
	assert_non_null(expected);
	reason = strchr(expected, ':');
	assert_non_null(reason);
	snprintf(where, sizeof(where), "%s:%.*s: ", name, (int)(reason - expected), expected);
	if (r != ERROR_SCHEMA || strncmp(found, where, strlen(where)) != 0 || !strstr(found, reason + 2))
		assert_true(asprintf(&difference, "expected \"%s\", found %d \"%s\"", expected, r, r ? found : "") > 0);
	free(expected);
	return difference;
}

static int check_case(const char *name) {
	struct schema *schema = NULL;
	struct error error = { 0 };
	struct bytes text = { 0 };
	char path[512];
	char *difference;
	int r;

	snprintf(path, sizeof(path), "%s/%s", CASES_FOLDER, name);
	read_file(&text, path);
	r = schema_load(&schema, (const char *)text.data, text.n, name, &error);
	difference = compare(name, (const char *)text.data, r, error.text);
	if (difference)
		print_error("%s: %s\n", name, difference);
	schema_destroy(schema);
	bytes_finish(&text);
	r = difference ? 1 : 0;
	free(difference);
	return r;
}

static void each_case_is_accepted_or_refused_as_it_says(void **state) {
	struct dirent **entries = NULL;
	int n = scandir(CASES_FOLDER, &entries, is_case, alphasort);
	int n_accepted = 0, n_wrong = 0;

	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		n_accepted += strncmp(entries[i]->d_name, "accepted-", 9) == 0;
		n_wrong += check_case(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);

	assert_int_equal(n_wrong, 0);
	assert_true(n_accepted >= ACCEPTED_MIN);
	assert_true(n - n_accepted >= REFUSED_MIN);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_case_is_accepted_or_refused_as_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
